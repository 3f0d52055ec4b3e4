//! What arrived at one end of a session.

use std::time::{Duration, Instant};

/// The records of one way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
    /// How many were sent.
    pub sent: u32,
    /// How many arrived, each counted once.
    pub arrived: u32,
    /// The highest number that arrived.
    pub highest: u32,
    /// When the last one did.
    pub last: Option<Instant>,
    /// The longest time without one since the count was told to forget.
    pub silence: Duration,
}

impl Count {
    /// Number `number` has arrived.
    pub fn arrive(&mut self, number: u32) {
        let now = Instant::now();
        if let Some(last) = self.last {
            self.silence = self.silence.max(now - last);
        }
        self.last = Some(now);
        if number > self.highest {
            self.highest = number;
            self.arrived += 1;
        }
    }

    /// How many of those that were sent before the last that arrived did not.
    pub fn lost(&self) -> u32 {
        self.highest - self.arrived
    }

    /// The longest time without an arrival, the one that lasts included.
    pub fn silence(&self) -> Duration {
        self.silence.max(self.last.map_or(Duration::MAX, |last| last.elapsed()))
    }
}
