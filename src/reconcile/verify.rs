//! Is what stands what ought to stand.

use std::collections::BTreeSet;
use std::fmt;

use crate::engine::{ChainText, Element, Table};
use crate::kernel::{Container, Listing};
use crate::net::IfName;
use crate::state::Lines;

/// A difference between the kernel and what ought to stand there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drift {
    what: String,
    /// The port that it is about; `None` if it is about what all ports share.
    pub port: Option<IfName>,
}

impl Drift {
    /// A difference that concerns all ports.
    pub(super) fn of_all(what: impl Into<String>) -> Self {
        Self { what: what.into(), port: None }
    }

    /// The same difference, which is about this port only.
    pub(super) fn at(self, port: &IfName) -> Self {
        Self { port: Some(port.clone()), ..self }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// What `listing` lacks of these chains. The number of lines is compared here;
/// what each says is compared with [`recorded`].
pub(super) fn chains(listing: &Listing, expected: &[ChainText]) -> Vec<Drift> {
    let check = |chain: &ChainText| {
        let place = Place(chain.table, chain.name.as_str());
        match listing.chains.get(&(chain.table, chain.name.to_string())) {
            None => Some(Drift::of_all(format!("{place} is missing"))),
            Some(lines) if lines.len() != chain.lines() => {
                Some(Drift::of_all(format!("{place} has {} rules, expected {}", lines.len(), chain.lines())))
            }
            Some(_) => None,
        }
    };
    expected.iter().filter_map(check).collect()
}

/// What the kernel shows otherwise than it did right after it was applied.
pub(super) fn recorded(listing: &Listing, lines: &Lines) -> Vec<Drift> {
    let check = |((table, name), then): (&(Table, String), &Vec<String>)| {
        let place = Place(*table, name);
        match listing.chains.get(&(*table, name.clone())) {
            None => Some(Drift::of_all(format!("{place} is missing"))),
            Some(now) if now != then => {
                Some(Drift::of_all(format!("{place} was changed: {}", first_difference(then, now))))
            }
            Some(_) => None,
        }
    };
    lines.0.iter().filter_map(check).collect()
}

fn first_difference(then: &[String], now: &[String]) -> String {
    let at = then.iter().zip(now).take_while(|(then, now)| then == now).count();
    let line = |lines: &[String]| lines.get(at).map_or("nothing".to_owned(), |line| format!("{line:?}"));
    format!("rule {} is {}, expected {}", at + 1, line(now), line(then))
}

/// The lines of these chains, to be remembered.
pub(super) fn lines(listing: &Listing, chains: &[ChainText]) -> Lines {
    let of = |chain: &ChainText| {
        let key = (chain.table, chain.name.to_string());
        listing.chains.get(&key).map(|lines| (key, lines.clone()))
    };
    Lines(chains.iter().filter_map(of).collect())
}

/// Which built-in chains do not lead to ours first of all.
pub(super) fn hooks(listing: &Listing, hooks: &[(Table, String)]) -> Vec<Drift> {
    let check = |(table, line): &(Table, String)| {
        let chain = hooked_chain(line);
        let lines = listing.chains.get(&(*table, chain.to_owned())).map(Vec::as_slice).unwrap_or_default();
        let once = lines.iter().filter(|other| *other == line).count() == 1;
        let first = lines.first() == Some(line);
        (!first || !once).then(|| Drift::of_all(format!("{} does not begin with {line:?}, once", Place(*table, chain))))
    };
    hooks.iter().filter_map(check).collect()
}

/// The built-in chain in which a hook stands.
pub(super) fn hooked_chain(line: &str) -> &str {
    line.split_whitespace().nth(1).unwrap_or_default()
}

/// Which elements are missing.
pub(super) fn elements(listing: &Listing, expected: &[Element]) -> Vec<Drift> {
    let missing = |element: &&Element| {
        let container = Container { table: element.table, name: element.container.clone() };
        !listing.elements.get(&container).is_some_and(|elements| elements.contains(&element.element))
    };
    let drift = |element: &Element| {
        Drift::of_all(format!("{} lacks the element {}", Place(element.table, &element.container), element.element))
    };
    expected.iter().filter(missing).map(drift).collect()
}

/// Elements and chains of ours that nobody asked for.
pub(super) fn strangers(listing: &Listing, chains: &[ChainText], expected: &[Element]) -> Vec<Drift> {
    let known: BTreeSet<_> = chains.iter().map(|chain| (chain.table, chain.name.as_str())).collect();
    let ours = listing.chains.keys().filter(|(table, name)| name.starts_with("vg_") || table.is_private());
    let foreign = ours.filter(|(table, name)| !known.contains(&(*table, name.as_str())));
    let expected: BTreeSet<_> = expected.iter().collect();
    let elements = listing.elements.iter().flat_map(|(container, elements)| {
        elements.iter().map(move |element| Element {
            table: container.table,
            container: container.name.clone(),
            element: element.clone(),
        })
    });
    let surplus = elements.filter(|element| !expected.contains(element));
    let chains = foreign.map(|(table, name)| Drift::of_all(format!("{} is not expected", Place(*table, name))));
    chains
        .chain(surplus.map(|element| {
            let place = Place(element.table, &element.container);
            Drift::of_all(format!("{place} has the unexpected element {}", element.element))
        }))
        .collect()
}

/// A chain, set or map as people name it.
struct Place<'a>(Table, &'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = match self.0 {
            Table::NftBridge => "bridge virt_guard".to_owned(),
            Table::NftInet => "inet virt_guard".to_owned(),
            Table::EbtablesNat => "ebtables nat".to_owned(),
            Table::Mangle(family) => format!("{family} mangle"),
            Table::Filter(family) => format!("{family} filter"),
            Table::Nat(family) => format!("{family} nat"),
        };
        write!(f, "{table} {}", self.1)
    }
}
