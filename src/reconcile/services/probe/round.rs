//! All that is tried from one bridge: the calls, and those that tell silence from silence.
//!
//! In: a station that is dressed, and the targets. Out: attempts with their outcomes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use crate::kernel::{Call, Deadline, Fate, Listener, Station, intakes};
use crate::net::{Family, Protocol};

use super::judge::mark_dropped;
use super::post::random;
use super::question::{Asker, question};
use super::target::{Key, Target};
use super::{Attempt, Finding, Outcome, Stand};

/// The kernel tells one station of a closed port six times, then once a second
/// (`icmp_ratelimit`): those that it did not answer are asked again so often.
const SILENT_ROUNDS: usize = 2;
/// How long the kernel's word on a closed port is waited for.
const PATIENCE: Duration = Duration::from_millis(1100);
/// Where nobody listens is looked for from here: ports that are given to nobody for long.
const CLOSED_FROM: u16 = 61_000;

/// A round at one bridge.
pub(super) struct Round<'a> {
    pub station: &'a Station,
    pub stand: &'a Stand,
    pub targets: &'a [Target<'a>],
    /// Ports of UDP at which somebody listens.
    pub busy: &'a BTreeSet<u16>,
    pub deadline: Deadline,
}

impl Round<'_> {
    /// Tries every target. `tell` hears how many attempts are over.
    pub fn go(&self, tell: &(dyn Fn(usize) + Sync)) -> io::Result<Vec<Attempt>> {
        let before = intakes();
        let mut outcomes = self.outcomes(tell)?;
        let closed = self.tells_of_closed(&silent(&outcomes))?;
        for ((protocol, _, address), outcome) in &mut outcomes {
            if *outcome == Outcome::Silent && closed.contains(&(*protocol, *address)) {
                *outcome = Outcome::Delivered;
            }
        }
        // What could not be tried stays untold, not silent.
        let told = |target: &Target<'_>| self.attempts(target, outcomes.get(&key(target)).copied());
        let mut attempts: Vec<_> = self.targets.iter().flat_map(told).collect();
        mark_dropped(&mut attempts, &before, &intakes());
        Ok(attempts)
    }

    /// What becomes of the calls, of the families that are tried.
    fn outcomes(&self, tell: &(dyn Fn(usize) + Sync)) -> io::Result<BTreeMap<Key, Outcome>> {
        let is_tried = |target: &&Target<'_>| self.stand.families.contains(&Family::of(target.address));
        let (called, hopeless): (Vec<_>, Vec<_>) =
            self.targets.iter().filter(is_tried).partition(|target| self.is_found(Family::of(target.address)));
        let calls: Vec<_> = called.iter().map(|target| self.call(target)).collect();
        let fates = self.station.call(&calls, self.deadline, tell)?.into_iter().map(Outcome::from);
        let of_called = called.into_iter().map(key).zip(fates);
        Ok(of_called.chain(hopeless.into_iter().map(|target| (key(target), Outcome::Silent))).collect())
    }

    /// Whether anything of this family gets to the host.
    fn is_found(&self, family: Family) -> bool {
        !self.stand.silent.iter().any(|gateway| Family::of(*gateway) == family)
    }

    fn call(&self, target: &Target<'_>) -> Call {
        let asker = Asker { mac: self.station.mac(), number: random() as u32 };
        let question = question(target.protocol, target.port, Family::of(target.address), asker);
        Call {
            protocol: target.protocol,
            address: target.address,
            port: target.port,
            from: question.from,
            content: question.content,
            repeated: question.repeated,
            patience: question.patience,
        }
    }

    /// Of these, the addresses whose kernel tells that a port is closed. A wall that keeps
    /// datagrams away keeps these away as well.
    fn tells_of_closed(&self, asked: &BTreeSet<(Protocol, IpAddr)>) -> io::Result<BTreeSet<(Protocol, IpAddr)>> {
        let mut told = BTreeSet::new();
        let mut in_vain = 0;
        while in_vain < SILENT_ROUNDS && told.len() < asked.len() {
            let left = asked.difference(&told).copied();
            let left: Vec<_> = left.filter(|(_, address)| self.is_found(Family::of(*address))).collect();
            if left.is_empty() {
                break;
            }
            let calls: Vec<_> = left.iter().map(|(protocol, address)| self.control(*protocol, *address)).collect();
            let fates = self.station.call(&calls, self.deadline, &|_| {})?;
            let refused = left.iter().zip(fates).filter(|(_, fate)| *fate == Fate::Refused);
            let before = told.len();
            told.extend(refused.map(|(asked, _)| *asked));
            in_vain = if told.len() > before { 0 } else { in_vain + 1 };
        }
        Ok(told)
    }

    fn control(&self, protocol: Protocol, address: IpAddr) -> Call {
        let port = (CLOSED_FROM..=u16::MAX).find(|port| !self.busy.contains(port)).unwrap_or(u16::MAX);
        let content = b"virt-guard".to_vec();
        Call { protocol, address, port, from: None, content, repeated: 0..0, patience: PATIENCE }
    }

    /// One for each listener that may have taken it.
    fn attempts(&self, target: &Target<'_>, outcome: Option<Outcome>) -> Vec<Attempt> {
        let Some(outcome) = outcome else { return Vec::new() };
        let attempt = |listener: &&Listener| Attempt {
            bridge: self.stand.bridge.clone(),
            listener: (*listener).clone(),
            address: target.address,
            outcome,
            finding: Finding::Fine,
        };
        target.listeners.iter().map(attempt).collect()
    }
}

fn key(target: &Target<'_>) -> Key {
    (target.protocol, target.port, target.address)
}

/// The addresses by which a datagram was not answered, but for those of many: nobody tells
/// of a closed port there.
fn silent(outcomes: &BTreeMap<Key, Outcome>) -> BTreeSet<(Protocol, IpAddr)> {
    let is_of_one = |address: IpAddr| !address.is_multicast() && address != IpAddr::from([255; 4]);
    let silent = outcomes.iter().filter(|(_, outcome)| **outcome == Outcome::Silent).map(|(key, _)| key);
    let datagrams = silent.filter(|(protocol, ..)| matches!(*protocol, Protocol::UDP | Protocol::UDPLITE));
    datagrams.filter(|(.., address)| is_of_one(*address)).map(|(protocol, _, address)| (*protocol, *address)).collect()
}
