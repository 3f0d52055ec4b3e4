//! Chains and rules as iptables and ip6tables say them.

use crate::engine::text::{comment, join};
use crate::engine::{ChainText, EngineKind, Inexpressible, Table};
use crate::facts::policy::Marks;
use crate::model::{Field, Layer, Match, Rule, Scope, Sense, State, Verdict};
use crate::net::{Direction, Family};
use crate::plan::{Base, Chain, Name, Node, PortPlan};

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
    Ok(vec![mangle(Base::state_chain(), state(base.marks)), mangle(Base::entry(Direction::Out), from), wall, host])
}

/// Notes what ebtables cannot ask for.
fn state(marks: Marks) -> Vec<String> {
    let bits = [State::Established, State::Invalid].map(|state| super::ebtables::state_bit(state, marks));
    let clear = format!("-j MARK --set-xmark 0x0/{:#x}", bits[0] | bits[1]);
    let note = |state, bit: u32| format!("{} -j MARK --set-xmark {bit:#x}/{bit:#x}", state_text(state));
    vec![clear, note(State::Established, bits[0]), note(State::Invalid, bits[1])]
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
    for wall in port.walls(Direction::Out).filter(|wall| wall.layer != Layer::Frame) {
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
    for rule in &wall.rules {
        match rule.scope {
            Scope::Any => lines.extend(print(rule, marks)?),
            Scope::Ip(of) if of == family => lines.extend(print(rule, marks)?),
            Scope::Ip(_) => {}
            Scope::Ether(_) => return inexpressible("an EtherType", rule),
        }
    }
    Ok(lines)
}

/// A rule is one line, or three if it asks for a group's member.
fn print(rule: &Rule, marks: Marks) -> Result<Vec<String>, Inexpressible> {
    let verdict = match rule.verdict {
        Verdict::Accept => "-j RETURN",
        Verdict::Drop => "-j DROP",
    };
    let comment = format!("-m comment --comment \"{}\"", comment(&rule.origin));
    let mut words = Vec::new();
    let mut set = None;
    for condition in &rule.matches {
        match &condition.field {
            Field::DestinationIn(name) if condition.sense == Sense::Is => set = Some(Name::set(name)),
            _ => words.push(condition_text(condition, rule)?),
        }
    }
    words.push(comment);
    let line = |target: &str| join(words.iter().map(String::as_str).chain([target]));
    let scratch = marks.scratch();
    Ok(match set {
        None => vec![line(verdict)],
        Some(set) => vec![
            format!("-j MARK --set-xmark 0x0/{scratch:#x}"),
            line(&format!("-j {set}")),
            format!("-m mark --mark {scratch:#x}/{scratch:#x} {verdict}"),
        ],
    })
}

fn inexpressible<T>(what: &str, rule: &Rule) -> Result<T, Inexpressible> {
    let (what, rule) = (format!("{what} in iptables"), rule.origin.to_string());
    Err(Inexpressible { engine: EngineKind::Iptables, what, rule })
}

fn condition_text(condition: &Match, rule: &Rule) -> Result<String, Inexpressible> {
    let not = match condition.sense {
        Sense::Is => "",
        Sense::IsNot => "! ",
    };
    Ok(match &condition.field {
        Field::Source(net) => format!("{not}-s {net}"),
        Field::Destination(net) => format!("{not}-d {net}"),
        Field::Protocol(protocol) => format!("{not}-p {}", protocol.0),
        Field::SourcePort(range) => format!("{not}--sport {}", range.with_separator(':')),
        Field::DestinationPort(range) => format!("{not}--dport {}", range.with_separator(':')),
        Field::Icmp(kind) if rule.family() == Some(Family::V6) => {
            format!("-m icmp6 {not}--icmpv6-type {kind}")
        }
        Field::Icmp(kind) => format!("-m icmp {not}--icmp-type {kind}"),
        Field::NeighbourTarget(address) => format!("-m u32 {not}--u32 {}", neighbour_target(address.octets())),
        Field::State(state) if condition.sense == Sense::Is => state_text(*state).to_owned(),
        Field::State(_) => return inexpressible("a negated connection state", rule),
        Field::SourceIn(_) => return inexpressible("a source group", rule),
        Field::DestinationIn(_) => return inexpressible("a negated group", rule),
        Field::SourceMac(_) | Field::ArpOperation(_) | Field::ArpSenderMac(_) | Field::ArpSenderIp(_) => {
            return inexpressible("a field of the frame", rule);
        }
    })
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
