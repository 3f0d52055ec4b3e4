//! The clock that counts on while the machine sleeps, and which start of the machine
//! it counts from.
//!
//! In: clock_gettime(2), proc(5). Out: a [`Moment`], which another process can hold
//! against its own. Nothing here is about the time of day, which anybody may set.

use std::fs;
use std::io;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// proc_sys_kernel(5): another one after each start of the machine.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// A point on the clock of one start of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Which start.
    boot: String,
    /// How long after it, time asleep included.
    after: Duration,
}

impl Moment {
    /// The moment that is so far from now.
    ///
    /// # Errors
    /// The kernel does not tell which start of the machine this is.
    pub fn in_future(by: Duration) -> io::Result<Self> {
        let boot =
            fs::read_to_string(BOOT).map_err(|error| io::Error::new(error.kind(), format!("{BOOT}: {error}")))?;
        Ok(Self { boot: boot.trim().to_owned(), after: since_boot()?.saturating_add(by) })
    }

    /// How long until then. Nothing is left of a moment of another start, nor where
    /// the clock cannot be read.
    pub fn remaining(&self) -> Duration {
        let Ok(now) = Self::in_future(Duration::ZERO) else { return Duration::ZERO };
        if now.boot == self.boot { self.after.saturating_sub(now.after) } else { Duration::ZERO }
    }
}

fn since_boot() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_BOOTTIME)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_comes_nearer_and_passes() {
        let soon = Moment::in_future(Duration::from_secs(60)).unwrap();
        let left = soon.remaining();
        assert!(left > Duration::from_secs(50) && left <= Duration::from_secs(60), "{left:?}");
        assert_eq!(Moment::in_future(Duration::ZERO).unwrap().remaining(), Duration::ZERO);
    }

    #[test]
    fn nothing_is_left_of_a_moment_before_the_last_start() {
        let before = Moment { boot: "another".to_owned(), ..Moment::in_future(Duration::from_secs(60)).unwrap() };
        assert_eq!(before.remaining(), Duration::ZERO);
    }
}
