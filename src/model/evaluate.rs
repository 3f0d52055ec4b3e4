//! The verdict of one packet, in pure Rust: the executable specification.
//!
//! `explain` prints it, and the tests hold both engines' kernels against it. It
//! reads the walls and nothing else; it shares no code with the plan or with an
//! engine, or a fault there would be a fault here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::field::{CtState, CtWay, Field, Match, Sense, SetEnd, SetName, State, StpAddress, StpNumber};
use super::packet::{
    Arp, ArpAddresses, Bpdu, ConnState, Head, IcmpMessage, IpPacket, Packet, Payload, Tcp, Transport, Vlan,
};
use super::rule::{Layer, Origin, Rule, Scope, Target, Verdict, Wall};
use crate::net::{Direction, IcmpType, PortRange, Protocol};

/// Who is in which group, by address, and what is in the operator's sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    groups: BTreeMap<SetName, BTreeSet<IpAddr>>,
    ipsets: BTreeMap<String, BTreeSet<Vec<IpAddr>>>,
}

impl Members {
    /// Notes that `address` belongs to a member.
    pub fn insert(&mut self, set: SetName, address: IpAddr) {
        self.groups.entry(set).or_default().insert(address);
    }

    /// Whether `address` belongs to a member.
    pub fn contains(&self, set: &SetName, address: IpAddr) -> bool {
        self.groups.get(set).is_some_and(|addresses| addresses.contains(&address))
    }

    /// Notes that the operator's set `name` has the element of these addresses.
    pub fn insert_ipset(&mut self, name: &str, element: &[IpAddr]) {
        self.ipsets.entry(name.to_owned()).or_default().insert(element.to_vec());
    }

    fn ipset_contains(&self, name: &str, ends: &[SetEnd], ip: &IpPacket) -> bool {
        let end = |end: &SetEnd| if *end == SetEnd::Src { ip.source } else { ip.destination };
        let element: Vec<_> = ends.iter().map(end).collect();
        self.ipsets.get(name).is_some_and(|elements| elements.contains(&element))
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
        if decision.verdict != Verdict::Accept {
            break;
        }
    }
    decision
}

fn decide(wall: &Wall, members: &Members, packet: &Packet) -> Decision {
    let (verdict, origin) =
        walk(wall, &wall.rules, members, packet).unwrap_or((wall.otherwise, &wall.otherwise_origin));
    Decision { verdict, layer: Some(wall.layer), origin: origin.clone() }
}

/// What the rules decide, if they do.
fn walk<'a>(wall: &'a Wall, rules: &'a [Rule], members: &Members, packet: &Packet) -> Option<(Verdict, &'a Origin)> {
    for rule in rules.iter().filter(|rule| applies(rule, members, packet)) {
        match rule.target {
            Target::Verdict(verdict) => return Some((verdict, &rule.origin)),
            Target::Return => return None,
            Target::Jump(number) => {
                let branch = wall.branches.get(number);
                let decided = branch.and_then(|branch| walk(wall, &branch.rules, members, packet));
                if decided.is_some() {
                    return decided;
                }
            }
        }
    }
    None
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
    Some(match field {
        Field::SourceMac(pattern) => pattern.matches(packet.source_mac),
        Field::DestinationMac(pattern) => pattern.matches(packet.destination_mac),
        Field::EtherType(kind) => packet.ether_type() == Some(*kind),
        Field::VlanId(id) => vlan(packet)?.id == *id,
        Field::Encapsulated(kind) => vlan(packet)?.encapsulated == *kind,
        Field::StpNumber(number, range) => range.contains(stp_number(*number, bpdu(packet)?)?),
        Field::StpAddress(address, pattern) => pattern.matches(stp_address(*address, bpdu(packet)?)?),
        Field::Source(net) => within(*net, ip?.source),
        Field::Destination(net) => within(*net, ip?.destination),
        Field::SourceRange(range) => range.contains(ip?.source),
        Field::DestinationRange(range) => range.contains(ip?.destination),
        Field::Dscp(dscp) => ip?.dscp == *dscp,
        Field::SourceIn(set) => members.contains(set, ip?.source),
        Field::DestinationIn(set) => members.contains(set, ip?.destination),
        Field::Protocol(protocol) => ip?.protocol() == *protocol,
        Field::SourcePort(range) => range_has(*range, ports(ip?)?.0),
        Field::DestinationPort(range) => range_has(*range, ports(ip?)?.1),
        Field::Icmp(kind) => icmp_has(*kind, icmp(ip?)?),
        Field::IcmpRange(range) => {
            let message = icmp(ip?)?;
            range.contains(IcmpType { number: message.number, code: Some(message.code) })
        }
        Field::TcpFlags { mask, set } => tcp(ip?)?.flags & mask == *set,
        Field::TcpOption(kind) => tcp(ip?)?.option == Some(*kind),
        Field::NeighbourTarget(address) => !ip?.extension_headers && icmp(ip?)?.target? == *address,
        Field::State(state) => ip.is_some() && state_is(*state, packet.state),
        Field::CtState(states) => ip.is_some() && states.iter().any(|state| ct_state_is(*state, packet.state)),
        Field::CtWay(way) => is_tracked(packet) && (*way == CtWay::Reply) == packet.is_reply,
        // What is judged is to hold from now on, not for a while.
        Field::NotBefore(_) => true,
        Field::MidStream(protocol) => packet.state == ConnState::New && !opens(ip?, *protocol)?,
        Field::ConnectionsAbove(limit) => is_tracked(packet) && packet.connections > *limit,
        Field::IpSet(name, ends) => members.ipset_contains(name, ends, ip?),
        field => return arp_has(field, packet.arp()?),
    })
}

