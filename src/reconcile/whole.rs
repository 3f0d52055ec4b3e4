//! What is to stand around all guests at once, from the policy or from what was
//! applied last.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::Engine;
use crate::facts::Domain;
use crate::facts::policy::Policy;
use crate::kernel::Links;
use crate::model::{GuestId, NatTable, quarantine};
use crate::net::IfName;
use crate::plan::{Base, Plan, PortPlan};

use super::desired::{DesiredPort, closed, desired};
use super::{Error, Host, base};

/// What everything is built from.
#[derive(Clone, Copy)]
pub(super) enum Basis<'a> {
    /// The policy as it is now.
    Policy(&'a Policy),
    /// What was applied last, because the policy cannot be read or cannot be
    /// applied: the reason.
    LastGood(&'a str),
}

/// Everything that is to stand, and what is wrong with some guests.
pub(super) struct Whole {
    pub plan: Plan,
    pub ports: Vec<DesiredPort>,
    pub problems: Vec<String>,
}

impl Host {
    /// What is to stand around all guests on record.
    pub(super) fn whole(&mut self, basis: Basis<'_>, links: &Links, engine: &dyn Engine) -> Result<Whole, Error> {
        let guests = self.guests(&[])?;
        self.whole_of(basis, links, engine, &guests)
    }

    /// The same for these guests. One that cannot be resolved, or that the engine
    /// cannot say, is no reason to leave the others without rules.
    pub(super) fn whole_of(
        &mut self,
        basis: Basis<'_>,
        links: &Links,
        engine: &dyn Engine,
        guests: &[Domain],
    ) -> Result<Whole, Error> {
        let base = self.whole_base(basis, links);
        let mut ports: BTreeMap<IfName, DesiredPort> = BTreeMap::new();
        let mut problems = Vec::new();
        for domain in guests {
            let found = match basis {
                Basis::Policy(policy) => desired(policy, &self.surroundings, domain, links)
                    .and_then(|desired| desired.sayable(engine, &base).map(|()| desired))
                    .map_err(|error| error.to_string()),
                Basis::LastGood(reason) => Err(reason.to_owned()),
            };
            let of_guest = match found {
                Ok(desired) => {
                    self.note_unassigned(&desired.policy);
                    desired.ports
                }
                Err(reason) => {
                    problems.push(format!("guest {:?}: {reason}", domain.name));
                    let good = self.last_good(domain, &reason)?.into_iter();
                    good.map(|port| sayable_or_closed(port, engine, &base, &reason)).collect()
                }
            };
            for port in of_guest {
                let port = self.as_it_settles(port);
                self.place(&mut ports, port);
            }
        }
        let ports: Vec<_> = ports.into_values().collect();
        let mut plan = Plan::new(base, ports.iter().map(|port| port.plan.clone()).collect())?;
        plan.nat = self.nat_of(&ports);
        Ok(Whole { plan, ports, problems })
    }

    /// The base; without a policy the one that was applied, or that of no policy
    /// at all, which is the closest one.
    fn whole_base(&mut self, basis: Basis<'_>, links: &Links) -> Base {
        let names = self.capabilities().bridge_names;
        match basis {
            Basis::Policy(policy) => base::base(policy, links, names),
            Basis::LastGood(_) => {
                let applied = self.state.last_base().map(|record| record.base);
                applied.unwrap_or_else(|| base::base(&Policy::default(), links, names))
            }
        }
    }

    /// The translations of these ports; where they are not known now, those on record.
    fn nat_of(&mut self, ports: &[DesiredPort]) -> NatTable {
        let of_port = |port: &DesiredPort| match &port.ends {
            Some(ends) => ends.translations.clone(),
            None => self.state.translations_at(&port.plan.ifname),
        };
        let all: Vec<_> = ports.iter().map(of_port).collect();
        self.nat_table(&all)
    }

    /// A port name may be in the facts of a guest that is long gone; it belongs
    /// to the guest for which it was applied last.
    fn place(&self, ports: &mut BTreeMap<IfName, DesiredPort>, port: DesiredPort) {
        let name = port.plan.ifname.clone();
        let owner = self.state.port(&name).map(|record| record.guest.uuid);
        if !ports.contains_key(&name) || owner == Some(port.guest.uuid) {
            ports.insert(name, port);
        }
    }

    /// What was applied last for a guest that cannot be resolved now; closed
    /// ports where nothing was.
    fn last_good(&self, domain: &Domain, reason: &str) -> Result<Vec<DesiredPort>, Error> {
        let records = self.state.ports_of(&domain.uuid).map_err(Error::io("the records of ports cannot be listed"))?;
        let good: Vec<_> =
            records.into_iter().filter_map(|record| Some((record.last_good()?.clone(), record.guest))).collect();
        let known: BTreeSet<_> = good.iter().map(|(plan, _)| plan.ifname.clone()).collect();
        let targets = domain.interfaces.iter().filter(|interface| interface.kind.has_tap());
        let unknown = targets.filter_map(|interface| interface.target.clone()).filter(|name| !known.contains(name));
        let id = GuestId { name: domain.name.clone(), uuid: domain.uuid };
        let mut ports = closed(&id, unknown, reason);
        ports.extend(good.into_iter().map(|(plan, guest)| DesiredPort { guest, plan, ends: None }));
        Ok(ports)
    }
}

/// What was applied last may have been said by another engine. A port whose rules
/// this one cannot say is closed, or nobody else's could be built.
fn sayable_or_closed(port: DesiredPort, engine: &dyn Engine, base: &Base, reason: &str) -> DesiredPort {
    if engine.port_chains(base, &port.plan).is_ok() {
        return port;
    }
    let plan = PortPlan::new(port.plan.ifname, &quarantine(reason), Vec::new());
    DesiredPort { plan, ..port }
}
