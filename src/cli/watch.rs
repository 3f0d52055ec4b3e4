//! `virt-guard watch-pending`: what undoes a change that nobody confirms.
//!
//! Started by whoever makes such a change ([`crate::reconcile::WATCH`]), apart from the
//! session it is made in. In: the name of the change. Out: it is confirmed, or undone.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, ValueEnum};

use super::report::chain;
use super::{Report, host};
use crate::log::{Severity, log};
use crate::reconcile::{Error, Host};

/// How often it is looked whether somebody has answered.
const LOOK: Duration = Duration::from_secs(1);
/// After so many failures it is left to the daemon and to the next command.
const TRIES: usize = 30;

/// Undo a change that nobody confirms in time. Started by the command that makes it.
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct WatchPending {
    /// The change.
    change: Change,
}

/// The changes that wait to be confirmed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Change {
    /// Of services kept from guests.
    Pins,
    /// Of the operator's files.
    Policy,
}

impl WatchPending {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        for _ in 0..TRIES {
            match self.watch(root) {
                Ok(()) => return Ok(Report::good(String::new())),
                Err(error) => log(Severity::Error, format_args!("{}", chain(&error))),
            }
            thread::sleep(LOOK);
        }
        bail!("the change could not be undone");
    }

    /// Until nothing waits any more.
    fn watch(&self, root: &Path) -> Result<(), Error> {
        while let Some(left) = self.change.tend(&mut host(root))? {
            thread::sleep(left.min(LOOK));
        }
        Ok(())
    }
}

impl Change {
    /// Undoes what is due; how long an answer is waited for yet.
    fn tend(self, host: &mut Host) -> Result<Option<Duration>, Error> {
        let (told, left) = match self {
            Self::Pins => host.tend_pins()?,
            Self::Policy => host.tend_policy()?,
        };
        told.iter().for_each(|line| log(Severity::Warning, format_args!("{line}")));
        Ok(left)
    }
}

#[cfg(test)]
mod tests {
    use crate::reconcile::{PINS, POLICY, WATCH};
    use clap::Parser;

    #[test]
    fn the_watcher_is_a_command_of_this_program() {
        for change in [PINS, POLICY] {
            let args = crate::cli::Args::try_parse_from(["virt-guard", "--root", "/x", WATCH, change]).unwrap();
            assert!(matches!(args.command, crate::cli::Command::WatchPending(_)));
        }
    }
}
