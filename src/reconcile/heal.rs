//! What somebody changed or took away, put back: closed first, and no more of it
//! than is gone.
//!
//! In: the kernel as it is now, and the guests that run. Out: the kernel as the
//! policy has it, or, while the policy is broken, as it was applied last.

use std::collections::BTreeSet;

use crate::engine::{Engine, EngineKind, Iptables, Standing, Table};
use crate::facts::policy::{EngineChoice, UnknownPorts};
use crate::facts::{Domain, with_source};
use crate::kernel::{Listing, apply_unseen, bridge_netfilter_stands, read_chains};
use crate::net::IfName;
use crate::plan::Base;
use crate::state::BaseRecord;

use super::verify::{self, Drift};
use super::whole::{Basis, Whole};
use super::{Error, Host};

/// How many ports are mended one by one; more are built anew together, which is
/// one transaction.
const SINGLE_PORTS: usize = 16;

/// What was found and put back.
#[derive(Debug, Default)]
pub struct Healed {
    /// What differed, in words.
    pub drifts: Vec<Drift>,
    /// The ports that have rules now.
    pub ports: usize,
    /// Why some guest has its last rules or is closed, or why the policy as a
    /// whole is not the one that stands.
    pub problems: Vec<String>,
}

impl Host {
    /// Whether rules are put back as quickly as ports are closed: then there is no
    /// use in closing them before.
    pub fn heals_at_once(&self) -> bool {
        self.state.port_names().is_ok_and(|ports| ports.len() <= SINGLE_PORTS)
    }

    /// Closes all ports if what they share does not stand as it was applied, for
    /// then they are open. Needs no policy and reads little: it is what stands
    /// between a flush and the rules. Says whether it had to.
    ///
    /// # Errors
    /// The kernel cannot be asked, or the ports cannot be closed.
    pub fn close_if_open(&mut self) -> Result<bool, Error> {
        let _lock = self.locked()?;
        // Without a record of now somebody was interrupted while all was built anew,
        // and nobody knows what stands.
        let known = self.state.base();
        let Some(record) = known.clone().or_else(|| self.state.last_base()) else { return Ok(false) };
        let engine = self.engine_of(record.engine);
        let stands = known.is_some() && self.recorded_base_stands(engine.as_ref(), &record)?;
        if stands || self.is_shut(engine.as_ref(), &record)? {
            return Ok(false);
        }
        self.shut(engine.as_ref(), &record)?;
        Ok(true)
    }

    /// Closes all ports, whatever stands.
    ///
    /// # Errors
    /// They cannot be closed.
    pub fn close_all(&mut self) -> Result<(), Error> {
        let _lock = self.locked()?;
        let Some(record) = self.state.last_base() else { return Ok(()) };
        let engine = self.engine_of(record.engine);
        self.shut(engine.as_ref(), &record)
    }

    /// Compares everything, and puts back what differs. `running` are all guests that
    /// run, if somebody asked: others whose ports are gone are forgotten. A broken policy is a problem and no error:
    /// what was applied last is kept in place then.
    ///
    /// # Errors
    /// The kernel could not be brought to it. Ports whose rules do not stand are
    /// closed.
    pub fn heal(&mut self, running: Option<&[Domain]>) -> Result<Healed, Error> {
        let _lock = self.locked()?;
        let links = self.links()?;
        self.sweep_probes();
        running.map_or(Ok(()), |running| self.adopt(running, &links))?;
        let (policy, engine) = match self.policy().and_then(|policy| Ok((self.engine(policy.engine)?, policy))) {
            Ok((engine, policy)) => (Ok(policy), engine),
            Err(error) => (Err(with_source(&error)), self.last_engine()?),
        };
        let basis = match &policy {
            Ok(policy) => Basis::Policy(policy),
            Err(reason) => Basis::LastGood(reason),
        };
        let mut whole = self.whole(basis, &links, engine.as_ref())?;
        if let Err(reason) = &policy {
            whole.problems = vec![reason.clone()];
        }
        let switched = self.switch_bridge_netfilter(engine.as_ref())?;
        let mut drifts = self.differences(&whole, engine.as_ref())?;
        let mended = self.mend(&whole, engine.as_ref(), &drifts);
        // Rules first, then what goes with them.
        let nat = self.nat_differences(engine.as_ref(), &whole.plan.base, &whole.plan.nat)?;
        let settled = mended.and_then(|()| self.settle_whole(&whole, engine.as_ref(), policy.as_ref().ok()));
        self.cut(policy.as_ref().ok());
        settled?;
        let (ports, mut problems) = (whole.ports.len(), whole.problems);
        problems.extend(self.takes_problems());
        drifts.extend(switched.into_iter().chain(nat));
        if policy.is_ok() && self.put_all_fragments(&mut problems)? {
            drifts.push(Drift::of_all("rules of /etc/virt-guard/iptables.d differed"));
        } else if policy.is_err() {
            self.heal_fragments();
        }
        if policy.is_ok() && problems.is_empty() {
            self.note_standing();
        }
        Ok(Healed { drifts, ports, problems })
    }

