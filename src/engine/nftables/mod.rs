//! The nftables engine: two private tables, changed in one transaction each time.
//!
//! `bridge virt_guard` stands around the guests' ports, `inet virt_guard` around
//! the host. Which port a frame is at is looked up in a map by interface name, so
//! the cost of a packet does not grow with the number of guests, and a port's
//! rules can be loaded before its tap exists.

mod condition;
mod limit;
mod nat;
mod rule;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use self::limit::Counter;
use self::rule::Place;
use super::{ChainText, Change, Element, Engine, EngineKind, Inexpressible, NatChange, Standing, Step, Table, Tool};
use crate::facts::policy::{Marks, UnknownPorts};
use crate::model::{NatTable, SetName};
use crate::net::{Direction, Family, IfName};
use crate::plan::{Base, Chain, GuardedBridge, Name, Plan, PortPlan};

/// After connection tracking (-200), before br_netfilter (0): linux/netfilter_bridge.h.
const FROM_HOOK: &str = "type filter hook prerouting priority -150; policy accept;";
/// Where ebtables' nat table is too; before a connection is confirmed.
const TO_HOOK: &str = "type filter hook postrouting priority 300; policy accept;";
/// Before everybody else's filter (0): what is dropped here needs no other look.
const HOST_HOOK: &str = "type filter hook input priority -10; policy accept;";
/// Where what is routed and what the host sends have come together, long before
/// conntrack notes a connection as begun (at the very end).
const ROUTED_HOOK: &str = "type filter hook postrouting priority -10; policy accept;";

/// The kernel tracks connections on bridges, and puts fragments together for that,
/// only as long as some rule asks for it. Without this one, rules about ports would
/// see the fragments of a packet one by one until the first guest has a group.
const TRACKED: &str = "ct state invalid continue comment \"connections are tracked\"";

const BRIDGE: &str = "bridge virt_guard";
const INET: &str = "inet virt_guard";
const UPLINKS: &str = "vg_uplinks";

/// The nftables engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nftables;

impl Nftables {
    /// The map from a port's name to its entry chain.
    pub const fn port_map(direction: Direction) -> &'static str {
        match direction {
            Direction::Out => "vg_from_port",
            Direction::In => "vg_to_port",
        }
    }
}

/// What looks at the port a frame comes from or goes to.
fn port_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Out => "iifname",
        Direction::In => "oifname",
    }
}

impl Engine for Nftables {
    fn kind(&self) -> EngineKind {
        EngineKind::Nftables
    }

    fn replace(&self, plan: &Plan, _: &Standing) -> Result<Vec<Step>, Inexpressible> {
        let mut chains = bridge_base(&plan.base);
        for port in plan.ports() {
            chains.extend(port_chains(&plan.base, port)?);
        }
        let mut maps: String =
            plan.ports().iter().flat_map(limit::counters).map(|counter| block_of_set(&counter)).collect();
        for direction in Direction::BOTH {
            maps.push_str(&map(direction, plan.ports()));
        }
        let mut text = tables(&plan.base, plan.ports(), &maps, &chains)?;
        if !plan.nat.is_empty() {
            text.push_str(&nat::change(&NatTable::default(), &plan.nat, plan.base.marks));
        }
        Ok(vec![Step { tool: Tool::Nft, text }])
    }

    fn change(&self, change: &Change<'_>) -> Result<Vec<Step>, Inexpressible> {
        let mut text = String::new();
        if let Some(after) = change.after {
            text.push_str(&rebuild(change.base, after)?);
        }
        text.push_str(&map_changes(change));
        text.push_str(&stale_chains(change));
        text.push_str(&member_changes(change));
        Ok(vec![Step { tool: Tool::Nft, text }])
    }

    fn close(&self, base: &Base, names: &BTreeSet<IfName>, _: &Standing) -> Result<Vec<Step>, Inexpressible> {
        let maps = Direction::BOTH.map(|direction| {
            let elements = names.iter().map(|name| format!("\"{name}\" : drop"));
            port_map_of(direction, elements)
        });
        let text = tables(base, &[], &maps.concat(), &bridge_base(base))?;
        Ok(vec![Step { tool: Tool::Nft, text }])
    }

    fn remove(&self, _: &Standing) -> Vec<Step> {
        vec![Step { tool: Tool::Nft, text: remove_tables() }]
    }

    fn base_chains(&self, base: &Base) -> Result<Vec<ChainText>, Inexpressible> {
        Ok(bridge_base(base).into_iter().chain(inet_base(base)?).collect())
    }

