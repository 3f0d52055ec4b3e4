//! All guests: everything put in place from nothing, or taken away.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::engine::{Change, Engine, EngineKind, Standing, Step};
use crate::facts::policy::Policy;
use crate::facts::{Domain, with_source};
use crate::kernel::{Links, Listing, apply};
use crate::model::SetName;
use crate::net::IfName;
use crate::plan::{Name, PortPlan};
use crate::state::{BaseRecord, Concerned, NatRecord, PortRecord};

use super::check::standing_drifts;
use super::whole::{Basis, Whole};
use super::{Error, Host, verify};

/// What was done for all guests.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many ports have rules now.
    pub ports: usize,
    /// Whether the kernel had to be changed.
    pub changed: bool,
    /// Guests whose policy could not be resolved, and why; their ports keep the
    /// last rules that could, or are closed.
    pub problems: Vec<String>,
}

impl Host {
    /// Brings the rules of all guests into the kernel, if they are not there.
    /// `running` are guests that run, whether or not they were told of before.
    ///
    /// # Errors
    /// The policy is broken, and then nothing was changed; or the kernel could
    /// not be brought to it.
    pub fn apply_all(&mut self, running: &[Domain]) -> Result<Outcome, Error> {
        let mut outcome = self.apply_rules(running)?;
        self.apply_fragments(&mut outcome)?;
        Ok(outcome)
    }

    fn apply_rules(&mut self, running: &[Domain]) -> Result<Outcome, Error> {
        let policy = self.policy()?;
        self.probe_kernel();
        let engine = self.engine(policy.engine)?;
        let _lock = self.locked()?;
        let links = self.links()?;
        self.adopt(running, &links)?;
        let whole = self.whole(Basis::Policy(&policy), &links, engine.as_ref())?;
        let drifts = self.differences(&whole, engine.as_ref())?;
        let nat = self.nat_differences(engine.as_ref(), &whole.plan.base, &whole.plan.nat)?;
        let changed = !(drifts.is_empty() && nat.is_empty());
        let mended = self.mend(&whole, engine.as_ref(), &drifts);
        let settled = mended.and_then(|()| self.settle_whole(&whole, engine.as_ref(), Some(&policy)));
        self.cut(Some(&policy));
        settled?;
        let problems = whole.problems.into_iter().chain(self.takes_problems()).collect();
        Ok(Outcome { ports: whole.ports.len(), changed, problems })
    }

    /// What goes with the rules of all ports, once they stand.
    pub(super) fn settle_whole(
        &mut self,
        whole: &Whole,
        engine: &dyn Engine,
        policy: Option<&Policy>,
    ) -> Result<(), Error> {
        // Who was killed before anything of a port stood left a record and no difference.
        self.forget_ports(&whole.plan.port_names())?;
        self.keep_ends(&whole.ports)?;
        self.settle_nat(engine, &whole.plan.base, policy)
    }

    /// The same before libvirt is there: with a broken policy the bridges are closed
    /// as they were guarded last.
    ///
    /// # Errors
    /// As of [`Host::apply_all`]; the bridges are closed unless the kernel refuses.
    pub fn apply_early(&mut self, running: &[Domain]) -> Result<Outcome, Error> {
        let error = match self.apply_all(running) {
            Err(error) if error.is_configuration() => error,
            result => return result,
        };
        let _lock = self.locked()?;
        let (links, engine) = (self.links()?, self.last_engine()?);
        let rebuilt = self.rebuild(Basis::LastGood(&with_source(&error)), &links, engine.as_ref());
        self.cut(None);
        rebuilt.and(Err(error))
    }

    /// The steps that would put everything in place from nothing, or the ports of
    /// `guest` on a base that stands. `running` are guests to count in, whether or
    /// not they are on record.
    ///
    /// # Errors
    /// The policy is broken, or the engine cannot say it.
    pub fn steps(
        &mut self,
        engine: &dyn Engine,
        guest: Option<&Domain>,
        running: &[Domain],
    ) -> Result<Vec<Step>, Error> {
        let policy = self.policy()?;
        let links = self.links()?;
        let guests = self.guests(running)?;
        let whole = self.whole_of(Basis::Policy(&policy), &links, engine, &guests)?;
        let Some(guest) = guest else { return Ok(engine.replace(&whole.plan, &Standing::default())?) };
        let names = whole.plan.port_names();
        let mut steps = Vec::new();
        for port in whole.ports.iter().filter(|port| port.guest.uuid == guest.uuid) {
            let members = members_of(&whole, &port.plan);
            let change = Change {
                base: &whole.plan.base,
                before: &[],
                stands: false,
                after: Some(&port.plan),
                names: &names,
                members: &members,
            };
            steps.extend(engine.change(&change)?);
        }
        Ok(steps)
    }

