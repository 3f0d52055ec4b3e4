//! A change that waits for an answer: the question on the terminal.
//!
//! In: the name of a change that stands. Out: what was answered. Keeping and undoing
//! are for the caller; if this program ends, whatever way, the watcher undoes it.

use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use serde::Serialize;

use crate::state::State;

/// How often it is looked whether somebody else has answered.
const LOOK: Duration = Duration::from_millis(250);

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Enter: it stays.
    Keep,
    /// Nothing in time, or a signal to end: it is to be undone.
    Undo,
    /// Somebody else has confirmed or undone it.
    Settled,
    /// There is no terminal to ask at: somebody else has yet to answer.
    Later,
}

/// What became of the question, as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// The change waits for the answer.
    Waiting,
    /// It stays.
    Confirmed,
    /// It was undone.
    Undone,
}

/// The shortest and the longest time that an answer may be waited for.
const TIMES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(24 * 60 * 60)];

/// The time of `--confirm-within`, as it is typed.
///
/// # Errors
/// It is no time, or one that nobody can mean.
pub fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| format!("{error}, expected such as 60s or 5m"))?;
    let [shortest, longest] = TIMES;
    let is_meant = (shortest..=longest).contains(&time);
    is_meant.then_some(time).ok_or_else(|| "expected from 1s to 24h".to_owned())
}

/// Asks on the terminal whether the change stays. `how` is the command by which it is
/// confirmed from elsewhere.
///
/// # Errors
/// The terminal or the signals cannot be read.
pub fn ask(state: &State, name: &str, how: &str) -> io::Result<Answer> {
    let Some(pending) = state.pending(name) else { return Ok(Answer::Settled) };
    let left = humantime::format_duration(Duration::from_secs(pending.remaining().as_secs_f64().ceil() as u64));
    if !io::stdin().is_terminal() {
        eprintln!("undone in {left} unless confirmed by: {how}");
        return Ok(Answer::Later);
    }
    eprintln!("undone in {left} unless confirmed: press Enter here, or run from another session: {how}");
    wait(state, name)
}

fn wait(state: &State, name: &str) -> io::Result<Answer> {
    let signals = signals()?;
    loop {
        let Some(left) = state.pending(name).map(|pending| pending.remaining()) else { return Ok(Answer::Settled) };
        if left.is_zero() {
            return Ok(Answer::Undo);
        }
        let stdin = io::stdin();
        let mut fds = [stdin.as_fd(), signals.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let timeout = PollTimeout::try_from(left.min(LOOK)).unwrap_or(PollTimeout::ZERO);
        match poll(&mut fds, timeout) {
            Ok(0) | Err(Errno::EINTR) => continue,
            result => result?,
        };
        let [typed, signalled] = fds.map(|fd| fd.any().unwrap_or(false));
        if signalled {
            return Ok(Answer::Undo);
        }
        if typed {
            // The end of the input is no Enter: the session is gone.
            let read = io::stdin().read(&mut [0; 256])?;
            return Ok(if read == 0 { Answer::Undo } else { Answer::Keep });
        }
    }
}

/// The signals by which a session ends a program.
fn signals() -> io::Result<SignalFd> {
    let mut mask = SigSet::empty();
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().for_each(|signal| mask.add(signal));
    mask.thread_block()?;
    Ok(SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_that_can_be_meant() {
        assert_eq!(time("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["0s", "25h", "60", "soon", "-1s"] {
            let error = time(wrong).unwrap_err();
            assert!(error.contains("expected "), "{wrong}: {error}");
        }
    }
}
