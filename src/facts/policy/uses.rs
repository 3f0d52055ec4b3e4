//! What each address and forwarded port of the policy is, so that none is two things.
//!
//! In: typed entries, of files or of a command. Out: the first contradiction
//! between two of them, with both places. What is wrong with an entry alone is
//! said in `nat`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{FactError, FloatingIp, Forward, GuestEntry, GuestMatcher, Place, Policy};

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Floating,
    Guest,
    Listened,
    LedTo,
}

/// The addresses that are something, and where that is written.
pub struct Uses<'a>(BTreeMap<IpAddr, (Use, &'a Place)>);

impl<'a> Uses<'a> {
    /// The addresses that guests have and that forwards name.
    pub fn of(entries: &'a [GuestEntry], forwards: &'a [Forward]) -> Self {
        let mut uses = Self(BTreeMap::new());
        for address in entries.iter().flat_map(|entry| &entry.addresses) {
            uses.note(address.value, Use::Guest, &address.place);
        }
        for forward in forwards {
            forward.address.into_iter().for_each(|address| uses.note(address, Use::Listened, &forward.place));
            forward.fixed.into_iter().for_each(|fixed| uses.note(fixed, Use::LedTo, &forward.place));
        }
        uses
    }

    /// Takes the addresses of a floating IP in, if they are nothing else yet.
    ///
    /// # Errors
    /// What else they are, and where that is written.
    pub fn add(&mut self, floating: &'a FloatingIp) -> Result<(), FactError> {
        let address = floating.address.value;
        let error = |message: String| Err(FactError::new(floating.address.place.clone(), message));
        if let Some((used, place)) = self.0.get(&address) {
            return error(match used {
                Use::Floating => format!("floating IP {address} is declared already at {place}"),
                Use::Guest => format!("floating IP {address} is a guest's own address at {place}; it cannot be both"),
                Use::Listened => format!(
                    "floating IP {address} is what the forward at {place} listens on, but all its connections go to \
                     the floating IP's guest"
                ),
                Use::LedTo => format!("floating IP {address} is the address that the entry at {place} leads to"),
            });
        }
        if let Some(fixed) = floating.fixed {
            if let Some((Use::Floating, place)) = self.0.get(&fixed) {
                return error(format!(
                    "floating IP {address} leads to the floating IP {fixed}, declared at {place}; expected an address \
                     that the guest has"
                ));
            }
            self.note(fixed, Use::LedTo, &floating.address.place);
        }
        self.note(address, Use::Floating, &floating.address.place);
        Ok(())
    }

    /// Of two that may be together, the one written first is named.
    fn note(&mut self, address: IpAddr, used: Use, place: &'a Place) {
        self.0.entry(address).or_insert((used, place));
    }
}

/// Holds that no packet is forwarded twice.
///
/// # Errors
/// The first entry that takes what an earlier one takes.
pub fn overlap(forwards: &[Forward]) -> Result<(), FactError> {
    for (at, forward) in forwards.iter().enumerate() {
        let Some(first) = forwards[..at].iter().find(|first| first.overlaps(forward)) else { continue };
        let message = format!(
            "{} ports {} are forwarded already by the entry at {} (ports {}); expected other ports, or another address \
             in both",
            forward.protocol, forward.ports, first.place, first.ports
        );
        return Err(FactError::new(forward.place.clone(), message));
    }
    Ok(())
}

impl Policy {
    /// Takes in a floating IP that was made by a command rather than a file, and
    /// holds it to what a file's is held to.
    ///
    /// # Errors
    /// What is wrong with it alone, or what else in the policy its addresses are;
    /// then the policy is as it was. The place is that of its address.
    pub fn add_floating(&mut self, floating: FloatingIp) -> Result<(), FactError> {
        let error = |message: String| FactError::new(floating.address.place.clone(), message);
        FloatingIp::check(floating.address.value, floating.fixed).map_err(|wrong| error(wrong.to_string()))?;
        if !floating.guest.names_one() {
            return Err(error(GuestMatcher::not_one(&floating.guest.to_string()).to_string()));
        }
        let mut uses = Uses::of(&self.entries, &self.forwards);
        self.floating.iter().chain([&floating]).try_for_each(|one| uses.add(one))?;
        self.floating.push(floating);
        Ok(())
    }
}
