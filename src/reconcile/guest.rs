//! One guest: its rules put in place, looked at, taken away.

use std::collections::BTreeSet;

use crate::engine::Engine;
use crate::facts::domain::Uuid;
use crate::facts::policy::Policy;
use crate::facts::{Domain, fragments, with_source};
use crate::model::{Guarding, GuestPolicy, resolve};
use crate::net::IfName;
use crate::plan::{Base, PortPlan};
use crate::state::{BaseRecord, Lock};

use super::desired::{Desired, desired};
use super::ends::Arrival;
use super::whole::Basis;
use super::{Error, Host, base};

/// What a port whose rules could not be applied was left with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// The rules that were applied last.
    LastGood,
    /// Nothing passes.
    Closed,
}

/// A guest, what is to stand around it, and by which policy.
struct Wanted<'a> {
    domain: &'a Domain,
    desired: &'a Desired,
    base: &'a Base,
    policy: &'a Policy,
}

impl Host {
    /// Whether the domain's policy resolves on this host; changes nothing.
    ///
    /// # Errors
    /// It does not, or the engine cannot say it.
    pub fn check_guest(&mut self, domain: &Domain) -> Result<GuestPolicy, Error> {
        let policy = self.policy()?;
        fragments::load(&self.root)?;
        let links = self.links()?;
        let engine = self.engine(policy.engine)?;
        let base = base::base(&policy, &links, self.capabilities().bridge_names);
        engine.base_chains(&base)?;
        // The ports are not there yet, or are called otherwise on another host.
        let guest = resolve(&policy, &self.surroundings, domain)?;
        let unnamed: IfName = "unnamed".parse().map_err(|error| Error::Unguardable(format!("{error}")))?;
        for interface in &guest.interfaces {
            if let Guarding::Walls(walls) = &interface.guarding {
                engine.port_chains(&base, &PortPlan::new(unnamed.clone(), walls, Vec::new()))?;
            }
        }
        Ok(guest)
    }

    /// Puts the rules of `domain` into the kernel and makes sure that they stand; then
    /// what leads to it, and cuts what is not admitted any more.
    ///
    /// # Errors
    /// Whatever is in the way. The guest's ports are then as they were, or closed.
    pub fn guard(&mut self, domain: &Domain, arrival: Arrival) -> Result<Desired, Error> {
        let policy = self.policy()?;
        let _lock = self.locked()?;
        let links = self.links()?;
        let mut desired = desired(&policy, &self.surroundings, domain, &links)?;
        let engine = self.engine(policy.engine)?;
        let base = base::base(&policy, &links, self.capabilities().bridge_names);
        // Before anything is recorded or changed, or every other guest would wait for this one.
        desired.sayable(engine.as_ref(), &base)?;
        match arrival {
            Arrival::Fresh => self.concern_arrival(&domain.uuid, &desired)?,
            Arrival::Running => self.let_settle(domain)?,
        }
        desired.ports = desired.ports.into_iter().map(|port| self.as_it_settles(port)).collect();
        let wanted = Wanted { domain, desired: &desired, base: &base, policy: &policy };
        let guarded = self.guard_as(&wanted, engine.as_ref());
        if guarded.is_ok() {
            // What leads to the guest opens nothing that its rules do not.
            if let Err(error) = self.settle_nat(engine.as_ref(), &base, Some(&policy)) {
                self.problem(with_source(&error));
            }
        }
        self.note_unassigned(&desired.policy);
        self.cut(Some(&policy));
        guarded.map(|()| desired)
    }

    fn guard_as(&mut self, guest: &Wanted<'_>, engine: &dyn Engine) -> Result<(), Error> {
        let Wanted { domain, desired, base, policy } = guest;
        self.put_fragments(desired)?;
        self.release_others(&domain.uuid, desired)?;
        self.state.set_guest(&domain.uuid, Some(domain)).map_err(Error::io("the guest cannot be recorded"))?;
        if self.base_stands(engine, base) && self.guard_ports(engine, base, desired).is_ok() {
            return Ok(());
        }
        // The base is new, or somebody took it away with everything else.
        let links = self.links()?;
        self.rebuild(Basis::Policy(policy), &links, engine)?;
        self.heal_fragments();
        let missing = desired.ports.iter().find(|port| self.state.port(&port.plan.ifname).is_none());
        match missing {
            None => Ok(()),
            Some(port) => Err(Error::NotApplied(format!("{} has no rules", port.plan.ifname))),
        }
    }

    /// Makes sure that the rules of a running guest stand, and puts them back if
    /// they do not.
    ///
    /// # Errors
    /// They do not stand and cannot be put back.
    pub fn confirm(&mut self, domain: &Domain) -> Result<(), Error> {
        let intact = {
            let _lock = self.locked()?;
            self.guest_stands(domain)? && self.fragments_stand(&domain.uuid)?
        };
        if intact { Ok(()) } else { self.guard(domain, Arrival::Running).map(drop) }
    }

