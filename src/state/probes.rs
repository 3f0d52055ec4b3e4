//! The ports of probes around which no walls stand, while the probes last.
//!
//! In: a port and the process that probes there. Out: the ports whose process still lives.
//! A record that outlives its process opens nothing.

use std::collections::BTreeSet;
use std::io;

use serde::{Deserialize, Serialize};

use super::{State, names, read, set};
use crate::kernel::process_began;
use crate::net::IfName;

/// A probe that is at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ProbeRecord {
    port: IfName,
    pid: u32,
    /// When the process began, in ticks since the boot.
    began: u64,
}

impl State {
    /// Remembers that this process probes at `port`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note_probe(&self, port: &IfName) -> io::Result<()> {
        let pid = std::process::id();
        let gone = || io::Error::new(io::ErrorKind::NotFound, "/proc does not tell of this process");
        let record = ProbeRecord { port: port.clone(), pid, began: process_began(pid).ok_or_else(gone)? };
        set(&self.probe_file(port.as_str()), Some(&record))
    }

    /// Forgets the probe at `port`.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn forget_probe(&self, port: &IfName) -> io::Result<()> {
        set::<ProbeRecord>(&self.probe_file(port.as_str()), None)
    }

    /// The ports of the probes that are at work.
    pub fn probes(&self) -> BTreeSet<IfName> {
        self.probe_records().into_iter().filter(ProbeRecord::is_at_work).map(|record| record.port).collect()
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

    fn probe_file(&self, port: &str) -> std::path::PathBuf {
        self.dir.join("probes").join(format!("{port}.json"))
    }
}

impl ProbeRecord {
    fn is_at_work(&self) -> bool {
        process_began(self.pid) == Some(self.began)
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
        state.note_probe(&living).unwrap();
        // A number that was given away again.
        let record = ProbeRecord { port: dead.clone(), pid: std::process::id(), began: 1 };
        set(&state.probe_file("vgp2"), Some(&record)).unwrap();
        assert_eq!(state.probes(), [living.clone()].into());
        state.sweep_probes().unwrap();
        assert_eq!(state.probe_records().len(), 1);
        state.forget_probe(&living).unwrap();
        assert_eq!(state.probes(), BTreeSet::new());
    }

    #[test]
    fn what_cannot_be_read_opens_nothing() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(root.path());
        std::fs::create_dir_all(root.path().join("run/virt-guard/probes")).unwrap();
        std::fs::write(root.path().join("run/virt-guard/probes/eth0.json"), "{\"port\":\"eth0\"}").unwrap();
        assert_eq!(state.probes(), BTreeSet::new());
    }
}
