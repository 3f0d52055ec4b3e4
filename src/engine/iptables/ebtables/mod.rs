//! Chains and rules as ebtables says them.

mod condition;

use crate::engine::text::join;
use crate::engine::{BridgeNames, ChainText, EngineKind, Inexpressible, Table};
use crate::facts::policy::{Marks, UnknownPorts};
use crate::model::{Field, Layer, Scope, Sense};
use crate::net::{Direction, EtherType, Family};
use crate::plan::{Act, Base, Line, Name, Node, PortPlan};

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
        let mut entry = vec![format!("-j mark --mark-or {:#010x} --mark-target CONTINUE", base.marks.guest())];
        for wall in port.walls(direction).filter(|wall| is_here(wall.layer, direction)) {
            entry.push(format!("-j {}", wall.name));
            for part in wall.all() {
                let mut rules = Vec::new();
                for line in &part.lines {
                    rules.extend(print(line, base.marks)?);
                }
                chains.push(chain(part.name.clone(), rules));
            }
        }
        chains.push(chain(port.entry(direction), entry));
    }
    Ok(chains)
}

/// From the guest only what looks at frames; mangle sees to the rest.
pub(super) fn is_here(layer: Layer, direction: Direction) -> bool {
    direction == Direction::In || matches!(layer, Layer::Frame | Layer::Ethernet)
}

/// A line is one rule for each way in which its conditions can hold, and three if
/// it asks for a group's member: a chain cannot answer but by a bit of the mark.
///
/// ebtables knows no time. What is to be dropped later is not looked at here: a packet
/// to the guest still has to be one that the rules let begin, and mangle, where the
/// guest's own go by, can tell the time.
fn print(line: &Line, marks: Marks) -> Result<Vec<String>, Inexpressible> {
    if line.matches.iter().any(|condition| matches!(condition.field, Field::NotBefore(_))) {
        return Ok(Vec::new());
    }
    let act = act(line, marks)?;
    let ways = ways(&condition::alternatives(line, marks)?);
    let head = [Some(scope(line.scope)), condition::arp_layout(line).map(str::to_owned)];
    let rule = |way: &String, act: &str| join(head.iter().flatten().map(String::as_str).chain([way.as_str(), act]));
    Ok(match member_set(line) {
        None => ways.iter().map(|way| rule(way, &act)).collect(),
        Some(set) => {
            let forget = format!("-j mark --mark-and {:#010x} --mark-target CONTINUE", !marks.scratch());
            let ask = ways.iter().map(|way| rule(way, &format!("-j {set}")));
            let answer = format!("{} {act}", marked(marks.scratch()));
            [forget].into_iter().chain(ask).chain([answer]).collect()
        }
    })
}

fn member_set(line: &Line) -> Option<Name> {
    line.matches.iter().find_map(|condition| match &condition.field {
        Field::SourceIn(name) if condition.sense == Sense::Is => Some(Name::set(name)),
        _ => None,
    })
}

/// One text for each choice of one of each.
fn ways(alternatives: &[Vec<String>]) -> Vec<String> {
    alternatives.iter().fold(vec![String::new()], |ways, texts| {
        ways.iter().flat_map(|way| texts.iter().map(move |text| join([way.as_str(), text.as_str()]))).collect()
    })
}

fn act(line: &Line, marks: Marks) -> Result<String, Inexpressible> {
    let noted = marks.scratch();
    Ok(match &line.act {
        Act::Leave => "-j RETURN".to_owned(),
        Act::Accept => format!("-j mark --mark-or {noted:#010x} --mark-target RETURN"),
        Act::Drop => "-j DROP".to_owned(),
        Act::Reject => return inexpressible("reject (set reject = \"drop\" in [guests])", line),
        Act::Jump(name) => format!("-j {name}"),
        Act::Forget => format!("-j mark --mark-and {:#010x} --mark-target CONTINUE", !noted),
        Act::LeaveIfAccepted => format!("{} -j RETURN", marked(noted)),
    })
}

fn inexpressible<T>(what: &str, line: &Line) -> Result<T, Inexpressible> {
    let (what, rule) = (format!("{what} in ebtables"), line.origin.to_string());
    Err(Inexpressible { engine: EngineKind::Iptables, what, rule })
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
