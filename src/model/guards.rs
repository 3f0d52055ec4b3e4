//! Anti-spoofing: who a guest may claim to be, and what it may not claim at all.
//!
//! Each wall lists what is allowed and drops the rest, because a list of
//! addresses cannot be said as "none of these" in every engine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::facts::policy::{EtherTypes, Guard};
use crate::net::{Direction, EtherType, Family, IcmpType, Mac, PortRange, Protocol, host_net};

use super::field::{Field, Match};
use super::rule::{Layer, Origin, Rule, Scope, Verdict, Wall};

/// Neighbour advertisement (RFC 4861, section 4.4).
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// What a station says before it has an address: multicast listener reports
/// (131, 132, 143), router solicitation (133), duplicate detection (135).
const SAID_FROM_UNSPECIFIED: [u8; 5] = [131, 132, 133, 135, 143];
/// What only a router says: router advertisement and redirect.
const SAID_BY_ROUTERS: [u8; 2] = [134, 137];
/// RARP "request reverse", with which QEMU announces where a guest now is.
const REVERSE_REQUEST: u16 = 3;

/// What is known of a guest's interface, and how far it is pinned to that.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub mac: Mac,
    /// What the guest may use; `None` if nobody told.
    pub addresses: Option<Vec<IpAddr>>,
    pub pin_mac: bool,
    pub pin_arp: bool,
    pub pin_ip: bool,
    pub router_advertisements: Guard,
    pub dhcp_server: Guard,
    pub ether_types: EtherTypes,
}

impl Identity {
    /// The addresses of `family` that the guest may use as its own. A station
    /// with any IPv6 at all has the link-local address of its MAC address.
    fn own(&self, family: Family) -> Vec<IpAddr> {
        let given = self.addresses.iter().flatten().copied().filter(|address| Family::of(*address) == family);
        let link_local = (family == Family::V6).then(|| IpAddr::V6(self.mac.link_local()));
        given.chain(link_local).collect()
    }

    fn pins_addresses(&self) -> bool {
        self.pin_ip && self.addresses.is_some()
    }
}

/// The walls of anti-spoofing for an interface, in the order of their layers.
pub(super) fn walls(identity: &Identity) -> Vec<Wall> {
    let mut walls = vec![frames_out(identity), frames_in(identity), addresses_out(identity)];
    if identity.pins_addresses() {
        walls.push(neighbour_out(identity));
    }
    walls
}

fn frames_out(identity: &Identity) -> Wall {
    let mut rules = tagged();
    if identity.pin_mac {
        rules.push(foreign_mac(identity.mac));
    }
    if identity.pin_arp {
        rules.extend(arp(identity));
        rules.extend(rarp(identity.mac));
    }
    frames(Direction::Out, rules, &identity.ether_types)
}

fn frames_in(identity: &Identity) -> Wall {
    frames(Direction::In, tagged(), &identity.ether_types)
}

/// A wall that lets through frames of the allowed types, behind `rules`.
fn frames(direction: Direction, mut rules: Vec<Rule>, allowed: &EtherTypes) -> Wall {
    let origin = Origin::built_in("ethertypes");
    let otherwise = match allowed {
        EtherTypes::Any => Verdict::Accept,
        EtherTypes::Only(types) => {
            rules.extend(types.iter().map(|t| Rule::new(Scope::Ether(*t), [], Verdict::Accept, &origin)));
            Verdict::Drop
        }
    };
    Wall { layer: Layer::Frame, direction, rules, branches: Vec::new(), otherwise, otherwise_origin: origin }
}

/// No rule looks behind a VLAN tag, so nothing may pass behind one.
fn tagged() -> Vec<Rule> {
    let origin = Origin::built_in("vlan-tagged frame");
    [EtherType::VLAN, EtherType::QINQ].map(|tag| Rule::new(Scope::Ether(tag), [], Verdict::Drop, &origin)).into()
}

fn foreign_mac(mac: Mac) -> Rule {
    let origin = Origin::built_in("anti-spoofing mac");
    let matches = vec![Match::is_not(Field::SourceMac(mac.into()))];
    Rule { scope: Scope::Any, matches, target: Verdict::Drop.into(), origin }
}

/// An ARP sender is the guest's MAC address with one of its addresses, or with
/// none yet (RFC 5227 probe).
fn arp(identity: &Identity) -> Vec<Rule> {
    let origin = Origin::built_in("anti-spoofing arp");
    let scope = Scope::Ether(EtherType::ARP);
    let mac = Field::ArpSenderMac(identity.mac);
    let mut rules = match identity.addresses {
        None => vec![Rule::new(scope, [mac], Verdict::Accept, &origin)],
        Some(_) => arp_senders(identity)
            .map(|ip| Rule::new(scope, [mac.clone(), Field::ArpSenderIp(ip.into())], Verdict::Accept, &origin))
            .collect(),
    };
    rules.push(Rule::new(scope, [], Verdict::Drop, &origin));
    rules
}

