//! The operator's own rules at one port, as chains and what leads to them.
//!
//! A rule for a chain that the fragment does not declare goes into a chain of
//! ours that is reached by one bare jump: to write the chain anew is to have each
//! rule exactly once, whoever added what to the chain that it is for.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::name::fragment_chain;
use crate::facts::FactError;
use crate::facts::fragments::{End, Fragment, Values};
use crate::facts::policy::XtTable;
use crate::net::Family;

/// The longest name of a chain (`XT_EXTENSION_MAXNAMELEN` - 1).
const LONGEST: usize = 28;

/// A chain of a fragment, with its rules for one port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FragmentChain {
    /// Of iptables or ip6tables.
    pub family: Family,
    /// The table.
    pub table: XtTable,
    /// The name.
    pub name: String,
    /// Its rules.
    pub rules: Vec<String>,
    /// The chain that leads to it, and from which end; none for a chain that the
    /// fragment itself declares.
    pub hook: Option<(String, End)>,
}

/// The chains of all fragments at one port.
///
/// # Errors
/// The first rule or name that cannot be for this port.
pub fn fragment_chains(fragments: &[Fragment], values: &Values<'_>) -> Result<Vec<FragmentChain>, FactError> {
    let mut chains: BTreeMap<(Family, XtTable, String), FragmentChain> = BTreeMap::new();
    for fragment in fragments {
        let family = fragment.family;
        let mut own = BTreeSet::new();
        for declared in &fragment.chains {
            let name = values.chain(&declared.name);
            if name.len() > LONGEST {
                let message = format!("the chain {name:?} has more than {LONGEST} characters");
                return Err(FactError::new(declared.place.clone(), message));
            }
            own.insert((declared.table, name.clone()));
            let key = (family, declared.table, name.clone());
            let chain = FragmentChain { family, table: declared.table, name, rules: Vec::new(), hook: None };
            chains.entry(key).or_insert(chain);
        }
        for rule in &fragment.rules {
            let target = values.chain(&rule.chain);
            let hook = (!own.contains(&(rule.table, target.clone()))).then(|| (target.clone(), rule.end));
            let name = hook.as_ref().map_or(target, |(target, end)| fragment_chain(values.ifname, target, *end));
            let chain = FragmentChain { family, table: rule.table, name: name.clone(), rules: Vec::new(), hook };
            let chain = chains.entry((family, rule.table, name)).or_insert(chain);
            let rules = values.rules(rule, family)?;
            // As with iptables, the last one put first is the first.
            let at = if rule.end == End::First { 0 } else { chain.rules.len() };
            chain.rules.splice(at..at, rules);
        }
    }
    Ok(chains.into_values().collect())
}
