//! Floating IPs and forwards: the translations of all ports as one, brought into the
//! kernel, and the addresses that go with them.
//!
//! None of it lets anything pass that a guest's walls do not. So what goes wrong
//! here is a problem that is told, and no reason to close a port.

use crate::engine::{Engine, NatChange};
use crate::facts::policy::{Announce, Policy};
use crate::kernel::{Addresses, Listing, apply, enable_forwarding, put_address, read_chains, take_address};
use crate::model::{Floating, GuestPolicy, NatTable, Translations};
use crate::net::Family;
use crate::plan::{Base, Name, NatChain, NatMap};
use crate::state::{Concerned, NatRecord, PutAddress};

use super::verify::{self, Drift};
use super::{Error, Host};

impl Host {
    /// The table of these translations: on which interface each address is reached is
    /// found where nobody says it, and one that is this host's own is left out.
    pub(super) fn nat_table<'a>(&mut self, all: impl IntoIterator<Item = &'a Translations>) -> NatTable {
        let all: Vec<_> = all.into_iter().filter(|translations| !translations.is_empty()).cloned().collect();
        if all.is_empty() {
            return NatTable::default();
        }
        let addresses = self.interfaces.addresses().unwrap_or_default();
        let put = self.floating_records.put();
        let completed: Vec<_> = all.into_iter().map(|found| self.completed(found, &addresses, &put)).collect();
        NatTable::of(&completed)
    }

    fn completed(&mut self, mut found: Translations, addresses: &Addresses, put: &[PutAddress]) -> Translations {
        found.floating.retain_mut(|floating| {
            let address = floating.address;
            let ours = put.iter().any(|put| put.address == address);
            if let Some(interface) = addresses.interface_of(address).filter(|_| !ours) {
                self.problem(format!("floating IP {address} is this host's own address on {interface}"));
                return false;
            }
            floating.uplink = floating.uplink.take().or_else(|| addresses.uplink_for(address));
            if floating.uplink.is_none() {
                let missing = "no interface has its network or a default route; name one with interface";
                self.problem(format!("floating IP {address}: {missing}"));
            }
            true
        });
        found
    }

    /// Brings the translations of all ports on record into the kernel, and the
    /// addresses of this host with them.
    ///
    /// # Errors
    /// The records cannot be read or written, or the kernel does not hold what it was
    /// told.
    pub(super) fn settle_nat(
        &mut self,
        engine: &dyn Engine,
        base: &Base,
        policy: Option<&Policy>,
    ) -> Result<(), Error> {
        let all = self.state.translations().map_err(Error::io("the translations cannot be listed"))?;
        let wanted = self.nat_table(all.values());
        let before = self.state.nat();
        if wanted.is_empty() && before.table.is_empty() {
            return self.withdraw(&wanted);
        }
        if wanted != before.table || !self.nat_stands(engine, base, &before)? {
            self.concern_nat(&before.table, &wanted)?;
            self.withdraw(&wanted)?;
            self.change_nat(engine, base, &before.table, &wanted)?;
        }
        self.announce(&wanted, policy)
    }

    /// Notes that connections by translations that go are to be looked at.
    pub(super) fn concern_nat(&mut self, before: &NatTable, after: &NatTable) -> Result<(), Error> {
        let floating = before.floating().iter().filter(|old| after.leads_to(old.address) != Some(old.fixed));
        let forwards = before.forwards().iter().filter(|old| !after.forwards().contains(old));
        let revoked = Translations { floating: floating.cloned().collect(), forwards: forwards.cloned().collect() };
        // What went there while nothing led there.
        let new = after.floating().iter().filter(|new| before.leads_to(new.address) != Some(new.fixed));
        let judged = new.map(|new| new.address).collect();
        self.concern(Concerned { revoked, judged, ..Concerned::default() })
    }

    fn change_nat(
        &mut self,
        engine: &dyn Engine,
        base: &Base,
        before: &NatTable,
        after: &NatTable,
    ) -> Result<(), Error> {
        let standing = super::all::standing(&self.read_nat(engine, base, &[before, after])?);
        let marks = base.marks;
        let steps = |before, after| engine.nat(&NatChange { before, after, marks, standing: &standing });
        if apply(self.runner.as_mut(), &steps(before, after), self.deadline).is_err() {
            // Something else stands than is on record: all of it anew.
            let nothing = NatTable::default();
            let _ = apply(self.runner.as_mut(), &steps(before, &nothing), self.deadline);
            apply(self.runner.as_mut(), &steps(&nothing, after), self.deadline)?;
        }
        let listing = self.read_nat(engine, base, &[before, after])?;
        self.record_nat(engine, base, after, &listing)
    }

    /// Remembers the translations that stand.
    pub(super) fn record_nat(
        &mut self,
        engine: &dyn Engine,
        base: &Base,
        table: &NatTable,
        listing: &Listing,
    ) -> Result<(), Error> {
        if let Some(drift) = nat_drifts(listing, engine, base, table).first() {
            return Err(Error::NotApplied(drift.to_string()));
        }
        let lines = verify::lines(listing, &engine.nat_chains(table, base.marks));
        let record = NatRecord { table: table.clone(), lines };
        self.state.set_nat(&record).map_err(Error::io("the translations cannot be recorded"))
    }

    fn nat_stands(&mut self, engine: &dyn Engine, base: &Base, record: &NatRecord) -> Result<bool, Error> {
        let listing = self.read_nat(engine, base, &[&record.table])?;
        let drifts = nat_drifts(&listing, engine, base, &record.table);
        Ok(drifts.is_empty() && verify::recorded(&listing, &record.lines).is_empty())
    }

    fn read_nat(&mut self, engine: &dyn Engine, base: &Base, tables: &[&NatTable]) -> Result<Listing, Error> {
        let mut wanted = Vec::new();
        for table in tables {
            let chains = engine.nat_chains(table, base.marks).into_iter();
            wanted.extend(chains.map(|chain| (chain.table, chain.name.to_string())));
            let hooks = engine.nat_hooks(table).into_iter();
            wanted.extend(hooks.map(|(table, line)| (table, verify::hooked_chain(&line).to_owned())));
        }
        wanted.sort();
        wanted.dedup();
        let xtables = self.capabilities().xtables;
        Ok(read_chains(self.runner.as_mut(), engine.kind(), xtables, &wanted, self.deadline)?)
    }

    /// What differs of translations and addresses between what is wanted and the kernel.
    pub(super) fn nat_differences(
        &mut self,
        engine: &dyn Engine,
        base: &Base,
        wanted: &NatTable,
    ) -> Result<Vec<Drift>, Error> {
        let record = self.state.nat();
        if wanted.is_empty() && record.table.is_empty() {
            return Ok(Vec::new());
        }
        if *wanted != record.table {
            return Ok(vec![Drift::of_all("floating IPs or forwards differ from what was applied")]);
        }
        let listing = self.read_nat(engine, base, &[wanted])?;
        let mut drifts = nat_drifts(&listing, engine, base, wanted);
        drifts.extend(verify::recorded(&listing, &record.lines));
        let addresses = self.addresses()?;
        let gone = self.floating_records.put().into_iter().filter(|put| !stands(put, &addresses));
        drifts.extend(gone.map(|put| Drift::of_all(format!("{} is missing on {}", put.address, put.interface))));
        drifts.sort();
        drifts.dedup();
        Ok(drifts)
    }

    /// Whether the floating IPs that were put on interfaces are there.
    pub fn bears_floating(&self, addresses: &Addresses) -> bool {
        self.floating_records.put().iter().all(|put| stands(put, addresses))
    }

    /// Takes the addresses away that lead nowhere any more.
    fn withdraw(&mut self, wanted: &NatTable) -> Result<(), Error> {
        let mut put = self.floating_records.put();
        if put.is_empty() {
            return Ok(());
        }
        put.retain(|put| {
            let stays = wanted.floating().iter().any(|floating| is_at(put, floating));
            if stays {
                return true;
            }
            match take_address(put.address, &put.interface, put.announce, put.bridge.as_ref()) {
                Ok(()) => false,
                Err(error) => {
                    self.problems.push(error.to_string());
                    true
                }
            }
        });
        self.floating_records.set_put(&put).map_err(Error::io("the addresses put cannot be recorded"))
    }

    /// Puts the addresses there, and has this host forward what comes for them.
    fn announce(&mut self, wanted: &NatTable, policy: Option<&Policy>) -> Result<(), Error> {
        for family in Family::BOTH.into_iter().filter(|family| !wanted.fixed(*family).is_empty()) {
            if let Err(error) = enable_forwarding(family) {
                self.problem(error.to_string());
            }
        }
        let mut put = self.floating_records.put();
        let known = put.clone();
        for new in self.to_put(wanted, policy)? {
            if let Some(old) = known.iter().find(|old| old.address == new.address && **old != new) {
                let _ = take_address(old.address, &old.interface, old.announce, old.bridge.as_ref());
            }
            put.retain(|old| old.address != new.address);
            put.push(new);
        }
        put.sort();
        if put != known {
            // Before they stand: whoever comes after a crash takes them for ours.
            self.floating_records.set_put(&put).map_err(Error::io("the addresses put cannot be recorded"))?;
        }
        for put in put {
            if let Err(error) = put_address(put.address, &put.interface, put.announce, put.bridge.as_ref()) {
                self.problem(error.to_string());
            }
        }
        Ok(())
    }

    /// Where each floating IP is to stand, and how.
    fn to_put(&self, wanted: &NatTable, policy: Option<&Policy>) -> Result<Vec<PutAddress>, Error> {
        let ports = self.state.translations().map_err(Error::io("the translations cannot be listed"))?;
        let links = self.links()?;
        let known = self.floating_records.put();
        let put = wanted.floating().iter().filter_map(|floating| {
            let before = known.iter().find(|put| put.address == floating.address).map(|put| put.announce);
            let leads = |translations: &Translations| {
                translations.floating.iter().any(|other| other.address == floating.address)
            };
            let port = ports.iter().find(|(_, translations)| leads(translations)).map(|(port, _)| port);
            Some(PutAddress {
                address: floating.address,
                interface: floating.uplink.clone()?,
                announce: policy.map(|policy| policy.nat.announce).or(before)?,
                bridge: port.and_then(|port| links.bridge_of(port)).cloned(),
            })
        });
        Ok(put.collect())
    }

    /// Takes away the addresses of all translations, whose rules are gone.
    pub(super) fn forget_translations(&mut self) -> Result<(), Error> {
        self.withdraw(&NatTable::default())?;
        self.state.set_nat(&NatRecord::default()).map_err(Error::io("the translations cannot be forgotten"))
    }

    /// Notes what was to lead to a guest and cannot.
    pub(super) fn note_unassigned(&mut self, guest: &GuestPolicy) {
        guest.unassigned.iter().for_each(|reason| self.problem(format!("guest {:?}: {reason}", guest.id.name)));
    }

    /// Notes something that is wrong and keeps nobody from going on.
    pub(super) fn problem(&mut self, message: String) {
        if !self.problems.contains(&message) {
            self.problems.push(message);
        }
    }
}