    /// Takes away all rules and records. Guests that run are open afterwards.
    ///
    /// # Errors
    /// Something could not be taken away.
    pub fn remove_all(&mut self) -> Result<(), Error> {
        let _lock = self.locked()?;
        let kinds = match self.state.base() {
            Some(record) => vec![record.engine],
            None => vec![EngineKind::Nftables, EngineKind::Iptables],
        };
        for kind in kinds {
            let engine = self.engine_of(kind);
            let standing = standing(&self.read_all(kind)?);
            apply(self.runner.as_mut(), &engine.remove(&standing), self.deadline)?;
        }
        self.remove_fragments(None)?;
        self.forget_translations()?;
        self.forget_ports(&BTreeSet::new())?;
        self.state.forget_members().map_err(Error::io("the groups' members cannot be forgotten"))?;
        // Without rules there are none that do not admit what is open.
        self.concerned = Concerned::default();
        self.state.set_concerned(&self.concerned).map_err(Error::io("flows to look at cannot be forgotten"))?;
        self.state.set_base(None).map_err(Error::io("the base's record cannot be removed"))
    }

    /// Remembers guests that run, and forgets those whose ports are gone.
    pub(super) fn adopt(&mut self, running: &[Domain], links: &Links) -> Result<(), Error> {
        // One that stays opens nothing.
        let _ = self.state.sweep_probes();
        for domain in running.iter().filter(|domain| is_here(domain, links)) {
            self.let_settle(domain)?;
            self.state.set_guest(&domain.uuid, Some(domain)).map_err(Error::io("the guest cannot be recorded"))?;
        }
        let known: BTreeSet<_> = running.iter().map(|domain| &domain.uuid).collect();
        for domain in self.state.guests().map_err(Error::io("the records of guests cannot be listed"))? {
            let mut targets = domain.interfaces.iter().filter_map(|interface| interface.target.as_ref());
            if !known.contains(&domain.uuid) && targets.all(|target| links.get(target).is_none()) {
                self.state.set_guest(&domain.uuid, None).map_err(Error::io("the guest's record cannot be removed"))?;
            }
        }
        Ok(())
    }

    /// Puts everything in place from nothing, in one go. If that fails, ports
    /// whose last good rules do not stand are closed.
    pub(super) fn rebuild(&mut self, basis: Basis<'_>, links: &Links, engine: &dyn Engine) -> Result<(), Error> {
        let whole = self.whole(basis, links, engine)?;
        self.replace(&whole, engine)
    }

    /// Puts this in place from nothing.
    pub(super) fn replace(&mut self, whole: &Whole, engine: &dyn Engine) -> Result<(), Error> {
        let before = self.state.base();
        let standing = self.standing(engine);
        let steps = engine.replace(&whole.plan, &standing)?;
        self.concern_ports(&whole.ports)?;
        self.concern_nat(&self.state.nat().table, &whole.plan.nat)?;
        self.concern(Concerned { everything: true, ..Concerned::default() })?;
        // From here on a crash leaves no base on record, and the next run starts over.
        self.state.set_base(None).map_err(Error::io("the base's record cannot be removed"))?;
        if let Err(error) = self.put(whole, engine, &steps) {
            let base = before.as_ref().map_or(&whole.plan.base, |record| &record.base);
            self.secure(engine, base, &whole.ports);
            return Err(error);
        }
        self.remove_other(engine.kind(), before.map(|record| record.engine));
        Ok(())
    }

    fn put(&mut self, whole: &Whole, engine: &dyn Engine, steps: &[Step]) -> Result<(), Error> {
        self.prepare_kernel(engine)?;
        if let Err(error) = apply(self.runner.as_mut(), steps, self.deadline) {
            if whole.plan.nat.is_empty() {
                return Err(error.into());
            }
            // What leads to guests must not keep their rules from them.
            self.problem(format!("floating IPs and forwards cannot be applied: {}", with_source(&error)));
            let rules = whole.plan.without_translations();
            let standing = self.standing(engine);
            apply(self.runner.as_mut(), &engine.replace(&rules, &standing)?, self.deadline)?;
        }
        self.record(whole, engine)
    }

    /// What stands in the engine's tables; nftables' own are simply replaced.
    pub(super) fn standing(&mut self, engine: &dyn Engine) -> Standing {
        match engine.kind() {
            EngineKind::Nftables => Standing::default(),
            kind => self.read_all(kind).map(|listing| standing(&listing)).unwrap_or_default(),
        }
    }

