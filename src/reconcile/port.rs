//! One port: its rules changed, read back, taken away, or closed if all else fails.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::engine::{Change, Engine, EngineKind};
use crate::kernel::{apply, enable_bridge_netfilter, read_chains};
use crate::model::SetName;
use crate::plan::{Base, Plan, PortPlan};
use crate::state::{BaseRecord, Lines, PortRecord};

use super::desired::{DesiredPort, closed};
use super::verify::Drift;
use super::{Error, Host, verify};

/// What may stand at a port, and what is to.
struct Between<'a> {
    before: &'a [&'a PortPlan],
    stands: bool,
    after: Option<&'a PortPlan>,
}

impl Host {
    /// Brings the rules of one port into the kernel, on a base that stands.
    ///
    /// # Errors
    /// Whatever is in the way; the record tells then that it was attempted.
    pub(super) fn guard_port(&mut self, engine: &dyn Engine, base: &Base, port: &DesiredPort) -> Result<(), Error> {
        let name = &port.plan.ifname;
        let before = self.state.port(name);
        let stands = match before.as_ref().filter(|record| record.last_good() == Some(&record.plan)) {
            Some(record) => self.port_stands(engine, base, record)?,
            None => false,
        };
        if stands && before.as_ref().is_some_and(|record| record.plan == port.plan) {
            // To build it anew would close it for a moment, for nothing.
            return self.keep_ends(std::slice::from_ref(port));
        }
        self.concern_ports([port])?;
        // Recorded first: whoever comes after a crash knows that something of
        // both plans may stand.
        let mut record = PortRecord::attempt(port.guest.clone(), port.plan.clone(), before.as_ref());
        self.state.set_port(name, Some(&record)).map_err(Error::io("the port cannot be recorded"))?;
        self.prepare_kernel(engine)?;
        let plans = before.as_ref().map(PortRecord::plans).unwrap_or_default();
        self.change(engine, base, Between { before: &plans, stands, after: Some(&port.plan) })?;
        record.lines = self.read_back(engine, base, &port.plan)?;
        record.previous = None;
        self.set_ends(port)?;
        self.state.set_port(name, Some(&record)).map_err(Error::io("the port cannot be recorded"))
    }

    /// Takes away the rules of one port.
    pub(super) fn release_port(&mut self, record: &PortRecord) -> Result<(), Error> {
        let name = &record.plan.ifname;
        self.concern_gone(name)?;
        let removed = match self.state.base() {
            Some(BaseRecord { engine, base, .. }) => {
                let engine = self.engine_of(engine);
                self.change(engine.as_ref(), &base, Between { before: &record.plans(), stands: false, after: None })
                    .and_then(|()| self.gone(engine.as_ref(), &base, &record.plan))
            }
            None => Ok(()),
        };
        if removed.is_err() {
            // Something is not as recorded: the next run builds all anew.
            self.state.set_base(None).map_err(Error::io("the base's record cannot be removed"))?;
        }
        self.state.set_port(name, None).map_err(Error::io("the port's record cannot be removed"))?;
        removed
    }

    /// Makes sure that nothing of the port stands any more.
    fn gone(&mut self, engine: &dyn Engine, base: &Base, port: &PortPlan) -> Result<(), Error> {
        let chains = engine.port_chains(base, port)?;
        let chains: Vec<_> = chains.into_iter().map(|chain| (chain.table, chain.name.to_string())).collect();
        let xtables = self.capabilities().xtables;
        let listing = read_chains(self.runner.as_mut(), engine.kind(), xtables, &chains, self.deadline)?;
        match chains.iter().find(|chain| listing.chains.contains_key(*chain)) {
            None => Ok(()),
            Some((_, name)) => Err(Error::NotApplied(format!("{name} was taken away and is still there"))),
        }
    }

    /// Has bridged packets pass the engine's tables.
    pub(super) fn prepare_kernel(&mut self, engine: &dyn Engine) -> Result<(), Error> {
        if engine.kind() == EngineKind::Nftables {
            return Ok(());
        }
        enable_bridge_netfilter(self.runner.as_mut(), self.deadline)
            .map_err(Error::io("bridged packets do not go through iptables"))
    }

    /// Closes those of `ports` whose last good rules do not stand. The last
    /// resort: what fails here is not reported beside the error that led here.
    pub(super) fn secure(&mut self, engine: &dyn Engine, base: &Base, ports: &[DesiredPort]) {
        let mut open = Vec::new();
        for port in ports {
            let record = self.state.port(&port.plan.ifname);
            let stands = record.is_some_and(|record| self.port_stands(engine, base, &record).unwrap_or(false));
            if !stands {
                open.extend(closed(&port.guest, [port.plan.ifname.clone()], "its rules could not be applied"));
            }
        }
        let failed = open.iter().filter(|port| self.close(engine, base, port).is_err()).count();
        if failed > 0 {
            // Not even the base stands: it comes with closed ports and nothing else.
            let plan = Plan::new(base.clone(), open.into_iter().map(|port| port.plan).collect());
            let steps = plan.ok().and_then(|plan| engine.replace(&plan, &self.standing(engine)).ok());
            let _ = apply(self.runner.as_mut(), &steps.unwrap_or_default(), self.deadline);
        }
    }