    fn dispatch_chains(&self, _: &BTreeSet<IfName>, _: Option<&IfName>) -> Vec<ChainText> {
        Vec::new()
    }

    fn port_chains(&self, base: &Base, port: &PortPlan) -> Result<Vec<ChainText>, Inexpressible> {
        port_chains(base, port)
    }

    fn set_chains(&self, _: &Plan) -> Vec<ChainText> {
        Vec::new()
    }

    fn hooks(&self) -> Vec<(Table, String)> {
        Vec::new()
    }

    fn nat(&self, change: &NatChange<'_>) -> Vec<Step> {
        let text = nat::change(change.before, change.after, change.marks);
        if text.is_empty() { Vec::new() } else { vec![Step { tool: Tool::Nft, text }] }
    }

    fn nat_chains(&self, table: &NatTable, marks: Marks) -> Vec<ChainText> {
        nat::chains(table, marks)
    }

    fn nat_hooks(&self, _: &NatTable) -> Vec<(Table, String)> {
        Vec::new()
    }

    fn nat_elements(&self, table: &NatTable) -> Vec<Element> {
        nat::expected(table)
    }

    fn entries(&self, port: &PortPlan) -> Vec<Element> {
        let entry = |direction| found_in(Nftables::port_map(direction), element(&port.ifname, &port.entry(direction)));
        Direction::BOTH.map(entry).into()
    }

    fn elements(&self, base: &Base, ports: &[&PortPlan]) -> Vec<Element> {
        let mut elements: Vec<_> = base.uplinks.iter().map(|name| found_in(UPLINKS, format!("\"{name}\""))).collect();
        for port in ports {
            elements.extend(self.entries(port));
            let members = port.members.iter().filter(|(set, _)| base.sets.contains(set));
            elements.extend(members.map(|(set, address)| Element {
                table: table_of(set),
                container: Name::set(set).to_string(),
                element: address.to_string(),
            }));
        }
        elements
    }
}

/// A rule can refer to a set of its own table only: groups are for what stands around
/// ports, the other for what is routed to them.
fn table_of(set: &SetName) -> Table {
    if set.group.is_some() { Table::NftBridge } else { Table::NftInet }
}

fn found_in(container: &str, element: String) -> Element {
    Element { table: Table::NftBridge, container: container.to_owned(), element }
}

/// `add` before `delete`, as nft 1.0.6 cannot say "if it is there".
fn remove_tables() -> String {
    [BRIDGE, INET].map(|table| format!("add table {table}\ndelete table {table}\n")).concat()
}

/// Both tables anew, with the sets of these ports, maps and chains around ports.
fn tables(base: &Base, ports: &[PortPlan], maps: &str, chains: &[ChainText]) -> Result<String, Inexpressible> {
    let mut text = remove_tables();
    let _ = writeln!(text, "table {BRIDGE} {{");
    text.push_str(&(uplinks(base) + &sets(base, ports, Table::NftBridge) + maps));
    chains.iter().for_each(|chain| text.push_str(&block(chain)));
    let _ = writeln!(text, "}}\ntable {INET} {{");
    text.push_str(&sets(base, ports, Table::NftInet));
    inet_base(base)?.iter().for_each(|chain| text.push_str(&block(chain)));
    text.push_str("}\n");
    Ok(text)
}

fn bridge_base(base: &Base) -> Vec<ChainText> {
    Direction::BOTH.map(|direction| entry(base, direction)).into()
}

/// A guest's port, else an uplink, else nobody's.
fn entry(base: &Base, direction: Direction) -> ChainText {
    let port = port_word(direction);
    let mut rules: Vec<_> = (direction == Direction::Out).then(|| TRACKED.to_owned()).into_iter().collect();
    rules.extend([format!("{port} vmap @{}", Nftables::port_map(direction)), format!("{port} @{UPLINKS} return")]);
    rules.extend(base.bridges.iter().map(|bridge| unknown_port(base, bridge, direction)));
    let hook = match direction {
        Direction::Out => FROM_HOOK,
        Direction::In => TO_HOOK,
    };
    ChainText { table: Table::NftBridge, name: Base::entry(direction), hook: Some(hook), rules }
}

