//! One condition of a line as ebtables says it: in one of several ways.
//!
//! What holds for a packet if one of several texts does, becomes several rules;
//! what holds only if all of several do not, cannot be said.

use crate::engine::Inexpressible;
use crate::facts::policy::Marks;
use crate::model::{CtState, CtWay, Field, Match, Sense, State};
use crate::net::{AddressRange, Family, IcmpRange};
use crate::plan::Line;

use super::{inexpressible, marked};

/// The texts of which one must hold, for each condition of `line` but those that
/// ask for a group's member.
pub(super) fn alternatives(line: &Line, marks: Marks) -> Result<Vec<Vec<String>>, Inexpressible> {
    let mut all = Vec::new();
    for condition in &line.matches {
        match &condition.field {
            Field::SourceIn(_) if condition.sense == Sense::Is => {}
            // All of these are asked at once below.
            Field::CtState(_) | Field::CtWay(_) => {}
            _ => all.push(texts(condition, line, marks)?),
        }
    }
    all.extend(connection(line, marks)?);
    Ok(all)
}

fn texts(condition: &Match, line: &Line, marks: Marks) -> Result<Vec<String>, Inexpressible> {
    let positive = condition.sense == Sense::Is;
    let is = if positive { "" } else { "! " };
    let ip = if line.family() == Some(Family::V6) { "--ip6" } else { "--ip" };
    let one = match &condition.field {
        Field::SourceMac(pattern) => format!("-s {is}{pattern}"),
        Field::DestinationMac(pattern) => format!("-d {is}{pattern}"),
        Field::EtherType(kind) => format!("-p {is}{:#06x}", kind.number()),
        Field::VlanId(id) => format!("--vlan-id {is}{id}"),
        Field::Encapsulated(kind) => format!("--vlan-encap {is}{kind:#06x}"),
        // The kernel's ebt_stp takes the two bytes of the protocol for one, and looks
        // for everything behind them one byte too early (seen on 6.1 and 6.18).
        Field::StpNumber(..) | Field::StpAddress(..) => return inexpressible("a field of a BPDU", line),
        Field::Source(net) => format!("{ip}-src {is}{net}"),
        Field::Destination(net) => format!("{ip}-dst {is}{net}"),
        Field::SourceRange(range) if positive => return Ok(networks(&format!("{ip}-src"), *range)),
        Field::DestinationRange(range) if positive => return Ok(networks(&format!("{ip}-dst"), *range)),
        Field::SourceRange(_) | Field::DestinationRange(_) => return inexpressible("a negated address range", line),
        Field::Dscp(dscp) if positive => return Ok(traffic_classes(*dscp, line)),
        Field::Dscp(_) => return inexpressible("a negated dscp", line),
        Field::Protocol(protocol) => format!("{ip}-proto {is}{}", protocol.0),
        Field::SourcePort(range) => format!("{ip}-sport {is}{}", range.with_separator(':')),
        Field::DestinationPort(range) => format!("{ip}-dport {is}{}", range.with_separator(':')),
        Field::Icmp(kind) => format!("{ip}-icmp-type {is}{kind}"),
        Field::IcmpRange(range) => format!("{ip}-icmp-type {is}{}", icmp_range(*range)),
        Field::State(state) if positive => state_mark(*state, marks),
        Field::State(_) => return inexpressible("a negated connection state", line),
        Field::MidStream(protocol) if positive => {
            format!("{ip}-proto {} --mark {:#x}/{:#x}", protocol.0, marks.mid_stream(), marks.connection())
        }
        Field::MidStream(_) => return inexpressible("a negated mid-stream packet", line),
        Field::NotBefore(_) => return inexpressible("a time", line),
        Field::TcpFlags { .. } => return inexpressible("TCP flags of what goes to a guest", line),
        Field::TcpOption(_) => return inexpressible("a TCP option of what goes to a guest", line),
        Field::ConnectionsAbove(_) => return inexpressible("connlimit-above for what goes to a guest", line),
        Field::IpSet(..) => return inexpressible("a set of ipset for what goes to a guest", line),
        Field::SourceIn(_) => return inexpressible("a negated group", line),
        Field::DestinationIn(_) => return inexpressible("a destination group", line),
        Field::NeighbourTarget(_) => return inexpressible("a neighbour discovery target", line),
        arp => arp_text(arp, is),
    };
    Ok(vec![one])
}