fn is_at(put: &PutAddress, floating: &Floating) -> bool {
    put.address == floating.address && floating.uplink.as_ref() == Some(&put.interface)
}

fn stands(put: &PutAddress, addresses: &Addresses) -> bool {
    // Of the others the kernel's list of addresses does not tell.
    put.announce != Announce::Address || addresses.interface_of(put.address) == Some(&put.interface)
}

/// What `listing` lacks of these translations, or has beside them.
fn nat_drifts(listing: &Listing, engine: &dyn Engine, base: &Base, table: &NatTable) -> Vec<Drift> {
    let (_, listing) = split(listing);
    let (chains, elements) = (engine.nat_chains(table, base.marks), engine.nat_elements(table));
    let mut drifts = verify::chains(&listing, &chains);
    drifts.extend(verify::hooks(&listing, &engine.nat_hooks(table)));
    drifts.extend(verify::elements(&listing, &elements));
    drifts.extend(verify::strangers(&listing, &chains, &elements));
    drifts
}

/// The listing without translations, and translations alone.
pub(super) fn split(listing: &Listing) -> (Listing, Listing) {
    let (mut rules, mut nat) = (Listing::default(), Listing::default());
    for ((table, name), lines) in &listing.chains {
        let key = (*table, name.clone());
        // A built-in chain may lead to either.
        if Name::try_from(name.clone()).is_err() {
            rules.chains.insert(key.clone(), lines.clone());
            nat.chains.insert(key, lines.clone());
            continue;
        }
        let part = if NatChain::is_named(name) { &mut nat } else { &mut rules };
        part.chains.insert(key, lines.clone());
    }
    for (container, elements) in &listing.elements {
        let part = if NatMap::named(&container.name).is_some() { &mut nat } else { &mut rules };
        part.elements.insert(container.clone(), elements.clone());
    }
    (rules, nat)
}
