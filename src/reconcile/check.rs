//! Everything that ought to stand, held against the kernel.

use crate::engine::{Element, Engine};
use crate::facts::policy::Policy;
use crate::kernel::{Links, Listing};
use crate::plan::{Plan, PortPlan};

use super::verify::{self, Drift};
use super::whole::{Basis, Whole};
use super::{Error, Host};

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
        let mut drifts = self.differences(&policy, &links, engine.as_ref())?;
        drifts.extend(self.fragment_drifts()?);
        Ok(drifts)
    }

    pub(super) fn differences(
        &mut self,
        policy: &Policy,
        links: &Links,
        engine: &dyn Engine,
    ) -> Result<Vec<Drift>, Error> {
        let whole = self.whole(Basis::Policy(policy), links, engine)?;
        let mut drifts = self.record_differences(&whole, engine);
        let listing = self.read_all(engine.kind())?;
        drifts.extend(standing_drifts(&listing, &whole.plan, engine)?);
        let base_lines = self.state.base().map(|record| record.lines).unwrap_or_default();
        drifts.extend(verify::recorded(&listing, &base_lines));
        for name in whole.plan.port_names() {
            let lines = self.state.port(&name).map(|record| record.lines).unwrap_or_default();
            drifts.extend(verify::recorded(&listing, &lines));
        }
        drifts.sort();
        drifts.dedup();
        Ok(drifts)
    }

    /// What was applied and is not what the policy asks for now.
    fn record_differences(&self, whole: &Whole, engine: &dyn Engine) -> Vec<Drift> {
        let mut drifts = Vec::new();
        match self.state.base() {
            None => drifts.push(Drift("nothing was applied yet, or not to its end".to_owned())),
            Some(record) if record.engine != engine.kind() => {
                drifts.push(Drift(format!("applied by the {} engine, expected {}", record.engine, engine.kind())));
            }
            Some(record) if record.base != whole.plan.base => {
                drifts.push(Drift("bridges, uplinks, groups or host services differ from what was applied".to_owned()));
            }
            Some(_) => {}
        }
        for port in &whole.ports {
            let name = &port.plan.ifname;
            match self.state.port(name) {
                Some(record) if record.lines.0.is_empty() => {
                    drifts.push(Drift(format!("{name}: rules were not applied to their end")));
                }
                Some(record) if record.plan == port.plan => {}
                Some(_) => drifts.push(Drift(format!("{name}: the policy differs from what was applied"))),
                None => drifts.push(Drift(format!("{name}: no rules were applied"))),
            }
        }
        drifts
    }
}

/// What differs between the kernel and a plan.
pub(super) fn standing_drifts(listing: &Listing, plan: &Plan, engine: &dyn Engine) -> Result<Vec<Drift>, Error> {
    let mut chains = engine.base_chains(&plan.base)?;
    chains.extend(engine.dispatch_chains(&plan.port_names(), None));
    chains.extend(engine.set_chains(plan));
    for port in plan.ports() {
        chains.extend(engine.port_chains(&plan.base, port)?);
    }
    let ports: Vec<&PortPlan> = plan.ports().iter().collect();
    let elements: Vec<Element> = engine.elements(&plan.base, &ports);
    let mut drifts = verify::chains(listing, &chains);
    drifts.extend(verify::hooks(listing, &engine.hooks()));
    drifts.extend(verify::elements(listing, &elements));
    drifts.extend(verify::strangers(listing, &chains, &elements));
    Ok(drifts)
}
