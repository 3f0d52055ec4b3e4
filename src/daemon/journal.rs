//! What the daemon saw and did, for people: events, the system's log, counters.
//!
//! A record that cannot be written never keeps a rule from being put back.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::metrics::Counters;
use super::wanted::Attack;
use crate::kernel::Author;
use crate::log::{Severity, log};
use crate::net::IfName;
use crate::reconcile::{Drift, Exposures, Healed, Host};
use crate::state::State;
use crate::state::events::{Event, Kind};

/// So many differences are told in full.
const TOLD: usize = 3;

/// The journal.
pub struct Journal {
    state: State,
    counters: Counters,
    metrics: Option<PathBuf>,
    /// What is wrong and was said; it is said again only after it was mended.
    problems: BTreeSet<String>,
}

impl Journal {
    pub fn new(root: &Path) -> Self {
        Self { state: State::new(root), counters: Counters::default(), metrics: None, problems: BTreeSet::new() }
    }

    /// The file for counters that the policy names.
    pub fn set_metrics(&mut self, path: Option<PathBuf>) {
        self.metrics = path;
    }

    /// Something happened that is one line.
    pub fn add(&mut self, kind: Kind, message: impl Into<String>) {
        self.enter(Event::now(kind, message));
    }

    /// All ports were closed once more, of which an event would tell nothing new.
    pub fn closed_again(&mut self) {
        self.counters.closed += 1;
    }

    /// All ports were closed.
    pub fn closed(&mut self, attack: &Attack) {
        self.closed_again();
        let event = Event::now(
            Kind::Closed,
            "what all ports share was gone or changed; they are closed until their rules stand",
        );
        self.enter(Event { author: author(attack), milliseconds: Some(millis(attack.since.elapsed())), ..event });
    }

    /// Rules were put back, or brought to a new policy.
    pub fn mended(&mut self, healed: &Healed, attack: Option<&Attack>, since: Instant) {
        let kind = if attack.is_some() { Kind::Healed } else { Kind::Updated };
        match kind {
            Kind::Healed => self.counters.healed += 1,
            _ => self.counters.updated += 1,
        }
        let drifts: Vec<_> = healed.drifts.iter().map(Drift::to_string).collect();
        let event = Event::now(kind, some(&drifts));
        let milliseconds = Some(millis(since.elapsed()));
        self.enter(Event { author: attack.and_then(author), ports: ports(&healed.drifts), milliseconds, ..event });
    }

    /// Chains of others were put back.
    pub fn restored(&mut self, lost: &[String], author: Option<Author>) {
        self.counters.healed += 1;
        let event = Event::now(Kind::Healed, format!("put back of others' chains: {}", some(lost)));
        self.enter(Event { author, ..event });
    }

    /// Connections were cut: their event is there already, beside whoever cut them.
    pub fn cut(&mut self, host: &mut Host) {
        for revocation in host.takes_revocations() {
            self.counters.cut += revocation.killed.len() as u64;
            revocation.lines(TOLD).iter().for_each(|line| log(Severity::Warning, format_args!("{line}")));
        }
        host.takes_problems().into_iter().for_each(|problem| self.failed(problem));
    }

    /// Everything is in order but for these; each is told once.
    pub fn compared(&mut self, healed: &Healed) {
        self.counters.ports = healed.ports;
        self.counters.compared += 1;
        let problems: BTreeSet<_> = healed.problems.iter().cloned().collect();
        for problem in problems.difference(&self.problems.clone()) {
            self.add(Kind::Failed, problem.clone());
        }
        if problems.is_empty() && !self.problems.is_empty() {
            self.add(Kind::Noted, "what was wrong is mended");
        }
        self.problems = problems;
        self.write_counters();
    }

    /// Services came near guests, or went.
    pub fn services(&mut self, events: Vec<Event>, counts: Exposures) {
        let are_others = self.counters.services.replace(counts) != Some(counts);
        events.into_iter().for_each(|event| self.enter(event));
        if are_others {
            self.write_counters();
        }
    }

    /// Nobody watches for services.
    pub fn no_services(&mut self) {
        self.counters.services = None;
    }

    /// Something could not be done; told again only once it has been something else.
    pub fn failed(&mut self, message: String) {
        self.counters.failed += 1;
        if self.problems.insert(message.clone()) {
            self.add(Kind::Failed, message);
        }
        self.write_counters();
    }

    fn enter(&mut self, event: Event) {
        let severity = match event.kind {
            Kind::Failed => Severity::Error,
            Kind::Closed | Kind::Healed | Kind::Storm | Kind::Revoked | Kind::Exposed | Kind::PinBroken => {
                Severity::Warning
            }
            Kind::Started | Kind::Stopped | Kind::Updated | Kind::Noted | Kind::Filtered | Kind::Gone => Severity::Info,
        };
        let by = event.author.as_ref().map(|author| format!(" (by {}, pid {})", author.program, author.pid));
        log(severity, format_args!("{}{}", event.message, by.unwrap_or_default()));
        // The rules do not depend on it, and the system's log has it too.
        let _ = self.state.add_event(&event);
        self.write_counters();
    }

    fn write_counters(&self) {
        let own = self.state.metrics_file();
        let _ = self.counters.write(self.metrics.as_ref().unwrap_or(&own), self.problems.len());
    }
}

/// The first one: with it it began.
fn author(attack: &Attack) -> Option<Author> {
    attack.authors.first().cloned()
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// The first few, and how many more there are.
fn some(all: &[String]) -> String {
    let told = all[..all.len().min(TOLD)].join("; ");
    match all.len().saturating_sub(TOLD) {
        0 => told,
        more => format!("{told}; and {more} more"),
    }
}

/// The ports, if it was about nothing else.
fn ports(drifts: &[Drift]) -> Vec<IfName> {
    let ports: Option<BTreeSet<_>> = drifts.iter().map(|drift| drift.port.clone()).collect();
    ports.unwrap_or_default().into_iter().collect()
}