    /// Sees to it that the ports of a running guest are not open although its
    /// rules cannot be applied: what was applied last stays or is put back, and a
    /// port of which nothing is known is closed.
    ///
    /// # Errors
    /// Not even that could be done.
    pub fn fall_back(&mut self, domain: &Domain, reason: &str) -> Result<Fallback, Error> {
        let _lock = self.locked()?;
        let fallback = if self.is_known(domain)? { Fallback::LastGood } else { Fallback::Closed };
        self.state.set_guest(&domain.uuid, Some(domain)).map_err(Error::io("the guest cannot be recorded"))?;
        self.heal_fragments();
        if self.guest_stands(domain).unwrap_or(false) {
            return Ok(Fallback::LastGood);
        }
        let links = self.links()?;
        let engine = self.last_engine()?;
        let rebuilt = self.rebuild(Basis::LastGood(reason), &links, engine.as_ref());
        let policy = self.policy().ok();
        self.cut(policy.as_ref());
        rebuilt.map(|()| fallback)
    }

    /// Puts the rules of a running guest in place, and if that fails sees to it that
    /// its ports are not open.
    ///
    /// # Errors
    /// Its rules could not be applied: why, and what its ports were left with.
    pub fn keep(&mut self, domain: &Domain) -> Result<Desired, String> {
        self.guard(domain, Arrival::Running).map_err(|error| {
            let message = with_source(&error);
            match self.fall_back(domain, &message) {
                Ok(Fallback::LastGood) => format!("{message}; the last good rules stand"),
                Ok(Fallback::Closed) => format!("{message}; its ports are closed"),
                Err(second) => format!("{message}; and its ports could not be closed: {}", with_source(&second)),
            }
        })
    }

    /// Takes away the rules of a guest none of whose ports is there any more, as
    /// its release was missed. Says whether there was something to take away.
    ///
    /// # Errors
    /// Something could not be taken away; the rest was.
    pub fn release_if_gone(&mut self, uuid: &Uuid) -> Result<bool, Error> {
        let links = self.links()?;
        let Some(domain) = self.state.guest(uuid) else { return Ok(false) };
        let mut targets = domain.interfaces.iter().filter_map(|interface| interface.target.as_ref());
        if targets.any(|target| links.get(target).is_some()) {
            return Ok(false);
        }
        self.release(uuid).map(|()| true)
    }

    /// Whether rules were once applied at each of the domain's ports.
    fn is_known(&self, domain: &Domain) -> Result<bool, Error> {
        let records = self.state.ports_of(&domain.uuid).map_err(Error::io("the records of ports cannot be listed"))?;
        let known: BTreeSet<_> = records.iter().filter_map(|record| Some(&record.last_good()?.ifname)).collect();
        let taps = domain.interfaces.iter().filter(|interface| interface.kind.has_tap());
        Ok(taps.filter_map(|interface| interface.target.as_ref()).all(|target| known.contains(target)))
    }

    /// Takes away the rules of the guest's ports and forgets it. Needs no policy.
    ///
    /// # Errors
    /// Something could not be taken away; the rest was.
    pub fn release(&mut self, uuid: &Uuid) -> Result<(), Error> {
        let _lock = self.locked()?;
        let ports = self.state.ports_of(uuid).map_err(Error::io("the records of ports cannot be listed"))?;
        let mut failed = self.remove_fragments(Some(uuid)).err();
        for port in ports {
            failed = self.release_port(&port).err().or(failed);
        }
        self.state.set_guest(uuid, None).map_err(Error::io("the guest's record cannot be removed"))?;
        // One that was to come and did not.
        self.state.takes_arriving(uuid);
        let policy = self.policy().ok();
        if let Some(BaseRecord { engine, base, .. }) = self.state.base() {
            let engine = self.engine_of(engine);
            failed = self.settle_nat(engine.as_ref(), &base, policy.as_ref()).err().or(failed);
        }
        self.cut(policy.as_ref());
        failed.map_or(Ok(()), Err)
    }

    pub(super) fn locked(&self) -> Result<Lock, Error> {
        self.state.lock(self.deadline).map_err(Error::io("the lock cannot be had"))
    }

    /// Whether the base that was applied is the one wanted, by the same engine.
    /// That it still stands is seen when the port is read back.
    fn base_stands(&self, engine: &dyn Engine, base: &Base) -> bool {
        self.state.base().is_some_and(|record| record.engine == engine.kind() && record.base == *base)
    }

    fn guard_ports(&mut self, engine: &dyn Engine, base: &Base, wanted: &Desired) -> Result<(), Error> {
        wanted.ports.iter().try_for_each(|port| self.guard_port(engine, base, port))
    }

    /// Takes away the rules of ports that the guest had and has no more. Before
    /// its new record is written, as the old one knows them.
    fn release_others(&mut self, uuid: &Uuid, wanted: &Desired) -> Result<(), Error> {
        let keep: BTreeSet<_> = wanted.ports.iter().map(|port| &port.plan.ifname).collect();
        let old = self.state.ports_of(uuid).map_err(Error::io("the records of ports cannot be listed"))?;
        for port in old.iter().filter(|port| !keep.contains(&port.plan.ifname)) {
            // What fails here leaves no base on record: all is built anew below.
            let _ = self.release_port(port);
        }
        Ok(())
    }

    /// Whether rules stand at all ports of the domain, as they were applied.
    fn guest_stands(&mut self, domain: &Domain) -> Result<bool, Error> {
        let Some(BaseRecord { engine, base, .. }) = self.state.base() else { return Ok(false) };
        if !self.is_known(domain)? {
            return Ok(false);
        }
        let engine = self.engine_of(engine);
        let records = self.state.ports_of(&domain.uuid).map_err(Error::io("the records of ports cannot be listed"))?;
        for record in &records {
            if !self.port_stands(engine.as_ref(), &base, record)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
