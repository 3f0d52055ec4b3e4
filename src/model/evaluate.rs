//! The verdict of one packet, in pure Rust: the executable specification.
//!
//! `explain` prints it, and the tests hold both engines' kernels against it. It
//! reads the walls and nothing else; it shares no code with the plan or with an
//! engine, or a fault there would be a fault here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::packet::{ConnState, IcmpMessage, IpPacket, Packet, Transport};
use super::rule::{Field, Layer, Match, Origin, Rule, Scope, Sense, SetName, State, Verdict, Wall};
use crate::net::{Direction, IcmpType, PortRange};

/// Who is in which group, by address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members(BTreeMap<SetName, BTreeSet<IpAddr>>);

impl Members {
    /// Notes that `address` belongs to a member.
    pub fn insert(&mut self, set: SetName, address: IpAddr) {
        self.0.entry(set).or_default().insert(address);
    }

    /// Whether `address` belongs to a member.
    pub fn contains(&self, set: &SetName, address: IpAddr) -> bool {
        self.0.get(set).is_some_and(|addresses| addresses.contains(&address))
    }
}

/// What was decided, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of the packet.
    pub verdict: Verdict,
    /// The layer that decided: the one that dropped, or the last one passed.
    pub layer: Option<Layer>,
    /// The rule that decided; for a port without walls, that there are none.
    pub origin: Origin,
}

/// What becomes of `packet` in `direction`, if it has to pass `walls`.
///
/// Walls of the other direction are passed over, so that a port's whole policy
/// can be given. The first wall that drops decides; if none does, the last one
/// that looked at the packet is named.
pub fn evaluate(walls: &[Wall], members: &Members, direction: Direction, packet: &Packet) -> Decision {
    evaluate_walls(walls.iter().filter(|wall| wall.direction == direction), members, packet)
}

/// What becomes of `packet`, if it has to pass exactly these walls.
pub fn evaluate_walls<'a>(walls: impl IntoIterator<Item = &'a Wall>, members: &Members, packet: &Packet) -> Decision {
    let mut decision =
        Decision { verdict: Verdict::Accept, layer: None, origin: Origin::built_in("no rule applies to this port") };
    for wall in walls {
        decision = decide(wall, members, packet);
        if decision.verdict == Verdict::Drop {
            break;
        }
    }
    decision
}

fn decide(wall: &Wall, members: &Members, packet: &Packet) -> Decision {
    let rule = wall.rules.iter().find(|rule| applies(rule, members, packet));
    let (verdict, origin) = rule.map_or((wall.otherwise, &wall.otherwise_origin), |rule| (rule.verdict, &rule.origin));
    Decision { verdict, layer: Some(wall.layer), origin: origin.clone() }
}

fn applies(rule: &Rule, members: &Members, packet: &Packet) -> bool {
    in_scope(rule.scope, packet) && rule.matches.iter().all(|condition| holds(condition, members, packet))
}

fn in_scope(scope: Scope, packet: &Packet) -> bool {
    match scope {
        Scope::Any => true,
        Scope::Ether(ether_type) => packet.ether_type() == Some(ether_type),
        Scope::Ip(family) => packet.ip().is_some_and(|ip| ip.family() == family),
    }
}

/// A field that the packet does not have satisfies neither sense.
fn holds(condition: &Match, members: &Members, packet: &Packet) -> bool {
    let wanted = condition.sense == Sense::Is;
    has(&condition.field, members, packet).is_some_and(|is| is == wanted)
}

fn has(field: &Field, members: &Members, packet: &Packet) -> Option<bool> {
    let ip = packet.ip();
    let arp = packet.arp();
    Some(match field {
        Field::SourceMac(mac) => packet.source_mac == *mac,
        Field::ArpOperation(operation) => arp?.operation == *operation,
        Field::ArpSenderMac(mac) => arp?.sender_mac == *mac,
        Field::ArpSenderIp(address) => arp?.sender_ip == *address,
        Field::Source(net) => within(*net, ip?.source),
        Field::Destination(net) => within(*net, ip?.destination),
        Field::SourceIn(set) => members.contains(set, ip?.source),
        Field::DestinationIn(set) => members.contains(set, ip?.destination),
        Field::Protocol(protocol) => ip?.protocol() == *protocol,
        Field::SourcePort(range) => range_has(*range, ports(ip?)?.0),
        Field::DestinationPort(range) => range_has(*range, ports(ip?)?.1),
        Field::Icmp(kind) => icmp_has(*kind, icmp(ip?)?),
        Field::NeighbourTarget(address) => !ip?.extension_headers && icmp(ip?)?.target? == *address,
        Field::State(state) => ip.is_some() && state_is(*state, packet.state),
    })
}

fn within(net: IpNet, address: IpAddr) -> bool {
    net.contains(&address)
}

fn range_has(range: PortRange, port: u16) -> bool {
    range.contains(port)
}

fn ports(ip: &IpPacket) -> Option<(u16, u16)> {
    match ip.transport {
        Transport::Ports { source, destination, .. } => Some((source, destination)),
        _ => None,
    }
}

fn icmp(ip: &IpPacket) -> Option<&IcmpMessage> {
    match &ip.transport {
        Transport::Icmp(message) => Some(message),
        _ => None,
    }
}

fn icmp_has(kind: IcmpType, message: &IcmpMessage) -> bool {
    kind.number == message.number && kind.code.is_none_or(|code| code == message.code)
}

fn state_is(state: State, packet: ConnState) -> bool {
    match state {
        State::Established => matches!(packet, ConnState::Established | ConnState::Related),
        State::Invalid => packet == ConnState::Invalid,
    }
}
