//! Chains and rules as iptables and ip6tables say them.

use std::time::{Duration, UNIX_EPOCH};

use crate::engine::text::{comment, join};
use crate::engine::{ChainText, EngineKind, Inexpressible, Table};
use crate::facts::policy::{Marks, MidStream};
use crate::model::{CtState, CtWay, Field, MID_STREAM, Match, Scope, Sense, SetEnd, State};
use crate::net::{Direction, Family, Protocol};
use crate::plan::{Act, Base, Chain, GuardedBridge, Line, Name, Node, PortPlan};

/// The TCP flags by their bits, lowest first (iptables-extensions(8), tcp).
const TCP_FLAGS: [&str; 6] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];

/// The chains that all ports share: the state of connections, the way in, the host.
pub(super) fn base(base: &Base, family: Family) -> Result<Vec<ChainText>, Inexpressible> {
    let mangle = |name, rules| ChainText { table: Table::Mangle(family), name, hook: None, rules };
    let guest = format!("-m mark --mark {0:#x}/{0:#x}", base.marks.guest());
    let from = vec![format!("-j {}", Base::state_chain()), format!("{guest} -j {}", Node::chain("", Direction::Out))];
    let host = ChainText {
        table: Table::Filter(family),
        name: Base::host_entry(),
        hook: None,
        rules: vec![format!("{guest} -j {}", base.host.name)],
    };
    let rules = wall_rules(&base.host, base.marks, family)?;
    let wall = ChainText { table: Table::Filter(family), name: base.host.name.clone(), hook: None, rules };
    let to_guests = |bridge: &GuardedBridge| {
        let bridge = bridge.pattern.with_wildcard('+');
        // What is bridged meets the walls of its port before it is noted as begun.
        format!("-o {bridge} -m physdev ! --physdev-is-bridged -j {}", base.routed.name)
    };
    let routed = wall_rules(&base.routed, base.marks, family)?;
    Ok(vec![
        mangle(Base::state_chain(), state(base)),
        mangle(Base::entry(Direction::Out), from),
        mangle(base.routed.name.clone(), routed),
        mangle(Base::routed_entry(), base.bridges.iter().map(to_guests).collect()),
        wall,
        host,
    ])
}

/// Notes what ebtables cannot ask for.
fn state(base: &Base) -> Vec<String> {
    let (marks, mask) = (base.marks, base.marks.connection());
    let note = |condition: &str, bits: u32| format!("{condition} -j MARK --set-xmark {bits:#x}/{mask:#x}");
    let mut rules = vec![
        format!("-j MARK --set-xmark 0x0/{mask:#x}"),
        note("-m conntrack --ctstate NEW", marks.new_connection()),
        note("-m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL", marks.established()),
        note("-m conntrack --ctstate ESTABLISHED --ctdir REPLY", marks.reply()),
        note("-m conntrack --ctstate RELATED", marks.related()),
        note("-m conntrack --ctstate INVALID", marks.invalid()),
    ];
    if base.mid_stream == MidStream::Drop {
        rules.extend(MID_STREAM.map(|protocol| note(mid_stream(protocol), marks.mid_stream())));
    }
    rules
}

fn state_text(state: State) -> &'static str {
    match state {
        State::Established => "-m conntrack --ctstate RELATED,ESTABLISHED",
        State::Invalid => "-m conntrack --ctstate INVALID",
    }
}

/// The chains of a port: what its guest sends, but for what ebtables sees to.
pub(super) fn port(base: &Base, port: &PortPlan, family: Family) -> Result<Vec<ChainText>, Inexpressible> {
    let mut chains = Vec::new();
    let mut entry = Vec::new();
    for wall in port.walls(Direction::Out).filter(|wall| !super::ebtables::is_here(wall.layer, Direction::Out)) {
        let rules = wall_rules(wall, base.marks, family)?;
        if !rules.is_empty() {
            entry.push(format!("-j {}", wall.name));
            chains.push(ChainText { table: Table::Mangle(family), name: wall.name.clone(), hook: None, rules });
        }
    }
    chains.push(ChainText { table: Table::Mangle(family), name: port.entry(Direction::Out), hook: None, rules: entry });
    Ok(chains)
}

fn wall_rules(wall: &Chain, marks: Marks, family: Family) -> Result<Vec<String>, Inexpressible> {
    let mut lines = Vec::new();
    for line in &wall.lines {
        match line.scope {
            Scope::Any => lines.extend(print(line, marks)?),
            Scope::Ip(of) if of == family => lines.extend(print(line, marks)?),
            Scope::Ip(_) => {}
            Scope::Ether(_) => return inexpressible("an EtherType", line),
        }
    }
    Ok(lines)
}

/// A line is one rule, or three if it asks for a group's member.
fn print(line: &Line, marks: Marks) -> Result<Vec<String>, Inexpressible> {
    let target = match line.act {
        Act::Leave => "-j RETURN",
        Act::Drop => "-j DROP",
        // Only the filter table can, which does not see what comes from a guest alone.
        Act::Reject => return inexpressible("reject (set reject = \"drop\" in [guests])", line),
        Act::Accept | Act::Jump(_) | Act::Forget | Act::LeaveIfAccepted => {
            return inexpressible("a chain within a chain", line);
        }
    };
    let mut words = Vec::new();
    let mut set = None;
    for condition in &line.matches {
        match &condition.field {
            Field::DestinationIn(name) if condition.sense == Sense::Is => set = Some(Name::set(name)),
            _ => words.push(condition_text(condition, line)?),
        }
    }
    words.push(format!("-m comment --comment \"{}\"", comment(&line.origin)));
    let rule = |target: &str| join(words.iter().map(String::as_str).chain([target]));
    let scratch = marks.scratch();
    Ok(match set {
        None => vec![rule(target)],
        Some(set) => vec![
            format!("-j MARK --set-xmark 0x0/{scratch:#x}"),
            rule(&format!("-j {set}")),
            format!("-m mark --mark {scratch:#x}/{scratch:#x} {target}"),
        ],
    })
}

