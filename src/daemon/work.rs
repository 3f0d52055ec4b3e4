//! One turn of the daemon's work: what was told becomes a comparison, and what
//! differs is put back.
//!
//! Closing comes first and is never put off; building waits for the [`Pace`].

use std::ffi::OsString;
use std::mem;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::journal::Journal;
use super::pace::Pace;
use super::pins::Pins;
use super::services::Services;
use super::wanted::{Attack, Wanted};
use crate::facts::domain::Uuid;
use crate::facts::policy::DaemonPolicy;
use crate::facts::{Domain, running, with_source};
use crate::kernel::{Addresses, Deadline, Links, generation};
use crate::reconcile::{Error, Host};
use crate::state::events::Kind;

/// How long one piece of work may take. Nobody waits for it but the guests, which
/// are closed meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);
/// The first wait after something failed; it doubles up to the longest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
pub(super) const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// The worker.
pub struct Worker {
    root: PathBuf,
    pub(super) wanted: Wanted,
    pace: Pace,
    pub(super) journal: Journal,
    pins: Pins,
    pub(super) services: Services,
    pub(super) settings: DaemonPolicy,
    /// When everything is compared although nobody told of a change.
    next_check: Instant,
    /// The number of the last change of rules that is known already.
    pub(super) seen: Option<u32>,
    /// The number of a change of rules that closed the ports.
    pub(super) own: Option<u32>,
    network: Network,
    /// What was to be mended and could not be; whoever began it is to blame.
    unmended: Option<Attack>,
    retry: Duration,
    /// In a storm: everything is closed until rules are built again.
    shut: bool,
    has_run_programs: bool,
    /// libvirt's own rules are to be looked at, and not before this if that failed.
    wants_filters: bool,
    pub(super) filters_rest: Instant,
}

/// What of the host's network has a say in what is to stand.
#[derive(Debug, Default, PartialEq, Eq)]
struct Network {
    links: Links,
    addresses: Addresses,
}

impl Network {
    fn of(host: &Host) -> Result<Self, Error> {
        Ok(Self { links: host.links()?, addresses: host.addresses()? })
    }
}

impl Worker {
    pub fn new(root: &Path) -> Self {
        let now = Instant::now();
        Self {
            root: root.to_owned(),
            wanted: Wanted::default(),
            pace: Pace::new(now),
            journal: Journal::new(root),
            pins: Pins::default(),
            services: Services::new(now),
            settings: DaemonPolicy::default(),
            next_check: now,
            seen: None,
            own: None,
            network: Network::default(),
            unmended: None,
            retry: FIRST_RETRY,
            shut: false,
            has_run_programs: false,
            wants_filters: false,
            filters_rest: now,
        }
    }

    /// Brings everything in order before anybody is told that the daemon watches.
    pub fn first_look(&mut self) {
        let host = self.host();
        self.network = Network::of(&host).unwrap_or_default();
        match running::running(&self.root) {
            Ok(running) => {
                running.problems.into_iter().for_each(|problem| self.journal.failed(problem));
                self.wanted.running = Some(running.domains);
            }
            Err(error) => self.journal.failed(format!("{}: {error}", running::folder(&self.root).display())),
        }
        self.look(Instant::now());
        self.keep_foreign();
        self.journal.add(Kind::Started, "watching");
    }

    /// The last words. The rules stay.
    pub fn end(&mut self) {
        self.journal.add(Kind::Stopped, "not watching any more; the rules stay");
    }

    /// How long there is nothing to do unless something is told.
    pub fn due(&self) -> Duration {
        let now = Instant::now();
        if !self.wanted.guests.is_empty() || !self.wanted.files.is_empty() || self.wanted.links {
            return Duration::ZERO;
        }
        let attack = self.wanted.attack.as_ref().map(|_| self.pace.free_at());
        let look = self.wanted.look.map(|due| due.max(self.pace.free_at()));
        let beside = self.wanted.beside.as_ref().map(|beside| beside.due);
        let services = self.services.due(self.settings.services_within);
        let next = attack.into_iter().chain(look).chain(beside).chain(services).fold(self.next_check, Instant::min);
        next.saturating_duration_since(now)
    }

