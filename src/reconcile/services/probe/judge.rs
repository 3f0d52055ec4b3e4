//! What is to be thought of what came of each attempt.
//!
//! In: what became of the calls, and what the sockets took in meanwhile. Out: the outcome of
//! each attempt, and whether it is as the policy has it.

use std::collections::BTreeMap;

use crate::kernel::{Fate, Intake, Listener};
use crate::net::{Family, IfName, Protocol};

use super::super::{Exposure, Scene};
use super::{Attempt, Finding, Outcome};

/// The services that are proven to answer where they are allowed: DNS, and DHCP of either
/// family.
const PROVEN: [(Protocol, u16); 4] =
    [(Protocol::UDP, 53), (Protocol::TCP, 53), (Protocol::UDP, 67), (Protocol::UDP, 547)];
/// A datagram that nobody answers is sent so often.
const SENT: u64 = 2;

impl From<Fate> for Outcome {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Answered => Self::Answered,
            Fate::Refused => Self::Refused,
            Fate::Rejected => Self::Rejected,
            Fate::Silent => Self::Silent,
        }
    }
}

/// Datagrams that were [`Outcome::Delivered`], but that their sockets threw away: as many
/// as were sent, while nothing waits to be read, so that the socket was not full either.
pub(super) fn mark_dropped(attempts: &mut [Attempt], before: &Intakes, after: &Intakes) {
    let mut sent: BTreeMap<u32, u64> = BTreeMap::new();
    for attempt in attempts.iter().filter(|attempt| attempt.outcome == Outcome::Delivered) {
        *sent.entry(attempt.listener.inode).or_default() += SENT;
    }
    let threw_away = |listener: &Listener| {
        let (Some(before), Some(after)) = (before.get(&listener.inode), after.get(&listener.inode)) else {
            return false;
        };
        let dropped = after.drops.saturating_sub(before.drops);
        after.waiting == 0 && sent.get(&listener.inode).is_some_and(|sent| dropped >= *sent)
    };
    for attempt in attempts.iter_mut().filter(|attempt| attempt.outcome == Outcome::Delivered) {
        if threw_away(&attempt.listener) {
            attempt.outcome = Outcome::Dropped;
        }
    }
}

/// What datagram sockets took in, by inode.
pub(super) type Intakes = BTreeMap<u32, Intake>;

impl Scene {
    /// Holds the attempts against the policy.
    pub(super) fn find(&self, attempts: &mut [Attempt]) {
        let allowed: Vec<_> = attempts.iter().map(|attempt| self.allows(attempt)).collect();
        let failing: Vec<_> = (0..attempts.len()).map(|at| allowed[at] && self.fails(at, attempts)).collect();
        for ((attempt, allowed), failing) in attempts.iter_mut().zip(allowed).zip(failing) {
            attempt.finding = match (attempt.outcome.reaches(), allowed, failing) {
                (true, false, _) => Finding::Exposed,
                (_, _, true) => Finding::Failing,
                _ => Finding::Fine,
            };
        }
    }

    fn allows(&self, attempt: &Attempt) -> bool {
        let bridge = self.bridges.iter().find(|bridge| bridge.name == attempt.bridge);
        bridge.is_some_and(|bridge| {
            let exposure = self.exposure(&attempt.listener, bridge, Family::of(attempt.address));
            matches!(exposure, Exposure::Allowed(_))
        })
    }

    /// Whether somebody serves DHCP or DNS at the bridge, and none of those who do answers.
    fn fails(&self, at: usize, all: &[Attempt]) -> bool {
        let kind = |attempt: &Attempt| {
            let Listener { protocol, port, .. } = attempt.listener;
            (attempt.bridge.clone(), protocol, port, Family::of(attempt.address))
        };
        let this = kind(&all[at]);
        PROVEN.contains(&(this.1, this.2))
            && self.serves(&all[at].listener, &this.0)
            && !all.iter().any(|other| kind(other) == this && other.outcome == Outcome::Answered)
    }

    /// Whether the listener is there for guests of the bridge, not of another one.
    fn serves(&self, listener: &Listener, bridge: &IfName) -> bool {
        let bound = listener.address;
        let is_of_bridge = || self.addresses.iter().any(|at| at.address == bound && at.interface == *bridge);
        listener.interface.as_ref().is_none_or(|interface| interface == bridge)
            && (bound.is_unspecified() || is_of_bridge())
    }
}
