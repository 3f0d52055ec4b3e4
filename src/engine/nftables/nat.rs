//! Translations as nft says them: maps that are looked up, so that the cost of a
//! new connection does not grow with their number, and that change element by
//! element.
//!
//! Only the first packet of a connection comes here; conntrack does the rest.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{INET, block, chain_in};
use crate::engine::{ChainText, Element, Table};
use crate::facts::policy::Marks;
use crate::model::{Floating, Forwarding, NatTable};
use crate::net::Family;
use crate::plan::{Name, NatChain, NatMap};

/// Before everybody else's (-100): what is ours is nobody else's to translate.
const INCOMING_HOOK: &str = "type nat hook prerouting priority -110; policy accept;";
const OWN_HOOK: &str = "type nat hook output priority -110; policy accept;";
/// Before everybody else's (100).
const LEAVE_HOOK: &str = "type nat hook postrouting priority 90; policy accept;";

/// The elements of all maps: by map and key, what the key leads to; nothing for the
/// elements of a set.
type Elements = BTreeMap<(Name, String), Option<String>>;

/// The chains; none if nothing is translated.
pub(super) fn chains(table: &NatTable, marks: Marks) -> Vec<ChainText> {
    if table.is_empty() {
        return Vec::new();
    }
    let lead = format!("jump {}", NatChain::Lead.name());
    let lines = |of: fn(Family) -> Vec<String>| Family::BOTH.into_iter().flat_map(of).collect::<Vec<_>>();
    let mut leave = lines(leave_rules);
    leave.extend(Family::BOTH.into_iter().flat_map(|family| near_rules(family, marks)));
    vec![
        chain_in(Table::NftInet, NatChain::Lead.name(), None, lines(lead_rules)),
        chain_in(Table::NftInet, NatChain::Incoming.name(), Some(INCOMING_HOOK), vec![lead.clone()]),
        chain_in(Table::NftInet, NatChain::Own.name(), Some(OWN_HOOK), vec![lead]),
        chain_in(Table::NftInet, NatChain::Leave.name(), Some(LEAVE_HOOK), leave),
    ]
}

fn lead_rules(family: Family) -> Vec<String> {
    let ip = word(family);
    let map = |map: NatMap| map.name(family);
    vec![
        format!("dnat {ip} to {ip} daddr map @{}", map(NatMap::Floating)),
        format!("dnat {ip} to {ip} daddr . meta l4proto . th dport map @{}", map(NatMap::Port)),
        format!(
            "{ip} daddr != {} fib daddr type local dnat {ip} to meta l4proto . th dport map @{}",
            family.loopback(),
            map(NatMap::LocalPort)
        ),
    ]
}

fn leave_rules(family: Family) -> Vec<String> {
    let ip = word(family);
    vec![format!("snat {ip} to oifname . {ip} saddr map @{}", NatMap::KnownAs.name(family))]
}

/// A guest that reaches another by an address outside is answered past the host,
/// on the bridge, and so is the host by the guest's own floating IP: both must
/// seem to come from the host.
fn near_rules(family: Family, marks: Marks) -> Vec<String> {
    let (ip, guest) = (word(family), marks.guest());
    let led = format!("{ip} daddr @{} ct status dnat", NatMap::Fixed.name(family));
    vec![
        format!("{led} meta mark and {guest:#010x} == {guest:#010x} masquerade"),
        format!("{led} fib saddr type local masquerade"),
    ]
}

fn word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

fn elements(table: &NatTable) -> Elements {
    let mut elements = Elements::new();
    for Floating { address, fixed, .. } in table.floating() {
        let map = NatMap::Floating.name(Family::of(*address));
        elements.insert((map, address.to_string()), Some(fixed.to_string()));
    }
    for ((uplink, fixed), address) in table.known_as() {
        let map = NatMap::KnownAs.name(Family::of(fixed));
        elements.insert((map, format!("\"{uplink}\" . {fixed}")), Some(address.to_string()));
    }
    for forward in table.forwards() {
        elements.extend(forwarded(forward));
    }
    for family in Family::BOTH {
        let fixed = table.fixed(family).into_iter();
        elements.extend(fixed.map(|address| ((NatMap::Fixed.name(family), address.to_string()), None)));
    }
    elements
}

