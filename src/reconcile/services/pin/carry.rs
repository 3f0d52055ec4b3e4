//! Pinning: from a plan to a service that is seen to be kept from guests.
//!
//! In: a [`PinPlan`]. Out: the pin on record, or everything as it was before. What is
//! there to put all back is on the disk before the first file is touched; after a crash
//! at any point `undo` finds it.

use std::path::Path;
use std::time::SystemTime;

use super::files::HostFiles;
use super::plan::{FileChange, PinPlan};
use super::witness::{Probe, Witness, listens_again};
use super::{PINS, crash, refused, systemd, unwritten};
use crate::facts::with_source;
use crate::kernel::{Command, Listener};
use crate::pins::Files;
use crate::reconcile::{Error, Host};
use crate::state::{Copies, PinPhase, PinRecord};

/// Whether a pin stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// It stays as it is.
    Given,
    /// Only if somebody confirms it in this time.
    Within(std::time::Duration),
}

/// A service that was pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The record of it; none if there was nothing to change.
    pub record: Option<PinRecord>,
    /// Whether a probe has shown that no guest reaches it. Nothing can be shown of one that
    /// does not run.
    pub proven: bool,
}

/// What becomes of a service once all is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// It has not read the new files: it need not be told.
    Files,
    /// It may have.
    Service,
}

impl Host {
    /// Pins services, each by itself: what becomes of each, in their order. Waits for
    /// no confirmation; that is for whoever asks.
    ///
    /// # Errors
    /// Nothing was begun: another change waits for its confirmation, nobody can be set to
    /// watch over this one, or what a crash left cannot be undone.
    pub fn pin(&mut self, plans: &[PinPlan], confirmation: Confirmation) -> Result<Vec<Result<Pinned, Error>>, Error> {
        self.pin_before(plans, confirmation, &mut Probe)
    }

    /// The same before a witness.
    pub(super) fn pin_before(
        &mut self,
        plans: &[PinPlan],
        confirmation: Confirmation,
        witness: &mut dyn Witness,
    ) -> Result<Vec<Result<Pinned, Error>>, Error> {
        if !nix::unistd::geteuid().is_root() {
            return Err(refused("services are pinned by root only"));
        }
        self.tend_pins()?;
        let _lock = self.lock_change(PINS)?;
        if self.state.pending(PINS).is_some() {
            return Err(refused("other pins wait to be confirmed: run virt-guard services confirm, or wait"));
        }
        // Whoever confirmed them may have died before it was noted.
        self.note_confirmed()?;
        self.state.sweep_pins().map_err(Error::io("what was begun cannot be swept"))?;
        if let Confirmation::Within(within) = confirmation {
            let names: Vec<_> = plans.iter().map(|plan| plan.name.as_str()).collect();
            self.propose_change(PINS, &format!("pin of {}", names.join(", ")), within)?;
        }
        let unconfirmed = confirmation != Confirmation::Given;
        let done: Vec<_> = plans.iter().map(|plan| self.pin_one(plan, unconfirmed, witness)).collect();
        self.begin_waiting(&done, confirmation)?;
        Ok(done)
    }

    /// The time for an answer runs from now on, if there is anything to confirm.
    fn begin_waiting(&self, done: &[Result<Pinned, Error>], confirmation: Confirmation) -> Result<(), Error> {
        if confirmation == Confirmation::Given {
            return Ok(());
        }
        let waits = done.iter().any(|pinned| pinned.as_ref().is_ok_and(|pinned| pinned.record.is_some()));
        let noted = if waits { self.state.pending_stands(PINS).map(drop) } else { self.state.end_pending(PINS) };
        noted.map_err(Error::io("what is to be confirmed cannot be noted"))
    }

    fn pin_one(&mut self, plan: &PinPlan, unconfirmed: bool, witness: &mut dyn Witness) -> Result<Pinned, Error> {
        self.take_time();
        let before = witness.listening(self, &plan.recipe.activations)?;
        if plan.changes.is_empty() {
            let proven = self.is_proven(plan, before, witness)?;
            return Ok(Pinned { record: None, proven });
        }
        self.refuse_stale(plan)?;
        let record = self.begin(plan, unconfirmed).inspect_err(|_| {
            // No file was touched; what is left of the copies is swept by the next.
            let _ = self.state.forget_pin(plan.name.as_str());
        })?;
        match self.carry_out(plan, &record, before, witness) {
            Ok(proven) => {
                let record = PinRecord { phase: PinPhase::Stands, proven, ..record };
                self.keep_record(&record)?;
                crash::here();
                Ok(Pinned { record: Some(record), proven })
            }
            Err((reached, error)) => Err(self.give_up(&record, reached, error)),
        }
    }

