//! Chains and rules as ebtables says them.

use crate::engine::text::join;
use crate::engine::{BridgeNames, ChainText, EngineKind, Inexpressible, Table};
use crate::facts::policy::{Marks, UnknownPorts};
use crate::model::{Field, Layer, Match, Rule, Scope, Sense, State, Verdict};
use crate::net::{Direction, EtherType, Family, IcmpType};
use crate::plan::{Base, Name, Node, PortPlan};

/// The two chains through which every frame enters and leaves.
pub(super) fn base(base: &Base, names: BridgeNames) -> Vec<ChainText> {
    Direction::BOTH.map(|direction| entry(base, names, direction)).into()
}

fn chain(name: Name, rules: Vec<String>) -> ChainText {
    ChainText { table: Table::EbtablesNat, name, hook: None, rules }
}

/// A guest's port marks its frames; what bears no mark behind the tree is at an
/// uplink or at a port that is nobody's.
fn entry(base: &Base, names: BridgeNames, direction: Direction) -> ChainText {
    let guest = base.marks.guest();
    let port = port_word(direction);
    // From the guest all bits are cleared, as another program may have set them.
    let stale = if direction == Direction::Out { base.marks.mask() } else { guest };
    let mut rules = vec![
        format!("-j mark --mark-and {:#010x} --mark-target CONTINUE", !stale),
        format!("-j {}", Node::chain("", direction)),
        format!("{} -j RETURN", marked(guest)),
    ];
    rules.extend(base.uplinks.iter().map(|name| format!("{port} {name} -j RETURN")));
    rules.extend(match names {
        BridgeNames::Matchable => by_bridge(base, direction),
        BridgeNames::Unknown => by_port(base, direction),
    });
    chain(Base::entry(direction), rules)
}

fn port_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Out => "-i",
        Direction::In => "-o",
    }
}

fn marked(bit: u32) -> String {
    format!("--mark {bit:#x}/{bit:#x}")
}

fn by_bridge(base: &Base, direction: Direction) -> Vec<String> {
    let word = match direction {
        Direction::Out => "--logical-in",
        Direction::In => "--logical-out",
    };
    let rule = |bridge: &crate::plan::GuardedBridge| {
        let target = match bridge.unknown_ports {
            UnknownPorts::Drop => "-j DROP".to_owned(),
            UnknownPorts::Accept => somebody(base, direction),
        };
        format!("{word} {} {target}", bridge.pattern.with_wildcard('+'))
    };
    base.bridges.iter().map(rule).collect()
}

/// Nobody can be asked for the bridge, so the ports of the other bridges are let
/// through by name, and everything else is dropped: a port that comes to another
/// bridge later is closed until the next apply, never the other way round.
fn by_port(base: &Base, direction: Direction) -> Vec<String> {
    let port = port_word(direction);
    let open = base.open.iter().map(|name| format!("{port} {name} {}", somebody(base, direction)));
    let foreign = base.foreign.iter().map(|name| format!("{port} {name} -j RETURN"));
    open.chain(foreign).chain(["-j DROP".to_owned()]).collect()
}

/// A port that may be anybody's passes, but is kept from the host's services.
fn somebody(base: &Base, direction: Direction) -> String {
    match direction {
        Direction::Out => format!("-j mark --mark-or {:#010x} --mark-target RETURN", base.marks.guest()),
        Direction::In => "-j RETURN".to_owned(),
    }
}

/// The chains of a port: everything to the guest, and frames from the guest.
pub(super) fn port(base: &Base, port: &PortPlan) -> Result<Vec<ChainText>, Inexpressible> {
    let mut chains = Vec::new();
    for direction in Direction::BOTH {
        let here = |layer: Layer| direction == Direction::In || layer == Layer::Frame;
        let mut entry = vec![format!("-j mark --mark-or {:#010x} --mark-target CONTINUE", base.marks.guest())];
        for wall in port.walls(direction).filter(|wall| here(wall.layer)) {
            entry.push(format!("-j {}", wall.name));
            let mut rules = Vec::new();
            for rule in &wall.rules {
                rules.extend(print(rule, base.marks)?);
            }
            chains.push(chain(wall.name.clone(), rules));
        }
        chains.push(chain(port.entry(direction), entry));
    }
    Ok(chains)
}

