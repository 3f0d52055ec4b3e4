//! Changes that are undone unless somebody confirms them: who watches over one, and
//! who may answer.
//!
//! In: the name of a kind of change. Out: its record, and a watcher of our own that
//! outlives the session and the program that made the change. How a change is undone
//! is for whoever makes such changes; see [`Pending`] for the life of one.

use std::path::Path;
use std::time::Duration;

use super::{Error, Host};
use crate::kernel::Command;
use crate::state::{Lock, Pending};

/// The command of `virt-guard` that watches over a change; its argument is the name.
pub const WATCH: &str = "watch-pending";
/// There if systemd is the service manager (sd_booted(3)).
const SYSTEMD: &str = "run/systemd/system";

impl Host {
    /// The right to make, confirm or undo changes of this name.
    ///
    /// # Errors
    /// Somebody else holds it past the deadline.
    pub fn lock_change(&self, name: &str) -> Result<Lock, Error> {
        self.state.lock_change(name, self.deadline).map_err(Error::io(format!("changes of {name} cannot be locked")))
    }

    /// Has a change, which is about to be made, undone unless it is confirmed `within`
    /// this time. The caller holds its lock, and says when it stands
    /// ([`crate::state::State::pending_stands`]).
    ///
    /// # Errors
    /// It cannot be noted, or nobody can be set to watch; nothing is noted then.
    pub fn propose_change(&mut self, name: &str, what: &str, within: Duration) -> Result<(), Error> {
        self.state.begin_pending(name, what, within).map_err(Error::io("what is to be confirmed cannot be noted"))?;
        self.watch(name).inspect_err(|_| {
            // What is left of it would have nothing undone that was not made.
            let _ = self.state.end_pending(name);
        })
    }

    /// Keeps a change for good, and says what it was; nothing if none waits for that.
    /// One that is due is not kept any more.
    ///
    /// # Errors
    /// It cannot be noted.
    pub fn confirm_change(&mut self, name: &str) -> Result<Option<Pending>, Error> {
        let _lock = self.lock_change(name)?;
        self.confirm_locked(name)
    }

    /// The same for a caller that holds its lock.
    ///
    /// # Errors
    /// It cannot be noted.
    pub(super) fn confirm_locked(&self, name: &str) -> Result<Option<Pending>, Error> {
        let Some(pending) = self.state.pending(name).filter(|pending| !pending.is_due()) else { return Ok(None) };
        self.state.end_pending(name).map_err(Error::io("that the change is confirmed cannot be noted"))?;
        Ok(Some(pending))
    }

    /// Has a change of this name undone if it is due, and says how long an answer to it is
    /// waited for yet; nothing if none waits any more. Whoever makes one is let come to its
    /// end first.
    ///
    /// # Errors
    /// Somebody else holds the lock past the deadline, or it cannot be undone: it is due
    /// still.
    pub fn undo_if_due(
        &mut self,
        name: &str,
        undo: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<Option<Duration>, Error> {
        let left = |pending: &Pending| Some(pending.remaining()).filter(|left| !left.is_zero());
        let Some(pending) = self.state.pending(name) else { return Ok(None) };
        if let Some(left) = left(&pending) {
            return Ok(Some(left));
        }
        let _lock = self.lock_change(name)?;
        let Some(pending) = self.state.pending(name) else { return Ok(None) };
        if let Some(left) = left(&pending) {
            return Ok(Some(left));
        }
        undo(self)?;
        self.state.end_pending(name).map_err(Error::io("that the change is undone cannot be noted"))?;
        Ok(None)
    }

    /// Has a change that waits for an answer undone at once, as the answer was no. One that
    /// waits no more is let be.
    ///
    /// # Errors
    /// As of [`Host::undo_if_due`].
    pub fn undo_pending(&mut self, name: &str, undo: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        let _lock = self.lock_change(name)?;
        if self.state.pending(name).is_none() {
            return Ok(());
        }
        undo(self)?;
        self.state.end_pending(name).map_err(Error::io("that the change is undone cannot be noted"))
    }

    /// Starts the watcher: as a unit of systemd, which ends a session's other processes
    /// with it (logind.conf(5), `KillUserProcesses=`); without systemd as a process in a
    /// session of its own.
    fn watch(&mut self, name: &str) -> Result<(), Error> {
        let program = std::env::current_exe().map_err(Error::io("the path of this program is not known"))?;
        let command = watcher(&program, &self.root, name);
        let of_systemd = || as_unit(&command, name);
        if self.root.join(SYSTEMD).is_dir() && self.runner.run(&of_systemd(), self.deadline).is_ok() {
            return Ok(());
        }
        Ok(self.runner.start_apart(&command)?)
    }
}

fn watcher(program: &Path, root: &Path, name: &str) -> Command {
    let [program, root] = [program, root].map(|path| path.to_string_lossy().into_owned());
    Command::new(&program, ["--root", &root, WATCH, name])
}

/// The process is in the unit's name, so that one that is about to end is not in the way.
fn as_unit(command: &Command, name: &str) -> Command {
    let unit = format!("--unit=virt-guard-{name}-{}", std::process::id());
    let mut run = Command::new("systemd-run", ["--quiet", "--collect", &unit, "--property=Restart=on-failure", "--"]);
    run.arguments.push(command.program.clone());
    run.arguments.extend(command.arguments.clone());
    run
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Deadline, Netlink, RunError, Runner};
    use std::cell::RefCell;
    use std::rc::Rc;

