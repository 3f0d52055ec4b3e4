//! Where libvirt does not do what is documented, and we do.
//!
//! Each is a change of what the model is asked: with it, the model says what
//! libvirt's kernel does. `docs/nwfilter-differences.md` has them in prose; one
//! that does not occur any more fails the test.

use ipnet::Ipv4Net;
use virt_guard::engine::EngineKind;
use virt_guard::model::{ArpAddresses, Field, Layer, Match, Packet, Payload, Rule, Sense, Transport, Wall};
use virt_guard::net::Direction;

use super::arguments::Against;
use super::ebt_stp;
use super::frame::{Body, Frame};

/// One of libvirt's own ways.
pub struct Known {
    /// Its name, as in the document.
    pub name: &'static str,
    /// What it changes.
    pub instead: Instead,
}

/// What libvirt has instead.
pub enum Instead {
    /// Other rules.
    Rules(fn(&mut Wall)),
    /// Other walls.
    Walls(fn(&mut [Wall])),
    /// Another view of the packet.
    View(fn(&mut Packet, &Frame)),
}

/// All that are known: libvirt 9.0 with iptables and ebtables 1.8.9 (nf_tables).
pub const ALL: [Known; 8] = [
    Known { name: "dscp-is-tos", instead: Instead::Rules(dscp_is_tos) },
    Known { name: "stp-one-byte-early", instead: Instead::View(stp_one_byte_early) },
    Known { name: "encap-protocol-as-hex", instead: Instead::Rules(encap_protocol_as_hex) },
    Known { name: "ports-not-negated", instead: Instead::Rules(ports_not_negated) },
    Known { name: "icmp-inout-type", instead: Instead::Walls(icmp_inout_type) },
    Known { name: "arp-mask-leaks", instead: Instead::Rules(arp_mask_leaks) },
    Known { name: "arp-of-other-hardware", instead: Instead::View(arp_of_other_hardware) },
    Known { name: "fragments", instead: Instead::View(fragments) },
];

/// Filters that libvirt cannot put on a port, and what it says.
pub const NOT_BOUND: [(&str, &str); 1] = [("continue-in-ip-layer", "-j CONTINUE")];

fn each(wall: &mut Wall, change: impl Fn(&mut Match)) {
    let branches = wall.branches.iter_mut().flat_map(|branch| &mut branch.rules);
    wall.rules.iter_mut().chain(branches).flat_map(|rule| &mut rule.matches).for_each(change);
}

fn keep(wall: &mut Wall, wanted: impl Fn(&Rule) -> bool) {
    wall.rules.retain(&wanted);
    wall.branches.iter_mut().for_each(|branch| branch.rules.retain(&wanted));
}

/// `dscp` of `ip` and `ipv6` is held against the whole octet.
fn dscp_is_tos(wall: &mut Wall) {
    let never = 64;
    each(wall, |one| {
        if let Field::Dscp(dscp) = &mut one.field {
            *dscp = if *dscp % 4 == 0 { *dscp / 4 } else { never };
        }
    });
}

/// Attributes of `stp` are looked for one byte too early, and behind a tag as well.
fn stp_one_byte_early(packet: &mut Packet, frame: &Frame) {
    if let Body::Stp(bpdu) = &frame.body {
        packet.payload = Payload::Stp(ebt_stp::seen(&super::packet::bpdu(bpdu)));
    }
}

/// Written to ebtables in decimal, which reads hexadecimal, and four digits of it.
fn encap_protocol_as_hex(wall: &mut Wall) {
    each(wall, |one| {
        if let Field::Encapsulated(kind) = &mut one.field {
            let read = u32::from_str_radix(&kind.to_string(), 16).expect("digits");
            *kind = read as u16;
        }
    });
}

/// `match='no'` leaves ports of the IP layer as they are.
fn ports_not_negated(wall: &mut Wall) {
    each(wall, |one| {
        if matches!(one.field, Field::SourcePort(_) | Field::DestinationPort(_)) {
            one.sense = Sense::Is;
        }
    });
}

/// A rule with a type of ICMP that is in both directions is one of libvirt's inout,
/// which it leaves out of both.
fn icmp_inout_type(walls: &mut [Wall]) {
    let typed = |rule: &&Rule| rule.matches.iter().any(|one| matches!(one.field, Field::Icmp(_)));
    let places = |direction| -> Vec<_> {
        let own = walls.iter().filter(|wall| wall.layer == Layer::Ip && wall.direction == direction);
        own.flat_map(|wall| &wall.rules).filter(typed).filter_map(|rule| rule.origin.place.clone()).collect()
    };
    let (to, from) = (places(Direction::In), places(Direction::Out));
    let is_inout = |rule: &Rule| rule.origin.place.as_ref().is_some_and(|at| to.contains(at) && from.contains(at));
    for wall in walls.iter_mut().filter(|wall| wall.layer == Layer::Ip) {
        keep(wall, |rule| !(typed(&rule) && is_inout(rule)));
    }
}

