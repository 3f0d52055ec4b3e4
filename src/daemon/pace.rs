//! How soon rules are put back, when somebody changes them again and again.
//!
//! Each time is followed by a pause that doubles, so that building rules costs a
//! bounded share of a processor. The ports are closed meanwhile, which is cheap
//! and is never put off.

use std::time::{Duration, Instant};

/// A change this long after the last pause is a new story; or so many times as
/// long as it takes to put rules back, if that is longer.
const QUIET: Duration = Duration::from_secs(1);
const QUIET_COSTS: u32 = 4;
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(2);
/// So many times in a row are a storm.
const STORM: u32 = 4;

/// The pace.
#[derive(Debug)]
pub struct Pace {
    free_at: Instant,
    streak: u32,
}

impl Pace {
    pub fn new(now: Instant) -> Self {
        Self { free_at: now, streak: 0 }
    }

    /// Rules were put back, which was done at `now` and took `cost`. Says whether
    /// a storm has begun with it.
    pub fn mended(&mut self, now: Instant, cost: Duration) -> bool {
        if now.saturating_duration_since(self.free_at) > QUIET.max(cost * QUIET_COSTS) + cost {
            self.streak = 0;
        }
        self.streak += 1;
        // Once is no storm: whoever flushes twice finds nothing open for longer.
        let pause = cost * 2_u32.saturating_pow(self.streak.saturating_sub(2).min(16));
        self.free_at = now + if self.streak == 1 { Duration::ZERO } else { pause.min(LONGEST) };
        self.streak == STORM
    }

    /// All was compared, which took `cost`, and nothing differed.
    pub fn compared(&mut self, now: Instant, cost: Duration) {
        self.free_at = self.free_at.max(now + cost.min(LONGEST));
    }

    /// When rules may be built again.
    pub fn free_at(&self) -> Instant {
        self.free_at
    }

    /// Whether somebody changes rules faster than they are put back.
    pub fn is_storm(&self) -> bool {
        self.streak >= STORM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Duration = Duration::from_millis(400);

    #[test]
    fn a_loop_that_flushes_costs_a_bounded_share() {
        let start = Instant::now();
        let (mut pace, mut now, mut spent) = (Pace::new(start), start, Duration::ZERO);
        while now < start + Duration::from_secs(60) {
            now = now.max(pace.free_at()) + COST;
            spent += COST;
            pace.mended(now, COST);
        }
        assert!(spent < Duration::from_secs(12), "{spent:?}");
        assert!(pace.is_storm());
    }

    #[test]
    fn a_flush_after_a_quiet_time_waits_for_nothing() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for _ in 0..10 {
            pace.mended(start, COST);
        }
        let later = start + Duration::from_secs(30);
        pace.mended(later, COST);
        assert!(!pace.is_storm() && pace.free_at() == later);
    }

    #[test]
    fn a_flush_every_few_seconds_is_no_storm() {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        for _ in 0..10 {
            now += Duration::from_secs(3);
            assert!(!pace.mended(now, COST) && pace.free_at() == now);
        }
    }
}