    /// Reads everything back and remembers it, if it is as it ought to be.
    fn record(&mut self, whole: &Whole, engine: &dyn Engine) -> Result<(), Error> {
        self.state.forget_members().map_err(Error::io("the groups' members cannot be forgotten"))?;
        let listing = self.read_all(engine.kind())?;
        let drifts = standing_drifts(&listing, &whole.plan, engine)?;
        if let Some(drift) = drifts.first() {
            return Err(Error::NotApplied(drift.to_string()));
        }
        for port in &whole.ports {
            let name = &port.plan.ifname;
            for (set, address) in &port.plan.members {
                self.state.claim(set, *address, name).map_err(Error::io("a group's member cannot be recorded"))?;
            }
            let lines = verify::lines(&listing, &engine.port_chains(&whole.plan.base, &port.plan)?);
            let (guest, plan) = (port.guest.clone(), port.plan.clone());
            let record = PortRecord { guest, plan, previous: None, lines };
            self.state.set_port(name, Some(&record)).map_err(Error::io("the port cannot be recorded"))?;
        }
        self.forget_ports(&whole.plan.port_names())?;
        whole.ports.iter().try_for_each(|port| self.set_ends(port))?;
        if let Err(error) = self.record_nat(engine, &whole.plan.base, &whole.plan.nat, &listing) {
            self.problem(error.to_string());
            self.state.set_nat(&NatRecord::default()).map_err(Error::io("the translations cannot be recorded"))?;
        }
        let lines = verify::lines(&listing, &engine.base_chains(&whole.plan.base)?);
        let record = BaseRecord { engine: engine.kind(), base: whole.plan.base.clone(), lines };
        // Of use at the next boot only, and only if the policy is broken then.
        let _ = self.state.keep_base(&record);
        self.state.set_base(Some(&record)).map_err(Error::io("the base cannot be recorded"))
    }

    fn forget_ports(&mut self, keep: &BTreeSet<IfName>) -> Result<(), Error> {
        for name in self.state.port_names().map_err(Error::io("the records of ports cannot be listed"))? {
            if !keep.contains(&name) {
                self.concern_gone(&name)?;
                self.state.set_port(&name, None).map_err(Error::io("the port's record cannot be removed"))?;
            }
        }
        Ok(())
    }

    /// Takes away what the other engine left, now that this one stands. Two walls
    /// are closed where one would be open, so a failure here is no hole.
    fn remove_other(&mut self, kind: EngineKind, before: Option<EngineKind>) {
        let other = match kind {
            EngineKind::Iptables => EngineKind::Nftables,
            EngineKind::Nftables if before == Some(EngineKind::Iptables) => EngineKind::Iptables,
            EngineKind::Nftables => return,
        };
        // What is seen here is not what stands.
        let seen = self.seen;
        if let Some(left) = self.read_all(other).ok().map(|listing| standing(&listing)).filter(|left| !left.is_empty())
        {
            let steps = self.engine_of(other).remove(&left);
            let _ = apply(self.runner.as_mut(), &steps, self.deadline);
        }
        self.seen = seen;
    }
}

/// Whether the ports that the domain names are there. If not, libvirt was asked
/// before the guest was started anew, and the hook knows better.
fn is_here(domain: &Domain, links: &Links) -> bool {
    let taps = domain.interfaces.iter().filter(|interface| interface.kind.has_tap());
    taps.filter_map(|interface| interface.target.as_ref()).all(|target| links.get(target).is_some())
}

/// Chains of ours that stand, and what leads to them.
pub(super) fn standing(listing: &Listing) -> Standing {
    let mut standing = Standing::default();
    for ((table, name), lines) in &listing.chains {
        match Name::try_from(name.clone()) {
            Ok(name) => {
                standing.chains.entry(*table).or_default().insert(name);
            }
            Err(_) => {
                let ours = lines.iter().filter(|line| line.contains(" -j vg_") || line.contains(" -g vg_"));
                standing.hooks.entry(*table).or_default().extend(ours.cloned());
            }
        }
    }
    standing
}

fn members_of(whole: &Whole, port: &PortPlan) -> BTreeMap<SetName, BTreeSet<IpAddr>> {
    let mut members: BTreeMap<_, BTreeSet<_>> =
        port.members.iter().map(|(set, _)| (set.clone(), BTreeSet::new())).collect();
    for (set, address) in whole.ports.iter().flat_map(|port| &port.plan.members) {
        if let Some(addresses) = members.get_mut(set) {
            addresses.insert(*address);
        }
    }
    members
}
