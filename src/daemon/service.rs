//! What systemd wants to hear (sd_notify(3)): that the daemon is ready, and that
//! it is alive. Without systemd nobody listens, and nothing is said.

use std::time::Duration;

use sd_notify::NotifyState;

/// The service manager's wishes.
#[derive(Debug)]
pub struct Service {
    /// How often it wants a sign of life, at least.
    watchdog: Option<Duration>,
}

impl Service {
    pub fn start() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled() }
    }

    pub fn ready(&self) {
        say(&[NotifyState::Ready, NotifyState::Status("watching")]);
    }

    pub fn alive(&self) {
        if self.watchdog.is_some() {
            say(&[NotifyState::Watchdog]);
        }
    }

    pub fn ending(&self) {
        say(&[NotifyState::Stopping]);
    }

    /// `wait`, or less: a sign of life is due in half the time that is given.
    pub fn within(&self, wait: Duration) -> Duration {
        self.watchdog.map_or(wait, |every| wait.min(every / 2))
    }
}

/// A manager that does not listen is no reason to end.
fn say(state: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(state);
}