fn arp_has(field: &Field, arp: &Arp) -> Option<bool> {
    let addresses = || -> Option<ArpAddresses> { arp.addresses };
    Some(match field {
        Field::ArpHardware(hardware) => arp.hardware == *hardware,
        Field::ArpProtocol(protocol) => arp.protocol == *protocol,
        Field::ArpOperation(operation) => arp.operation == *operation,
        Field::ArpSenderMac(mac) => addresses()?.sender_mac == *mac,
        Field::ArpTargetMac(mac) => addresses()?.target_mac == *mac,
        Field::ArpSenderIp(net) => net.contains(&addresses()?.sender_ip),
        Field::ArpTargetIp(net) => net.contains(&addresses()?.target_ip),
        Field::ArpGratuitous => addresses()?.sender_ip == addresses()?.target_ip,
        _ => return None,
    })
}

fn vlan(packet: &Packet) -> Option<&Vlan> {
    match &packet.payload {
        Payload::Vlan(vlan) => Some(vlan),
        _ => None,
    }
}

fn bpdu(packet: &Packet) -> Option<&Bpdu> {
    match &packet.payload {
        Payload::Stp(bpdu) => Some(bpdu),
        _ => None,
    }
}

/// What stands behind the type is there only in a configuration.
fn stp_number(number: StpNumber, bpdu: &Bpdu) -> Option<u32> {
    if number == StpNumber::Type {
        return Some(bpdu.kind.into());
    }
    (bpdu.kind == 0).then(|| match number {
        StpNumber::Type | StpNumber::Flags => bpdu.flags.into(),
        StpNumber::RootPriority => bpdu.root.0.into(),
        StpNumber::RootCost => bpdu.root_cost,
        StpNumber::SenderPriority => bpdu.sender.0.into(),
        StpNumber::Port => bpdu.port.into(),
        StpNumber::Age => bpdu.times[0].into(),
        StpNumber::MaxAge => bpdu.times[1].into(),
        StpNumber::HelloTime => bpdu.times[2].into(),
        StpNumber::ForwardDelay => bpdu.times[3].into(),
    })
}

fn stp_address(address: StpAddress, bpdu: &Bpdu) -> Option<crate::net::Mac> {
    (bpdu.kind == 0).then_some(match address {
        StpAddress::Root => bpdu.root.1,
        StpAddress::Sender => bpdu.sender.1,
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

fn tcp(ip: &IpPacket) -> Option<Tcp> {
    match ip.transport {
        Transport::Ports { head: Head::Tcp(tcp), .. } => Some(tcp),
        _ => None,
    }
}

/// Whether a connection of this protocol begins with the packet, if it is of it.
fn opens(ip: &IpPacket, wanted: Protocol) -> Option<bool> {
    match ip.transport {
        Transport::Ports { protocol, head, .. } if protocol == wanted => Some(head.opens()),
        _ => None,
    }
}

fn ct_state_is(state: CtState, packet: ConnState) -> bool {
    match state {
        CtState::New => packet == ConnState::New,
        CtState::Established => packet == ConnState::Established,
        CtState::Related => packet == ConnState::Related,
        CtState::Invalid => packet == ConnState::Invalid,
    }
}

/// Whether the packet belongs to a connection that conntrack knows.
fn is_tracked(packet: &Packet) -> bool {
    packet.ip().is_some() && !matches!(packet.state, ConnState::Invalid | ConnState::Untracked)
}
