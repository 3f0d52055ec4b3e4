//! Changes that a crash left halfway, or that nobody has confirmed, of services and of the
//! policy: undone beside the daemon's own work, which never waits for a service to start.

use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::facts::with_source;
use crate::kernel::Deadline;
use crate::log::{Severity, log};
use crate::reconcile::Host;

/// Whoever pins a service may take this long before it is taken for stuck.
const PATIENCE: Duration = Duration::from_secs(300);

/// Whoever looks after them, while somebody does.
#[derive(Debug, Default)]
pub(super) struct Pins(Option<JoinHandle<()>>);

impl Pins {
    /// Has them looked after, unless that is being done.
    pub fn tend(&mut self, root: &Path) {
        if self.0.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        let root = root.to_owned();
        self.0 = Some(thread::spawn(move || tend(root)));
    }
}

fn tend(root: PathBuf) {
    let host = || Host::new(&root, Deadline::after(PATIENCE));
    for (what, tended) in [("pins", host().tend_pins()), ("policy", host().tend_policy())] {
        match tended {
            Ok((told, _)) => told.iter().for_each(|line| log(Severity::Warning, format_args!("{line}"))),
            Err(error) => log(Severity::Error, format_args!("{what}: {}", with_source(&error))),
        }
    }
}
