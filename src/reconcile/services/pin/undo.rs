//! A pinned service given back: its files as they were before, byte for byte.
//!
//! In: the record of a pin. Out: the files of that time, the service told of them, no
//! record. It is noted first that this has begun, so that whoever comes after a crash
//! goes on with it.

use super::{PINS, crash, refused, systemd, unwritten};
use crate::facts::with_source;
use crate::reconcile::{Error, Host};
use crate::state::{Copies, Found, PinPhase, PinRecord};

/// What becomes of a file that somebody has changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It stays, and so does the pin.
    Refuse,
    /// It is copied to one beside it, and replaced.
    SetAside,
}

/// A service that was given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpinned {
    /// The service.
    pub name: String,
    /// What the operator has to know: files set aside, a service that does not start.
    pub told: Vec<String>,
}

impl Host {
    /// The pins of these names or units, or all if none is named.
    ///
    /// # Errors
    /// One is not pinned; a file of one was changed since, and `changed` refuses.
    pub fn plan_unpin(&self, names: &[String], changed: Changed) -> Result<Vec<PinRecord>, Error> {
        let pins = self.pins()?;
        let is_meant =
            |pin: &PinRecord, name: &str| pin.name == name || systemd::units(&pin.activations).contains(&name);
        if let Some(name) = names.iter().find(|name| !pins.iter().any(|pin| is_meant(pin, name))) {
            let all: Vec<_> = pins.iter().map(|pin| pin.name.as_str()).collect();
            let expected =
                if all.is_empty() { "nothing is".to_owned() } else { format!("expected {}", all.join(", ")) };
            return Err(refused(format!("{name}: not pinned; {expected}")));
        }
        let wanted: Vec<_> =
            pins.into_iter().filter(|pin| names.is_empty() || names.iter().any(|name| is_meant(pin, name))).collect();
        if changed == Changed::Refuse {
            wanted.iter().try_for_each(|pin| self.refuse_changed(pin))?;
        }
        Ok(wanted)
    }

    /// Gives services back. What becomes of each, in their order.
    ///
    /// # Errors
    /// As of [`Host::plan_unpin`], with nothing done; or what a crash left cannot be undone.
    pub fn unpin(&mut self, names: &[String], changed: Changed) -> Result<Vec<Result<Unpinned, Error>>, Error> {
        if !nix::unistd::geteuid().is_root() {
            return Err(refused("services are unpinned by root only"));
        }
        self.tend_pins()?;
        let _lock = self.lock_change(PINS)?;
        let pins = self.plan_unpin(names, changed)?;
        let done = pins.iter().map(|pin| {
            self.take_time();
            self.undo(pin).map(|told| Unpinned { name: pin.name.clone(), told })
        });
        let done = done.collect();
        if !self.pins()?.iter().any(|pin| pin.unconfirmed) {
            // There is nothing left that could be confirmed.
            self.state.end_pending(PINS).map_err(Error::io("that nothing waits any more cannot be noted"))?;
        }
        Ok(done)
    }

    /// Undoes the pins that nobody has confirmed. The caller holds the lock.
    pub(super) fn undo_unconfirmed(&mut self) -> Result<Vec<String>, Error> {
        self.undo_those(|pin| pin.unconfirmed, "not confirmed")
    }

    /// Undoes what was not done to its end, or not undone. The caller holds the lock.
    pub(super) fn undo_begun(&mut self) -> Result<Vec<String>, Error> {
        self.undo_those(PinRecord::is_amid, "interrupted")
    }

    /// All of them, whatever becomes of one.
    fn undo_those(&mut self, which: impl Fn(&PinRecord) -> bool, why: &str) -> Result<Vec<String>, Error> {
        let (mut told, mut failed) = (Vec::new(), None);
        for pin in self.pins()?.into_iter().filter(which) {
            self.take_time();
            match self.undo(&pin) {
                Ok(more) => {
                    told.push(format!("{}: {why}, and undone", pin.name));
                    told.extend(more);
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(told), Err)
    }

    /// Puts the files back and tells the service. What somebody else has made of a file
    /// is set aside.
    ///
    /// # Errors
    /// A file cannot be written: the record stays, for another try.
    pub(super) fn undo(&mut self, pin: &PinRecord) -> Result<Vec<String>, Error> {
        self.keep_record(&PinRecord { phase: PinPhase::Undoing, ..pin.clone() })?;
        crash::here();
        let mut told = self.restore(pin)?;
        if !pin.activations.is_empty() {
            let activated = systemd::activate(self.runner.as_mut(), &pin.activations, self.deadline);
            // The files are as they were; what keeps the service from them is its own affair.
            told.extend(activated.err().map(|error| format!("{}: {}", pin.name, with_source(&error))));
        }
        crash::here();
        self.state.forget_pin(&pin.name).map_err(Error::io("the pin cannot be forgotten"))?;
        Ok(told)
    }

    fn restore(&self, pin: &PinRecord) -> Result<Vec<String>, Error> {
        let dir = self.state.pin_dir(&pin.name);
        let copies = Copies { root: &self.root, dir: &dir };
        let mut told = Vec::new();
        for file in &pin.files {
            let failed = |error| unwritten(&file.path, error);
            if copies.found(file).map_err(failed)? == Found::Other
                && let Some(saved) = copies.set_aside(file).map_err(failed)?
            {
                let path = file.path.display();
                told.push(format!("{path}: changed since it was pinned; what it was is in {}", saved.display()));
            }
            copies.restore(file).map_err(failed)?;
            crash::here();
        }
        Ok(told)
    }

    fn refuse_changed(&self, pin: &PinRecord) -> Result<(), Error> {
        let dir = self.state.pin_dir(&pin.name);
        let copies = Copies { root: &self.root, dir: &dir };
        for file in &pin.files {
            if copies.found(file).map_err(|error| unwritten(&file.path, error))? == Found::Other {
                let path = file.path.display();
                return Err(refused(format!(
                    "{path}: changed since {} was pinned; --force replaces it, and keeps a copy beside it",
                    pin.name
                )));
            }
        }
        Ok(())
    }
}
