//! The way to a port's chains: the plan's tree over names, in each table that
//! needs it.

use std::collections::BTreeSet;

use crate::engine::{ChainText, Table};
use crate::net::{Direction, Family, IfName};
use crate::plan::{Branch, Name, Node, PortPlan, nodes, path_change};

/// The tables that dispatch by port, and for which direction.
const TREES: [(Table, Direction); 4] = [
    (Table::EbtablesNat, Direction::Out),
    (Table::EbtablesNat, Direction::In),
    (Table::Mangle(Family::V4), Direction::Out),
    (Table::Mangle(Family::V6), Direction::Out),
];

/// All nodes in all tables.
pub(super) fn all(names: &BTreeSet<IfName>) -> Vec<ChainText> {
    print(&nodes(names))
}

/// The nodes on the way to `name`, as they are with `names`.
pub(super) fn on_path(names: &BTreeSet<IfName>, name: &IfName) -> Vec<ChainText> {
    print(&path_change(names, names, name).standing)
}

/// The nodes on the way to `name` as the names change, and the chains of nodes
/// that are not needed any more.
pub(super) fn changed(
    before: &BTreeSet<IfName>,
    after: &BTreeSet<IfName>,
    name: &IfName,
) -> (Vec<ChainText>, Vec<(Table, Name)>) {
    let change = path_change(before, after, name);
    let gone = change.gone.iter();
    let gone = gone.flat_map(|prefix| TREES.map(|(table, direction)| (table, Node::chain(prefix, direction))));
    (print(&change.standing), gone.collect())
}

fn print(nodes: &[Node]) -> Vec<ChainText> {
    nodes.iter().flat_map(|node| TREES.map(|(table, direction)| chain(node, table, direction))).collect()
}

fn chain(node: &Node, table: Table, direction: Direction) -> ChainText {
    let rules = node.branches.iter().map(|branch| rule(branch, table, direction)).collect();
    ChainText { table, name: Node::chain(&node.prefix, direction), hook: None, rules }
}

fn rule(branch: &Branch, table: Table, direction: Direction) -> String {
    let (pattern, target) = match branch {
        Branch::Port(port) => (port.to_string(), PortPlan::entry_of(port, direction)),
        Branch::Prefix(prefix) => (format!("{prefix}+"), Node::chain(prefix, direction)),
    };
    match (table, direction) {
        (Table::EbtablesNat, Direction::Out) => format!("-i {pattern} -j {target}"),
        (Table::EbtablesNat, Direction::In) => format!("-o {pattern} -j {target}"),
        // To return from the port's chain is to return from the whole tree.
        _ => format!("-m physdev --physdev-in {pattern} -g {target}"),
    }
}