    /// Has bridged packets pass the engine's tables again, if they do not.
    fn switch_bridge_netfilter(&mut self, engine: &dyn Engine) -> Result<Option<Drift>, Error> {
        if engine.kind() == EngineKind::Nftables || bridge_netfilter_stands() {
            return Ok(None);
        }
        self.prepare_kernel(engine)?;
        Ok(Some(Drift::of_all("bridged packets did not go through iptables (bridge-nf-call)")))
    }

    /// Puts `whole` in place where it differs from the kernel.
    pub(super) fn mend(&mut self, whole: &Whole, engine: &dyn Engine, drifts: &[Drift]) -> Result<(), Error> {
        let ports: Option<BTreeSet<&IfName>> = drifts.iter().map(|drift| drift.port.as_ref()).collect();
        match ports {
            Some(ports) if ports.is_empty() => Ok(()),
            Some(ports) if ports.len() <= SINGLE_PORTS && self.mend_ports(whole, engine, &ports) => Ok(()),
            _ => {
                self.close_before(engine, drifts)?;
                self.replace(whole, engine)
            }
        }
    }

    /// Whether these ports could be mended one by one.
    fn mend_ports(&mut self, whole: &Whole, engine: &dyn Engine, ports: &BTreeSet<&IfName>) -> bool {
        let mut wanted = whole.ports.iter().filter(|port| ports.contains(&port.plan.ifname));
        wanted.all(|port| self.guard_port(engine, &whole.plan.base, port).is_ok())
    }

    /// Before everything is built anew: if what all ports share differs from what
    /// was applied, they may be open, and to build takes time.
    fn close_before(&mut self, engine: &dyn Engine, drifts: &[Drift]) -> Result<(), Error> {
        if engine.kind() == EngineKind::Iptables || self.heals_at_once() {
            // What iptables builds is closed first; few ports are built as quickly.
            return Ok(());
        }
        let Some(record) = self.state.base().filter(|record| record.engine == engine.kind()) else { return Ok(()) };
        if drifts.iter().all(|drift| drift.port.is_some()) || self.recorded_base_stands(engine, &record)? {
            return Ok(());
        }
        self.shut(engine, &record)
    }

    fn shut(&mut self, engine: &dyn Engine, record: &BaseRecord) -> Result<(), Error> {
        let names = self.ports_to_name(&record.base)?;
        let standing = self.hooks_standing(engine)?;
        let steps = engine.close(&record.base, &names, &standing)?;
        self.prepare_kernel(engine)?;
        apply_unseen(self.runner.as_mut(), &steps, self.deadline)?;
        self.check_shut(engine, record)
    }

    /// Whether the ports are closed already, rule by rule as that was recorded. Of
    /// nftables it cannot be told: what leads to ports are elements there.
    fn is_shut(&mut self, engine: &dyn Engine, record: &BaseRecord) -> Result<bool, Error> {
        if engine.kind() == EngineKind::Nftables || self.check_shut(engine, record).is_err() {
            return Ok(false);
        }
        let mut lines = record.lines.clone();
        lines.0.retain(|(table, _), _| *table == Table::EbtablesNat);
        let listing = self.read_some(engine, &lines.0.keys().cloned().collect::<Vec<_>>())?;
        Ok(!lines.0.is_empty() && verify::recorded(&listing, &lines).is_empty())
    }

