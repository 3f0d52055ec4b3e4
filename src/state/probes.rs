//! The probes that are at work, each with what holds at its port while it lasts.
//!
//! In: a port and the process that probes there. Out: the records whose process still
//! lives. One that outlives its process opens nothing and promises nothing.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{State, names, read, set};
use crate::facts::domain::Uuid;
use crate::kernel::process_began;
use crate::net::IfName;

/// A probe that is at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRecord {
    /// Its port.
    pub port: IfName,
    /// What stands around the port.
    pub around: Around,
    /// The addresses that it uses there.
    pub addresses: Vec<IpAddr>,
    pid: u32,
    /// When the process began, in ticks since the boot.
    began: u64,
}

/// What stands around the port of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Around {
    /// Nothing is asked for: no walls are on this host.
    Nothing,
    /// No walls, although other ports have some.
    NoWalls,
    /// The walls of this guest.
    Guest(Uuid),
}

impl ProbeRecord {
    /// A probe of this process.
    ///
    /// # Errors
    /// /proc does not tell of this process.
    pub fn of_this_process(port: IfName, around: Around, addresses: Vec<IpAddr>) -> io::Result<Self> {
        let pid = std::process::id();
        let gone = || io::Error::new(io::ErrorKind::NotFound, "/proc does not tell of this process");
        Ok(Self { port, around, addresses, pid, began: process_began(pid).ok_or_else(gone)? })
    }

    fn is_at_work(&self) -> bool {
        process_began(self.pid) == Some(self.began)
    }
}

impl State {
    /// Remembers a probe.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note_probe(&self, record: &ProbeRecord) -> io::Result<()> {
        set(&self.probe_file(&record.port), Some(record))
    }

    /// Forgets the probe at `port`.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn forget_probe(&self, port: &IfName) -> io::Result<()> {
        set::<ProbeRecord>(&self.probe_file(port), None)
    }

    /// The probes that are at work.
    pub fn probes(&self) -> Vec<ProbeRecord> {
        self.probe_records().into_iter().filter(ProbeRecord::is_at_work).collect()
    }

    /// Forgets the probes whose process is gone.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn sweep_probes(&self) -> io::Result<()> {
        let gone = self.probe_records().into_iter().filter(|record| !record.is_at_work());
        gone.map(|record| record.port).try_for_each(|port| self.forget_probe(&port))
    }

    fn probe_records(&self) -> Vec<ProbeRecord> {
        let all = names(&self.dir.join("probes")).unwrap_or_default();
        all.iter().filter_map(|name| read(&self.dir.join("probes").join(name))).collect()
    }

    fn probe_file(&self, port: &IfName) -> PathBuf {
        self.dir.join("probes").join(format!("{port}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_counts_as_long_as_its_process_lives() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(root.path());
        let [living, dead]: [IfName; 2] = ["vgp1", "vgp2"].map(|name| name.parse().unwrap());
        let living = ProbeRecord::of_this_process(living, Around::NoWalls, Vec::new()).unwrap();
        state.note_probe(&living).unwrap();
        // A number that was given away again.
        state.note_probe(&ProbeRecord { port: dead, began: 1, ..living.clone() }).unwrap();
        assert_eq!(state.probes(), std::slice::from_ref(&living));
        state.sweep_probes().unwrap();
        assert_eq!(state.probe_records().len(), 1);
        state.forget_probe(&living.port).unwrap();
        assert_eq!(state.probes(), []);
    }

    #[test]
    fn what_cannot_be_read_opens_nothing() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(root.path());
        std::fs::create_dir_all(root.path().join("run/virt-guard/probes")).unwrap();
        std::fs::write(root.path().join("run/virt-guard/probes/eth0.json"), "{\"port\":\"eth0\"}").unwrap();
        assert_eq!(state.probes(), []);
    }
}
