//! Something to try, by name.

use std::time::Duration;

use virt_guard::engine::EngineKind;

use super::bench::Bench;

/// Something to try on a host of its own.
pub struct Case {
    /// What must hold.
    pub name: &'static str,
    /// Tries it; fails by a panic.
    pub run: fn(&mut Bench),
    /// The one engine that it is about, if not every one.
    pub engine: Option<EngineKind>,
    /// Whether it measures time and needs the machine for itself.
    pub alone: bool,
    /// Whether it runs only if it is asked for by its whole name, as it needs what
    /// not every kernel has.
    pub by_name: bool,
    /// It takes no longer, on hardware.
    pub longest: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);

/// One that may run beside another.
pub const fn case(name: &'static str, run: fn(&mut Bench)) -> Case {
    Case { name, run, engine: None, alone: false, by_name: false, longest: MINUTE }
}

/// One that needs the machine for itself.
pub const fn alone(name: &'static str, run: fn(&mut Bench)) -> Case {
    Case { name, run, engine: None, alone: true, by_name: false, longest: MINUTE }
}

impl Case {
    /// The same for one engine only.
    pub const fn only(mut self, engine: EngineKind) -> Self {
        self.engine = Some(engine);
        self
    }

    /// The same, to be asked for by its whole name.
    pub const fn by_name(mut self) -> Self {
        self.by_name = true;
        self
    }

    /// The same with so many seconds of time.
    pub const fn lasting(mut self, seconds: u64) -> Self {
        self.longest = Duration::from_secs(seconds);
        self
    }
}
