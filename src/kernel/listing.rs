//! What the kernel says it holds: chains rule by rule, sets and maps element by
//! element. Rules are compared, never understood.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::Table;

/// A set or a map of a table, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Container {
    /// The table.
    pub table: Table,
    /// The name.
    pub name: String,
}

/// What was found in some tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The lines of each chain: the hook of a base chain of nftables first, then
    /// the rules; a rule of nftables is told by its digest.
    pub chains: BTreeMap<(Table, String), Vec<String>>,
    /// The elements of each set or map.
    pub elements: BTreeMap<Container, BTreeSet<String>>,
}

impl Listing {
    /// Adds what a save program of ebtables, iptables or ip6tables printed; `table`
    /// says which table a word such as `mangle` is.
    pub fn add_saved(&mut self, text: &str, table: impl Fn(&str) -> Option<Table>) {
        let mut current = None;
        for line in text.lines().map(str::trim) {
            if let Some(word) = line.strip_prefix('*') {
                current = table(word);
            }
            let Some(table) = current else { continue };
            if let Some(chain) = line.strip_prefix(':').and_then(|rest| rest.split_whitespace().next()) {
                self.chains.entry((table, chain.to_owned())).or_default();
            }
            if let Some(chain) = line.strip_prefix("-A ").and_then(|rest| rest.split_whitespace().next()) {
                self.chains.entry((table, chain.to_owned())).or_default().push(line.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_table_is_read_by_chain_and_others_are_left() {
        let saved = "*mangle\n:PREROUTING ACCEPT [0:0]\n:vg_from - [0:0]\n-A PREROUTING -j vg_from\nCOMMIT\n*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n";
        let table = |word: &str| (word == "mangle").then_some(Table::EbtablesNat);
        let mut listing = Listing::default();
        listing.add_saved(saved, table);
        assert_eq!(listing.chains.len(), 2);
        assert_eq!(listing.chains[&(Table::EbtablesNat, "PREROUTING".into())], ["-A PREROUTING -j vg_from"]);
    }
}