/// nft has no word for a range that leads to another of the same length.
fn forwarded(forward: &Forwarding) -> impl Iterator<Item = ((Name, String), Option<String>)> {
    let protocol = forward.protocol.0;
    (forward.ports.first()..=forward.ports.last()).filter_map(move |port| {
        let target = forward.target(port)?;
        let (map, key) = match forward.address {
            Some(address) => (NatMap::Port, format!("{address} . {protocol} . {port}")),
            None => (NatMap::LocalPort, format!("{protocol} . {port}")),
        };
        Some(((map.name(forward.family()), key), Some(format!("{} . {target}", forward.fixed))))
    })
}

/// The elements as they must be found.
pub(super) fn expected(table: &NatTable) -> Vec<Element> {
    let element = |((name, key), value): ((Name, String), Option<String>)| Element {
        table: Table::NftInet,
        container: name.to_string(),
        element: text(&key, value.as_deref()),
    };
    elements(table).into_iter().map(element).collect()
}

fn text(key: &str, value: Option<&str>) -> String {
    value.map_or_else(|| key.to_owned(), |value| format!("{key} : {value}"))
}

/// What turns the translations of `before` into those of `after`.
pub(super) fn change(before: &NatTable, after: &NatTable, marks: Marks) -> String {
    if after.is_empty() {
        return remove(marks, before);
    }
    let mut script = declare(&chains(after, marks));
    let (old, new) = (elements(before), elements(after));
    for ((map, key), value) in old.iter().filter(|(key, value)| new.get(*key) != Some(*value)) {
        // Added first: to delete what is not there fails.
        let element = text(key, value.as_deref());
        let _ = writeln!(script, "add element {INET} {map} {{ {element} }}\ndelete element {INET} {map} {{ {key} }}");
    }
    for ((map, key), value) in new.iter().filter(|(key, value)| old.get(*key) != Some(*value)) {
        let _ = writeln!(script, "add element {INET} {map} {{ {} }}", text(key, value.as_deref()));
    }
    script
}

fn declare(chains: &[ChainText]) -> String {
    let mut script = format!("table {INET} {{\n{}}}\n", maps());
    for chain in chains {
        let hook = chain.hook.map(|hook| format!(" {{ {hook} }}")).unwrap_or_default();
        let _ = writeln!(script, "add chain {INET} {0}{hook}\nflush chain {INET} {0}", chain.name);
    }
    let _ = writeln!(script, "table {INET} {{");
    chains.iter().for_each(|chain| script.push_str(&block(chain)));
    script.push_str("}\n");
    script
}

fn maps() -> String {
    let mut text = String::new();
    for (map, family) in NatMap::ALL.into_iter().flat_map(|map| Family::BOTH.map(|family| (map, family))) {
        let word = if map == NatMap::Fixed { "set" } else { "map" };
        let _ = writeln!(text, "\t{word} {} {{\n\t\ttype {};\n\t}}", map.name(family), kind(map, family));
    }
    text
}

fn kind(map: NatMap, family: Family) -> String {
    let address = match family {
        Family::V4 => "ipv4_addr",
        Family::V6 => "ipv6_addr",
    };
    let port = "inet_proto . inet_service";
    match map {
        NatMap::Floating => format!("{address} : {address}"),
        NatMap::KnownAs => format!("ifname . {address} : {address}"),
        NatMap::Port => format!("{address} . {port} : {address} . inet_service"),
        NatMap::LocalPort => format!("{port} : {address} . inet_service"),
        NatMap::Fixed => address.to_owned(),
    }
}

/// Takes all of it away, whatever of it stands.
fn remove(marks: Marks, before: &NatTable) -> String {
    let chains = chains(before, marks);
    if chains.is_empty() {
        return String::new();
    }
    let mut script = declare(&chains);
    chains.iter().for_each(|chain| {
        let _ = writeln!(script, "flush chain {INET} {}", chain.name);
    });
    // What is jumped to goes last.
    chains.iter().rev().for_each(|chain| {
        let _ = writeln!(script, "delete chain {INET} {}", chain.name);
    });
    for (map, family) in NatMap::ALL.into_iter().flat_map(|map| Family::BOTH.map(|family| (map, family))) {
        let word = if map == NatMap::Fixed { "set" } else { "map" };
        let _ = writeln!(script, "delete {word} {INET} {}", map.name(family));
    }
    script
}
