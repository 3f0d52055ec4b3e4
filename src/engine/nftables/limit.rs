//! Connections counted by source, within one rule: a set in which each source has
//! a counter of its own, filled by the rule itself.
//!
//! Nobody else may look at the elements: they come and go with the packets.

use std::collections::BTreeSet;

use crate::model::{Field, Sense};
use crate::net::Family;
use crate::plan::{Chain, Line, Name, PortPlan};

/// How many sources a rule counts at once. A source beyond that does not match the
/// rule (nft_dynset: no element, no verdict).
const SOURCES: u32 = 65535;

/// A set that a rule counts in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Counter {
    pub name: Name,
    family: Family,
}

/// The set of the line with this number in a chain, if it counts.
pub(super) fn counter(chain: &Name, number: usize, line: &Line) -> Option<Counter> {
    let counts = line.matches.iter().any(|condition| matches!(condition.field, Field::ConnectionsAbove(_)));
    Some(Counter { name: Name::limit(chain, number), family: line.family().filter(|_| counts)? })
}

/// All sets of a port.
pub(super) fn counters(port: &PortPlan) -> BTreeSet<Counter> {
    let chains = port.all_walls().flat_map(Chain::all);
    chains.flat_map(|chain| of_chain(&chain.name, &chain.lines)).collect()
}

fn of_chain<'a>(name: &'a Name, lines: &'a [Line]) -> impl Iterator<Item = Counter> + 'a {
    lines.iter().enumerate().filter_map(|(number, line)| counter(name, number, line))
}

impl Counter {
    /// What the set is.
    pub fn kind(&self) -> String {
        let kind = match self.family {
            Family::V4 => "ipv4_addr",
            Family::V6 => "ipv6_addr",
        };
        format!("type {kind}; size {SOURCES}; flags dynamic;")
    }

    /// More connections than `limit` have the packet's source, or not more.
    pub fn condition(&self, limit: u32, sense: Sense) -> String {
        let ip = match self.family {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        };
        let over = if sense == Sense::Is { "over " } else { "" };
        format!("add @{} {{ {ip} saddr ct count {over}{limit} }}", self.name)
    }
}
