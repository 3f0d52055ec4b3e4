//! Real connections, thousands of them, over each of which both ends say something
//! numbered at a steady pace until they are told to be silent.
//!
//! In: who calls whom, at which address and port. Out: what arrived at either end,
//! and when. One thread reads and writes all of it, whatever namespaces the sockets
//! are in. Nothing here knows why a record should arrive or not.
//!
//! ```text
//! record  what is said        wrap   as packets of UDP, ICMP, SCTP
//! ends    sockets             state  who has which, and what the thread does
//! count   what arrived        watch  how a set of sessions fares for a while
//! ```

mod count;
pub mod ends;
mod record;
mod state;
mod watch;
mod wrap;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollTimeout};
use virt_guard::net::{Family, Protocol};

use crate::stage::runner::slowness;
use crate::station::Station;
use count::Count;
use state::{Session, Socket, State};
use wrap::Wrap;

pub use record::Side;
pub use watch::Watch;

/// What a pace is divided into, so that not all speak at once.
const PARTS: usize = 50;
/// More than the sockets of any case.
const FILES: u64 = 20_000;
/// Near ends have ports from here on, each its own, below those of the kernel's choice.
const FIRST_PORT: u16 = 10_000;

/// How often each end of a session says something.
pub fn pace() -> Duration {
    Duration::from_millis(250) * if slowness() == 1 { 1 } else { 4 }
}

/// Who calls whom.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    from: &'a Station,
    source: IpAddr,
    to: &'a Station,
    called: SocketAddr,
    heard: SocketAddr,
}

impl<'a> Way<'a> {
    /// `from` calls `address` at `port`, which ought to lead to `to`, at its own
    /// address of the family unless `address` is one, and the same port. Of echoes
    /// the port is nothing.
    pub fn new(from: &'a Station, to: &'a Station, address: IpAddr, port: u16) -> Self {
        let family = Family::of(address);
        let own = to.addresses().contains(&address);
        let heard = SocketAddr::new(if own { address } else { to.address(family) }, port);
        Self { from, source: from.address(family), to, called: SocketAddr::new(address, port), heard }
    }

    /// The same from another address of the caller's.
    pub fn with_source(mut self, source: IpAddr) -> Self {
        self.source = source;
        self
    }

    /// The same, heard at another port than is called.
    pub fn heard_at(mut self, port: u16) -> Self {
        self.heard.set_port(port);
        self
    }

    /// The same, heard at another address than the first one.
    pub fn heard_by(mut self, address: IpAddr) -> Self {
        self.heard.set_ip(address);
        self
    }
}

/// Some of the sessions.
pub type Batch = Range<usize>;

/// All sessions of a case.
#[derive(Debug)]
pub struct Sessions {
    state: Arc<Mutex<State>>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    next_port: AtomicU16,
}

impl Sessions {
    /// None yet, and the thread that will drive them.
    pub fn new() -> Self {
        let limit = libc::rlimit { rlim_cur: FILES, rlim_max: FILES };
        // SAFETY: the limit is a whole one.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0, "not so many files");
        let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll"));
        let state = Arc::new(Mutex::new(State::new(Arc::clone(&epoll))));
        let ending = Arc::new(AtomicBool::new(false));
        let (theirs, end) = (Arc::clone(&state), Arc::clone(&ending));
        let thread = thread::spawn(move || drive(&epoll, &theirs, &end));
        Self { state, ending, thread: Some(thread), next_port: AtomicU16::new(FIRST_PORT) }
    }

    /// Opens sessions, all of which must come to be.
    pub fn open(&self, protocol: Protocol, way: &Way<'_>, count: usize) -> Batch {
        self.open_all(way, &[(protocol, count)]).remove(0)
    }

    /// Opens sessions of each of these kinds, all of which must come to be.
    pub fn open_all(&self, way: &Way<'_>, kinds: &[(Protocol, usize)]) -> Vec<Batch> {
        let batches: Vec<_> = kinds.iter().map(|(protocol, count)| self.attempt(*protocol, way, *count)).collect();
        let end = Instant::now() + Duration::from_secs(10) * slowness();
        for ((protocol, count), batch) in kinds.iter().zip(&batches) {
            while self.established(batch) < *count {
                let (open, from, to) = (self.established(batch), way.source, way.called);
                assert!(Instant::now() < end, "of {count} sessions {protocol} from {from} to {to} {open} came to be");
                thread::sleep(Duration::from_millis(20));
            }
        }
        batches
    }

    /// Begins to open sessions, whatever becomes of them.
    pub fn attempt(&self, protocol: Protocol, way: &Way<'_>, count: usize) -> Batch {
        let number = u16::try_from(count).expect("few sessions");
        let first = self.next_port.fetch_add(number, Ordering::Relaxed);
        assert!(first + number < 32_768, "all ports are taken");
        let ear = self.ear(protocol, way);
        let near = self.mouths(protocol, way, first..first + number);
        let mut state = self.state();
        let begin = state.sessions.len();
        for (port, near) in (first..).zip(near) {
            state.sessions.push(Session {
                near,
                far: ear,
                called: way.called,
                port,
                peer: None,
                open: protocol != Protocol::SCTP || ends::is_stream(protocol),
                speaks: [true; 2],
                counts: [Count::default(); 2],
            });
        }
        begin..state.sessions.len()
    }

