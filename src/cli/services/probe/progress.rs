//! A line that tells people how far a probe is; programs are told nothing.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::reconcile::Progress;

/// Whoever waits shorter needs no line.
const QUIET: Duration = Duration::from_secs(1);
/// Between two.
const PACE: Duration = Duration::from_millis(200);

/// The line at the bottom of a terminal.
pub(super) struct Line {
    is_shown: bool,
    /// When there may be one again; whether there was one.
    next: Mutex<(Instant, bool)>,
}

impl Line {
    /// Nothing is shown yet.
    pub fn new() -> Self {
        Self { is_shown: io::stderr().is_terminal(), next: Mutex::new((Instant::now() + QUIET, false)) }
    }

    /// Tells how far it is, if that was not done just now.
    pub fn tell(&self, now: Progress<'_>) {
        let Ok(mut next) = self.next.lock() else { return };
        if self.is_shown && Instant::now() >= next.0 {
            *next = (Instant::now() + PACE, true);
            let _ = write!(io::stderr(), "\r\x1b[K{}: {} of {} tried", now.bridge, now.over, now.all);
        }
    }

    /// Takes the line away.
    pub fn end(&self) {
        if self.next.lock().is_ok_and(|next| next.1) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