fn inexpressible<T>(what: &str, line: &Line) -> Result<T, Inexpressible> {
    let (what, rule) = (format!("{what} in iptables"), line.origin.to_string());
    Err(Inexpressible { engine: EngineKind::Iptables, what, rule })
}

fn condition_text(condition: &Match, line: &Line) -> Result<String, Inexpressible> {
    let not = match condition.sense {
        Sense::Is => "",
        Sense::IsNot => "! ",
    };
    Ok(match &condition.field {
        Field::SourceMac(pattern) if pattern.is_whole() => format!("-m mac {not}--mac-source {pattern}"),
        Field::Source(net) => format!("{not}-s {net}"),
        Field::Destination(net) => format!("{not}-d {net}"),
        Field::SourceRange(range) => format!("-m iprange {not}--src-range {range}"),
        Field::DestinationRange(range) => format!("-m iprange {not}--dst-range {range}"),
        Field::Dscp(dscp) => format!("-m dscp {not}--dscp {dscp:#04x}"),
        Field::Protocol(protocol) => format!("{not}-p {}", protocol.0),
        Field::SourcePort(range) => format!("{not}--sport {}", range.with_separator(':')),
        Field::DestinationPort(range) => format!("{not}--dport {}", range.with_separator(':')),
        Field::Icmp(kind) if line.family() == Some(Family::V6) => {
            format!("-m icmp6 {not}--icmpv6-type {kind}")
        }
        Field::Icmp(kind) => format!("-m icmp {not}--icmp-type {kind}"),
        Field::TcpFlags { mask, set } => format!("{not}--tcp-flags {} {}", tcp_flags(*mask), tcp_flags(*set)),
        Field::TcpOption(kind) => format!("{not}--tcp-option {kind}"),
        Field::NeighbourTarget(address) => format!("-m u32 {not}--u32 {}", neighbour_target(address.octets())),
        Field::State(state) if condition.sense == Sense::Is => state_text(*state).to_owned(),
        Field::State(_) => return inexpressible("a negated connection state", line),
        Field::CtState(states) => format!("-m conntrack {not}--ctstate {}", ct_states(states)),
        Field::CtWay(way) => format!("-m conntrack {not}--ctdir {}", ct_way(*way)),
        Field::MidStream(protocol) if condition.sense == Sense::Is => mid_stream(*protocol).to_owned(),
        Field::MidStream(_) => return inexpressible("a negated mid-stream packet", line),
        Field::NotBefore(time) if condition.sense == Sense::Is => format!("-m time --datestart {}", date(*time)),
        Field::NotBefore(_) => return inexpressible("a negated time", line),
        Field::ConnectionsAbove(limit) => format!("-m connlimit {not}--connlimit-above {limit}"),
        Field::IpSet(name, ends) => format!("-m set {not}--match-set {name} {}", set_ends(ends)),
        Field::SourceIn(_) => return inexpressible("a source group", line),
        Field::DestinationIn(_) => return inexpressible("a negated group", line),
        _ => return inexpressible("a field of the frame", line),
    })
}

/// In UTC, as xt_time takes it for without another word.
fn date(time: u64) -> String {
    let time = UNIX_EPOCH + Duration::from_secs(time);
    humantime::format_rfc3339_seconds(time).to_string().trim_end_matches('Z').to_owned()
}

fn mid_stream(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::SCTP => "-p sctp -m conntrack --ctstate NEW -m sctp ! --chunk-types any INIT",
        _ => "-p tcp -m conntrack --ctstate NEW -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN",
    }
}

fn tcp_flags(bits: u8) -> String {
    let set = TCP_FLAGS.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, name)| *name);
    let names: Vec<_> = set.collect();
    if names.is_empty() { "NONE".to_owned() } else { names.join(",") }
}

fn ct_states(states: &[CtState]) -> String {
    let word = |state: &CtState| match state {
        CtState::New => "NEW",
        CtState::Established => "ESTABLISHED",
        CtState::Related => "RELATED",
        CtState::Invalid => "INVALID",
    };
    states.iter().map(word).collect::<Vec<_>>().join(",")
}

fn ct_way(way: CtWay) -> &'static str {
    match way {
        CtWay::Original => "ORIGINAL",
        CtWay::Reply => "REPLY",
    }
}

fn set_ends(ends: &[SetEnd]) -> String {
    let word = |end: &SetEnd| if *end == SetEnd::Src { "src" } else { "dst" };
    ends.iter().map(word).collect::<Vec<_>>().join(",")
}

/// Next header (byte 6) is ICMPv6, and the target stands at byte 48, four bytes
/// at a time: 40 of the IPv6 header and 8 of the advertisement.
fn neighbour_target(octets: [u8; 16]) -> String {
    let words = octets.chunks_exact(4).enumerate().map(|(index, word)| {
        let value = word.iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
        format!("{}=0x{value:08x}", 48 + 4 * index)
    });
    let tests: Vec<_> = ["3&0xff=58".to_owned()].into_iter().chain(words).collect();
    format!("\"{}\"", tests.join("&&"))
}