    /// What was planned must still be what would be done.
    fn refuse_stale(&self, plan: &PinPlan) -> Result<(), Error> {
        self.refuse_others(&plan.name, &plan.changes)?;
        let files = HostFiles(&self.root);
        let is_as_planned = |change: &&FileChange| files.read(&change.path).is_ok_and(|now| now == change.before);
        match plan.changes.iter().find(|change| !is_as_planned(change)) {
            Some(change) => Err(refused(format!("{}: changed meanwhile, try again", change.path.display()))),
            None => Ok(()),
        }
    }

    /// Copies the files as they are, then notes what is about to be done.
    fn begin(&mut self, plan: &PinPlan, unconfirmed: bool) -> Result<PinRecord, Error> {
        let dir = self.state.pin_dir(plan.name.as_str());
        let copies = Copies { root: &self.root, dir: &dir };
        let since = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let mut record = PinRecord { unconfirmed, ..plan.record(since) };
        for (number, change) in plan.changes.iter().enumerate() {
            let kept = copies.keep(number, &change.path, &change.after);
            record.files.push(kept.map_err(|error| unwritten(&change.path, error))?);
            crash::here();
        }
        self.keep_record(&record)?;
        crash::here();
        Ok(record)
    }

    /// Everything that can fail once files are touched; with the failure comes what the
    /// service may have seen. Whether it is proven that no guest reaches it.
    fn carry_out(
        &mut self,
        plan: &PinPlan,
        record: &PinRecord,
        before: Vec<Listener>,
        witness: &mut dyn Witness,
    ) -> Result<bool, (Reached, Error)> {
        self.write(record).map_err(|error| (Reached::Files, error))?;
        self.ask_service(plan).map_err(|error| (Reached::Files, error))?;
        crash::here();
        let in_service = |error| (Reached::Service, error);
        systemd::activate(self.runner.as_mut(), &record.activations, self.deadline)
            .map_err(|error| in_service(error.into()))?;
        crash::here();
        let after = listens_again(self, witness, (&record.activations, &before)).map_err(in_service)?;
        self.is_proven(plan, after, witness).map_err(in_service)
    }

    fn write(&self, record: &PinRecord) -> Result<(), Error> {
        let dir = self.state.pin_dir(&record.name);
        let copies = Copies { root: &self.root, dir: &dir };
        copies.write_all(&record.files).map_err(|(path, error)| unwritten(&path, error))?;
        crash::here();
        Ok(())
    }

    /// The service's own word about its files.
    fn ask_service(&mut self, plan: &PinPlan) -> Result<(), Error> {
        for check in &plan.recipe.checks {
            let arguments = check.arguments.clone();
            let command = Command { program: check.program.clone(), arguments, input: String::new() };
            self.runner.run(&command, self.deadline)?;
        }
        Ok(())
    }

    /// Whether guests are seen not to reach it.
    ///
    /// # Errors
    /// They do, or it cannot be tried.
    fn is_proven(
        &mut self,
        plan: &PinPlan,
        listeners: Vec<Listener>,
        witness: &mut dyn Witness,
    ) -> Result<bool, Error> {
        if listeners.is_empty() {
            return Ok(false);
        }
        let reached = witness.reached(self, listeners)?;
        match reached.as_slice() {
            [] => Ok(true),
            some => Err(Error::NotPinned(format!("{}: guests still reach {}", plan.name, some.join(", ")))),
        }
    }

    /// Puts all back; what is to be told.
    fn give_up(&mut self, record: &PinRecord, reached: Reached, error: Error) -> Error {
        let why = with_source(&error);
        let activations = match reached {
            Reached::Files => &[][..],
            Reached::Service => &record.activations,
        };
        let quiet = PinRecord { activations: activations.to_vec(), ..record.clone() };
        let how = match self.undo(&quiet) {
            Ok(told) if told.is_empty() => "all is as it was before".to_owned(),
            Ok(told) => format!("put back, but {}", told.join("; ")),
            Err(error) => format!("and cannot be put back: {}", with_source(&error)),
        };
        let name = Path::new(&record.name).display().to_string();
        let why = why.strip_prefix(&format!("{name}: ")).unwrap_or(&why);
        Error::NotPinned(format!("{name}: not pinned, {how}: {why}"))
    }
}
