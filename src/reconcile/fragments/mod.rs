//! The operator's own rules at each port: `/etc/virt-guard/iptables.d`.
//!
//! In: the fragments and what is known of a guest. Out: chains of iptables and
//! ip6tables beside those of the plan, each rule exactly once, read back and
//! recorded. What is refused is refused for one guest, before anything of it is
//! changed. No fragment and no record: no program is run.

#[cfg(test)]
mod tests;
mod work;

use std::collections::BTreeMap;

use crate::engine::{Step, Tool};
use crate::facts::domain::Uuid;
use crate::facts::fragments::{Fragment, Values, load};
use crate::kernel::saved::{Saved, test};
use crate::kernel::{RunError, apply};
use crate::net::{Family, IfName};
use crate::plan::fragment_chains;
use crate::state::FragmentRecord;

use self::work::{Work, script};
use super::desired::Desired;
use super::verify::Drift;
use super::{Error, Host, Outcome};

type Standing = BTreeMap<Family, Saved>;

impl Host {
    /// Brings what the fragments ask for at the guest's ports into the kernel.
    ///
    /// # Errors
    /// A fragment is no fragment, or none for this guest; what was applied last
    /// stands then.
    pub(super) fn put_fragments(&mut self, wanted: &Desired) -> Result<(), Error> {
        let works = self.works_of(&load(&self.root)?, wanted)?;
        self.put_works(&works).map(drop)
    }

    /// Takes the rules of fragments away at all ports of a guest, or of everybody.
    pub(super) fn remove_fragments(&mut self, guest: Option<&Uuid>) -> Result<(), Error> {
        let mut works = self.recorded_works()?;
        works.retain(|work| guest.is_none_or(|guest| work.guest == *guest));
        works.iter_mut().for_each(|work| work.after.clear());
        self.put_works(&works).map(drop)
    }

    /// Whether what was applied last stands at the guest's ports.
    pub(super) fn fragments_stand(&mut self, guest: &Uuid) -> Result<bool, Error> {
        let mut works = self.recorded_works()?;
        works.retain(|work| work.guest == *guest);
        let standing = self.fragments_standing(&works)?;
        Ok(works.iter().all(|work| work.differences(|family| standing.get(&family)).is_empty()))
    }

    /// Puts back what was applied last, at all ports: somebody took everything. What
    /// fails here is one guest's trouble, and `check` tells of it.
    pub(super) fn heal_fragments(&mut self) {
        let works = self.recorded_works().unwrap_or_default();
        if self.put_works(&works).is_err() {
            works.iter().for_each(|work| drop(self.put_works(std::slice::from_ref(work))));
        }
    }

    /// Brings the fragments of all guests into the kernel. A guest for which they
    /// cannot be keeps those that were applied last.
    pub(super) fn apply_fragments(&mut self, outcome: &mut Outcome) -> Result<(), Error> {
        let _lock = self.locked()?;
        outcome.changed |= self.put_all_fragments(&mut outcome.problems)?;
        Ok(())
    }

    /// The same for whoever holds the lock. Tells whether anything had to be changed.
    pub(super) fn put_all_fragments(&mut self, problems: &mut Vec<String>) -> Result<bool, Error> {
        let (works, found) = self.all_works()?;
        problems.extend(found);
        if let Ok(changed) = self.put_works(&works) {
            return Ok(changed);
        }
        let mut changed = false;
        for work in &works {
            match self.put_works(std::slice::from_ref(work)) {
                Ok(of_port) => changed |= of_port,
                Err(error) => problems.push(crate::facts::with_source(&error)),
            }
        }
        Ok(changed)
    }

    /// What stands otherwise than the fragments ask for.
    pub(super) fn fragment_drifts(&mut self) -> Result<Vec<Drift>, Error> {
        let (works, problems) = self.all_works()?;
        let standing = self.fragments_standing(&works)?;
        let differences = works.iter().flat_map(|work| work.differences(|family| standing.get(&family)));
        Ok(problems.into_iter().chain(differences).map(Drift::of_all).collect())
    }

