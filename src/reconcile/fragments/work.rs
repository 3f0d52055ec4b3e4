//! What is to become of the fragments' rules at one port, and how iptables is
//! told.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::facts::domain::Uuid;
use crate::facts::fragments::End;
use crate::facts::policy::XtTable;
use crate::kernel::saved::{Saved, SavedTable, target};
use crate::net::{Family, IfName};
use crate::plan::FragmentChain;
use crate::state::FragmentRecord;

/// A port: what may stand there, and what is to stand.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub port: IfName,
    pub guest: Uuid,
    pub record: Option<FragmentRecord>,
    pub after: Vec<FragmentChain>,
}

impl Work {
    /// The chains that may stand and are not wanted.
    pub(super) fn stale(&self) -> Vec<FragmentChain> {
        let kept: BTreeSet<_> = self.after.iter().map(|chain| (chain.family, chain.table, &chain.name)).collect();
        let before = self.record.iter().flat_map(|record| record.chains.iter().chain(&record.stale));
        before.filter(|chain| !kept.contains(&(chain.family, chain.table, &chain.name))).cloned().collect()
    }

    /// Whether there is nothing, and nothing is wanted.
    pub(super) fn is_nothing(&self) -> bool {
        self.record.is_none() && self.after.is_empty()
    }

    pub(super) fn families(&self) -> impl Iterator<Item = Family> {
        let all = self.after.iter().map(|chain| chain.family).collect::<BTreeSet<_>>();
        let stale = self.stale().into_iter().map(|chain| chain.family).collect::<BTreeSet<_>>();
        all.into_iter().chain(stale)
    }

    /// What differs from what was applied; `saved` tells what stands.
    pub(super) fn differences<'a>(&self, saved: impl Fn(Family) -> Option<&'a Saved>) -> Vec<String> {
        let of = |chain: &FragmentChain| saved(chain.family).and_then(|saved| saved.tables.get(&chain.table));
        let recorded = self.record.as_ref().filter(|record| record.chains == self.after);
        let mut found = Vec::new();
        if recorded.is_none() && !self.is_nothing() {
            found.push(format!("{}: the fragments in iptables.d differ from what was applied", self.port));
        }
        for (at, chain) in self.after.iter().enumerate() {
            let seen = recorded.map(|record| record.lines.get(at).map(Vec::as_slice).unwrap_or_default());
            found.extend(chain_difference(of(chain), chain, seen));
            found.extend(of(chain).and_then(|table| hook_difference(table, chain)));
        }
        let left = |chain: &FragmentChain| of(chain).is_some_and(|table| table.contains_key(&chain.name));
        let left = self.stale().into_iter().filter(left);
        found.extend(left.map(|chain| format!("{} is not expected", place(&chain))));
        found
    }
}

/// A chain as people name it.
fn place(chain: &FragmentChain) -> String {
    format!("{} {} {}", chain.family, chain.table, chain.name)
}

/// Whether the chain reads otherwise than it was seen to.
fn chain_difference(table: Option<&SavedTable>, chain: &FragmentChain, seen: Option<&[String]>) -> Option<String> {
    match table.and_then(|table| table.get(&chain.name)) {
        None => Some(format!("{} is missing", place(chain))),
        Some(now) if seen.is_some_and(|seen| seen != now.rules) => Some(format!("{} was changed", place(chain))),
        Some(_) => None,
    }
}

/// What is wrong with the jump to a chain, which is to stand once.
fn hook_difference(table: &SavedTable, chain: &FragmentChain) -> Option<String> {
    let (from, _) = chain.hook.as_ref()?;
    match hooks(table, from, &chain.name) {
        1 => None,
        0 => Some(format!("{} is not reached from {from}", place(chain))),
        more => Some(format!("{} is reached {more} times from {from}, expected once", place(chain))),
    }
}

/// How many bare jumps to `name` there are in `from`.
fn hooks(table: &SavedTable, from: &str, name: &str) -> usize {
    let jump = format!("-j {name}");
    table.get(from).map_or(0, |chain| chain.rules.iter().filter(|rule| **rule == jump).count())
}

/// What the restore program of `family` is to be told for these ports; empty if
/// none has anything there. A declared chain is emptied, so that each rule is
/// there once whatever was.
pub(super) fn script(works: &[Work], family: Family, saved: &Saved) -> String {
    XtTable::ALL.into_iter().map(|table| table_script(works, family, table, saved)).collect()
}

fn table_script(works: &[Work], family: Family, table: XtTable, saved: &Saved) -> String {
    let none = SavedTable::new();
    let now = saved.tables.get(&table).unwrap_or(&none);
    let of_table = |chain: &&FragmentChain| (chain.family, chain.table) == (family, table);
    let after: Vec<_> = works.iter().flat_map(|work| &work.after).filter(of_table).collect();
    let stale: Vec<_> = works.iter().flat_map(Work::stale).collect();
    let stale: Vec<_> = stale.iter().filter(of_table).filter(|chain| now.contains_key(&chain.name)).collect();
    if after.is_empty() && stale.is_empty() {
        return String::new();
    }
    let mut text = format!("*{table}\n");
    for name in after.iter().copied().chain(stale.iter().copied()).map(|chain| &chain.name).collect::<BTreeSet<_>>() {
        let _ = writeln!(text, ":{name} - [0:0]");
    }
    for chain in &stale {
        text.push_str(&hook_lines(now, chain, 0));
    }
    for chain in &after {
        text.push_str(&hook_lines(now, chain, 1));
        chain.rules.iter().for_each(|rule| {
            let _ = writeln!(text, "-A {} {rule}", chain.name);
        });
    }
    for name in stale.iter().map(|chain| &chain.name).collect::<BTreeSet<_>>() {
        let _ = writeln!(text, "-X {name}");
    }
    text + "COMMIT\n"
}

/// The lines after which `wanted` jumps lead to the chain. One that stands stays.
fn hook_lines(now: &SavedTable, chain: &FragmentChain, wanted: usize) -> String {
    let Some((from, end)) = &chain.hook else { return String::new() };
    let found = hooks(now, from, &chain.name);
    if found < wanted {
        let rules = now.get(from).map(|chain| chain.rules.as_slice()).unwrap_or_default();
        let ours = |rule: &&String| target(rule).is_some_and(|to| to.starts_with("vg_"));
        let behind = rules.iter().take_while(ours).count() + 1;
        return match end {
            End::First => format!("-I {from} {behind} -j {}\n", chain.name),
            End::Last => format!("-A {from} -j {}\n", chain.name),
        };
    }
    format!("-D {from} -j {}\n", chain.name).repeat(found - wanted)
}
