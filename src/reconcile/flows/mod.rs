//! What is revoked is dead: the connections by rules or translations that are gone.
//!
//! The new rules stand by now. What is concerned is looked for in the kernel, held
//! against them, deleted, and looked for again until nothing is left to delete: a
//! packet that passed the old rules may have been on its way meanwhile.

mod judge;
mod query;

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::net::IpAddr;
use std::time::Instant;

use crate::facts::policy::Policy;
use crate::kernel::{Conntrack, End};
use crate::model::{NatTable, Translated};
use crate::net::{Family, Flow, Tuple};
use crate::state::Concerned;

use self::judge::Judge;
use super::{Error, Host};

pub use judge::Judgement;
pub use query::{FlowView, Selection};

/// The zone in which the guests' connections are: that of everything which nobody's
/// rules put elsewhere.
const ZONE: u16 = 0;
/// How often it is looked again, at most.
const LOOKS: usize = 5;
/// More ends than this cost more to be looked for than the whole table.
const MOST_ENDS: usize = 8;

/// Connections that were cut, and the proof.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Revocation {
    /// Each that was, and why.
    pub killed: Vec<(Flow, String)>,
    /// How many that are answered were found by the last look.
    pub alive: usize,
    /// How long it took, in milliseconds.
    pub milliseconds: f64,
}

impl Host {
    /// Notes flows that are to be looked at once the rules stand; for whoever comes
    /// after a crash, too.
    pub(super) fn concern(&mut self, concerned: Concerned) -> Result<(), Error> {
        if concerned.is_empty() {
            return Ok(());
        }
        if self.concerned.is_empty() {
            self.concerned = self.state.concerned();
        }
        self.concerned.add(concerned);
        self.state.set_concerned(&self.concerned).map_err(Error::io("flows to look at cannot be recorded"))
    }

    /// Cuts the connections that are concerned and not admitted any more, by the rules
    /// that stand now. Without a policy only those that no rule could admit.
    ///
    /// What cannot be cut stays noted, is a problem, and keeps nobody from going on.
    pub(super) fn cut(&mut self, policy: Option<&Policy>) {
        let mut concerned = mem::take(&mut self.concerned);
        concerned.add(self.state.concerned());
        if concerned.is_empty() {
            return;
        }
        let left = match self.cut_concerned(policy, &concerned) {
            Ok(left) => left,
            Err(error) => {
                self.problem(format!("connections cannot be cut: {}", crate::facts::with_source(&error)));
                concerned
            }
        };
        if let Err(error) = self.state.set_concerned(&left) {
            self.problem(format!("flows to look at cannot be recorded: {error}"));
        }
    }

    /// What was cut since the last call.
    pub fn takes_revocations(&mut self) -> Vec<Revocation> {
        mem::take(&mut self.revocations)
    }

    /// What went wrong beside the rules since the last call.
    pub fn takes_problems(&mut self) -> Vec<String> {
        mem::take(&mut self.problems)
    }

    /// Gives what is yet to be looked at.
    fn cut_concerned(&mut self, policy: Option<&Policy>, concerned: &Concerned) -> Result<Concerned, Error> {
        let begun = Instant::now();
        let table = self.state.nat().table;
        let mut judge = None;
        let mut conntrack = Conntrack::open().map_err(Error::io(NO_CONNTRACK))?;
        let cut = Cut { concerned, revoked: NatTable::of([&concerned.revoked]), table: &table };
        let mut revocation = Revocation::default();
        for _ in 0..LOOKS {
            let flows = cut.look(&mut conntrack).map_err(Error::io(NO_CONNTRACK))?;
            if judge.is_none() && !flows.is_empty() {
                judge = policy.map(|policy| Judge::new(self, policy, &table)).transpose()?;
            }
            let victims = cut.victims(&flows, judge.as_mut());
            // What nobody answers is not alive, and goes on being tried.
            revocation.alive = victims.iter().filter(|(flow, _)| flow.answered).count();
            if victims.is_empty() {
                break;
            }
            self.end_settling(&victims)?;
            delete(&mut conntrack, &victims)?;
            if revocation.alive == 0 && !revocation.killed.is_empty() {
                break;
            }
            revocation.killed.extend(victims);
        }
        revocation.milliseconds = begun.elapsed().as_secs_f64() * 1e3;
        self.note_revocation(revocation);
        let unjudged = Concerned { ended: BTreeSet::new(), revoked: Default::default(), ..concerned.clone() };
        Ok(if policy.is_some() { Concerned::default() } else { unjudged })
    }

