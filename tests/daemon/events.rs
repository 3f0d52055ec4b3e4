//! What the daemon wrote to `run/virt-guard/events.jsonl`.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::daemon::PATIENCE;
use crate::stage::bench::Bench;
use crate::stage::runner::slowness;

/// One line.
#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    /// RFC 3339, in UTC, with microseconds.
    pub time: String,
    /// What happened: `healed`, `closed`, `failed`, …
    pub kind: String,
    /// The same for people.
    pub message: String,
    /// Who did it, if the kernel told.
    #[serde(default)]
    pub author: Option<Author>,
    /// The ports that were healed.
    #[serde(default)]
    pub ports: Vec<String>,
    /// The host's services concerned.
    #[serde(default)]
    pub services: Vec<Service>,
    /// From the notification until the rules stood.
    #[serde(default)]
    pub milliseconds: Option<f64>,
}

/// A service of the host.
#[derive(Debug, Clone, Deserialize)]
pub struct Service {
    /// `tcp`, `udp`.
    pub protocol: String,
    /// What it is bound to.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// Who holds its socket.
    pub owner: Option<Owner>,
    /// Where guests are near to it.
    pub bridges: Vec<String>,
}

/// A process that holds a socket.
#[derive(Debug, Clone, Deserialize)]
pub struct Owner {
    /// Its id.
    pub pid: u32,
}

/// A process that changed rules.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Author {
    /// Its id.
    pub pid: u32,
    /// Its name.
    pub program: String,
}

/// The lines from a moment on.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    seen: usize,
}

impl Events {
    /// Those that are yet to come.
    pub fn from_now(bench: &Bench) -> Self {
        let mut events = Self::all(bench);
        events.fresh();
        events
    }

    /// All of them.
    pub fn all(bench: &Bench) -> Self {
        Self { path: bench.root().join("run/virt-guard/events.jsonl"), seen: 0 }
    }

    /// Those that have come since the last call.
    pub fn fresh(&mut self) -> Vec<Event> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let lines: Vec<_> = whole.lines().skip(self.seen).collect();
        self.seen += lines.len();
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in an event: {line}"));
        lines.into_iter().map(parse).collect()
    }

    /// The first of this kind that is as wanted.
    ///
    /// # Panics
    /// None comes within that many seconds on hardware.
    pub fn within(&mut self, seconds: u32, kind: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        let end = Instant::now() + Duration::from_secs(seconds.into()) * slowness();
        let mut others = Vec::new();
        loop {
            for event in self.fresh() {
                if event.kind == kind && wanted(&event) {
                    return event;
                }
                others.push(event);
            }
            assert!(Instant::now() < end, "no event \"{kind}\" as wanted, only {others:#?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The first of this kind.
    pub fn wait(&mut self, kind: &str) -> Event {
        self.within(PATIENCE.as_secs() as u32, kind, |_| true)
    }
}