    /// Every port that has rules of fragments or is to have them, and which guests
    /// are to stay with what they have.
    fn all_works(&self) -> Result<(Vec<Work>, Vec<String>), Error> {
        let mut works: BTreeMap<IfName, Work> =
            self.recorded_works()?.into_iter().map(|work| (work.port.clone(), work)).collect();
        let fragments = match load(&self.root) {
            Ok(fragments) if fragments.is_empty() && works.is_empty() => return Ok(Default::default()),
            Ok(fragments) => fragments,
            Err(error) => return Ok((works.into_values().collect(), vec![crate::facts::with_source(&error)])),
        };
        let (policy, links, guests) = (self.policy()?, self.links()?, self.guests(&[])?);
        let mut problems = Vec::new();
        let known = |guest: &Uuid| guests.iter().any(|domain| domain.uuid == *guest);
        works.values_mut().filter(|work| !known(&work.guest)).for_each(|work| work.after.clear());
        for domain in &guests {
            // A guest that cannot be resolved is told of already, and keeps what it has.
            let Ok(wanted) = self.desired(&policy, &links, domain) else { continue };
            match self.works_of(&fragments, &wanted) {
                Ok(of_guest) => works.extend(of_guest.into_iter().map(|work| (work.port.clone(), work))),
                Err(error) => problems.push(format!("guest {:?}: {error}", domain.name)),
            }
        }
        Ok((works.into_values().collect(), problems))
    }

    fn works_of(&self, fragments: &[Fragment], wanted: &Desired) -> Result<Vec<Work>, Error> {
        let guest = wanted.policy.id.uuid;
        let mut works: BTreeMap<IfName, Work> = BTreeMap::new();
        for mut work in self.recorded_works()?.into_iter().filter(|work| work.guest == guest) {
            work.after.clear();
            works.insert(work.port.clone(), work);
        }
        for interface in &wanted.policy.interfaces {
            let Some(ifname) = &interface.target else { continue };
            if !wanted.ports.iter().any(|port| port.plan.ifname == *ifname) {
                continue;
            }
            let addresses = &interface.addresses;
            let values = Values { ifname, mac: interface.mac, addresses, domain: &wanted.policy.id.name };
            let after = fragment_chains(fragments, &values)?;
            let record = self.state.fragments(ifname);
            works.insert(ifname.clone(), Work { port: ifname.clone(), guest, record, after });
        }
        Ok(works.into_values().filter(|work| !work.is_nothing()).collect())
    }

    /// The ports on record, to stay as they are.
    fn recorded_works(&self) -> Result<Vec<Work>, Error> {
        let ports = self.state.fragment_ports().map_err(Error::io("the records of fragments cannot be listed"))?;
        let work = |port: IfName| {
            let record = self.state.fragments(&port)?;
            Some(Work { port, guest: record.guest, after: record.chains.clone(), record: Some(record) })
        };
        Ok(ports.into_iter().filter_map(work).collect())
    }

    /// What stands in the families that are concerned.
    fn fragments_standing(&mut self, works: &[Work]) -> Result<Standing, Error> {
        self.saved(&works.iter().flat_map(Work::families).collect(), "the tables")
    }

    /// Whether iptables takes it all, of what does not stand already.
    fn test_fragments(&mut self, works: &[Work], standing: &Standing) -> Result<Vec<Step>, Error> {
        if works.iter().all(|work| work.differences(|family| standing.get(&family)).is_empty()) {
            return Ok(Vec::new());
        }
        let mut steps = Vec::new();
        for (family, saved) in standing {
            let text = script(works, *family, saved);
            if !text.is_empty() {
                test(self.runner.as_mut(), *family, &text, self.deadline).map_err(|error| refused(error, &text))?;
                steps.push(Step { tool: Tool::IptablesRestore(*family), text });
            }
        }
        Ok(steps)
    }

