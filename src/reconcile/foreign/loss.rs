//! What a table lost of the chains on record, and what is to be said to the
//! restore program about it.
//!
//! A chain is lost if it is gone, or if it had rules and has none. A chain that
//! has rules is its agent's own again, whatever they are. What leads to a chain
//! comes back with the chain; to a chain that stands, only from chains that are
//! nobody's on record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use crate::facts::policy::XtTable;
use crate::kernel::saved::{SavedChain, SavedTable, target};
use crate::net::Family;
use crate::state::{Jump, PreservedChain};

use super::owner::Guests;

/// Something that a flush or an agent took.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Loss {
    /// Of iptables or ip6tables.
    pub family: Family,
    /// The table.
    pub table: XtTable,
    /// The chain on record.
    pub chain: String,
    /// What of it is gone.
    pub what: Lost,
}

/// What is gone of a chain.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lost {
    /// The chain itself.
    Chain,
    /// All of its rules.
    Rules,
    /// A rule that led to it.
    Jump(Jump),
    /// The chain in which such a rule stood, which nobody preserves.
    Way(Jump),
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, table, chain, what } = self;
        write!(f, "{family} {table} {chain}: ")?;
        match what {
            Lost::Chain => f.write_str("the chain is gone"),
            Lost::Rules => f.write_str("its rules are gone"),
            Lost::Jump(jump) => write!(f, "the jump from {} is gone", jump.from),
            Lost::Way(jump) => {
                write!(f, "the chain {} that led to it is gone, and no [[preserve]] names that", jump.from)
            }
        }
    }
}

/// A table as it would be with all that is lost put back.
pub(super) struct Mended {
    /// What is lost.
    pub losses: Vec<Loss>,
    /// The chains that are touched, as they must be found afterwards.
    pub after: BTreeMap<String, Vec<String>>,
    /// What the restore program is to be told; empty if nothing is lost.
    pub text: String,
}

/// The record of one table, held against what stands.
pub(super) struct Look<'a> {
    pub family: Family,
    pub table: XtTable,
    pub record: &'a BTreeMap<String, PreservedChain>,
    pub now: &'a SavedTable,
    pub guests: &'a Guests<'a>,
}