/// The mask of `arpsrcipaddr` is that of `arpdstipaddr` too, if that has none.
fn arp_mask_leaks(wall: &mut Wall) {
    let rules = wall.rules.iter_mut().chain(wall.branches.iter_mut().flat_map(|branch| &mut branch.rules));
    for rule in rules {
        let mask = rule.matches.iter().find_map(|one| match &one.field {
            Field::ArpSenderIp(net) if net.prefix_len() < 32 => Some(net.prefix_len()),
            _ => None,
        });
        for one in &mut rule.matches {
            if let (Field::ArpTargetIp(net), Some(mask)) = (&mut one.field, mask) {
                let wide = Ipv4Net::new(net.addr(), mask.min(net.prefix_len())).expect("a prefix");
                *net = wide.trunc();
            }
        }
    }
}

/// Addresses are looked for where Ethernet/IPv4 has them, whatever it is.
fn arp_of_other_hardware(packet: &mut Packet, frame: &Frame) {
    let (Body::Arp(arp) | Body::Rarp(arp)) = &frame.body else { return };
    if let Payload::Arp(seen) | Payload::Rarp(seen) = &mut packet.payload {
        let (sender_mac, sender_ip) = arp.sender;
        let (target_mac, target_ip) = arp.target;
        seen.addresses = Some(ArpAddresses { sender_mac, sender_ip, target_mac, target_ip });
    }
}

/// The ethernet layer sees fragments one by one, and only the first has ports.
fn fragments(packet: &mut Packet, frame: &Frame) {
    let is_in_fragments = frame.ip().is_some_and(|ip| ip.in_fragments);
    if let (true, Payload::Ip(ip)) = (is_in_fragments, &mut packet.payload) {
        ip.transport = Transport::Other(ip.protocol());
    }
}

impl Known {
    /// The walls and the packet as libvirt has them.
    pub fn apply(&self, walls: &mut [Wall], packet: &mut Packet, frame: &Frame) {
        match self.instead {
            Instead::Rules(change) => walls.iter_mut().filter(|wall| self.is_about(wall)).for_each(change),
            Instead::Walls(change) => change(walls),
            Instead::View(change) => change(packet, frame),
        }
    }

    fn is_about(&self, wall: &Wall) -> bool {
        let is_ip = wall.layer == Layer::Ip;
        is_ip == (self.name == "ports-not-negated")
    }
}

/// A connection that was dropped is counted on for a moment, until the kernel finds
/// that there is none (nf_conncount). It depends on time, and so need not occur.
const DROPPED_IS_COUNTED: Known =
    Known { name: "dropped-is-counted", instead: Instead::View(|packet, _| packet.connections += 1) };

/// Those that one side has. ebtables sees fragments one by one for us, too.
fn ways(against: Against) -> impl Iterator<Item = &'static Known> {
    ALL.iter().filter(move |known| match against {
        Against::Libvirt => true,
        Against::Engine(EngineKind::Iptables) => known.name == "fragments",
        Against::Engine(EngineKind::Nftables) => false,
    })
}

/// Which of them make the model say what the kernel did: one, or all together.
pub fn explain(
    against: Against,
    walls: &[Wall],
    (packet, frame): (&Packet, &Frame),
    agrees: impl Fn(&[Wall], &Packet) -> bool,
) -> Option<&'static str> {
    let with = |known: &mut dyn Iterator<Item = &'static Known>| {
        let (mut walls, mut packet) = (walls.to_vec(), *packet);
        known.for_each(|known| known.apply(&mut walls, &mut packet, frame));
        agrees(&walls, &packet)
    };
    let sometimes = [&DROPPED_IS_COUNTED].into_iter().filter(|_| against == Against::Libvirt);
    let alone = ways(against).chain(sometimes).find(|known| with(&mut std::iter::once(*known))).map(|known| known.name);
    alone.or_else(|| with(&mut ways(against)).then_some("several"))
}

/// Filters that an engine refuses, and what of them it names.
pub const REFUSED: [(EngineKind, &str, &str); 7] = [
    (EngineKind::Iptables, "connlimit", "connlimit-above for what goes to a guest"),
    (EngineKind::Iptables, "stp-fields", "a field of a BPDU"),
    (EngineKind::Iptables, "stp-timers", "a field of a BPDU"),
    (EngineKind::Iptables, "stp-type", "a field of a BPDU"),
    (EngineKind::Iptables, "tcp-flags", "TCP flags of what goes to a guest"),
    (EngineKind::Iptables, "tcp-option", "a TCP option of what goes to a guest"),
    (EngineKind::Nftables, "arp-gratuitous", "a gratuitous ARP packet"),
];

/// The name of a filter that is known not to be taken, if this reason is the known one.
pub fn not_bound(against: Against, filter: &str, reason: &str) -> Option<&'static str> {
    let is = |(name, text): &(&str, &str)| *name == filter && reason.contains(text);
    untaken(against).into_iter().find(is).map(|(name, _)| name)
}

fn untaken(against: Against) -> Vec<(&'static str, &'static str)> {
    match against {
        Against::Libvirt => NOT_BOUND.to_vec(),
        Against::Engine(kind) => {
            let own = REFUSED.iter().filter(|(of, ..)| *of == kind);
            own.map(|(_, name, text)| (*name, *text)).collect()
        }
    }
}

/// The names of all that must occur.
pub fn of(against: Against) -> Vec<&'static str> {
    let untaken = untaken(against).into_iter().map(|(name, _)| name);
    ways(against).map(|known| known.name).chain(untaken).collect()
}