fn arp_senders(identity: &Identity) -> impl Iterator<Item = Ipv4Addr> {
    let own = identity.own(Family::V4).into_iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    own.chain([Ipv4Addr::UNSPECIFIED])
}

fn rarp(mac: Mac) -> [Rule; 2] {
    let origin = Origin::built_in("anti-spoofing rarp");
    let scope = Scope::Ether(EtherType::RARP);
    let announce = [Field::ArpOperation(REVERSE_REQUEST), Field::ArpSenderMac(mac)];
    [Rule::new(scope, announce, Verdict::Accept, &origin), Rule::new(scope, [], Verdict::Drop, &origin)]
}

fn addresses_out(identity: &Identity) -> Wall {
    let mut rules = Vec::new();
    if identity.router_advertisements == Guard::Drop {
        rules.extend(SAID_BY_ROUTERS.map(|kind| icmpv6(kind, [], Verdict::Drop, &Origin::built_in("router guard"))));
    }
    if identity.dhcp_server == Guard::Drop {
        rules.extend(Family::BOTH.map(|family| dhcp_server(family, Verdict::Drop)));
    }
    if identity.pins_addresses() {
        rules.extend(Family::BOTH.into_iter().flat_map(|family| sources(identity, family)));
    }
    let otherwise_origin = Origin::built_in("anti-spoofing ip");
    Wall {
        layer: Layer::Address,
        direction: Direction::Out,
        rules,
        branches: Vec::new(),
        otherwise: Verdict::Accept,
        otherwise_origin,
    }
}

fn dhcp_server(family: Family, verdict: Verdict) -> Rule {
    let (server, client) = dhcp_ports(family);
    let fields = udp(server, client);
    Rule::new(Scope::Ip(family), fields, verdict, &Origin::built_in("dhcp server guard"))
}

/// The ports of a DHCP server and its client (RFC 2131; RFC 8415, section 7.2).
pub(super) const fn dhcp_ports(family: Family) -> (u16, u16) {
    match family {
        Family::V4 => (67, 68),
        Family::V6 => (547, 546),
    }
}

/// UDP from one port to another.
pub(super) fn udp(source: u16, destination: u16) -> [Field; 3] {
    [
        Field::Protocol(Protocol::UDP),
        Field::SourcePort(PortRange::single(source)),
        Field::DestinationPort(PortRange::single(destination)),
    ]
}

/// A rule about one ICMPv6 message type.
pub(super) fn icmpv6<const N: usize>(kind: u8, more: [Field; N], verdict: Verdict, origin: &Origin) -> Rule {
    let message = [Field::Protocol(Protocol::ICMPV6), Field::Icmp(IcmpType::any_code(kind))];
    let matches = more.into_iter().chain(message).map(Match::is).collect();
    Rule { scope: Scope::Ip(Family::V6), matches, target: verdict.into(), origin: origin.clone() }
}

/// Packets of `family` bear one of the guest's addresses, or none yet where the
/// guest is about to ask for one.
fn sources(identity: &Identity, family: Family) -> Vec<Rule> {
    let origin = Origin::built_in("anti-spoofing ip");
    let scope = Scope::Ip(family);
    let mut rules = match family {
        Family::V4 => vec![dhcp_discover(&origin)],
        Family::V6 => SAID_FROM_UNSPECIFIED
            .map(|kind| icmpv6(kind, [Field::Source(host_net(Ipv6Addr::UNSPECIFIED.into()))], Verdict::Accept, &origin))
            .into(),
    };
    let own = identity.own(family).into_iter().map(host_net);
    rules.extend(own.map(|net| Rule::new(scope, [Field::Source(net)], Verdict::Accept, &origin)));
    rules.push(Rule::new(scope, [], Verdict::Drop, &origin));
    rules
}

fn dhcp_discover(origin: &Origin) -> Rule {
    let (server, client) = dhcp_ports(Family::V4);
    let [protocol, from, to] = udp(client, server);
    let source = Field::Source(host_net(Ipv4Addr::UNSPECIFIED.into()));
    let destination = Field::Destination(host_net(Ipv4Addr::BROADCAST.into()));
    Rule::new(Scope::Ip(Family::V4), [source, destination, protocol, from, to], Verdict::Accept, origin)
}

fn neighbour_out(identity: &Identity) -> Wall {
    let origin = Origin::built_in("anti-spoofing neighbour advertisement");
    let own = identity.own(Family::V6).into_iter().filter_map(|address| match address {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    });
    let claim = |target| icmpv6(NEIGHBOUR_ADVERTISEMENT, [Field::NeighbourTarget(target)], Verdict::Accept, &origin);
    let mut rules: Vec<Rule> = own.map(claim).collect();
    rules.push(icmpv6(NEIGHBOUR_ADVERTISEMENT, [], Verdict::Drop, &origin));
    let otherwise = Verdict::Accept;
    Wall {
        layer: Layer::Neighbour,
        direction: Direction::Out,
        rules,
        branches: Vec::new(),
        otherwise,
        otherwise_origin: origin,
    }
}