    /// Notes what is run; systemd does as it is told.
    #[derive(Default, Clone)]
    struct Noted(Rc<RefCell<Vec<String>>>);

    impl Runner for Noted {
        fn run(&mut self, command: &Command, _: Deadline) -> Result<String, RunError> {
            self.0.borrow_mut().push(command.line());
            Ok(String::new())
        }
    }

    fn host() -> (tempfile::TempDir, Noted, Host) {
        let (root, noted) = (tempfile::tempdir().unwrap(), Noted::default());
        let deadline = Deadline::after(Duration::from_secs(5));
        let host = Host::with(root.path(), deadline, Box::new(noted.clone()), Box::new(Netlink));
        (root, noted, host)
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_change_is_watched_and_may_be_confirmed_once_it_stands() {
        let (root, noted, mut host) = host();
        host.propose_change("x", "a change", MINUTE).unwrap();
        let line = noted.0.borrow()[0].clone();
        assert!(line.ends_with(&format!("--root {} watch-pending x", root.path().display())), "{line}");
        assert!(!line.starts_with("systemd-run"), "{line}");
        assert_eq!(host.confirm_change("x").unwrap(), None, "it is not made yet");
        host.state().pending_stands("x").unwrap();
        assert_eq!(host.confirm_change("x").unwrap().unwrap().what, "a change");
        assert_eq!(host.confirm_change("x").unwrap(), None);
    }

    #[test]
    fn what_is_due_is_not_confirmed_any_more() {
        let (_root, _, mut host) = host();
        host.propose_change("x", "a change", Duration::ZERO).unwrap();
        host.state().pending_stands("x").unwrap();
        assert_eq!(host.confirm_change("x").unwrap(), None);
        assert!(host.state().pending("x").is_some(), "it is still to be undone");
    }

    #[test]
    fn what_is_due_is_undone_once() {
        let (_root, _, mut host) = host();
        let never = |_: &mut Host| panic!("nothing is due");
        assert_eq!(host.undo_if_due("x", never).unwrap(), None);
        host.propose_change("x", "a change", MINUTE).unwrap();
        host.state().pending_stands("x").unwrap();
        assert!(host.undo_if_due("x", never).unwrap() > Some(MINUTE / 2));
        host.state().end_pending("x").unwrap();

        host.propose_change("x", "whoever made it has died", MINUTE).unwrap();
        let fails = |_: &mut Host| Err(Error::NotApplied("not now".to_owned()));
        assert!(host.undo_if_due("x", fails).is_err());
        let mut undone = 0;
        for _ in 0..2 {
            let undo = |_: &mut Host| {
                undone += 1;
                Ok(())
            };
            assert_eq!(host.undo_if_due("x", undo).unwrap(), None);
        }
        assert_eq!(undone, 1);
    }

    #[test]
    fn systemd_keeps_the_watcher_where_it_is() {
        let (root, noted, mut host) = host();
        std::fs::create_dir_all(root.path().join(SYSTEMD)).unwrap();
        host.propose_change("x", "a change", MINUTE).unwrap();
        let lines = noted.0.borrow();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("systemd-run --quiet --collect --unit=virt-guard-x-"), "{lines:?}");
        assert!(lines[0].ends_with("watch-pending x"), "{lines:?}");
    }
}