    /// Brings it all into the kernel, or leaves what was applied last. Tells whether
    /// anything had to be changed.
    fn put_works(&mut self, works: &[Work]) -> Result<bool, Error> {
        self.try_works(works).inspect_err(|_| self.roll_back(works))
    }

    fn try_works(&mut self, works: &[Work]) -> Result<bool, Error> {
        let standing = self.fragments_standing(works)?;
        let steps = self.test_fragments(works, &standing)?;
        let changed = !steps.is_empty();
        if changed {
            self.attempt_fragments(works)?;
        }
        for step in &steps {
            let told = apply(self.runner.as_mut(), std::slice::from_ref(step), self.deadline);
            told.map_err(|error| refused(error, &step.text))?;
        }
        let standing = if changed { self.fragments_standing(works)? } else { standing };
        works.iter().try_for_each(|work| self.record_fragments(work, &standing))?;
        Ok(changed)
    }

    /// Some mistakes only the kernel finds, such as a jump to nowhere: what was
    /// applied last is put back. What fails here as well stays on record as unseen.
    fn roll_back(&mut self, works: &[Work]) {
        let before = |work: &Work| {
            let record = self.state.fragments(&work.port);
            let after = work.record.as_ref().map(|record| record.chains.clone()).unwrap_or_default();
            (record != work.record).then(|| Work { record, after, ..work.clone() })
        };
        let works: Vec<_> = works.iter().filter_map(before).collect();
        let _ = self.try_works(&works);
    }

    /// Recorded first: whoever comes after a crash knows what may stand.
    fn attempt_fragments(&self, works: &[Work]) -> Result<(), Error> {
        works.iter().try_for_each(|work| {
            let (chains, stale) = (work.after.clone(), work.stale());
            let record = FragmentRecord { guest: work.guest, chains, lines: Vec::new(), stale };
            self.state
                .set_fragments(&work.port, Some(&record))
                .map_err(Error::io("the port's fragments cannot be recorded"))
        })
    }

    /// Remembers how the port's rules read, if they stand.
    fn record_fragments(&self, work: &Work, standing: &Standing) -> Result<(), Error> {
        let line = |chain: &crate::plan::FragmentChain| {
            let table = standing.get(&chain.family)?.tables.get(&chain.table)?;
            table.get(&chain.name).map(|chain| chain.rules.clone())
        };
        let lines: Vec<_> = work.after.iter().map(|chain| line(chain).unwrap_or_default()).collect();
        let record =
            FragmentRecord { guest: work.guest, chains: work.after.clone(), lines: lines.clone(), stale: Vec::new() };
        // Held against itself, what remains are chains and jumps that are missing,
        // doubled or left over.
        let seen = Work { record: Some(FragmentRecord { stale: work.stale(), ..record.clone() }), ..work.clone() };
        let short = work.after.iter().zip(&lines).find(|(chain, lines)| lines.len() < chain.rules.len());
        let missing = short.map(|(chain, _)| format!("{} lacks rules", chain.name));
        if let Some(difference) = missing.or(seen.differences(|family| standing.get(&family)).into_iter().next()) {
            return Err(Error::NotApplied(difference));
        }
        let record = (!work.after.is_empty()).then_some(&record);
        if self.state.fragments(&work.port).as_ref() == record {
            return Ok(());
        }
        self.state.set_fragments(&work.port, record).map_err(Error::io("the port's fragments cannot be recorded"))
    }
}

/// The program's complaint, with the line that it is about.
fn refused(error: RunError, text: &str) -> Error {
    let RunError::Failed { stderr, .. } = &error else { return error.into() };
    let number = stderr.split("line").skip(1).filter_map(|rest| {
        let digits: String = rest.trim_start_matches([':', ' ']).chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    });
    let line = number.last().and_then(|number| text.lines().nth(number.saturating_sub(1))).unwrap_or("the whole");
    Error::Unguardable(format!("a rule of /etc/virt-guard/iptables.d is refused: {line:?}: {stderr}"))
}