fn unknown_port(base: &Base, bridge: &GuardedBridge, direction: Direction) -> String {
    let word = match direction {
        Direction::Out => "ibrname",
        Direction::In => "obrname",
    };
    let bridge_is = format!("meta {word} \"{}\"", bridge.pattern.with_wildcard('*'));
    match (bridge.unknown_ports, direction) {
        (UnknownPorts::Drop, _) => format!("{bridge_is} counter drop comment \"unknown port\""),
        // Whoever it is, the host's services are not for it.
        (UnknownPorts::Accept, Direction::Out) => format!("{bridge_is} {} return", set_mark(base)),
        (UnknownPorts::Accept, Direction::In) => format!("{bridge_is} return"),
    }
}

fn set_mark(base: &Base) -> String {
    format!("meta mark set meta mark or {:#010x}", base.marks.guest())
}

fn inet_base(base: &Base) -> Result<Vec<ChainText>, Inexpressible> {
    let to_guests =
        |bridge: &GuardedBridge| format!("oifname \"{}\" jump {}", bridge.pattern.with_wildcard('*'), base.routed.name);
    let lead = base.bridges.iter().map(to_guests).collect();
    let routed = lines(&base.routed, Place::Inet, base)?;
    Ok(vec![
        host(base)?,
        chain_in(Table::NftInet, base.routed.name.clone(), None, routed),
        chain_in(Table::NftInet, Base::routed_entry(), Some(ROUTED_HOOK), lead),
    ])
}

fn host(base: &Base) -> Result<ChainText, Inexpressible> {
    let mark = base.marks.guest();
    let mut rules = vec![format!("meta mark and {mark:#010x} == 0 return")];
    rules.extend(lines(&base.host, Place::Inet, base)?);
    Ok(ChainText { table: Table::NftInet, name: base.host.name.clone(), hook: Some(HOST_HOOK), rules })
}

fn lines(chain: &Chain, place: Place, base: &Base) -> Result<Vec<String>, Inexpressible> {
    let print = |(number, line)| {
        let counter = limit::counter(&chain.name, number, line);
        rule::print(line, counter.as_ref(), place, base.marks)
    };
    chain.lines.iter().enumerate().map(print).collect()
}

fn port_chains(base: &Base, port: &PortPlan) -> Result<Vec<ChainText>, Inexpressible> {
    let mut chains = Vec::new();
    for direction in Direction::BOTH {
        let mark = (direction == Direction::Out).then(|| set_mark(base));
        let walls = port.walls(direction).map(|chain| format!("jump {}", chain.name));
        let rules = mark.into_iter().chain(walls).collect();
        chains.push(chain(port.entry(direction), rules));
        for part in port.walls(direction).flat_map(Chain::all) {
            chains.push(chain(part.name.clone(), lines(part, Place::Bridge(direction), base)?));
        }
    }
    Ok(chains)
}

fn chain(name: Name, rules: Vec<String>) -> ChainText {
    chain_in(Table::NftBridge, name, None, rules)
}

fn chain_in(table: Table, name: Name, hook: Option<&'static str>, rules: Vec<String>) -> ChainText {
    ChainText { table, name, hook, rules }
}

fn block(chain: &ChainText) -> String {
    let mut text = format!("\tchain {} {{\n", chain.name);
    for line in chain.hook.into_iter().chain(chain.rules.iter().map(String::as_str)) {
        let _ = writeln!(text, "\t\t{line}");
    }
    text.push_str("\t}\n");
    text
}

/// The sets of addresses in this table, each shared by all ports.
fn sets(base: &Base, ports: &[PortPlan], table: Table) -> String {
    let mut text = String::new();
    for name in base.sets.iter().filter(|name| table_of(name) == table) {
        let kind = match name.family {
            Family::V4 => "ipv4_addr",
            Family::V6 => "ipv6_addr",
        };
        let members = ports.iter().flat_map(|port| &port.members).filter(|(set, _)| set == name);
        let addresses: BTreeSet<_> = members.map(|(_, address)| *address).collect();
        text.push_str(&set(Name::set(name).as_str(), kind, addresses.iter().map(ToString::to_string)));
    }
    text
}

fn uplinks(base: &Base) -> String {
    set(UPLINKS, "ifname", base.uplinks.iter().map(|name| format!("\"{name}\"")))
}

fn set(name: &str, kind: &str, elements: impl Iterator<Item = String>) -> String {
    container("set", name, &format!("type {kind};"), elements)
}

fn map(direction: Direction, ports: &[PortPlan]) -> String {
    port_map_of(direction, ports.iter().map(|port| element(&port.ifname, &port.entry(direction))))
}

