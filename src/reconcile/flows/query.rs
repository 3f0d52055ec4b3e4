//! Flows for people: which there are, which rule admits each today, and those that
//! somebody wants dead.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use super::{Cut, Judge, Judgement, LOOKS, NO_CONNTRACK, Revocation, ZONE, delete};
use crate::facts::domain::Uuid;
use crate::kernel::Conntrack;
use crate::model::{MID_STREAM, NatTable};
use crate::net::{Family, Flow, Tuple};
use crate::reconcile::{Error, Host};
use crate::state::Concerned;
use crate::state::events::{Event, Kind};

/// So many connections of an event are named, which is some hundred kilobytes.
const MOST_NAMED: usize = 5000;

/// A flow, whose it is, and what the rules of today say of it.
#[derive(Debug, Clone)]
pub struct FlowView {
    /// The flow.
    pub flow: Flow,
    /// The guests at its ends.
    pub guests: Vec<(Uuid, String)>,
    /// What the rules say.
    pub judgement: Judgement,
}

/// Which flows somebody wants dead.
#[derive(Debug, Clone)]
pub enum Selection {
    /// All of a guest.
    Guest(Uuid),
    /// All by a floating IP, in both directions.
    Floating(IpAddr),
    /// The one that began so.
    Tuple(Tuple),
}

impl Host {
    /// All flows that have to do with a guest, or with floating IPs.
    ///
    /// # Errors
    /// The policy is broken, or the kernel does not tell.
    pub fn flows(&mut self) -> Result<Vec<FlowView>, Error> {
        let policy = self.policy()?;
        let _lock = self.locked()?;
        let table = self.state.nat().table;
        let mut judge = Judge::new(self, &policy, &table)?;
        let mut conntrack = Conntrack::open().map_err(Error::io(NO_CONNTRACK))?;
        let mut flows = Vec::new();
        for family in Family::BOTH {
            flows.extend(conntrack.all(family, ZONE).map_err(Error::io(NO_CONNTRACK))?);
        }
        let known = flows.iter().map(|flow| (flow.original, flow)).collect();
        let view = |flow: &Flow| {
            let root = super::root(flow, &known, &table);
            FlowView { flow: *flow, guests: judge.guests_of(flow), judgement: judge.judge(&root) }
        };
        let all = flows.iter().map(view);
        Ok(all.filter(|view| !view.guests.is_empty() || view.judgement != Judgement::Foreign).collect())
    }

    /// Cuts the connections of a selection, whatever the rules say of them. What has no
    /// beginning that could be told may begin again at once, as the rules let it; only
    /// others count as alive.
    ///
    /// # Errors
    /// The kernel does not tell, or does not delete them.
    pub fn kill_flows(&mut self, selection: &Selection) -> Result<Revocation, Error> {
        let _lock = self.locked()?;
        let begun = Instant::now();
        let mut conntrack = Conntrack::open().map_err(Error::io(NO_CONNTRACK))?;
        let mut revocation = Revocation::default();
        for look in 0..LOOKS {
            let mut doomed = self.selected(&mut conntrack, selection)?;
            doomed.retain(|flow| look == 0 || MID_STREAM.contains(&flow.original.protocol));
            revocation.alive = doomed.len();
            if doomed.is_empty() {
                break;
            }
            let doomed: Vec<_> = doomed.into_iter().map(|flow| (flow, "as was asked for".to_owned())).collect();
            self.end_settling(&doomed)?;
            delete(&mut conntrack, &doomed)?;
            revocation.killed.extend(doomed);
        }
        revocation.milliseconds = begun.elapsed().as_secs_f64() * 1e3;
        self.note_revocation(revocation.clone());
        Ok(revocation)
    }

    /// The flows that [`Host::kill_flows`] would cut now.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn flows_of(&self, selection: &Selection) -> Result<Vec<Flow>, Error> {
        let mut conntrack = Conntrack::open().map_err(Error::io(NO_CONNTRACK))?;
        self.selected(&mut conntrack, selection)
    }

    fn selected(&self, conntrack: &mut Conntrack, selection: &Selection) -> Result<Vec<Flow>, Error> {
        let concerned = self.concerned_by(selection)?;
        let (table, revoked) = (NatTable::default(), NatTable::of([&concerned.revoked]));
        let cut = Cut { concerned: &concerned, revoked, table: &table };
        let flows = cut.look(conntrack).map_err(Error::io(NO_CONNTRACK))?;
        let is_meant = |flow: &Flow| match selection {
            Selection::Guest(_) => true,
            Selection::Floating(address) => flow.is_translated_by(*address),
            Selection::Tuple(tuple) => flow.original == *tuple,
        };
        Ok(with_announced(&flows, is_meant))
    }

    fn concerned_by(&self, selection: &Selection) -> Result<Concerned, Error> {
        let mut concerned = Concerned::default();
        match selection {
            Selection::Guest(uuid) => {
                let all = self.state.all_addresses().map_err(Error::io("the addresses of ports cannot be listed"))?;
                let own = all.into_values().filter(|record| record.guest == *uuid);
                concerned.ended.extend(own.flat_map(|record| record.addresses));
            }
            Selection::Floating(address) => {
                let floating = crate::model::Floating { address: *address, fixed: *address, uplink: None };
                concerned.revoked.floating.push(floating);
            }
            Selection::Tuple(tuple) => drop(concerned.ended.insert(tuple.source)),
        }
        Ok(concerned)
    }
}

/// The flows that are meant, and those that they announced.
fn with_announced(flows: &[Flow], is_meant: impl Fn(&Flow) -> bool) -> Vec<Flow> {
    let masters: BTreeMap<Tuple, Option<Tuple>> = flows.iter().map(|flow| (flow.original, flow.master)).collect();
    let meant: BTreeSet<Tuple> = flows.iter().filter(|flow| is_meant(flow)).map(|flow| flow.original).collect();
    let is_doomed = |flow: &&Flow| {
        let line = std::iter::successors(Some(flow.original), |tuple| masters.get(tuple).copied().flatten());
        line.take(LOOKS).any(|tuple| meant.contains(&tuple)) || flow.master.is_some_and(|tuple| meant.contains(&tuple))
    };
    flows.iter().filter(is_doomed).copied().collect()
}

impl Revocation {
    /// The same line by line: the sum, and as many of the connections as asked for.
    pub fn lines(&self, most: usize) -> Vec<String> {
        let each = self.killed.iter().take(most).map(|(flow, why)| format!("cut {}: {why}", flow.original));
        let more = self.killed.len().saturating_sub(most);
        let more = (more > 0).then(|| format!("cut {more} more; virt-guard events --json names them"));
        [self.to_string()].into_iter().chain(each).chain(more).collect()
    }

    /// The evidence: which connections, why, and that they are gone.
    pub fn event(&self) -> Event {
        let mut event = Event::now(Kind::Revoked, self.to_string());
        let each = self.killed.iter().take(MOST_NAMED);
        event.flows = each.map(|(flow, why)| format!("{}: {why}", flow.original)).collect();
        event.milliseconds = Some((self.milliseconds * 1e3).round() / 1e3);
        event
    }
}

impl std::fmt::Display for Revocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let killed: BTreeSet<_> = self.killed.iter().map(|(flow, _)| flow).collect();
        let plural = if killed.len() == 1 { "" } else { "s" };
        write!(f, "{} connection{plural} cut, {} alive", killed.len(), self.alive)
    }
}
