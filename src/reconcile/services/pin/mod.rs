//! Services kept from guests by their own files and by systemd, and given back.
//!
//! In: a service, and where it is to listen. Out: it listens there and nowhere else, and
//! a probe has shown that no guest reaches it; or all is as it was before. What is to be
//! in the files is for [`crate::pins`]; how they are kept is for [`crate::state`].
//!
//! ```text
//! place     --to, bridges, guests' networks  → Target
//! plan      recipe, session, other pins      → PinPlan          looks only
//! carry     journal, write, check, activate, witness → done, or undone
//! undo      back to what was: unpin, a crash, no answer
//! witness   who listens, and whether guests reach it
//! systemd   systemctl
//! ```

mod carry;
mod crash;
mod files;
mod place;
mod plan;
mod systemd;
#[cfg(test)]
mod tests;
mod undo;
mod which;
mod witness;

use std::io;
use std::time::Duration;

use super::{Error, Host};
use crate::kernel::Deadline;
use crate::pins::PinError;
use crate::state::{Pending, PinRecord};

pub use carry::{Confirmation, Pinned};
pub use place::PinTo;
pub use plan::{FileChange, PinPlan};
pub use undo::{Changed, Unpinned};
pub use which::Pinnable;

/// The name of pins among changes that wait to be confirmed.
pub const PINS: &str = "pins";
/// How long one service may take: it is restarted, perhaps twice, and probed.
const PATIENCE: Duration = Duration::from_secs(180);

impl Host {
    /// All services that are pinned, by name.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn pins(&self) -> Result<Vec<PinRecord>, Error> {
        self.state.pins().map_err(Error::io("the pins cannot be read"))
    }

    /// Keeps the pins that wait for it; what they were, if any do.
    ///
    /// # Errors
    /// It cannot be noted.
    pub fn confirm_pins(&mut self) -> Result<Option<Pending>, Error> {
        let _lock = self.lock_change(PINS)?;
        let confirmed = self.confirm_locked(PINS)?;
        if confirmed.is_some() {
            self.note_confirmed()?;
        }
        Ok(confirmed)
    }

    /// Undoes the pins that wait to be confirmed; what was done.
    ///
    /// # Errors
    /// One cannot be undone.
    pub fn decline_pins(&mut self) -> Result<Vec<String>, Error> {
        let mut told = Vec::new();
        self.undo_pending(PINS, |host| {
            told.extend(host.undo_unconfirmed()?);
            Ok(())
        })?;
        Ok(told)
    }

    /// Puts in order what a crash or the lack of an answer left: what was begun and not
    /// done to its end is undone. Says what it did, and how long an answer to pins that
    /// stand is waited for yet.
    ///
    /// # Errors
    /// Somebody else holds the lock, or something cannot be undone.
    pub fn tend_pins(&mut self) -> Result<(Vec<String>, Option<Duration>), Error> {
        let mut told = Vec::new();
        let left = self.undo_if_due(PINS, |host| {
            told.extend(host.undo_unconfirmed()?);
            Ok(())
        })?;
        if self.pins()?.iter().any(PinRecord::is_amid) {
            let _lock = self.lock_change(PINS)?;
            told.extend(self.undo_begun()?);
        }
        Ok((told, left))
    }

    /// Nothing waits any more: no pin is undone for lack of an answer.
    fn note_confirmed(&self) -> Result<(), Error> {
        for pin in self.pins()?.into_iter().filter(|pin| pin.unconfirmed) {
            self.keep_record(&PinRecord { unconfirmed: false, ..pin })?;
        }
        Ok(())
    }

    fn keep_record(&self, record: &PinRecord) -> Result<(), Error> {
        self.state.set_pin(record).map_err(Error::io("the pin cannot be noted"))
    }

    /// Each service has its time, and so has putting it back.
    fn take_time(&mut self) {
        self.deadline = Deadline::after(PATIENCE);
    }
}

fn refused(why: impl Into<String>) -> Error {
    PinError::Refused(why.into()).into()
}

/// A file, and why it cannot be written.
fn unwritten(path: &std::path::Path, source: io::Error) -> Error {
    Error::Io { what: path.display().to_string(), source }
}