/// A rule is one line, or three if it asks for a group's member: a chain cannot
/// answer but by a bit of the mark.
fn print(rule: &Rule, marks: Marks) -> Result<Vec<String>, Inexpressible> {
    let verdict = match rule.verdict {
        Verdict::Accept => "-j RETURN",
        Verdict::Drop => "-j DROP",
    };
    let mut words = vec![scope(rule.scope)];
    let mut set = None;
    for condition in &rule.matches {
        match &condition.field {
            Field::SourceIn(name) if condition.sense == Sense::Is => set = Some(Name::set(name)),
            _ => words.push(condition_text(condition, rule, marks)?),
        }
    }
    Ok(match set {
        None => vec![join(words.iter().map(String::as_str).chain([verdict]))],
        Some(set) => vec![
            format!("-j mark --mark-and {:#010x} --mark-target CONTINUE", !marks.scratch()),
            join(words.iter().map(String::as_str).chain([format!("-j {set}").as_str()])),
            format!("{} {verdict}", marked(marks.scratch())),
        ],
    })
}

fn scope(scope: Scope) -> String {
    match scope {
        Scope::Any => String::new(),
        Scope::Ip(Family::V4) => "-p IPv4".to_owned(),
        Scope::Ip(Family::V6) => "-p IPv6".to_owned(),
        Scope::Ether(EtherType::ARP) => "-p ARP".to_owned(),
        Scope::Ether(kind) => format!("-p {:#06x}", kind.number()),
    }
}

fn condition_text(condition: &Match, rule: &Rule, marks: Marks) -> Result<String, Inexpressible> {
    let is = match condition.sense {
        Sense::Is => "",
        Sense::IsNot => "! ",
    };
    let ip = if rule.family() == Some(Family::V6) { "--ip6" } else { "--ip" };
    let inexpressible = |what: &str| {
        let (what, rule) = (format!("{what} in ebtables"), rule.origin.to_string());
        Err(Inexpressible { engine: EngineKind::Iptables, what, rule })
    };
    Ok(match &condition.field {
        Field::SourceMac(mac) => format!("-s {is}{mac}"),
        Field::ArpOperation(operation) => format!("--arp-op {is}{operation}"),
        Field::ArpSenderMac(mac) => format!("--arp-htype 1 --arp-ptype 0x0800 --arp-mac-src {is}{mac}"),
        Field::ArpSenderIp(address) => format!("--arp-ip-src {is}{address}"),
        Field::Source(net) => format!("{ip}-src {is}{net}"),
        Field::Destination(net) => format!("{ip}-dst {is}{net}"),
        Field::Protocol(protocol) => format!("{ip}-proto {is}{}", protocol.0),
        Field::SourcePort(range) => format!("{ip}-sport {is}{}", range.with_separator(':')),
        Field::DestinationPort(range) => format!("{ip}-dport {is}{}", range.with_separator(':')),
        Field::Icmp(kind) => format!("{ip}-icmp-type {is}{}", icmp(*kind)),
        Field::State(state) if condition.sense == Sense::Is => marked(state_bit(*state, marks)),
        Field::State(_) => return inexpressible("a negated connection state"),
        Field::SourceIn(_) => return inexpressible("a negated group"),
        Field::DestinationIn(_) => return inexpressible("a destination group"),
        Field::NeighbourTarget(_) => return inexpressible("a neighbour discovery target"),
    })
}

fn icmp(kind: IcmpType) -> String {
    kind.to_string()
}

/// The bit in which mangle has noted the state.
pub(super) fn state_bit(state: State, marks: Marks) -> u32 {
    match state {
        State::Established => marks.established(),
        State::Invalid => marks.invalid(),
    }
}