    /// Makes sure that what leads to the ports leads to none, as it is after closing.
    /// Of the iptables engine that is ebtables alone.
    fn check_shut(&mut self, engine: &dyn Engine, record: &BaseRecord) -> Result<(), Error> {
        let leads = |table: Table| table.is_private() || table == Table::EbtablesNat;
        let mut chains = engine.base_chains(&record.base)?;
        chains.extend(engine.dispatch_chains(&self.ports_to_name(&record.base)?, None));
        chains.retain(|chain| leads(chain.table));
        let mut hooks = engine.hooks();
        hooks.retain(|(table, _)| leads(*table));
        let mut wanted: Vec<_> = chains.iter().map(|chain| (chain.table, chain.name.to_string())).collect();
        wanted.extend(hooks.iter().map(|(table, line)| (*table, verify::hooked_chain(line).to_owned())));
        let listing = self.read_some(engine, &wanted)?;
        let mut drifts = verify::chains(&listing, &chains);
        drifts.extend(verify::hooks(&listing, &hooks));
        drifts.first().map_or(Ok(()), |drift| Err(Error::NotApplied(drift.to_string())))
    }

    /// The ports that must be closed by name. Those of guarded bridges are closed as
    /// unknown ports are, however many there are.
    fn ports_to_name(&self, base: &Base) -> Result<BTreeSet<IfName>, Error> {
        let links = self.links()?;
        let closes = |bridge: &IfName| {
            let guarded = base.bridges.iter().find(|guarded| guarded.pattern.matches(bridge));
            guarded.is_some_and(|guarded| guarded.unknown_ports == UnknownPorts::Drop)
        };
        let mut names = self.state.port_names().map_err(Error::io("the records of ports cannot be listed"))?;
        names.retain(|name| !links.bridge_of(name).is_some_and(closes));
        Ok(names)
    }

    /// The hooks of ours that stand: what leads to our chains must not be there
    /// twice.
    fn hooks_standing(&mut self, engine: &dyn Engine) -> Result<Standing, Error> {
        let built_in: BTreeSet<_> = hooked(engine).into_iter().collect();
        let listing = self.read_some(engine, &built_in.into_iter().collect::<Vec<_>>())?;
        Ok(super::all::standing(&listing))
    }

    /// Whether what all ports share is as it was right after it was applied.
    fn recorded_base_stands(&mut self, engine: &dyn Engine, record: &BaseRecord) -> Result<bool, Error> {
        let mut wanted: Vec<_> = record.lines.0.keys().cloned().collect();
        wanted.extend(hooked(engine));
        let listing = self.read_some(engine, &wanted)?;
        let drifted =
            verify::recorded(&listing, &record.lines).into_iter().chain(verify::hooks(&listing, &engine.hooks()));
        Ok(drifted.count() == 0 && !record.lines.0.is_empty())
    }

    fn read_some(&mut self, engine: &dyn Engine, chains: &[(Table, String)]) -> Result<Listing, Error> {
        let xtables = self.capabilities().xtables;
        Ok(read_chains(self.runner.as_mut(), engine.kind(), xtables, chains, self.deadline)?)
    }

    /// The tables in which a change may concern what stands.
    pub fn watched_tables(&self) -> BTreeSet<Table> {
        if self.state.fragment_ports().is_ok_and(|ports| !ports.is_empty()) {
            return Table::ALL.into();
        }
        match self.state.base().map(|record| record.engine) {
            Some(EngineKind::Nftables) => [Table::NftBridge, Table::NftInet].into(),
            Some(EngineKind::Iptables) if self.state.nat().table.is_empty() => {
                // There others change theirs, and nothing is ours.
                Iptables::TABLES.into_iter().filter(|table| !matches!(table, Table::Nat(_))).collect()
            }
            Some(EngineKind::Iptables) => Iptables::TABLES.into(),
            None => Table::ALL.into(),
        }
    }

    /// The engine that applied what stands; without a record the one that works.
    pub(super) fn last_engine(&mut self) -> Result<Box<dyn Engine>, Error> {
        match self.state.last_base() {
            Some(record) => Ok(self.engine_of(record.engine)),
            None => self.engine(EngineChoice::Auto),
        }
    }
}

/// The built-in chains that lead to ours.
fn hooked(engine: &dyn Engine) -> Vec<(Table, String)> {
    engine.hooks().iter().map(|(table, line)| (*table, verify::hooked_chain(line).to_owned())).collect()
}
