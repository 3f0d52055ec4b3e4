//! Everything that tells of a change, waited for by one poll(2). While nothing
//! happens nobody wakes up, but to list the sockets that listen: of those nobody tells.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::filters::Filters;
use super::guests::Guests;
use super::wanted::Told;
use super::work::Worker;
use crate::facts::running;
use crate::kernel::{BRIDGE_NETFILTER, Concern, FileNews, FileWatch, LinkWatch, RuleWatch};

/// Directories of files that make the rules, below the root.
const POLICY: [&str; 5] = [
    "etc/virt-guard",
    "etc/virt-guard/policy.d",
    "etc/virt-guard/nwfilter",
    "etc/virt-guard/iptables.d",
    "etc/libvirt/nwfilter",
];
/// Directories of leases and of networks' static hosts (`facts::leases`).
const LEASES: [&str; 4] = ["var/lib/libvirt/dnsmasq", "var/lib/misc", "var/lib/dnsmasq", "etc/libvirt/qemu/networks"];
/// What each call of the old iptables locks (iptables(8), `--wait`).
const OLD_LOCK: &str = "/run/xtables.lock";

/// The sources.
pub struct Sources {
    signals: SignalFd,
    rules: RuleWatch,
    links: LinkWatch,
    files: FileWatch,
    guests: Guests,
    filters: Filters,
}

impl Sources {
    /// Listens from now on.
    ///
    /// # Errors
    /// A source cannot be had.
    pub fn start(root: &Path, uri: &str) -> io::Result<Self> {
        // Before any thread, so that all of them leave these signals to us.
        let signals = signals()?;
        Ok(Self {
            signals,
            rules: RuleWatch::start()?,
            links: LinkWatch::start()?,
            files: FileWatch::start(paths(root))?,
            guests: Guests::start(uri)?,
            filters: Filters::new(uri)?,
        })
    }

    /// Waits until something happens, but no longer than this, and tells it.
    ///
    /// # Errors
    /// A source fails.
    pub fn wait(&mut self, wait: Duration) -> io::Result<Vec<Told>> {
        // Up, or a wait below a millisecond would be none and be done in vain.
        let millis = i32::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        let own: [BorrowedFd<'_>; 5] =
            [self.signals.as_fd(), self.rules.fd(), self.links.fd(), self.files.fd(), self.filters.fd()];
        let mut fds: Vec<_> =
            own.into_iter().chain(self.guests.fd()).map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        match poll(&mut fds, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(Vec::new()),
            result => result?,
        };
        self.news()
    }

    /// Has the worker hear what was told while it worked, but for what it did itself.
    ///
    /// # Errors
    /// A source fails.
    pub fn overhear(&mut self, worker: &mut Worker, now: Instant) -> io::Result<()> {
        if !worker.has_run_programs() {
            return Ok(());
        }
        let news = self.files.news()?.into_iter().filter(|news| news.concern != Concern::OldTables);
        news.map(told).for_each(|told| worker.hear(told, now));
        Ok(())
    }

    fn news(&mut self) -> io::Result<Vec<Told>> {
        let mut news = Vec::new();
        // Rules first: it is what cannot wait.
        match self.rules.changes()? {
            Some(changes) if changes.is_empty() => {}
            Some(changes) => news.push(Told::Rules(changes)),
            None => news.push(Told::RulesPerhaps),
        }
        while let Some(signal) = self.signals.read_signal()? {
            let reload = signal.ssi_signo == Signal::SIGHUP as u32;
            news.push(if reload { Told::Reload } else { Told::End });
        }
        if self.links.changed()? {
            news.push(Told::Links);
        }
        news.extend(self.files.news()?.into_iter().map(told));
        news.extend(self.guests.news());
        news.extend(self.filters.news().map(Told::Filters));
        Ok(news)
    }

    /// Has libvirt's own rules looked at, by a thread; what becomes of it is told.
    pub fn look_at_filters(&mut self) {
        self.filters.look();
    }
}

fn signals() -> io::Result<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        mask.add(signal);
    }
    mask.thread_block()?;
    Ok(SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}

fn paths(root: &Path) -> Vec<(PathBuf, Concern)> {
    let below = |paths: &[&str], concern| paths.iter().map(|path| (root.join(path), concern)).collect::<Vec<_>>();
    let mut paths = below(&POLICY, Concern::Policy);
    paths.extend(below(&LEASES, Concern::Leases));
    paths.push((running::folder(root), Concern::Guests));
    // Of the machine, whatever the root.
    paths.push((OLD_LOCK.into(), Concern::OldTables));
    paths.extend(BRIDGE_NETFILTER.map(|path| (path.into(), Concern::BridgeNetfilter)));
    paths
}

fn told(news: FileNews) -> Told {
    match (news.concern, news.name) {
        (Concern::Guests, Some(name)) => Told::StatusFile(name),
        (Concern::Policy | Concern::Leases | Concern::Guests, _) => Told::Files,
        (Concern::OldTables, _) => Told::OldTables,
        (Concern::BridgeNetfilter, _) => Told::BridgeNetfilter,
    }
}