    /// The evidence, for people.
    fn note_revocation(&mut self, revocation: Revocation) {
        if revocation.killed.is_empty() {
            return;
        }
        // The kernel is as it ought to be, whether or not that can be written down.
        let _ = self.state.add_event(&revocation.event());
        self.revocations.push(revocation);
    }
}

fn delete(conntrack: &mut Conntrack, doomed: &[(Flow, String)]) -> Result<(), Error> {
    let flows: Vec<_> = doomed.iter().map(|(flow, _)| *flow).collect();
    conntrack.delete(&flows).map(drop).map_err(Error::io("connections cannot be deleted"))
}

/// What a kernel without connection tracking cannot tell.
const NO_CONNTRACK: &str = "the kernel's connections cannot be listed";

/// What is to be cut.
struct Cut<'a> {
    concerned: &'a Concerned,
    /// Translations that do not stand any more.
    revoked: NatTable,
    /// Those that do.
    table: &'a NatTable,
}

impl Cut<'_> {
    /// The flows that are concerned. To look for a few ends costs less than the table.
    fn look(&self, conntrack: &mut Conntrack) -> std::io::Result<Vec<Flow>> {
        let ends = self.ends();
        if !self.concerned.everything && ends.len() <= MOST_ENDS {
            return conntrack.with_any(&ends, ZONE);
        }
        let mut flows = Vec::new();
        for family in Family::BOTH {
            flows.extend(conntrack.all(family, ZONE)?);
        }
        if !self.concerned.everything {
            flows.retain(|flow| ends.iter().any(|end| end.is_of(flow)));
        }
        Ok(flows)
    }

    fn ends(&self) -> Vec<End> {
        let own = self.concerned.judged.iter().chain(&self.concerned.ended);
        let own = own.flat_map(|address| [End::OriginalSource(*address), End::ReplySource(*address)]);
        let outside = self.revoked.floating().iter().map(|floating| floating.address);
        let outside = outside.flat_map(|address| [End::OriginalDestination(address), End::ReplyDestination(address)]);
        let forwards = self.revoked.forwards().iter().map(|forward| End::ReplySource(forward.fixed));
        let all: BTreeSet<_> = own.chain(outside).chain(forwards).collect();
        all.into_iter().collect()
    }

    /// Those of `flows` that are not to live, and why.
    fn victims(&self, flows: &[Flow], mut judge: Option<&mut Judge>) -> Vec<(Flow, String)> {
        let known: BTreeMap<Tuple, &Flow> = flows.iter().map(|flow| (flow.original, flow)).collect();
        let mut reason = |flow: &Flow| {
            let root = root(flow, &known, self.table);
            self.obvious(flow)
                .or_else(|| self.obvious(&root))
                .or_else(|| judge.as_mut().and_then(|judge| judge.refusal(&root)))
        };
        flows.iter().filter_map(|flow| Some((*flow, reason(flow)?))).collect()
    }

    /// Why no rule could admit it.
    fn obvious(&self, flow: &Flow) -> Option<String> {
        let ends = [flow.original.source, flow.original.destination, flow.reply.source];
        if let Some(address) = ends.iter().find(|end| self.concerned.ended.contains(end)) {
            return Some(format!("{address} was another guest's, or its guest is gone"));
        }
        match self.table.judge(flow, &self.revoked) {
            Translated::Rightly => None,
            Translated::ByNone(address) => Some(self.led_elsewhere(address)),
        }
    }

    fn led_elsewhere(&self, address: IpAddr) -> String {
        match self.table.leads_to(address) {
            Some(fixed) => format!("{address} leads to {fixed} now"),
            None => format!("{address} does not lead there any more"),
        }
    }
}

/// The connection by which another was announced, or itself: what is related lives
/// and dies with it.
fn root(flow: &Flow, known: &BTreeMap<Tuple, &Flow>, table: &NatTable) -> Flow {
    let mut root = *flow;
    for _ in 0..LOOKS {
        let Some(master) = root.master else { break };
        root = known.get(&master).map_or_else(|| ended(master, table), |flow| **flow);
    }
    root
}

/// One that has ended by itself: led as it would be today, for nobody knows more.
fn ended(original: Tuple, table: &NatTable) -> Flow {
    let source = table.leads_to(original.destination).unwrap_or(original.destination);
    Flow { zone: ZONE, id: 0, original, reply: Tuple { source, ..original.turned() }, master: None, answered: true }
}
