//! All rules of iptables or ip6tables, whoever they belong to, as the save
//! programs print them; and those programs told something back.
//!
//! In: a family. Out: chains with the words of their rules, compared and never
//! understood, but for the chain that a rule jumps to.

use std::collections::BTreeMap;

use super::programs::{Command, Deadline, RunError, Runner};
use super::readback::{LOCK_WAIT, restore_program, save_program};
use crate::facts::policy::XtTable;
use crate::net::Family;

/// A chain as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavedChain {
    /// Whether the kernel made it.
    pub built_in: bool,
    /// Its rules, without the `-A CHAIN` before each.
    pub rules: Vec<String>,
}

/// The chains of one table by name.
pub type SavedTable = BTreeMap<String, SavedChain>;

/// What the tables of one family hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saved {
    /// The tables that there are.
    pub tables: BTreeMap<XtTable, SavedTable>,
    /// Why a table cannot be told: somebody wrote to it by another way.
    pub unreadable: Option<String>,
}

impl Saved {
    /// Reads what `iptables-save` prints.
    pub fn parse(text: &str) -> Self {
        let mut saved = Self::default();
        let mut table = None;
        for line in text.lines().map(str::trim) {
            if let Some(word) = line.strip_prefix('*') {
                table = word.parse().ok();
                table.map(|table| saved.tables.entry(table).or_default());
            } else if line.starts_with("# Table ") && line.contains("incompatible") {
                saved.unreadable = Some(line.trim_start_matches("# ").to_owned());
            } else if let Some(table) = table.and_then(|table| saved.tables.get_mut(&table)) {
                add_line(table, line);
            }
        }
        saved
    }
}

fn add_line(table: &mut SavedTable, line: &str) {
    if let Some(declared) = line.strip_prefix(':') {
        let mut words = declared.split(' ');
        let name = words.next().unwrap_or_default();
        let built_in = words.next() != Some("-");
        table.insert(name.to_owned(), SavedChain { built_in, rules: Vec::new() });
    } else if let Some((chain, rule)) = line.strip_prefix("-A ").map(|rest| rest.split_once(' ').unwrap_or((rest, "")))
    {
        table.entry(chain.to_owned()).or_default().rules.push(rule.to_owned());
    }
}

/// The words of a rule, quotes taken off.
pub fn words(rule: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    let mut letters = rule.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quoted => word.extend(letters.next()),
            '"' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            _ => {
                begun = true;
                word.push(letter);
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// Where a rule sends a packet: a chain or a target such as `DROP`.
pub fn target(rule: &str) -> Option<String> {
    let mut words = words(rule).into_iter();
    words.find(|word| word == "-j" || word == "-g")?;
    words.next()
}

/// What the tables of `family` hold.
///
/// # Errors
/// The save program fails.
pub fn save(runner: &mut dyn Runner, family: Family, deadline: Deadline) -> Result<Saved, RunError> {
    runner.run(&Command::new(save_program(family), []), deadline).map(|text| Saved::parse(&text))
}

/// Whether `text` would be taken by the restore program; nothing is changed.
///
/// # Errors
/// It would not.
pub fn test(runner: &mut dyn Runner, family: Family, text: &str, deadline: Deadline) -> Result<(), RunError> {
    let arguments = ["--noflush", "--test", "--wait", LOCK_WAIT];
    runner.run(&Command::new(restore_program(family), arguments).with_input(text), deadline).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_and_rule_is_read_and_comments_are_not() {
        let text =
            "# by\n*filter\n:INPUT ACCEPT [1:2]\n:a - [0:0]\n-A INPUT -j a\n-A a -s 10.0.0.1/32 -j DROP\nCOMMIT\n";
        let saved = Saved::parse(text);
        let filter = &saved.tables[&XtTable::Filter];
        assert!(filter["INPUT"].built_in && !filter["a"].built_in);
        assert_eq!(filter["a"].rules, ["-s 10.0.0.1/32 -j DROP"]);
        assert_eq!(saved.unreadable, None);
    }

    #[test]
    fn a_table_that_cannot_be_told_is_not_an_empty_one() {
        let saved = Saved::parse("# Table `filter' is incompatible, use 'nft' tool.\n");
        assert_eq!(saved.unreadable.unwrap(), "Table `filter' is incompatible, use 'nft' tool.");
    }

    #[test]
    fn what_stands_in_a_comment_is_no_jump() {
        assert_eq!(target(r#"-m comment --comment "a \" -j b" -g c"#).as_deref(), Some("c"));
        assert_eq!(target(r#"-m comment --comment "-j b""#), None);
    }
}
