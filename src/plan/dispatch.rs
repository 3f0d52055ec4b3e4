//! A tree over interface names, for engines that can match `vnet1+` but have no
//! map: a packet is compared with a handful of names, however many ports there are.
//!
//! A node stands for a prefix that at least two names share and after which they
//! differ. Adding or taking away a name changes only nodes on that name's path,
//! so the cost of a guest does not grow with the number of guests.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::name::Name;
use crate::net::{Direction, IfName};

/// Where a comparison leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Branch {
    /// Exactly this name: to the port's own entry chain.
    Port(IfName),
    /// All names with this prefix: to another node.
    Prefix(String),
}

/// The comparisons for names that share a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What the names have in common; empty at the root.
    pub prefix: String,
    /// The comparisons, each about names that no other is about.
    pub branches: Vec<Branch>,
}

impl Node {
    /// The chain of the node with this prefix.
    pub fn chain(prefix: &str, direction: Direction) -> Name {
        Name::node(prefix, direction)
    }
}

/// The whole tree, the root first.
pub fn nodes(names: &BTreeSet<IfName>) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut open = vec![String::new()];
    while let Some(prefix) = open.pop() {
        let node = node(names, prefix);
        open.extend(node.branches.iter().filter_map(|branch| match branch {
            Branch::Prefix(prefix) => Some(prefix.clone()),
            Branch::Port(_) => None,
        }));
        nodes.push(node);
    }
    nodes
}

/// What becomes of the tree when a name comes or goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathChange {
    /// The nodes on the way to the name, as they are afterwards.
    pub standing: Vec<Node>,
    /// The prefixes of nodes that stood before and are not needed any more.
    pub gone: Vec<String>,
}

/// The nodes on the way to `name` as the names go from `before` to `after`; no
/// other node changes.
pub fn path_change(before: &BTreeSet<IfName>, after: &BTreeSet<IfName>, name: &IfName) -> PathChange {
    let mut change = PathChange::default();
    for end in 0..=name.as_str().len() {
        let prefix = &name.as_str()[..end];
        let node = node(after, prefix.to_owned());
        if stands(&node) {
            change.standing.push(node);
        } else if stands(&self::node(before, prefix.to_owned())) {
            change.gone.push(prefix.to_owned());
        }
    }
    change
}

/// A node is needed where names part, and at the root.
fn stands(node: &Node) -> bool {
    node.prefix.is_empty() || node.branches.len() > 1
}

fn node(names: &BTreeSet<IfName>, prefix: String) -> Node {
    let mut groups: BTreeMap<Option<u8>, Vec<&IfName>> = BTreeMap::new();
    for name in with_prefix(names, &prefix) {
        groups.entry(name.as_str().as_bytes().get(prefix.len()).copied()).or_default().push(name);
    }
    let branches = groups.into_values().map(|group| branch(&group)).collect();
    Node { prefix, branches }
}

fn branch(group: &[&IfName]) -> Branch {
    match group {
        [only] => Branch::Port((*only).clone()),
        _ => Branch::Prefix(common_prefix(group).to_owned()),
    }
}

/// The names are sorted and all ASCII, so the first and the last have least in common.
fn common_prefix<'a>(group: &[&'a IfName]) -> &'a str {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return "" };
    let same = first.as_str().bytes().zip(last.as_str().bytes()).take_while(|(a, b)| a == b).count();
    &first.as_str()[..same]
}

fn with_prefix<'a>(names: &'a BTreeSet<IfName>, prefix: &'a str) -> Box<dyn Iterator<Item = &'a IfName> + 'a> {
    match prefix.parse::<IfName>() {
        Ok(start) => Box::new(
            names
                .range((Bound::Included(start), Bound::Unbounded))
                .take_while(move |name| name.as_str().starts_with(prefix)),
        ),
        // The root's empty prefix is no name to start from.
        Err(_) => Box::new(names.iter()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(names: &[&str]) -> BTreeSet<IfName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    /// Follows the comparisons as the kernel would.
    fn look_up(nodes: &[Node], name: &str) -> Vec<IfName> {
        let mut found = Vec::new();
        let mut open = vec![String::new()];
        while let Some(prefix) = open.pop() {
            for branch in &nodes.iter().find(|node| node.prefix == prefix).unwrap().branches {
                match branch {
                    Branch::Port(port) if port.as_str() == name => found.push(port.clone()),
                    Branch::Prefix(longer) if name.starts_with(longer.as_str()) => open.push(longer.clone()),
                    _ => {}
                }
            }
        }
        found
    }

    #[test]
    fn names_that_are_prefixes_of_others_are_told_apart() {
        let names = set(&["vnet1", "vnet10", "vnet100", "tap0"]);
        let nodes = nodes(&names);
        for name in &names {
            assert_eq!(look_up(&nodes, name.as_str()), vec![name.clone()]);
        }
        for stranger in ["vnet", "vnet2", "vnet11", "vnet1000", "tap", "eth1"] {
            assert_eq!(look_up(&nodes, stranger), vec![]);
        }
    }

    #[test]
    fn a_thousand_ports_cost_a_few_comparisons() {
        let names = (0..1000).map(|n| format!("vnet{n}").parse().unwrap()).collect();
        let nodes = nodes(&names);
        let widest = nodes.iter().map(|node| node.branches.len()).max().unwrap();
        assert!(widest <= 11, "a node with {widest} branches");
    }

    proptest! {
        #[test]
        fn changing_the_nodes_on_the_path_gives_the_same_tree(
            texts in proptest::collection::btree_set("[ab]{1,3}[01]{0,2}", 1..12), pick in any::<prop::sample::Index>(),
        ) {
            let after: BTreeSet<IfName> = texts.iter().map(|text| text.parse().unwrap()).collect();
            let name = after.iter().nth(pick.index(after.len())).unwrap().clone();
            let mut before = after.clone();
            before.remove(&name);
            for (old, new) in [(&before, &after), (&after, &before)] {
                let mut tree: BTreeMap<String, Node> =
                    nodes(old).into_iter().map(|node| (node.prefix.clone(), node)).collect();
                let change = path_change(old, new, &name);
                for prefix in change.gone {
                    prop_assert!(tree.remove(&prefix).is_some());
                }
                tree.extend(change.standing.into_iter().map(|node| (node.prefix.clone(), node)));
                let expected: BTreeMap<String, Node> =
                    nodes(new).into_iter().map(|node| (node.prefix.clone(), node)).collect();
                prop_assert_eq!(tree, expected);
            }
        }
    }
}
