//! The input of a restore program: chains declared, hooked, filled, taken away.
//!
//! With `--noflush` a declared chain is emptied and others are left alone. All
//! lines of one table are one atomic change.

use std::fmt::Write as _;

use crate::engine::{ChainText, Standing, Step, Table, Tool};
use crate::net::{Direction, Family};
use crate::plan::{Base, Name, NatChain};

/// The rules of built-in chains that lead to ours, and the word that adds them.
fn hooks_of(part: Part, table: Table) -> Vec<String> {
    let hooks = match (part, table) {
        (Part::Rules, Table::EbtablesNat) => {
            vec![("PREROUTING", Base::entry(Direction::Out)), ("POSTROUTING", Base::entry(Direction::In))]
        }
        (Part::Rules, Table::Mangle(_)) => vec![
            ("PREROUTING", Base::entry(Direction::Out)),
            ("OUTPUT", Base::state_chain()),
            ("POSTROUTING", Base::routed_entry()),
        ],
        (Part::Rules, Table::Filter(_)) => vec![("INPUT", Base::host_entry())],
        (Part::Translations, Table::Nat(_)) => vec![
            ("PREROUTING", NatChain::Lead.name()),
            ("OUTPUT", NatChain::Lead.name()),
            ("POSTROUTING", NatChain::Leave.name()),
        ],
        (Part::Translations, Table::Filter(_)) => vec![("FORWARD", NatChain::Forward.name())],
        _ => Vec::new(),
    };
    hooks.into_iter().map(|(chain, target)| format!("{chain} {{}} -j {target}")).collect()
}

/// The lines that lead to chains of ours, as a save program prints them.
pub(super) fn saved_hooks(part: Part, table: Table) -> Vec<String> {
    hooks_of(part, table).iter().map(|hook| format!("-A {}", hook.replace("{} ", ""))).collect()
}

/// What the tables are to be told.
#[derive(Debug, Clone)]
pub(super) struct Script<'a> {
    chains: &'a [ChainText],
    stale: Vec<(Table, Name)>,
    standing: Option<&'a Standing>,
    hook: bool,
    part: Part,
}

/// What a script is about. Translations change without the rest, which is closed while
/// it changes; one table may have chains of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Rules,
    Translations,
}

impl<'a> Script<'a> {
    pub(super) fn new(chains: &'a [ChainText]) -> Self {
        Self { chains, stale: Vec::new(), standing: None, hook: false, part: Part::Rules }
    }

    /// A script about translations.
    pub(super) fn translations(chains: &'a [ChainText]) -> Self {
        Self { part: Part::Translations, ..Self::new(chains) }
    }

    /// Also puts the rules that lead to our chains first in the built-in chains,
    /// each once, whatever stands there.
    pub(super) fn hooks(mut self, standing: &'a Standing) -> Self {
        self.standing = Some(standing);
        self.hook = true;
        self
    }

    /// Also takes away the rules that lead to our chains.
    pub(super) fn unhook(mut self, standing: &'a Standing) -> Self {
        self.standing = Some(standing);
        self
    }

    /// Also takes these chains away.
    pub(super) fn without(mut self, stale: &[(Table, Name)]) -> Self {
        self.stale = stale.to_vec();
        self
    }

    /// What `tool` is to be told of all this, if anything.
    pub(super) fn step(&self, tool: Tool) -> Option<Step> {
        let text: String = self.part.tables(tool).into_iter().filter_map(|table| self.table(table)).collect();
        (!text.is_empty()).then_some(Step { tool, text })
    }

    fn table(&self, table: Table) -> Option<String> {
        let chains = || self.chains.iter().filter(|chain| chain.table == table);
        let stale = || {
            let ours = self.stale.iter().filter(|(of, name)| *of == table && self.part.has(name.as_str()));
            ours.map(|(_, name)| name)
        };
        let hooks = self.hook_lines(table);
        if hooks.is_empty() && chains().next().is_none() && stale().next().is_none() {
            return None;
        }
        let mut text = format!("*{}\n", word(table));
        // A stale chain is declared too: that empties it before it goes.
        let names: Vec<_> = chains().map(|chain| &chain.name).chain(stale()).collect();
        for name in &names {
            let _ = writeln!(text, ":{name} {}", declaration(table));
        }
        if table == Table::EbtablesNat {
            // The old ebtables-restore does not empty what it finds declared.
            names.iter().for_each(|name| text.push_str(&format!("-F {name}\n")));
        }
        text.push_str(&hooks);
        for chain in chains() {
            chain.rules.iter().for_each(|rule| {
                let _ = writeln!(text, "-A {} {rule}", chain.name);
            });
        }
        for name in stale() {
            let _ = writeln!(text, "-X {name}");
        }
        // ebtables commits at the end of its input; the old one knows no other word.
        if table != Table::EbtablesNat {
            text.push_str("COMMIT\n");
        }
        Some(text)
    }

    fn hook_lines(&self, table: Table) -> String {
        let standing = self.standing.and_then(|standing| standing.hooks.get(&table));
        let ours = |line: &&String| line.rsplit(' ').next().is_some_and(|target| self.part.has(target));
        let remove = standing.into_iter().flatten().filter(ours).map(|line| line.replacen("-A ", "-D ", 1));
        // Where nothing is translated nothing is hooked up.
        let wanted = self.part == Part::Rules || self.chains.iter().any(|chain| chain.table == table);
        let insert = hooks_of(self.part, table).into_iter().filter(|_| self.hook && wanted);
        let insert = insert.map(|hook| format!("-I {}", hook.replace("{}", "1")));
        remove.chain(insert).fold(String::new(), |text, line| text + &line + "\n")
    }
}

impl Part {
    /// Whether a chain of ours of this name is of it.
    fn has(self, name: &str) -> bool {
        NatChain::is_named(name) == (self == Self::Translations)
    }

    fn tables(self, tool: Tool) -> Vec<Table> {
        match (self, tool) {
            (_, Tool::Nft) | (Self::Translations, Tool::EbtablesRestore) => Vec::new(),
            (Self::Rules, Tool::EbtablesRestore) => vec![Table::EbtablesNat],
            (Self::Rules, Tool::IptablesRestore(family)) => vec![Table::Mangle(family), Table::Filter(family)],
            (Self::Translations, Tool::IptablesRestore(family)) => vec![Table::Nat(family), Table::Filter(family)],
        }
    }
}

fn word(table: Table) -> &'static str {
    match table {
        Table::EbtablesNat | Table::Nat(_) => "nat",
        Table::Mangle(Family::V4 | Family::V6) => "mangle",
        Table::Filter(_) | Table::NftBridge | Table::NftInet => "filter",
    }
}

/// The end of a user chain returns; ebtables must be told so.
fn declaration(table: Table) -> &'static str {
    match table {
        Table::EbtablesNat => "RETURN",
        _ => "- [0:0]",
    }
}