    /// Where the far end hears of them; of streams each session gets its own socket.
    fn ear(&self, protocol: Protocol, way: &Way<'_>) -> Option<usize> {
        let family = Family::of(way.called.ip());
        if ends::is_stream(protocol) {
            let make = || Socket::Listener(ends::listener(protocol, way.heard));
            self.shared(&format!("{protocol} {} {}", way.to.number(), way.heard), way.to, make);
            return None;
        }
        let wrap = Wrap::of(protocol, family);
        if protocol != Protocol::UDP {
            return Some(self.raw(protocol, way.to, way.heard.ip()));
        }
        let make = || Socket::Packets(ends::datagrams(way.heard, None), wrap);
        Some(self.shared(&format!("{protocol} {} {}", way.to.number(), way.heard), way.to, make))
    }

    fn raw(&self, protocol: Protocol, station: &Station, address: IpAddr) -> usize {
        let wrap = Wrap::of(protocol, Family::of(address));
        let make = || Socket::Packets(ends::raw(protocol, address), wrap);
        self.shared(&format!("{protocol} {} {address}", station.number()), station, make)
    }

    /// The socket of this name, which is made if it is not there.
    fn shared(&self, name: &str, station: &Station, make: impl FnOnce() -> Socket + Send) -> usize {
        if let Some(index) = self.state().shared.get(name) {
            return *index;
        }
        let socket = station.inside(make);
        let mut state = self.state();
        let index = state.add(socket);
        state.shared.insert(name.to_owned(), index);
        index
    }

    /// The sockets of the near ends.
    fn mouths(&self, protocol: Protocol, way: &Way<'_>, ports: Range<u16>) -> Vec<usize> {
        let at = |port| SocketAddr::new(way.source, port);
        let family = Family::of(way.source);
        let make = |port| match protocol {
            _ if ends::is_stream(protocol) => Socket::of(ends::stream(protocol, at(port), way.called)),
            _ => Socket::Packets(ends::datagrams(at(port), Some(way.called)), Wrap::of(protocol, family)),
        };
        if protocol != Protocol::UDP && !ends::is_stream(protocol) {
            let index = self.raw(protocol, way.from, way.source);
            return vec![index; ports.len()];
        }
        let sockets: Vec<_> = way.from.inside(|| ports.map(make).collect());
        let mut state = self.state();
        sockets.into_iter().map(|socket| state.add(socket)).collect()
    }

    /// Has this end of these say nothing from now on.
    pub fn silence(&self, batches: &[Batch], side: Side) {
        let mut state = self.state();
        for batch in batches {
            state.sessions[batch.clone()].iter_mut().for_each(|session| session.speaks[side as usize] = false);
        }
    }

    /// How many have been heard at both ends.
    pub fn established(&self, batch: &Batch) -> usize {
        let heard = |session: &&Session| session.counts.iter().all(|count| count.arrived > 0);
        self.state().sessions[batch.clone()].iter().filter(heard).count()
    }

    /// At how many of them something arrived, at either end, from `since` on.
    pub fn alive(&self, batches: &[Batch], since: Instant) -> usize {
        self.of(batches, |session| session.counts.iter().any(|count| count.last.is_some_and(|last| last >= since)))
            .into_iter()
            .filter(|alive| *alive)
            .count()
    }

    /// When something arrived last at any of them.
    pub fn last(&self, batches: &[Batch]) -> Option<Instant> {
        self.of(batches, |session| session.counts.iter().filter_map(|count| count.last).max()).into_iter().max()?
    }

    /// The near ends' ports, in the order of the sessions.
    pub fn ports(&self, batch: &Batch) -> Vec<u16> {
        self.of(std::slice::from_ref(batch), |session| session.port)
    }

    /// Who called, as the far ends see it.
    pub fn callers(&self, batches: &[Batch]) -> BTreeSet<IpAddr> {
        self.of(batches, |session| session.peer.map(|peer| peer.ip())).into_iter().flatten().collect()
    }

    fn of<T>(&self, batches: &[Batch], what: impl Fn(&Session) -> T) -> Vec<T> {
        let state = self.state();
        batches.iter().flat_map(|batch| &state.sessions[batch.clone()]).map(what).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the thread of the sessions failed")
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        // Whoever fails already has more to tell.
        assert!(thread::panicking() || ended.is_none_or(|end| end.is_ok()), "the thread of the sessions failed");
    }
}

/// Reads what arrives, and has each part of the sessions speak in its turn.
fn drive(epoll: &Epoll, state: &Mutex<State>, ending: &AtomicBool) {
    let step = pace() / PARTS as u32;
    let mut due = Instant::now();
    let mut events = vec![EpollEvent::empty(); 512];
    for turn in (0..PARTS).cycle() {
        if ending.load(Ordering::Relaxed) {
            break;
        }
        loop {
            let left = due.saturating_duration_since(Instant::now());
            let found = epoll.wait(&mut events, EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)).unwrap_or(0);
            let mut state = state.lock().expect("a case that goes on");
            events[..found].iter().for_each(|event| state.read(event.data() as usize));
            if Instant::now() >= due {
                state.speak(turn, PARTS);
                break;
            }
        }
        // Who is late does not hurry: the pace only gets slower.
        due = Instant::now().max(due + step);
    }
}
