//! Chains of somebody else that are to outlive a flush.
//!
//! Out: typed entries. Which chains stand, and what became of them, is not known
//! here.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::{Glob, Placed};
use crate::facts::keywords::keywords;
use crate::net::{Family, ValueError};

/// The chains that the kernel calls itself (iptables(8), TABLES).
const BUILT_IN: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
/// What the names of our own chains begin with.
const OURS: [&str; 2] = ["vg_", "vgf_"];

keywords! {
    /// A table of iptables and ip6tables in which agents keep chains.
    XtTable is "table" {
        /// What may pass.
        Filter = "filter",
        /// What is translated.
        Nat = "nat",
        /// What is marked.
        Mangle = "mangle",
        /// What is done before connections are tracked.
        Raw = "raw",
    }
}

impl XtTable {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Filter, Self::Nat, Self::Mangle, Self::Raw];

    /// Whether a chain of this name is the kernel's own, in the tables that have it.
    pub fn is_built_in(chain: &str) -> bool {
        BUILT_IN.contains(&chain)
    }
}

/// A `[[preserve]]`: chains of an agent that come back when a flush took them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preserve {
    /// What the chains are called; at least one.
    pub chains: Vec<Placed<ChainGlob>>,
    /// The tables to look in.
    pub tables: BTreeSet<XtTable>,
    /// The families to look in.
    pub families: BTreeSet<Family>,
}

impl Preserve {
    /// Whether the chain of this name in this table is meant.
    pub fn matches(&self, family: Family, table: XtTable, chain: &str) -> bool {
        self.families.contains(&family)
            && self.tables.contains(&table)
            && self.chains.iter().any(|glob| glob.value.matches(chain))
    }
}

/// A pattern over names of chains: `*` stands for any text, `?` for one character.
/// It never means a built-in chain or one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainGlob(Glob);

impl ChainGlob {
    /// Whether the chain of this name is meant.
    pub fn matches(&self, chain: &str) -> bool {
        !OURS.iter().any(|prefix| chain.starts_with(prefix)) && !XtTable::is_built_in(chain) && self.0.matches(chain)
    }
}

impl FromStr for ChainGlob {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = |expected| ValueError::new("chains", text, expected);
        let invalid = || error("names of chains, in which * stands for any text and ? for one character");
        if text.contains(char::is_whitespace) || text.starts_with(['-', '!']) {
            return Err(invalid());
        }
        let glob: Glob = text.parse().map_err(|_| invalid())?;
        if BUILT_IN.iter().any(|chain| glob.matches(chain)) {
            return Err(error("a pattern that matches no built-in chain, such as nova-*"));
        }
        if OURS.iter().any(|prefix| text.starts_with(prefix)) {
            return Err(error("chains of others: virt-guard puts back its own without being told"));
        }
        Ok(Self(glob))
    }
}

impl fmt::Display for ChainGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_chains_of_others_only() {
        let glob: ChainGlob = "*_in".parse().unwrap();
        assert!(glob.matches("agent_in") && !glob.matches("vg_vnet7_sg_in") && !glob.matches("vgf_in"));
        let glob: ChainGlob = "i-*-VM".parse().unwrap();
        assert!(glob.matches("i-2-15-VM") && !glob.matches("i-2-15-VM-eg"));
    }

    #[test]
    fn a_pattern_that_could_mean_built_in_chains_or_ours_is_refused() {
        for text in ["*", "INPUT", "?NPUT", "FOR*", "vg_*", "vgf_x", "", "a b", "-x", "a[b]"] {
            assert!(text.parse::<ChainGlob>().is_err(), "{text:?} was accepted");
        }
    }
}
