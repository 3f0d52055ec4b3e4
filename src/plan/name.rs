//! Names of chains and sets, the only place that makes them.
//!
//! The narrowest limit is that of iptables: 28 characters. A name that would
//! not fit, or holds what nft does not take, is hashed as a whole, never cut: two
//! ports must not share a chain because their names begin alike.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest;
use crate::facts::fragments::End;
use crate::model::{Layer, SetName};
use crate::net::{Direction, IfName};

/// `XT_EXTENSION_MAXNAMELEN` - 1 (linux/netfilter/x_tables.h), the limit of a chain name.
const LONGEST: usize = 28;
/// What every name of ours begins with; libvirt, docker and firewalld use others.
const PREFIX: &str = "vg_";

/// What the name of a set begins with in which a rule counts connections.
const LIMIT: &str = "vg_cl_";

/// The name of a chain or a set in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(String);

/// A text that this program would never use as a name in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a chain or set of virt-guard")]
pub struct NameError(String);

impl Name {
    /// A chain that all ports share.
    pub(super) fn base(word: &str) -> Self {
        Self(format!("{PREFIX}{word}"))
    }

    /// The chain through which a port's packets enter its walls.
    pub(super) fn entry(port: &IfName, direction: Direction) -> Self {
        let suffix = match direction {
            Direction::In => "to",
            Direction::Out => "from",
        };
        Self(format!("{PREFIX}{}_{suffix}", slug(port.as_str())))
    }

    /// The chain of one wall of a port.
    pub(super) fn wall(port: &IfName, layer: Layer, direction: Direction) -> Self {
        let layer = match layer {
            Layer::Frame => "frame",
            Layer::Ethernet => "eth",
            Layer::Address => "addr",
            Layer::Neighbour => "nd",
            Layer::Connection => "ct",
            Layer::Ip => "ip",
            Layer::Groups => "sg",
            Layer::Metadata => "meta",
            Layer::Host => "host",
        };
        Self(format!("{PREFIX}{}_{layer}_{direction}", slug(port.as_str())))
    }

    /// A branch of a port's wall, for the nwfilter chain of this name.
    pub(super) fn branch(port: &IfName, direction: Direction, chain: &str) -> Self {
        let port = slug(port.as_str());
        let readable = format!("{PREFIX}{port}_{direction}_{}", chain.replace('-', "."));
        let plain = chain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if plain && readable.len() <= LONGEST {
            return Self(readable);
        }
        let letter = if direction == Direction::In { 'i' } else { 'o' };
        Self(format!("{PREFIX}{port}_{letter}{:08x}", digest::of(chain.as_bytes()) & 0xffff_ffff))
    }

    /// A node of the tree over interface names, for names that begin with `prefix`.
    pub(super) fn node(prefix: &str, direction: Direction) -> Self {
        let slug = if prefix.is_empty() { String::new() } else { format!("{}_", slug(prefix)) };
        Self(format!("{PREFIX}{slug}tree_{direction}"))
    }

    /// The set of a group's members of one family.
    pub fn set(set: &SetName) -> Self {
        // No group is named like this.
        let Some(group) = &set.group else { return Self::base(&format!("connected_{}", set.family)) };
        let group = group.to_string();
        let plain = group.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let simple = group.len() <= 16 && plain && !looks_hashed(&group);
        let group = if simple { group } else { hashed(&group) };
        Self(format!("{PREFIX}m_{group}_{}", set.family))
    }

    /// The set in which the line with this number in `chain` counts connections.
    pub fn limit(chain: &Self, number: usize) -> Self {
        let line = format!("{chain} {number}");
        Self(format!("{LIMIT}{:012x}", digest::of(line.as_bytes()) & 0xffff_ffff_ffff))
    }

    /// Whether a set of this name is filled by packets, so that what it holds is
    /// nobody's wish.
    pub fn is_limit(set: &str) -> bool {
        set.starts_with(LIMIT)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The chain of an operator's rules at a port that are for the chain `target`.
/// Its prefix is one that the plan's own chains never have.
pub(super) fn fragment_chain(port: &IfName, target: &str, end: End) -> String {
    let letter = if end == End::First { 'i' } else { 'a' };
    format!("vgf_{}_{letter}{:07x}", slug(port.as_str()), digest::of(target.as_bytes()) & 0xfff_ffff)
}

/// A name read back from a record must be one that could have been written: it
/// goes into a script, and a record is only a file.
impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        let valid = text.starts_with(PREFIX)
            && text.len() <= LONGEST
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
        if valid { Ok(Self(text)) } else { Err(NameError(text)) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An interface name in letters that every engine takes, one to one: a `-`
/// becomes a `.` unless the name has dots of its own.
fn slug(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let simple = name.bytes().all(plain) && !looks_hashed(name);
    if simple { name.replace('-', ".") } else { hashed(name) }
}

/// `H` and twelve hex digits. Should two names ever meet there, the plan that
/// holds both is refused.
fn hashed(text: &str) -> String {
    format!("H{:012x}", digest::of(text.as_bytes()) & 0xffff_ffff_ffff)
}

fn looks_hashed(name: &str) -> bool {
    name.len() == 13 && name.starts_with('H') && name[1..].bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Family;

    fn ifname(text: &str) -> IfName {
        text.parse().unwrap()
    }

    #[test]
    fn every_name_fits_and_is_readable_where_it_can_be() {
        let longest = ifname("abcdefghijklmno");
        for direction in Direction::BOTH {
            for layer in [
                Layer::Frame,
                Layer::Ethernet,
                Layer::Address,
                Layer::Neighbour,
                Layer::Connection,
                Layer::Ip,
                Layer::Groups,
                Layer::Metadata,
            ] {
                let name = Name::wall(&longest, layer, direction);
                assert!(Name::try_from(name.to_string()).is_ok(), "{name}");
            }
            for chain in ["arp", "ipv4-with-a-long-name-of-its-own", "mac.x"] {
                let name = Name::branch(&longest, direction, chain);
                assert!(Name::try_from(name.to_string()).is_ok(), "{name}");
            }
            let node = Name::node(longest.as_str(), direction);
            assert!(Name::try_from(node.to_string()).is_ok(), "{node}");
        }
        assert_eq!(Name::wall(&ifname("vnet7"), Layer::Groups, Direction::In).as_str(), "vg_vnet7_sg_in");
        assert_eq!(Name::entry(&ifname("tap0a-b"), Direction::Out).as_str(), "vg_tap0a.b_from");
    }

    #[test]
    fn names_that_differ_little_get_different_chains() {
        let names = ["a-b", "a.b", "a_b", "H0123456789ab", "h0123456789ab", "vnet1", "vnet10"];
        let chains: std::collections::BTreeSet<_> =
            names.iter().map(|name| Name::entry(&ifname(name), Direction::In)).collect();
        assert_eq!(chains.len(), names.len());
    }

    #[test]
    fn long_group_names_are_hashed_not_cut() {
        let set = |group: &str| Name::set(&SetName { group: Some(group.parse().unwrap()), family: Family::V6 });
        let one = set("a-very-long-group-name-of-tenant-1");
        let two = set("a-very-long-group-name-of-tenant-2");
        assert_ne!(one, two);
        assert!(one.as_str().len() <= LONGEST);
    }

    #[test]
    fn a_record_cannot_smuggle_a_name() {
        for text in ["vg_x; flush ruleset", "INPUT", "vg_\n", "vg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert!(Name::try_from(text.to_owned()).is_err(), "{text:?} was accepted");
        }
    }
}