impl Look<'_> {
    /// What is lost of a chain; `None` if it stands.
    fn lost(&self, name: &str, chain: &PreservedChain) -> Option<Lost> {
        match self.now.get(name) {
            None => Some(Lost::Chain),
            Some(now) if now.rules.is_empty() && !chain.rules.is_empty() => Some(Lost::Rules),
            Some(_) => None,
        }
    }

    /// The chains that their agent took away with their guests.
    pub(super) fn absent(&self) -> BTreeSet<&str> {
        let gone = |chain: &PreservedChain| {
            !chain.owners.is_empty() && !chain.owners.iter().any(|owner| self.guests.has(owner))
        };
        let absent = self.record.iter().filter(|(name, chain)| self.lost(name, chain).is_some() && gone(chain));
        absent.map(|(name, _)| name.as_str()).collect()
    }

    /// What is lost, and how it is put back.
    pub(super) fn mend(&self) -> Mended {
        let absent = self.absent();
        let mut lost = BTreeMap::new();
        for (name, chain) in self.record.iter().filter(|(name, _)| !absent.contains(name.as_str())) {
            lost.extend(self.lost(name, chain).map(|what| (name.as_str(), what)));
        }
        let mut after: BTreeMap<String, Vec<String>> =
            self.now.iter().map(|(name, chain)| (name.clone(), chain.rules.clone())).collect();
        for name in lost.keys() {
            let leads_nowhere = |rule: &&String| {
                target(rule).is_some_and(|to| absent.contains(to.as_str()) && !self.now.contains_key(&to))
            };
            let rules = self.record[*name].rules.iter().filter(|rule| !leads_nowhere(rule)).cloned();
            after.insert((*name).to_owned(), rules.collect());
        }
        let mut text = refill(&lost, &after);
        let mut losses: Vec<_> = lost.iter().map(|(chain, what)| self.loss(chain, what.clone())).collect();
        let mut touched: BTreeSet<String> = lost.keys().map(|name| (*name).to_owned()).collect();
        for (chain, jump) in self.missing_jumps(&lost, &absent, &after) {
            if XtTable::is_built_in(&jump.from) {
                // A table that nobody uses is not even told; its chains are there.
                after.entry(jump.from.clone()).or_default();
            }
            match after.get_mut(&jump.from) {
                Some(rules) => {
                    text.push_str(&insert(rules, &jump));
                    touched.insert(jump.from.clone());
                    losses.push(self.loss(chain, Lost::Jump(jump)));
                }
                None => losses.push(self.loss(chain, Lost::Way(jump))),
            }
        }
        after.retain(|name, _| touched.contains(name));
        let text = if text.is_empty() { text } else { format!("*{}\n{text}COMMIT\n", self.table) };
        Mended { losses, after, text }
    }

    fn loss(&self, chain: &str, what: Lost) -> Loss {
        Loss { family: self.family, table: self.table, chain: chain.to_owned(), what }
    }

    /// The jumps that are to stand and do not, in the order of their places. One
    /// that stands elsewhere in its chain, or in other words, stands.
    fn missing_jumps(
        &self,
        lost: &BTreeMap<&str, Lost>,
        absent: &BTreeSet<&str>,
        after: &BTreeMap<String, Vec<String>>,
    ) -> Vec<(&str, Jump)> {
        let mut wanted: Vec<(&str, &Jump)> = Vec::new();
        for (name, chain) in self.record.iter().filter(|(name, _)| !absent.contains(name.as_str())) {
            let counts = |jump: &&Jump| {
                let outside = !self.record.contains_key(&jump.from);
                outside || (lost.contains_key(name.as_str()) && !absent.contains(jump.from.as_str()))
            };
            wanted.extend(chain.jumps.iter().filter(counts).map(|jump| (name.as_str(), jump)));
        }
        wanted.sort_by_key(|(_, jump)| (&jump.from, jump.position));
        let mut standing: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
        for (_, jump) in &wanted {
            let rules = after.get(&jump.from).into_iter().flatten();
            standing.entry(&jump.from).or_insert_with(|| rules.collect());
        }
        let mut take = |jump: &Jump, same: &dyn Fn(&str) -> bool| {
            let rules = standing.get_mut(jump.from.as_str());
            rules.is_some_and(|rules| rules.iter().position(|rule| same(rule)).map(|at| rules.remove(at)).is_some())
        };
        wanted.retain(|(_, jump)| !take(jump, &|rule| rule == jump.rule));
        wanted.retain(|(name, jump)| !take(jump, &|rule| target(rule).as_deref() == Some(*name)));
        wanted.into_iter().map(|(name, jump)| (name, jump.clone())).collect()
    }
}

/// Chains made and filled. `-N` and not `:`, which would empty a chain that its
/// agent made in the meantime: the whole fails then, and is looked at anew.
fn refill(lost: &BTreeMap<&str, Lost>, after: &BTreeMap<String, Vec<String>>) -> String {
    let mut text = String::new();
    for name in lost.iter().filter(|(_, what)| **what == Lost::Chain).map(|(name, _)| name) {
        let _ = writeln!(text, "-N {name}");
    }
    for name in lost.keys() {
        for rule in after.get(*name).into_iter().flatten() {
            let _ = writeln!(text, "-A {name} {rule}");
        }
    }
    text
}

/// The jump at its place, or last where the chain is shorter now.
fn insert(rules: &mut Vec<String>, jump: &Jump) -> String {
    let Jump { from, position, rule } = jump;
    if *position > rules.len() {
        rules.push(rule.clone());
        return format!("-A {from} {rule}\n");
    }
    rules.insert(position.saturating_sub(1), rule.clone());
    format!("-I {from} {} {rule}\n", (*position).max(1))
}

/// The chains of a table that `wanted` names, as they stand now.
pub(super) fn snapshot(table: &SavedTable, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, PreservedChain> {
    let is_wanted = |(name, chain): &(&String, &SavedChain)| !chain.built_in && wanted(name);
    let empty = |chain: &SavedChain| PreservedChain {
        rules: chain.rules.clone(),
        jumps: Vec::new(),
        owners: Vec::new(),
        absent_since: None,
    };
    let mut chains: BTreeMap<_, _> =
        table.iter().filter(is_wanted).map(|(name, chain)| (name.clone(), empty(chain))).collect();
    for (from, chain) in table {
        for (at, rule) in chain.rules.iter().enumerate() {
            if let Some(chain) = target(rule).and_then(|to| chains.get_mut(&to)) {
                chain.jumps.push(Jump { from: from.clone(), position: at + 1, rule: rule.clone() });
            }
        }
    }
    chains
}