/// Layout is asked for where an address is, or ebtables would look for it in an
/// ARP packet of another protocol.
fn arp_text(field: &Field, is: &str) -> String {
    match field {
        Field::ArpHardware(hardware) => format!("--arp-htype {is}{hardware}"),
        Field::ArpProtocol(protocol) => format!("--arp-ptype {is}{protocol:#06x}"),
        Field::ArpOperation(operation) => format!("--arp-op {is}{operation}"),
        Field::ArpSenderMac(mac) => format!("--arp-mac-src {is}{mac}"),
        Field::ArpTargetMac(mac) => format!("--arp-mac-dst {is}{mac}"),
        Field::ArpSenderIp(net) => format!("--arp-ip-src {is}{}", address(*net)),
        Field::ArpTargetIp(net) => format!("--arp-ip-dst {is}{}", address(*net)),
        // The last of them; all others have their text above.
        _ => format!("{is}--arp-gratuitous"),
    }
}

/// The words that make sure of the layout, for a line that asks for an address in
/// an ARP packet.
pub(super) fn arp_layout(line: &Line) -> Option<&'static str> {
    let has_address = line.matches.iter().any(|condition| condition.field.is_arp_address());
    has_address.then_some("--arp-htype 1 --arp-ptype 0x0800")
}

fn address(net: ipnet::Ipv4Net) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

fn networks(word: &str, range: AddressRange) -> Vec<String> {
    range.networks().iter().map(|net| format!("{word} {net}")).collect()
}

/// ebtables compares the whole byte; its lower two bits are not the code point's.
fn traffic_classes(dscp: u8, line: &Line) -> Vec<String> {
    let word = if line.family() == Some(Family::V6) { "--ip6-tclass" } else { "--ip-tos" };
    (0..4).map(|low| format!("{word} {:#04x}", dscp << 2 | low)).collect()
}

fn icmp_range(range: IcmpRange) -> String {
    let types = range.types.with_separator(':');
    match range.codes {
        Some(codes) => format!("{types}/{}", codes.with_separator(':')),
        None => types,
    }
}

fn state_mark(state: State, marks: Marks) -> String {
    match state {
        State::Established => marked(marks.established()),
        State::Invalid => format!("--mark {:#x}/{:#x}", marks.invalid(), marks.connection()),
    }
}

/// What mangle has noted, as the conditions on state and way together allow it.
fn connection(line: &Line, marks: Marks) -> Result<Option<Vec<String>>, Inexpressible> {
    let asks = |condition: &&Match| matches!(condition.field, Field::CtState(_) | Field::CtWay(_));
    let conditions: Vec<_> = line.matches.iter().filter(asks).collect();
    if conditions.is_empty() {
        return Ok(None);
    }
    let mut allowed = Vec::new();
    for (state, way, mark) in noted(marks) {
        let in_state = conditions.iter().all(|condition| state_holds(condition, state));
        if in_state && way_holds(&conditions, state, way, line)? {
            allowed.push(format!("--mark {mark:#x}/{:#x}", marks.connection()));
        }
    }
    Ok(Some(allowed))
}

fn state_holds(condition: &Match, state: CtState) -> bool {
    match &condition.field {
        Field::CtState(states) => states.contains(&state) == (condition.sense == Sense::Is),
        _ => true,
    }
}

fn way_holds(conditions: &[&Match], state: CtState, way: Option<CtWay>, line: &Line) -> Result<bool, Inexpressible> {
    let mut wanted = conditions.iter().filter_map(|condition| match condition.field {
        Field::CtWay(way) => Some((way, condition.sense == Sense::Is)),
        _ => None,
    });
    match (way, state) {
        (Some(way), _) => Ok(wanted.all(|(wanted, sense)| (wanted == way) == sense)),
        // A packet of no connection goes neither way.
        (None, CtState::Invalid) => Ok(wanted.all(|(_, sense)| !sense)),
        (None, _) if wanted.next().is_none() => Ok(true),
        (None, _) => inexpressible("the way of a related packet", line),
    }
}

/// What mangle notes of a packet; the way of a related one is not part of it, and
/// an invalid one has none.
fn noted(marks: Marks) -> [(CtState, Option<CtWay>, u32); 5] {
    [
        (CtState::New, Some(CtWay::Original), marks.new_connection()),
        (CtState::Established, Some(CtWay::Original), marks.established()),
        (CtState::Established, Some(CtWay::Reply), marks.reply()),
        (CtState::Related, None, marks.related()),
        (CtState::Invalid, None, marks.invalid()),
    ]
}
