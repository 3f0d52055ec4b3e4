//! A filter and all that it refers to, as one list of rules with their variables.

use std::rc::Rc;

use crate::facts::FactError;
use crate::facts::domain::FilterRef;
use crate::facts::nwfilter::{ChainName, Entry, Filter, FilterRule, Library};

use super::variables::Values;

/// The most rules that an interface may get from its filters, before lists of
/// variables are expanded.
const MAX_RULES: usize = 20_000;
/// The longest path of references.
const MAX_DEPTH: usize = 64;

/// A rule where it was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The filter that it stands in.
    pub filter: Rc<Filter>,
    /// Its index among the filter's entries.
    entry: usize,
    /// What its variables stand for.
    pub values: Rc<Values>,
    /// The names of the filters that led here, the last its own.
    pub path: Rc<[String]>,
}

impl Found {
    /// The rule.
    pub fn rule(&self) -> Option<&FilterRule> {
        match self.filter.entries.get(self.entry) {
            Some(Entry::Rule(rule)) => Some(rule),
            _ => None,
        }
    }

    /// The chain that the rule stands in.
    pub fn chain(&self) -> &ChainName {
        &self.filter.chain
    }

    /// The path of references, for an error.
    pub fn trail(&self) -> String {
        trail(&self.path)
    }
}

fn filter(library: &Library, reference: &FilterRef, path: &[String]) -> Result<Rc<Filter>, FactError> {
    let error = |message: String| FactError::new(reference.place.clone(), message);
    let loaded = library.load(&reference.filter).map_err(|cause| {
        let cause = crate::facts::with_source(&cause);
        error(format!("filter {:?}: {cause}{}", reference.filter, referred(path)))
    })?;
    loaded.ok_or_else(|| {
        let folders = "/etc/virt-guard/nwfilter or /etc/libvirt/nwfilter";
        error(format!("unknown filter {:?}, expected one of {folders}{}", reference.filter, referred(path)))
    })
}

fn trail(path: &[String]) -> String {
    path.join(" → ")
}

fn referred(path: &[String]) -> String {
    if path.is_empty() { String::new() } else { format!(" (referred to by {})", trail(path)) }
}

/// The rules of the filter that `reference` names and of all that it refers to,
/// in the order in which libvirt meets them. `given` are the interface's values,
/// which win over those of references within.
///
/// # Errors
/// A missing or broken filter, or one that refers to itself, with the path.
pub(super) fn rules(library: &Library, reference: &FilterRef, given: &Values) -> Result<Vec<Found>, FactError> {
    let mut found = Vec::new();
    walk(library, reference, &Rc::new(merged(&reference.parameters, given)), &[], &mut found)?;
    Ok(found)
}

fn merged(inner: &Values, outer: &Values) -> Values {
    inner.iter().chain(outer).map(|(name, values)| (name.clone(), values.clone())).collect()
}

fn walk(
    library: &Library,
    reference: &FilterRef,
    values: &Rc<Values>,
    path: &[String],
    found: &mut Vec<Found>,
) -> Result<(), FactError> {
    let error = |message: String| FactError::new(reference.place.clone(), message);
    let own: Rc<[String]> = path.iter().chain([&reference.filter]).cloned().collect();
    if path.contains(&reference.filter) {
        return Err(error(format!("a filter refers to itself: {}", trail(&own))));
    }
    if path.len() >= MAX_DEPTH {
        return Err(error(format!("references are nested deeper than {MAX_DEPTH}: {}", trail(&own))));
    }
    let filter = filter(library, reference, path)?;
    for (entry, content) in filter.entries.iter().enumerate() {
        match content {
            Entry::Rule(_) if found.len() >= MAX_RULES => {
                return Err(error(format!("more than {MAX_RULES} rules: {}", trail(&own))));
            }
            Entry::Rule(_) => {
                let (filter, values) = (Rc::clone(&filter), Rc::clone(values));
                found.push(Found { filter, entry, values, path: Rc::clone(&own) });
            }
            Entry::Include(inner) => {
                let values = Rc::new(merged(&inner.parameters, values));
                walk(library, inner, &values, &own, found)?;
            }
        }
    }
    Ok(())
}
