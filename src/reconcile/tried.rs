//! A policy that is tried: its rules stand, and unless somebody confirms it in time, the
//! operator's files are put back as they were when they were last known to be good, and the
//! rules with them, on the same path as always.
//!
//! Files are known to be good if `virt-guard apply` put their rules in place without a
//! problem, if they were tried and confirmed, or if their rules have stood for [`PROVEN`].
//! The first that there ever are count as good. So a change that the daemon has followed
//! already can still be tried: what it is undone to is what stood before.
//!
//! Connections that the tried policy cut stay cut. What was in the files' place is kept
//! (`state::policy_files`).

use std::time::{Duration, SystemTime};

use super::{Error, Host, Outcome};
use crate::facts::{Domain, with_source};
use crate::state::{Pending, PolicyFiles};

/// The name of a tried policy among changes that wait to be confirmed.
pub const POLICY: &str = "policy";
/// Rules that have stood for so long have kept nobody out.
const PROVEN: Duration = Duration::from_secs(600);

impl Host {
    /// Puts the rules of the files as they are now in place for good.
    ///
    /// # Errors
    /// As of [`Host::apply_all`]; or another policy waits to be confirmed.
    pub fn apply_for_good(&mut self, running: &[Domain]) -> Result<Outcome, Error> {
        self.tend_policy()?;
        let _lock = self.lock_change(POLICY)?;
        self.refuse_second()?;
        let files = self.policy_files();
        let outcome = self.apply_all(running)?;
        if outcome.problems.is_empty() {
            self.trust(files)?;
        }
        Ok(outcome)
    }

    /// Puts the rules of the files as they are now in place, to be undone unless somebody
    /// confirms them `within` this time.
    ///
    /// # Errors
    /// The policy is broken, no other is known to be good, another is being tried, or
    /// nobody can watch: nothing is changed then. Or the rules cannot be put in place: the
    /// good ones are put back.
    pub fn try_policy(&mut self, running: &[Domain], within: Duration) -> Result<Outcome, Error> {
        self.tend_policy()?;
        let _lock = self.lock_change(POLICY)?;
        self.refuse_second()?;
        self.policy()?;
        if self.state.good_policy().is_none() {
            let lack = "no policy is known that was in place before, so none could be put back: apply without --confirm-within first";
            return Err(Error::NotNow(lack.to_owned()));
        }
        self.state.set_tried_policy(Some(&self.policy_files()?)).map_err(noted)?;
        self.state.forget_undone_policy().map_err(noted)?;
        self.propose_change(POLICY, "the policy of /etc/virt-guard", within)?;
        match self.apply_all(running) {
            Ok(outcome) => self.state.pending_stands(POLICY).map_err(noted).map(|_| outcome),
            Err(error) => {
                self.put_good_policy_back()?;
                self.state.end_pending(POLICY).map_err(noted)?;
                Err(Error::NotApplied(format!("{}; {}", with_source(&error), self.undone())))
            }
        }
    }

    /// Keeps the policy that is tried, and says what it was; nothing if none is.
    ///
    /// # Errors
    /// It cannot be noted.
    pub fn confirm_policy(&mut self) -> Result<Option<Pending>, Error> {
        let _lock = self.lock_change(POLICY)?;
        if self.state.pending(POLICY).is_none_or(|pending| pending.is_due()) {
            return Ok(None);
        }
        // First: whoever dies in between has it put back to itself.
        if let Some(tried) = self.state.tried_policy() {
            self.state.set_good_policy(&tried).map_err(noted)?;
        }
        self.confirm_locked(POLICY)
    }

    /// Undoes the policy that is tried at once, as the answer was no.
    ///
    /// # Errors
    /// As of [`Host::tend_policy`].
    pub fn decline_policy(&mut self) -> Result<(), Error> {
        self.undo_pending(POLICY, Self::put_good_policy_back)
    }

    /// Undoes a policy that nobody has confirmed in time. Says what it did, and how long an
    /// answer is waited for yet.
    ///
    /// # Errors
    /// The files or the rules cannot be put back: it is due still.
    pub fn tend_policy(&mut self) -> Result<(Vec<String>, Option<Duration>), Error> {
        let mut told = Vec::new();
        let left = self.undo_if_due(POLICY, |host| {
            host.put_good_policy_back()?;
            told.push(host.undone());
            Ok(())
        })?;
        Ok((told, left))
    }

    /// What was undone, and where the other files are, in words.
    pub fn undone(&self) -> String {
        let kept = self.state.undone_policy();
        format!(
            "the policy that was tried is undone: /etc/virt-guard is as it was before, the other files are in {}",
            kept.display()
        )
    }

    /// Takes note that the rules of the files as they are now stand. See [`PROVEN`].
    pub(super) fn note_standing(&mut self) {
        let Ok(files) = self.policy_files() else { return };
        let good = self.state.good_policy();
        if good.as_ref() == Some(&files) || self.state.pending(POLICY).is_some() {
            return;
        }
        let age = || SystemTime::now().duration_since(self.state.policy_since(&files)).unwrap_or_default();
        if good.is_none() || age() >= PROVEN {
            // Without it the policy before counts as the good one, and it is tried again.
            let _ = self.state.set_good_policy(&files);
        }
    }

    /// The first policy that there is, before a guest depends on it.
    pub fn note_first_policy(&mut self) {
        if self.state.good_policy().is_none() {
            self.note_standing();
        }
    }

    fn put_good_policy_back(&mut self) -> Result<(), Error> {
        let failed = || Error::io("the policy cannot be put back");
        let Some(good) = self.state.good_policy() else {
            return Err(Error::NotNow("the policy that is known to be good is lost".to_owned()));
        };
        {
            // Nobody applies what is half of each.
            let _lock = self.locked()?;
            let now = self.policy_files()?;
            if now != good {
                self.state.keep_undone_policy(&now).map_err(failed())?;
                good.put_back(&self.root).map_err(failed())?;
            }
        }
        self.heal(None)?;
        self.state.set_tried_policy(None).map_err(noted)
    }

    fn refuse_second(&self) -> Result<(), Error> {
        let Some(pending) = self.state.pending(POLICY) else { return Ok(()) };
        let left = pending.remaining().as_secs();
        Err(Error::NotNow(format!(
            "{} waits to be confirmed: virt-guard apply --confirm, or it is undone in {left} s",
            pending.what
        )))
    }

    /// Remembers files as good, if they are still those whose rules were put in place.
    fn trust(&self, files: Result<PolicyFiles, Error>) -> Result<(), Error> {
        let files = files?;
        if self.policy_files()? == files {
            self.state.set_good_policy(&files).map_err(noted)?;
        }
        Ok(())
    }

    fn policy_files(&self) -> Result<PolicyFiles, Error> {
        PolicyFiles::now(&self.root).map_err(Error::io("the files of the policy cannot be read"))
    }
}

fn noted(source: std::io::Error) -> Error {
    Error::io("which policy is good cannot be noted")(source)
}
