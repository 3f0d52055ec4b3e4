//! How a set of sessions fares from one moment to another.

use std::fmt;
use std::time::{Duration, Instant};

use super::{Batch, Sessions, pace};
use crate::stage::runner::slowness;

/// A set of sessions that is looked at from a moment on.
#[derive(Debug)]
pub struct Watch {
    batches: Vec<Batch>,
    begin: Instant,
    lost: u32,
}

/// How they fared.
#[derive(Debug)]
pub struct Fared {
    /// How many they are.
    pub sessions: usize,
    /// How many were heard of at both ends of late.
    pub alive: usize,
    /// How many records did not arrive.
    pub lost: u32,
    /// The longest that an end heard nothing.
    pub silence: Duration,
}

impl fmt::Display for Fared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, alive, lost, silence } = self;
        write!(f, "{alive} of {sessions} live, {lost} records lost, at most {} ms silent", silence.as_millis())
    }
}

/// A session that says nothing for so long is not as it was.
fn longest_silence() -> Duration {
    pace() + Duration::from_secs(1) * slowness()
}

impl Sessions {
    /// Looks at these from now on.
    pub fn watch(&self, batches: &[Batch]) -> Watch {
        let mut state = self.state();
        let mut lost = 0;
        for batch in batches {
            for count in state.sessions[batch.clone()].iter_mut().flat_map(|session| &mut session.counts) {
                count.silence = Duration::ZERO;
                lost += count.lost();
            }
        }
        Watch { batches: batches.to_vec(), begin: Instant::now(), lost }
    }

    /// How they have fared since.
    pub fn fared(&self, watch: &Watch) -> Fared {
        let since = watch.begin.max(Instant::now().checked_sub(longest_silence()).unwrap_or(watch.begin));
        let all = self.of(&watch.batches, |session| session.counts);
        let lives = |count: &super::Count| count.last.is_some_and(|last| last >= since);
        Fared {
            sessions: all.len(),
            alive: all.iter().filter(|counts| counts.iter().all(lives)).count(),
            lost: all.iter().flatten().map(super::Count::lost).sum::<u32>() - watch.lost,
            silence: all.iter().flatten().map(super::Count::silence).max().unwrap_or_default(),
        }
    }

    /// Fails unless all of them live, nothing was lost and none was ever silent.
    pub fn assert_unharmed(&self, what: &str, watch: &Watch) {
        let fared = self.fared(watch);
        println!("= {what}: {fared}");
        assert_eq!(fared.alive, fared.sessions, "{what} died: {fared}");
        assert_eq!(fared.lost, 0, "{what} lost something: {fared}");
        assert!(fared.silence <= longest_silence(), "{what} were held up: {fared}");
    }

    /// Watches these for so long while both ends go on sending; fails if anything
    /// arrives at any.
    pub fn assert_dead(&self, what: &str, batches: &[Batch], time: Duration) {
        let since = Instant::now();
        std::thread::sleep(time);
        let alive = self.alive(batches, since);
        let total: usize = batches.iter().map(ExactSizeIterator::len).sum();
        println!("= {what}: {alive} of {total} live in {:.1} s of sending from both ends", time.as_secs_f32());
        assert_eq!(alive, 0, "{what} are not dead");
    }

    /// Fails if anything arrives at one of these later than a second after `begin`,
    /// or as much longer as the machine is slower; and for `time` from then on.
    pub fn assert_cut(&self, what: &str, batches: &[Batch], begin: Instant, time: Duration) {
        let limit = Duration::from_secs(1) * slowness();
        std::thread::sleep(limit.saturating_sub(begin.elapsed()));
        self.assert_dead(what, batches, time);
        let last = self.last(batches).map_or(Duration::ZERO, |last| last.saturating_duration_since(begin));
        println!("= {what}: the last record arrived {:.1} ms after the command began", last.as_secs_f64() * 1e3);
        assert!(last <= limit, "{what} lived for {last:?}");
    }
}