    fn close(&mut self, engine: &dyn Engine, base: &Base, port: &DesiredPort) -> Result<(), Error> {
        let name = &port.plan.ifname;
        let before = self.state.port(name);
        let record = PortRecord::attempt(port.guest.clone(), port.plan.clone(), before.as_ref());
        let plans = before.as_ref().map(PortRecord::plans).unwrap_or_default();
        self.change(engine, base, Between { before: &plans, stands: false, after: Some(&port.plan) })?;
        self.state.set_port(name, Some(&record)).map_err(Error::io("the port cannot be recorded"))
    }

    fn change(&mut self, engine: &dyn Engine, base: &Base, between: Between<'_>) -> Result<(), Error> {
        let Between { before, stands, after } = between;
        let mut names = self.state.port_names().map_err(Error::io("the records of ports cannot be listed"))?;
        if let (Some(gone), None) = (before.first(), after) {
            names.remove(&gone.ifname);
        }
        names.extend(after.map(|port| port.ifname.clone()));
        let members = self.members_around(engine.kind(), before, after)?;
        let steps = engine.change(&Change { base, before, stands, after, names: &names, members: &members })?;
        Ok(apply(self.runner.as_mut(), &steps, self.deadline)?)
    }

    /// Notes what the port adds to sets from now on, and tells who is in the sets that
    /// it was or is in: as much of it as the engine looks at.
    fn members_around(
        &self,
        engine: EngineKind,
        before: &[&PortPlan],
        after: Option<&PortPlan>,
    ) -> Result<BTreeMap<SetName, BTreeSet<IpAddr>>, Error> {
        let mut members = BTreeMap::new();
        for port in before {
            for (set, address) in &port.members {
                self.state.release(set, *address, &port.ifname).map_err(Error::io("a group's member"))?;
                members.insert(set.clone(), BTreeSet::new());
            }
        }
        if let Some(port) = after {
            for (set, address) in &port.members {
                self.state.claim(set, *address, &port.ifname).map_err(Error::io("a group's member"))?;
                members.insert(set.clone(), BTreeSet::new());
            }
        }
        for (set, addresses) in &mut members {
            *addresses = match engine {
                // A chain is written anew with all that is in it.
                EngineKind::Iptables => {
                    self.state.members(set).map_err(Error::io("a group's members cannot be listed"))?
                }
                // Of a set only what the port has or had is touched.
                EngineKind::Nftables => {
                    let own = before.iter().copied().chain(after).flat_map(|port| &port.members);
                    let own = own.filter(|(of, address)| of == set && self.state.is_member(of, *address));
                    own.map(|(_, address)| *address).collect()
                }
            };
        }
        Ok(members)
    }

    /// Reads the port back and holds it against what was applied.
    fn read_back(&mut self, engine: &dyn Engine, base: &Base, port: &PortPlan) -> Result<Lines, Error> {
        let (drifts, lines) = self.look_at(engine, base, port)?;
        match drifts.first() {
            None => Ok(lines),
            Some(drift) => Err(Error::NotApplied(drift.to_string())),
        }
    }

    /// Whether what is on record of a port stands as it was applied.
    pub(super) fn port_stands(&mut self, engine: &dyn Engine, base: &Base, record: &PortRecord) -> Result<bool, Error> {
        let (drifts, lines) = self.look_at(engine, base, &record.plan)?;
        Ok(drifts.is_empty() && !lines.0.is_empty() && lines == record.lines)
    }

    /// What differs at a port and on the way to it, and how its chains look.
    fn look_at(&mut self, engine: &dyn Engine, base: &Base, port: &PortPlan) -> Result<(Vec<Drift>, Lines), Error> {
        let names = self.state.port_names().map_err(Error::io("the records of ports cannot be listed"))?;
        let own = engine.port_chains(base, port)?;
        let way = engine.dispatch_chains(&names, Some(&port.ifname));
        let all: Vec<_> = own.iter().cloned().chain(engine.base_chains(base)?).chain(way).collect();
        let hooks = engine.hooks();
        let built_in = hooks.iter().map(|(table, line)| (*table, verify::hooked_chain(line).to_owned()));
        let wanted: Vec<_> = all.iter().map(|chain| (chain.table, chain.name.to_string())).chain(built_in).collect();
        let xtables = self.capabilities().xtables;
        let listing = read_chains(self.runner.as_mut(), engine.kind(), xtables, &wanted, self.deadline)?;
        let mut drifts = verify::chains(&listing, &all);
        drifts.extend(verify::hooks(&listing, &hooks));
        drifts.extend(verify::elements(&listing, &engine.entries(port)));
        if let Some(record) = self.state.base() {
            drifts.extend(verify::recorded(&listing, &record.lines));
        }
        Ok((drifts, verify::lines(&listing, &own)))
    }
}
