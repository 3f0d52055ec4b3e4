//! What the daemon saw and did, line by line: `events.jsonl` below
//! `/run/virt-guard`. The daemon writes, whoever wants to know reads.
//!
//! Each line is one JSON object. When the file has grown to a mebibyte it becomes
//! `events.1.jsonl`, and a new one begins.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::State;
use crate::kernel::{Author, Owner};
use crate::net::{IfName, Protocol};

/// How the daemon's notes begin that it is connected to libvirt, and that it is not.
pub const LIBVIRT_ANSWERS: &str = "libvirt answers";
/// See [`LIBVIRT_ANSWERS`].
pub const LIBVIRT_IS_SILENT: &str = "libvirt does not answer";
/// Beyond this a new file begins, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The daemon has begun, and everything is in order.
    Started,
    /// It has ended; the rules stay.
    Stopped,
    /// All ports were closed, as what they share did not stand.
    Closed,
    /// What differed was put back.
    Healed,
    /// The policy or the facts changed, and the rules with them.
    Updated,
    /// Somebody changes rules faster than they are put back.
    Storm,
    /// Connections were cut.
    Revoked,
    /// Guests reach a service of the host that the policy does not allow.
    Exposed,
    /// Only the host's wall keeps guests from a service.
    Filtered,
    /// A service that was told of is gone, or guests do not get near it any more.
    Gone,
    /// Something could not be done.
    Failed,
    /// What is worth knowing and needs nothing to be done.
    Noted,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// When: RFC 3339, in UTC, with microseconds.
    pub time: String,
    /// What.
    pub kind: Kind,
    /// The same in words.
    pub message: String,
    /// Who changed the rules, where the kernel tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Author>,
    /// The ports concerned; none if it is about all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<IfName>,
    /// The connections concerned, by their first packets, and why each was cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<String>,
    /// The services of the host concerned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceFact>,
    /// How long it took from the news to the rules, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<f64>,
}

/// A service of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServiceFact {
    /// What is spoken there.
    pub protocol: Protocol,
    /// The address that it is bound to; the unspecified one if to all.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The only interface whose packets it takes, if there is one.
    pub interface: Option<IfName>,
    /// The process that holds the socket, if one does.
    pub owner: Option<Owner>,
    /// The guest-facing bridges that it is near to.
    pub bridges: Vec<IfName>,
}

impl Event {
    /// Something that happens now.
    pub fn now(kind: Kind, message: impl Into<String>) -> Self {
        let time = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
        Self {
            time,
            kind,
            message: message.into(),
            author: None,
            ports: Vec::new(),
            flows: Vec::new(),
            services: Vec::new(),
            milliseconds: None,
        }
    }
}

impl State {
    /// The file that events are added to.
    pub fn events_file(&self) -> PathBuf {
        self.dir.join("events.jsonl")
    }

    /// The file of the daemon's counters, unless the policy names another.
    pub fn metrics_file(&self) -> PathBuf {
        self.dir.join("virt-guard.prom")
    }

    /// Adds an event.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add_event(&self, event: &Event) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let path = self.events_file();
        if fs::metadata(&path).is_ok_and(|file| file.len() > LARGEST) {
            fs::rename(&path, self.dir.join("events.1.jsonl"))?;
        }
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        // One write, so that a reader never sees half a line.
        OpenOptions::new().create(true).append(true).open(&path)?.write_all(&line)
    }

    /// All events that are still there, oldest first. A line that cannot be read
    /// is left out.
    ///
    /// # Errors
    /// A file is there and cannot be read.
    pub fn events(&self) -> io::Result<Vec<Event>> {
        let mut events = Vec::new();
        for path in [self.dir.join("events.1.jsonl"), self.events_file()] {
            let file = match File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            for line in BufReader::new(file).lines() {
                events.extend(serde_json::from_str::<Event>(&line?));
            }
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_they_were_added() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(root.path());
        let author = Some(Author { pid: 7, program: "nft".into() });
        let event = Event { author, milliseconds: Some(1.5), ..Event::now(Kind::Healed, "a \"b\"\nc") };
        state.add_event(&event).unwrap();
        state.add_event(&Event::now(Kind::Stopped, "")).unwrap();
        let events = state.events().unwrap();
        assert_eq!((events.len(), &events[0]), (2, &event));
    }

    #[test]
    fn a_file_that_has_grown_is_put_aside_once() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(root.path());
        let long = Event::now(Kind::Noted, "x".repeat(300 * 1024));
        for _ in 0..10 {
            state.add_event(&long).unwrap();
        }
        assert!(fs::metadata(state.events_file()).unwrap().len() < 2 * LARGEST);
        assert!((4..9).contains(&state.events().unwrap().len()));
    }
}