    /// Whether the last turn ran programs, which others may tell of as well.
    pub fn has_run_programs(&self) -> bool {
        self.has_run_programs
    }

    /// Does what is due.
    pub fn act(&mut self, now: Instant) {
        self.has_run_programs = false;
        let waits = self.pace.free_at() > now;
        if self.wanted.attack.is_some() && (waits || !self.host().heals_at_once()) {
            self.close();
        }
        if mem::take(&mut self.wanted.links) {
            self.services.outdate();
            self.look_at_network(now);
        }
        let told = self.wanted.attack.is_some() || self.wanted.look.is_some_and(|due| due <= now);
        if (told && self.pace.free_at() <= now) || self.next_check <= now {
            self.look(now);
        }
        for (uuid, (domain, event)) in mem::take(&mut self.wanted.guests) {
            self.see_to(uuid, domain.as_deref(), &event);
        }
        for name in mem::take(&mut self.wanted.files) {
            self.read_status(&name);
        }
        if self.wanted.beside.as_ref().is_some_and(|beside| beside.due <= now) {
            self.keep_foreign();
            self.wants_filters |= self.filters_rest <= now;
        }
        self.look_at_services(Instant::now());
    }

    /// Whether libvirt's own rules are to be looked at; asked once.
    pub fn takes_filters(&mut self) -> bool {
        mem::take(&mut self.wants_filters)
    }

    /// Puts back what other agents lost, as far as the policy preserves it.
    fn keep_foreign(&mut self) {
        self.has_run_programs = true;
        let author = self.wanted.beside.take().and_then(|beside| beside.author);
        match self.host().keep_foreign() {
            Ok(kept) if kept.restored.is_empty() => {}
            Ok(kept) => {
                let lost: Vec<_> = kept.restored.iter().map(ToString::to_string).collect();
                self.journal.restored(&lost, author);
            }
            Err(error) => self.journal.failed(format!("preserved chains: {}", with_source(&error))),
        }
    }

    /// Closes the ports if they are open. In a storm they are closed anyway, for
    /// what differs is not looked at before the pause is over.
    fn close(&mut self) {
        let Some(attack) = self.wanted.attack.clone() else { return };
        self.has_run_programs = true;
        let waits = self.pace.is_storm() && self.pace.free_at() > Instant::now() && !self.shut;
        let mut host = self.host();
        let mut close = || if waits { host.close_all().map(|()| true) } else { host.close_if_open() };
        let before = generation().ok();
        // Whoever flushes in between has the program find something else than it read.
        let closed = close().or_else(|_| close());
        // The kernel counts process ids from its own beginning, which in a container is
        // another: so one change that we made alone is known by its number.
        self.own = generation().ok().filter(|now| before.map(|before| before.wrapping_add(1)) == Some(*now));
        self.shut |= waits;
        match closed {
            Ok(true) if self.pace.is_storm() => self.journal.closed_again(),
            Ok(true) => self.journal.closed(&attack),
            Ok(false) => {}
            Err(error) => self.journal.failed(format!("the ports cannot be closed: {}", with_source(&error))),
        }
    }

    /// Compares everything and puts back what differs.
    fn look(&mut self, now: Instant) {
        self.has_run_programs = true;
        self.pins.tend(&self.root);
        let told = self.wanted.attack.take();
        let attack = self.unmended.take().or(told);
        self.wanted.look = None;
        let running = self.wanted.running.take();
        let begun = Instant::now();
        let mut host = self.host();
        let healed = host.heal(running.as_deref());
        self.journal.cut(&mut host);
        let (done, cost) = (Instant::now(), begun.elapsed());
        self.seen = host.seen().filter(|_| healed.is_ok());
        self.take_settings(&host);
        self.services.outdate();
        self.next_check = done + self.settings.check_every;
        match healed {
            Ok(healed) if healed.drifts.is_empty() => {
                self.pace.compared(done, cost);
                self.journal.compared(&healed);
            }
            Ok(healed) => {
                let since = attack.as_ref().map_or(now, |attack| attack.since);
                self.journal.mended(&healed, attack.as_ref(), since);
                self.journal.compared(&healed);
                self.slow_down(attack.as_ref(), done, cost);
            }
            Err(error) => {
                // Interrupted by the next change, most likely.
                self.slow_down(attack.as_ref(), done, cost);
                self.unmended = attack;
                return self.try_again(with_source(&error), done);
            }
        }
        self.retry = FIRST_RETRY;
        self.shut = false;
        self.services.walls(None);
        release_memory();
    }