fn port_map_of(direction: Direction, elements: impl Iterator<Item = String>) -> String {
    container("map", Nftables::port_map(direction), "type ifname : verdict;", elements)
}

fn block_of_set(counter: &Counter) -> String {
    container("set", counter.name.as_str(), &counter.kind(), std::iter::empty())
}

fn container(word: &str, name: &str, kind: &str, elements: impl Iterator<Item = String>) -> String {
    let elements: Vec<_> = elements.collect();
    let mut text = format!("\t{word} {name} {{\n\t\t{kind}\n");
    if !elements.is_empty() {
        let _ = writeln!(text, "\t\telements = {{ {} }}", elements.join(", "));
    }
    text.push_str("\t}\n");
    text
}

fn element(port: &IfName, entry: &Name) -> String {
    format!("\"{port}\" : goto {entry}")
}

/// Empties and refills the port's chains; within one transaction nobody sees
/// them empty.
fn rebuild(base: &Base, port: &PortPlan) -> Result<String, Inexpressible> {
    let chains = port_chains(base, port)?;
    let mut text = String::new();
    for chain in &chains {
        let _ = writeln!(text, "add chain {BRIDGE} {0}\nflush chain {BRIDGE} {0}", chain.name);
    }
    let _ = writeln!(text, "table {BRIDGE} {{");
    text.extend(limit::counters(port).iter().map(block_of_set));
    chains.iter().for_each(|chain| text.push_str(&block(chain)));
    text.push_str("}\n");
    Ok(text)
}

/// A port's element never changes while it is there: it always leads to the
/// chain that bears the port's name.
fn map_changes(change: &Change<'_>) -> String {
    let line = |word: &str, port: &PortPlan| {
        Direction::BOTH
            .map(|direction| {
                let element = match word {
                    "add" => element(&port.ifname, &port.entry(direction)),
                    _ => format!("\"{}\"", port.ifname),
                };
                format!("{word} element {BRIDGE} {} {{ {element} }}\n", Nftables::port_map(direction))
            })
            .concat()
    };
    match (change.before.first(), change.after) {
        (_, Some(after)) => line("add", after),
        // Added first: to delete what is not there fails.
        (Some(before), None) => line("add", before) + &line("delete", before),
        (None, None) => String::new(),
    }
}

fn stale_chains(change: &Change<'_>) -> String {
    let standing: BTreeSet<Name> = change.after.iter().flat_map(|port| port.chain_names()).collect();
    let stale: Vec<Name> =
        change.before.iter().flat_map(|port| port.chain_names()).filter(|name| !standing.contains(name)).collect();
    // All are emptied before the first goes, as they refer to each other.
    let flush = stale.iter().map(|name| format!("flush chain {BRIDGE} {name}\n"));
    let delete = stale.iter().map(|name| format!("delete chain {BRIDGE} {name}\n"));
    flush.chain(delete).chain(stale_counters(change)).collect()
}

/// No rule counts in these any more.
fn stale_counters(change: &Change<'_>) -> Vec<String> {
    let standing: BTreeSet<_> = change.after.iter().flat_map(|port| limit::counters(port)).collect();
    let before: BTreeSet<_> = change.before.iter().flat_map(|port| limit::counters(port)).collect();
    // Added first: after a crash it may not be there, and to delete it would fail.
    let line = |counter: &Counter| {
        let name = &counter.name;
        format!("add set {BRIDGE} {name} {{ {} }}\ndelete set {BRIDGE} {name}\n", counter.kind())
    };
    before.difference(&standing).map(line).collect()
}

fn member_changes(change: &Change<'_>) -> String {
    let known = |set: &_| change.base.sets.contains(set);
    let line = |word: &str, set: &SetName, address: &IpAddr| {
        let table = if table_of(set) == Table::NftBridge { BRIDGE } else { INET };
        format!("{word} element {table} {} {{ {address} }}\n", Name::set(set))
    };
    let mut text = String::new();
    for (set, address) in change.after.iter().flat_map(|port| &port.members).filter(|(set, _)| known(set)) {
        text.push_str(&line("add", set, address));
    }
    for (set, address) in change.before.iter().flat_map(|port| &port.members).filter(|(set, _)| known(set)) {
        // Another port may have the same address in the same group.
        let stays = change.members.get(set).is_some_and(|addresses| addresses.contains(address));
        if !stays {
            text.push_str(&line("add", set, address));
            text.push_str(&line("delete", set, address));
        }
    }
    text
}
