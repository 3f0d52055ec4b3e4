//! A change that is undone unless somebody confirms it in time: `pending/NAME.json`
//! below `/var/lib/virt-guard`, so that a restart of the machine confirms nothing.
//!
//! ```text
//! begin ──► (the change is made) ──► stands ──► confirmed in time: it stays
//!   │                                   └─────► not confirmed: it is undone
//!   └─ whoever made it has died in between ───► it is undone
//! ```
//!
//! Whoever makes, confirms or undoes a change of that name holds its lock; who waits
//! for an answer does not. What the change is, and how it is undone, is not known here.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Lock, State, read, set, write_durably};
use crate::kernel::{Deadline, Moment};

/// A change that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What was changed, for people.
    pub what: String,
    /// How long the answer may take.
    within: Duration,
    /// Until when; nothing before the change stands, or if the record is broken.
    until: Option<Moment>,
}

impl Pending {
    /// Whether it has to be undone, as far as whoever holds its lock can tell: nobody
    /// has answered in time, or whoever made the change did not come to its end.
    pub fn is_due(&self) -> bool {
        self.remaining().is_zero()
    }

    /// Whether the change was made to its end.
    pub fn stands(&self) -> bool {
        self.until.is_some()
    }

    /// How long an answer is waited for yet.
    pub fn remaining(&self) -> Duration {
        self.until.as_ref().map(Moment::remaining).unwrap_or_default()
    }

    /// A record that was there and cannot be read: what it was about is undone.
    fn broken() -> Self {
        Self { what: "a change whose record is broken".to_owned(), within: Duration::ZERO, until: None }
    }
}

impl State {
    /// The right to make, confirm or undo changes of this name.
    ///
    /// # Errors
    /// As of [`State::lock`].
    pub fn lock_change(&self, name: &str, deadline: Deadline) -> io::Result<Lock> {
        self.lock_file(&format!("{name}.lock"), deadline)
    }

    /// Notes, before it is made, a change that `within` this time after it stands is to
    /// be confirmed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin_pending(&self, name: &str, what: &str, within: Duration) -> io::Result<()> {
        write_durably(&self.pending_file(name), &Pending { what: what.to_owned(), within, until: None })
    }

    /// The change is made: the time begins to run.
    ///
    /// # Errors
    /// The record is gone, or cannot be written; the clock cannot be read.
    pub fn pending_stands(&self, name: &str) -> io::Result<Pending> {
        let pending = self.pending(name).ok_or(io::ErrorKind::NotFound)?;
        let until = Some(Moment::in_future(pending.within)?);
        let pending = Pending { until, ..pending };
        write_durably(&self.pending_file(name), &pending)?;
        Ok(pending)
    }

    /// The change of this name that waits for an answer.
    pub fn pending(&self, name: &str) -> Option<Pending> {
        let path = self.pending_file(name);
        read(&path).or_else(|| path.exists().then(Pending::broken))
    }

    /// It waits no longer, as it was confirmed or undone.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn end_pending(&self, name: &str) -> io::Result<()> {
        set::<Pending>(&self.pending_file(name), None)
    }

    fn pending_file(&self, name: &str) -> PathBuf {
        self.kept.with_file_name("pending").join(format!("{name}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn state() -> (tempfile::TempDir, State) {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(root.path());
        (root, state)
    }

    #[test]
    fn the_time_runs_from_when_the_change_stands() {
        let (_root, state) = state();
        assert_eq!(state.pending("x"), None);
        state.begin_pending("x", "a change", Duration::from_secs(60)).unwrap();
        let begun = state.pending("x").unwrap();
        assert!(begun.is_due() && !begun.stands(), "nobody ends it but who holds the lock");
        let stands = state.pending_stands("x").unwrap();
        assert!(!stands.is_due() && stands.stands());
        assert_eq!(state.pending("x"), Some(stands));
        state.end_pending("x").unwrap();
        assert_eq!(state.pending("x"), None);
        assert!(state.pending_stands("x").is_err());
    }

    #[test]
    fn what_is_not_confirmed_in_time_is_due() {
        let (_root, state) = state();
        state.begin_pending("x", "a change", Duration::ZERO).unwrap();
        assert!(state.pending_stands("x").unwrap().is_due());
    }

    #[test]
    fn a_broken_record_is_due() {
        let (root, state) = state();
        state.begin_pending("x", "a change", Duration::from_secs(60)).unwrap();
        fs::write(root.path().join("var/lib/virt-guard/pending/x.json"), "{").unwrap();
        assert!(state.pending("x").unwrap().is_due());
    }

    #[test]
    fn changes_of_other_names_wait_for_themselves() {
        let (_root, state) = state();
        let soon = || Deadline::after(Duration::from_millis(50));
        let _held = state.lock_change("x", soon()).unwrap();
        assert!(state.lock_change("x", soon()).is_err());
        assert!(state.lock_change("y", soon()).is_ok() && state.lock(soon()).is_ok());
    }
}