    fn slow_down(&mut self, attack: Option<&Attack>, done: Instant, cost: Duration) {
        if attack.is_none() {
            self.pace.compared(done, Duration::ZERO);
        } else if self.pace.mended(done, cost) {
            let message = "rules are changed faster than they are put back; the ports are closed in between";
            self.journal.add(Kind::Storm, message);
        }
    }

    fn try_again(&mut self, message: String, now: Instant) {
        self.journal.failed(message);
        // Few ports are not closed before their rules are put back; they did not come.
        if let Err(error) = self.host().close_if_open() {
            let message = format!("the ports cannot be closed: {}", with_source(&error));
            self.services.walls(Some(message.clone()));
            self.journal.failed(message);
        }
        self.next_check = now + self.retry.min(self.settings.check_every);
        self.retry = (self.retry * 2).min(LONGEST_RETRY);
    }

    /// Ports and addresses that came or went change what is to stand; most of what is
    /// told of interfaces does not.
    fn look_at_network(&mut self, now: Instant) {
        let host = self.host();
        match Network::of(&host) {
            // One that was put there and taken again in between is not known otherwise.
            Ok(network) if network == self.network && host.bears_floating(&network.addresses) => {}
            Ok(network) => {
                self.network = network;
                self.wanted.look_now(now);
            }
            Err(error) => self.journal.failed(with_source(&error)),
        }
    }

    /// Something happened to one guest.
    fn see_to(&mut self, uuid: Uuid, domain: Option<&Domain>, event: &str) {
        self.has_run_programs = true;
        self.services.outdate();
        let Some(domain) = domain else {
            // Whatever the hook has missed; usually there is nothing left to do.
            let mut host = self.host();
            let released = host.release_if_gone(&uuid);
            self.journal.cut(&mut host);
            if let Err(error) = released {
                self.journal.failed(format!("guest {uuid} ({event}): {}", with_source(&error)));
            }
            return;
        };
        let known = self.host().state().guest(&uuid);
        let mut host = self.host();
        let kept = host.keep(domain);
        self.journal.cut(&mut host);
        match kept {
            Ok(desired) if !known.is_some_and(|known| known.says_what(domain)) => {
                let ports: Vec<_> = desired.ports.iter().map(|port| port.plan.ifname.to_string()).collect();
                let message = format!("{} ({event}): guarded at {}", desired.policy.id, ports.join(", "));
                self.journal.add(Kind::Updated, message);
            }
            Ok(_) => {}
            Err(message) => self.journal.failed(format!("guest {:?} ({event}): {message}", domain.name)),
        }
        // It may have come up without what an agent had made for it.
        self.keep_foreign();
    }

    /// A status file says what libvirt tells nobody: `update-device`. A guest that
    /// is as it was on record has nothing new.
    fn read_status(&mut self, name: &OsString) {
        let found = running::guest(&self.root, name);
        for domain in found.domains {
            if !self.host().state().guest(&domain.uuid).is_some_and(|known| known.says_what(&domain)) {
                self.see_to(domain.uuid, Some(&domain), "status file");
            }
        }
        found.problems.into_iter().for_each(|problem| self.journal.failed(problem));
    }

    fn take_settings(&mut self, host: &Host) {
        // A broken policy leaves the settings as they were.
        if let Ok(policy) = host.policy() {
            self.settings = policy.daemon;
            self.journal.set_metrics(self.settings.metrics.clone());
        }
    }

    /// Files are read anew for each piece of work.
    pub(super) fn host(&self) -> Host {
        Host::new(&self.root, Deadline::after(PATIENCE))
    }
}

/// Gives back what a comparison of a thousand guests needed for a moment.
#[cfg(target_env = "gnu")]
fn release_memory() {
    // SAFETY: malloc_trim(3) has no preconditions and is thread-safe.
    unsafe { nix::libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn release_memory() {}
