//! Which guests a chain of somebody else is about, and whether they are there.
//!
//! Agents name a guest by its tap, its MAC or IP address, its domain or, as
//! Neutron does, by the beginning of its port's id, which the tap is called after.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::Domain;
use crate::kernel::Links;
use crate::kernel::saved::words;
use crate::net::{IfName, Mac};
use crate::state::{Owner, PreservedChain};

/// How much of a port's id Neutron has in the name of a tap and in that of a chain.
const ID: usize = 8;

/// The guests that are known, and the interfaces that are there.
pub(super) struct Guests<'a> {
    /// What rules call a guest, in lower case.
    words: BTreeMap<String, BTreeSet<Owner>>,
    /// What the name of a chain may hold.
    names: Vec<(String, Owner)>,
    owners: BTreeSet<Owner>,
    links: &'a Links,
}

impl<'a> Guests<'a> {
    /// The guests on record, and ports of bridges that are no guest's on record.
    pub(super) fn new(guests: &[Domain], links: &'a Links) -> Self {
        let mut all = Self { words: BTreeMap::new(), names: Vec::new(), owners: BTreeSet::new(), links };
        for guest in guests {
            all.add_guest(guest);
        }
        let known: BTreeSet<_> = all.owners.iter().map(|owner| owner.tap.clone()).collect();
        for bridge in links.bridges() {
            let ports = links.ports(bridge).filter(|(name, link)| !link.kind.is_uplink() && !known.contains(*name));
            ports.for_each(|(tap, _)| all.add(&Owner { guest: None, tap: tap.clone() }, Vec::new()));
        }
        all
    }

    fn add_guest(&mut self, guest: &Domain) {
        for interface in &guest.interfaces {
            let Some(tap) = interface.target.clone() else { continue };
            let owner = Owner { guest: Some(guest.uuid), tap };
            let parameters = interface.filterref.iter().flat_map(|filter| filter.parameters.values().flatten());
            let addresses = parameters.filter(|value| value.parse::<std::net::IpAddr>().is_ok());
            let mut words = vec![guest.name.clone(), interface.mac.to_string()];
            words.extend(
                addresses.flat_map(|address| [address.clone(), format!("{address}/32"), format!("{address}/128")]),
            );
            self.names.push((guest.name.clone(), owner.clone()));
            self.add(&owner, words);
        }
    }

    fn add(&mut self, owner: &Owner, words: Vec<String>) {
        for word in words.into_iter().chain([owner.tap.to_string()]) {
            self.words.entry(word.to_lowercase()).or_default().insert(owner.clone());
        }
        self.names.push((owner.tap.to_string(), owner.clone()));
        self.names.extend(port_id(&owner.tap).map(|id| (id.to_owned(), owner.clone())));
        self.owners.insert(owner.clone());
    }

    /// The guests that the chain of this name is about.
    pub(super) fn of(&self, name: &str, chain: &PreservedChain) -> Vec<Owner> {
        let rules = chain.rules.iter().chain(chain.jumps.iter().map(|jump| &jump.rule));
        let told = rules.flat_map(|rule| words(rule)).filter_map(|word| self.words.get(&canonical(&word))).flatten();
        let called = self.names.iter().filter(|(part, _)| is_part(name, part)).map(|(_, owner)| owner);
        let owners: BTreeSet<_> = told.chain(called).cloned().collect();
        owners.into_iter().collect()
    }

    /// Whether the port is there, and still that guest's.
    pub(super) fn has(&self, owner: &Owner) -> bool {
        self.links.get(&owner.tap).is_some() && (owner.guest.is_none() || self.owners.contains(owner))
    }

    /// Whether the port is there, and another guest's by now.
    pub(super) fn has_another(&self, owner: &Owner) -> bool {
        let others = self.owners.iter().filter(|other| other.tap == owner.tap && other.guest.is_some());
        self.links.get(&owner.tap).is_some() && others.count() > 0 && !self.owners.contains(owner)
    }
}

/// A word of a rule as a guest's is kept: ip6tables-save prints MAC addresses in
/// upper case.
fn canonical(word: &str) -> String {
    word.parse::<Mac>().map_or_else(|_| word.to_lowercase(), |mac| mac.to_string())
}

/// `1234abcd` of `tap1234abcd-ef`.
fn port_id(tap: &IfName) -> Option<&str> {
    tap.as_str().strip_prefix("tap").and_then(|id| id.get(..ID))
}

/// Whether `part` stands in `name` and does not end within a number or a word
/// there; Neutron puts one letter before an id.
fn is_part(name: &str, part: &str) -> bool {
    let within = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    let is_id = part.len() == ID && part.bytes().all(|b| b.is_ascii_hexdigit());
    name.match_indices(part).any(|(at, _)| {
        let before = name[..at].chars().next_back();
        let after = name[at + part.len()..].chars().next();
        !part.is_empty() && !within(after) && (is_id || !within(before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_called_after_its_guest_in_many_ways() {
        assert!(is_part("i-2-15-VM", "i-2-15-VM") && is_part("i-2-15-VM-eg", "i-2-15-VM"));
        assert!(is_part("neutron-openvswi-i1234abcd-5", "1234abcd"));
        assert!(!is_part("nova-vnet10", "vnet1") && !is_part("xweb1", "web1"));
        assert_eq!(port_id(&"tap1234abcd-ef".parse().unwrap()), Some("1234abcd"));
    }
}
