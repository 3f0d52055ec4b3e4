//! What is to be thought of what came of each attempt.
//!
//! In: what became of the calls, and what the sockets took in meanwhile. Out: the outcome of
//! each attempt, and whether it is as the policy has it.

use std::collections::BTreeMap;

use crate::kernel::{Fate, Intake, Listener};
use crate::net::{Family, IfName, Protocol};

use super::super::{Exposure, Scene};
use super::{Attempt, Finding, Outcome, Stand};

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

/// Whether nothing of the attempt's family gets to the host, and something of the other.
fn is_excused(attempt: &Attempt, stands: &[Stand]) -> bool {
    let family = Family::of(attempt.address);
    let stand = stands.iter().find(|stand| stand.bridge == attempt.bridge);
    stand.is_some_and(|stand| stand.is_silent(family) && stand.families.iter().any(|other| !stand.is_silent(*other)))
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
    /// Holds the attempts against the policy. Where guests' own rules let nothing of a family
    /// through, but of the other, no service fails by it.
    pub(super) fn find(&self, attempts: &mut [Attempt], stands: &[Stand]) {
        let allowed: Vec<_> = attempts.iter().map(|attempt| self.allows(attempt)).collect();
        let failing: Vec<_> = (0..attempts.len())
            .map(|at| allowed[at] && !is_excused(&attempts[at], stands) && self.fails(at, attempts))
            .collect();
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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::facts::policy::Policy;
    use crate::kernel::HostAddress;
    use crate::model::host_wall;
    use crate::reconcile::services::reach::Bridge;

    fn scene() -> Scene {
        let bridge = "br100".parse::<IfName>().unwrap();
        let address = |text: &str, interface: &str| HostAddress {
            interface: interface.parse().unwrap(),
            address: text.parse().unwrap(),
            prefix: 24,
        };
        Scene {
            wall: host_wall(&Policy::default()),
            breach: None,
            bridges: vec![Bridge { name: bridge, master: None, routes_loopback: false, breach: None }],
            addresses: vec![address("10.100.0.1", "br100"), address("192.0.2.10", "eth0")],
        }
    }

    fn attempt(protocol: Protocol, bound: &str, port: u16, outcome: Outcome) -> Attempt {
        let address = bound.parse().unwrap();
        let listener = Listener { protocol, address, port, v6only: false, interface: None, inode: 1, uid: 0 };
        let address: IpAddr = if address.is_unspecified() { "10.100.0.1".parse().unwrap() } else { address };
        Attempt { bridge: "br100".parse().unwrap(), listener, address, outcome, finding: Finding::Fine }
    }

    fn findings<const N: usize>(mut attempts: [Attempt; N]) -> [Finding; N] {
        scene().find(&mut attempts, &[]);
        attempts.map(|attempt| attempt.finding)
    }

    #[test]
    fn what_is_reached_and_not_allowed_is_exposed() {
        let of = |outcome| findings([attempt(Protocol::TCP, "0.0.0.0", 22, outcome)])[0];
        for outcome in Outcome::ALL {
            assert_eq!(of(outcome) == Finding::Exposed, outcome.reaches(), "{outcome:?}");
        }
        let allowed = attempt(Protocol::TCP, "0.0.0.0", 53, Outcome::Answered);
        assert_eq!(findings([allowed]), [Finding::Fine]);
    }

    #[test]
    fn dns_fails_where_it_is_served_and_no_address_answers() {
        let dns = |bound, outcome| attempt(Protocol::UDP, bound, 53, outcome);
        assert_eq!(findings([dns("10.100.0.1", Outcome::Silent)]), [Finding::Failing]);
        assert_eq!(findings([dns("0.0.0.0", Outcome::Refused)]), [Finding::Failing]);
        assert_eq!(findings([dns("192.0.2.10", Outcome::Silent)]), [Finding::Fine], "it is for another network");
        let one_answers = [dns("10.100.0.1", Outcome::Silent), dns("192.0.2.10", Outcome::Answered)];
        assert_eq!(findings(one_answers), [Finding::Fine; 2]);
    }

    #[test]
    fn a_socket_that_was_full_has_not_thrown_away() {
        let intake = |drops, waiting| Intakes::from([(1, Intake { drops, waiting })]);
        for (before, after, expected) in [
            (intake(5, 0), intake(7, 0), Outcome::Dropped),
            (intake(5, 0), intake(6, 0), Outcome::Delivered),
            (intake(5, 900), intake(7, 900), Outcome::Delivered),
            (Intakes::new(), intake(7, 0), Outcome::Delivered),
        ] {
            let mut attempts = [attempt(Protocol::UDP, "0.0.0.0", 9, Outcome::Delivered)];
            mark_dropped(&mut attempts, &before, &after);
            assert_eq!(attempts[0].outcome, expected);
        }
    }
}
