//! A line that tells people what is being waited for, once that takes a second. Programs
//! are told nothing: it is for terminals only, and gone before anything else is written.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Whoever waits shorter needs no line.
const QUIET: Duration = Duration::from_secs(1);
/// Between two looks at what is being done.
const PACE: Duration = Duration::from_millis(200);
/// To the beginning of the line, which is emptied (ECMA-48, EL).
const CLEAR: &str = "\r\x1b[K";

/// What is being done, until this is dropped.
pub struct Progress {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Default)]
struct Now {
    what: String,
    is_over: bool,
}

impl Progress {
    /// Something is begun.
    pub fn start(what: impl Into<String>) -> Self {
        let can = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let shared = Arc::new(Shared::default());
        let thread = (can && io::stderr().is_terminal()).then(|| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.show(&mut io::stderr(), QUIET))
        });
        let progress = Self { shared, thread };
        progress.step(what);
        progress
    }

    /// The next thing is begun.
    pub fn step(&self, what: impl Into<String>) {
        if let Ok(mut now) = self.shared.now.lock() {
            now.what = what.into();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Ok(mut now) = self.shared.now.lock() {
            now.is_over = true;
        }
        self.shared.changed.notify_all();
        // The line is gone when the thread is.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    /// Shows the line until all is over, and takes it away.
    fn show(&self, out: &mut impl Write, quiet: Duration) {
        let begun = Instant::now();
        let (mut wait, mut is_shown) = (quiet, false);
        while let Some(what) = self.what_after(wait) {
            wait = PACE;
            is_shown = true;
            // Whoever cannot read it misses nothing.
            let _ = write!(out, "{CLEAR}{what} … {} s", begun.elapsed().as_secs()).and_then(|()| out.flush());
        }
        if is_shown {
            let _ = write!(out, "{CLEAR}").and_then(|()| out.flush());
        }
    }

    /// What is being done after this time; nothing if all is over by then.
    fn what_after(&self, wait: Duration) -> Option<String> {
        let now = self.now.lock().ok()?;
        let (now, _) = self.changed.wait_timeout_while(now, wait, |now| !now.is_over).ok()?;
        (!now.is_over).then(|| now.what.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lasting: Duration, quiet: Duration) -> String {
        let shared = Arc::new(Shared::default());
        shared.now.lock().unwrap().what = "asking".to_owned();
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let mut out = Vec::new();
            theirs.show(&mut out, quiet);
            String::from_utf8(out).unwrap()
        });
        thread::sleep(lasting);
        shared.now.lock().unwrap().is_over = true;
        shared.changed.notify_all();
        thread.join().unwrap()
    }

    #[test]
    fn what_is_over_soon_is_not_told() {
        assert_eq!(shown(Duration::from_millis(10), Duration::from_secs(30)), "");
    }

    #[test]
    fn what_lasts_is_told_and_taken_away() {
        let text = shown(Duration::from_millis(300), Duration::from_millis(10));
        assert!(text.starts_with("\r\x1b[Kasking … 0 s") && text.ends_with("s\r\x1b[K"), "{text:?}");
    }
}
