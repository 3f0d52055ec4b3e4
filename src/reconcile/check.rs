//! Everything that ought to stand, held against the kernel.

use std::collections::BTreeSet;

use crate::engine::{Element, Engine, EngineKind};
use crate::facts::policy::Policy;
use crate::kernel::{Links, Listing, bridge_netfilter_stands};
use crate::plan::{Plan, PortPlan};
use crate::state::{BaseRecord, PortRecord};

use super::verify::{self, Drift};
use super::whole::{Basis, Whole};
use super::{Error, Host, nat};

impl Host {
    /// What differs between the policy and the kernel. Changes nothing.
    ///
    /// # Errors
    /// The policy is broken or the kernel cannot be asked.
    pub fn check_all(&mut self) -> Result<Vec<Drift>, Error> {
        let policy = self.policy()?;
        let engine = self.engine(policy.engine)?;
        let _lock = self.locked()?;
        let links = self.links()?;
        let whole = self.whole(Basis::Policy(&policy), &links, engine.as_ref())?;
        let mut drifts = self.differences(&whole, engine.as_ref())?;
        drifts.extend(self.nat_differences(engine.as_ref(), &whole.plan.base, &whole.plan.nat)?);
        drifts.extend(self.fragment_drifts()?);
        Ok(drifts)
    }

    /// What differs in the walls alone; translations and the operator's own rules open none.
    pub(super) fn wall_drifts(&mut self, policy: &Policy, links: &Links) -> Result<Vec<Drift>, Error> {
        let engine = self.engine(policy.engine)?;
        let _lock = self.locked()?;
        let whole = self.whole(Basis::Policy(policy), links, engine.as_ref())?;
        self.differences(&whole, engine.as_ref())
    }

    pub(super) fn differences(&mut self, whole: &Whole, engine: &dyn Engine) -> Result<Vec<Drift>, Error> {
        let listing = self.read_all(engine.kind())?;
        let mut drifts = standing_drifts(&listing, &whole.plan, engine)?;
        if engine.kind() == EngineKind::Iptables && !bridge_netfilter_stands() {
            drifts.push(Drift::of_all("bridged packets do not go through iptables (bridge-nf-call)"));
        }
        let base = self.state.base();
        drifts.extend(base_difference(base.as_ref(), whole, engine));
        let base_lines = base.map(|record| record.lines).unwrap_or_default();
        drifts.extend(verify::recorded(&listing, &base_lines));
        for port in &whole.ports {
            let name = &port.plan.ifname;
            let record = self.state.port(name);
            drifts.extend(port_difference(record.as_ref(), &port.plan));
            let lines = record.map(|record| record.lines).unwrap_or_default();
            drifts.extend(verify::recorded(&listing, &lines).into_iter().map(|drift| drift.at(name)));
        }
        drifts.sort();
        drifts.dedup();
        Ok(drifts)
    }
}

/// Whether what all ports share was applied, and is what is asked for now.
fn base_difference(record: Option<&BaseRecord>, whole: &Whole, engine: &dyn Engine) -> Option<Drift> {
    match record {
        None => Some(Drift::of_all("nothing was applied yet, or not to its end")),
        Some(record) if record.engine != engine.kind() => {
            Some(Drift::of_all(format!("applied by the {} engine, expected {}", record.engine, engine.kind())))
        }
        Some(record) if record.base != whole.plan.base => {
            Some(Drift::of_all("bridges, uplinks, groups or host services differ from what was applied"))
        }
        Some(_) => None,
    }
}

/// Whether what was applied at a port is what is asked for now.
fn port_difference(record: Option<&PortRecord>, plan: &PortPlan) -> Option<Drift> {
    let what = match record {
        None => "no rules were applied",
        Some(record) if record.lines.0.is_empty() => "rules were not applied to their end",
        Some(record) if record.plan == *plan => return None,
        Some(_) => "the policy differs from what was applied",
    };
    Some(Drift::of_all(format!("{}: {what}", plan.ifname)).at(&plan.ifname))
}

/// What differs between the kernel and a plan.
pub(super) fn standing_drifts(listing: &Listing, plan: &Plan, engine: &dyn Engine) -> Result<Vec<Drift>, Error> {
    // Translations are compared apart: what differs there closes no port.
    let (listing, _) = &nat::split(listing);
    let mut chains = engine.base_chains(&plan.base)?;
    chains.extend(engine.dispatch_chains(&plan.port_names(), None));
    chains.extend(engine.set_chains(plan));
    let mut drifts = verify::chains(listing, &chains);
    for port in plan.ports() {
        let of_port = engine.port_chains(&plan.base, port)?;
        let at_port = verify::chains(listing, &of_port).into_iter();
        let missing = verify::elements(listing, &engine.entries(port));
        drifts.extend(at_port.chain(missing).map(|drift| drift.at(&port.ifname)));
        chains.extend(of_port);
    }
    let ports: Vec<&PortPlan> = plan.ports().iter().collect();
    let elements: Vec<Element> = engine.elements(&plan.base, &ports);
    drifts.extend(verify::hooks(listing, &engine.hooks()));
    let known: BTreeSet<_> = drifts.iter().map(|drift| drift.to_string()).collect();
    let others = verify::elements(listing, &elements).into_iter();
    drifts.extend(others.filter(|drift| !known.contains(&drift.to_string())));
    drifts.extend(verify::strangers(listing, &chains, &elements));
    Ok(drifts)
}
