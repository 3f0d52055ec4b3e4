//! What the program exits with: the same four numbers for every command.

use std::process::ExitCode;

use crate::facts::FactError;
use crate::facts::policy::PolicyError;
use crate::net::ValueError;
use crate::reconcile::Error;

/// The exit codes, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: everything is as it should be.
    Good,
    /// 1: something was found: a difference, an open port, a dropped packet.
    Found,
    /// 2: the command line or the configuration is wrong.
    Usage,
    /// 3: it could not be done.
    Failed,
}

impl Exit {
    /// What an error that ended a command means.
    pub fn of(error: &anyhow::Error) -> Self {
        let usage = error.chain().any(|cause| match cause.downcast_ref::<Error>() {
            Some(error) => error.is_configuration(),
            None => {
                cause.is::<Usage>() || cause.is::<ValueError>() || cause.is::<FactError>() || cause.is::<PolicyError>()
            }
        });
        if usage { Self::Usage } else { Self::Failed }
    }

    /// What an error of one guest means.
    pub fn of_guest(error: &Error) -> Self {
        if error.is_configuration() { Self::Usage } else { Self::Failed }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Words that ask for something that cannot be meant, or do not fit this host.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use std::io;

    #[test]
    fn each_outcome_has_its_number() {
        for (exit, number) in [(Exit::Good, 0), (Exit::Found, 1), (Exit::Usage, 2), (Exit::Failed, 3)] {
            assert_eq!(exit as u8, number);
        }
        assert_eq!(Exit::Found.max(Exit::Failed), Exit::Failed);
    }

    #[test]
    fn wrong_words_and_files_are_told_from_failures() {
        let io = || io::Error::other("no");
        let policy = PolicyError::Io { path: "/etc/virt-guard/policy.d".into(), source: io() };
        let usage: [anyhow::Error; 3] =
            [Usage("x".into()).into(), Error::from(policy).into(), Error::Unguardable("x".into()).into()];
        for error in usage {
            assert_eq!(Exit::of(&error), Exit::Usage, "{error}");
            assert_eq!(Exit::of(&error.context("context")), Exit::Usage);
        }
        assert_eq!(Exit::of(&Error::NotApplied("x".into()).into()), Exit::Failed);
        assert_eq!(Exit::of(&Err::<(), _>(io()).context("writing").unwrap_err()), Exit::Failed);
    }
}
