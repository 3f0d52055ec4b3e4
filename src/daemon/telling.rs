//! When it is told that a service came near guests, or went: at once, but once.
//!
//! In: what is near at each look. Out: what is news. A service that is restarted, or that
//! comes and goes all the time, is told of as seldom as people would tell of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::net::Protocol;
use crate::reconcile::{Bound, Near};

/// A service that is away for less than this was restarted.
const RESTART: Duration = Duration::from_secs(2);
/// Whoever only asks by a protocol without connections has a socket that takes packets
/// from anybody, too; but not for so long.
const QUESTION: Duration = Duration::from_millis(200);
/// After so many times in a row there is a pause; it doubles up to the longest.
const FREE: u32 = 2;
const PAUSE: Duration = Duration::from_secs(4);
const LONGEST: Duration = Duration::from_secs(600);
/// A turn so long after the last pause begins a new row.
const QUIET: Duration = Duration::from_secs(60);

/// Something that is to be told of a service.
#[derive(Debug)]
pub struct News {
    /// The service.
    pub bound: Bound,
    /// How near it is, or was when it was told of.
    pub near: Near,
    /// Which of both.
    pub turn: Turn,
}

/// Which way a service went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is near now.
    Came,
    /// It is not any more.
    Went,
}

/// What was told, of each service.
#[derive(Debug, Default)]
pub struct Telling {
    stories: BTreeMap<Bound, Story>,
}

/// What was told of a service.
#[derive(Debug)]
struct Story {
    told: Option<Near>,
    seen: Option<Near>,
    /// Since when it is as it is seen.
    since: Instant,
    /// When it may be told of again.
    free_at: Instant,
    streak: u32,
}

impl Telling {
    /// Looks at what is near now, and says what of that is to be told.
    pub fn update(&mut self, near: &BTreeMap<Bound, Near>, now: Instant) -> Vec<News> {
        for bound in near.keys().filter(|bound| !self.stories.contains_key(bound)).cloned().collect::<Vec<_>>() {
            self.stories.insert(bound, Story::new(now));
        }
        let mut news = Vec::new();
        for (bound, story) in &mut self.stories {
            story.see(near.get(bound), now);
            if story.due(bound).is_some_and(|due| due <= now) {
                news.extend(story.tell(bound, now));
            }
        }
        self.stories.retain(|_, story| !story.is_over(now));
        news
    }

    /// When there will be something to tell if nothing changes.
    pub fn due(&self) -> Option<Instant> {
        self.stories.iter().filter_map(|(bound, story)| story.due(bound)).min()
    }
}

impl Story {
    fn new(now: Instant) -> Self {
        Self { told: None, seen: None, since: now, free_at: now, streak: 0 }
    }

    fn see(&mut self, near: Option<&Near>, now: Instant) {
        if !is_same(self.seen.as_ref(), near) {
            self.since = now;
        }
        // Whose it is may have become known.
        if let (Some(told), Some(near)) = (&mut self.told, near) {
            told.owner = told.owner.take().or_else(|| near.owner.clone());
        }
        self.seen = near.cloned();
    }

    /// When it is to be told that it is as it is seen; `None` if that was told.
    fn due(&self, bound: &Bound) -> Option<Instant> {
        if is_same(self.told.as_ref(), self.seen.as_ref()) {
            return None;
        }
        let is_answered = matches!(bound.protocol, Protocol::UDP | Protocol::UDPLITE);
        let rest = match (&self.told, &self.seen) {
            (_, None) => RESTART,
            (None, Some(_)) if is_answered => QUESTION,
            _ => Duration::ZERO,
        };
        Some(self.free_at.max(self.since + rest))
    }

    fn tell(&mut self, bound: &Bound, now: Instant) -> Option<News> {
        if now > self.free_at + QUIET {
            self.streak = 0;
        }
        self.streak += 1;
        let doubled = 2_u32.saturating_pow(self.streak.saturating_sub(FREE + 1).min(16));
        self.free_at = now + if self.streak > FREE { (PAUSE * doubled).min(LONGEST) } else { Duration::ZERO };
        let before = std::mem::replace(&mut self.told, self.seen.clone());
        let turn = if self.seen.is_some() { Turn::Came } else { Turn::Went };
        Some(News { bound: bound.clone(), near: self.seen.clone().or(before)?, turn })
    }

    /// Whether there is nothing to remember any more.
    fn is_over(&self, now: Instant) -> bool {
        self.seen.is_none() && self.told.is_none() && (self.streak == 0 || now > self.free_at + QUIET)
    }
}

/// Whether people would call it the same: how near, whose, and against which pin. Another
/// process of the same program is no news, nor is the line of the policy. A socket that was
/// gone before anybody could ask whose it is may be anybody's.
fn is_same(one: Option<&Near>, other: Option<&Near>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return one.is_none() && other.is_none() };
    let is_anothers = match (&one.owner, &other.owner) {
        (Some(one), Some(other)) => (&one.command, &one.unit) != (&other.command, &other.unit),
        _ => false,
    };
    !is_anothers && (one.danger, &one.broken_pin) == (other.danger, &other.broken_pin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Owner;
    use crate::reconcile::Danger;

    /// Time goes on; services come and go.
    struct Play {
        telling: Telling,
        start: Instant,
    }

    impl Play {
        fn new() -> Self {
            Self { telling: Telling::default(), start: Instant::now() }
        }

        /// What is told of a service that is seen like this, so many milliseconds after the start.
        fn at(&mut self, millis: u64, bound: &Bound, near: Option<Near>) -> Vec<Option<Danger>> {
            let all = near.map(|near| (bound.clone(), near)).into_iter().collect();
            let news = self.telling.update(&all, self.start + Duration::from_millis(millis));
            news.iter().map(|news| (news.turn == Turn::Came).then_some(news.near.danger)).collect()
        }
    }

    fn bound(protocol: Protocol, port: u16) -> Bound {
        Bound { protocol, address: "0.0.0.0".parse().unwrap(), port, interface: None, v6only: false }
    }

    fn near(danger: Danger, command: &str) -> Option<Near> {
        let owner = Some(Owner { pid: 7, command: command.to_owned(), unit: None });
        Some(Near { danger, why: String::new(), bridges: Vec::new(), owner, broken_pin: None })
    }

    fn ssh(danger: Danger) -> Option<Near> {
        near(danger, "sshd")
    }

    #[test]
    fn what_comes_is_told_at_once_and_that_it_went_once() {
        let (mut play, tcp) = (Play::new(), bound(Protocol::TCP, 22));
        assert_eq!(play.at(0, &tcp, ssh(Danger::Filtered)), [Some(Danger::Filtered)]);
        assert!(play.at(750, &tcp, ssh(Danger::Filtered)).is_empty());
        assert_eq!(play.at(1500, &tcp, ssh(Danger::Exposed)), [Some(Danger::Exposed)]);
        assert!(play.at(2250, &tcp, None).is_empty(), "it may be a restart");
        assert_eq!(play.telling.due(), Some(play.start + Duration::from_millis(4250)));
        assert_eq!(play.at(4250, &tcp, None), [None]);
        assert!(play.at(6000, &tcp, None).is_empty());
        assert_eq!(play.telling.due(), None);
        assert!(play.at(200_000, &tcp, None).is_empty());
        assert!(play.telling.stories.is_empty(), "it is forgotten");
    }

    #[test]
    fn a_service_that_restarts_every_second_is_told_once() {
        let (mut play, tcp) = (Play::new(), bound(Protocol::TCP, 22));
        let mut told = Vec::new();
        for second in 0..600 {
            told.extend(play.at(second * 1000, &tcp, ssh(Danger::Exposed)));
            told.extend(play.at(second * 1000 + 500, &tcp, None));
        }
        assert_eq!(told, [Some(Danger::Exposed)]);
    }

    #[test]
    fn one_that_comes_and_goes_all_the_time_is_told_seldom() {
        let (mut play, tcp) = (Play::new(), bound(Protocol::TCP, 22));
        let mut told = Vec::new();
        for half in 0..3600 * 2 {
            let is_there = half / 12 % 2 == 0;
            told.extend(play.at(half * 500, &tcp, ssh(Danger::Exposed).filter(|_| is_there)));
        }
        assert!((4..20).contains(&told.len()), "{} lines in an hour", told.len());
    }

    #[test]
    fn another_program_at_the_same_port_is_news() {
        let (mut play, tcp) = (Play::new(), bound(Protocol::TCP, 22));
        play.at(0, &tcp, ssh(Danger::Filtered));
        play.at(750, &tcp, None);
        assert_eq!(play.at(1500, &tcp, near(Danger::Filtered, "nc")), [Some(Danger::Filtered)]);
    }

    #[test]
    fn a_socket_that_was_gone_before_its_owner_was_found_is_no_news() {
        let (mut play, tcp) = (Play::new(), bound(Protocol::TCP, 22));
        play.at(0, &tcp, ssh(Danger::Filtered));
        let nobodys = ssh(Danger::Filtered).map(|near| Near { owner: None, ..near });
        assert!(play.at(750, &tcp, nobodys).is_empty());
        assert!(play.at(1500, &tcp, ssh(Danger::Filtered)).is_empty());
    }

    #[test]
    fn whoever_only_asks_is_not_told_of() {
        let (mut play, udp) = (Play::new(), bound(Protocol::UDP, 40000));
        assert!(play.at(0, &udp, near(Danger::Filtered, "dig")).is_empty());
        assert!(play.at(100, &udp, None).is_empty());
        assert!(play.telling.stories.is_empty());
        assert!(play.at(1000, &udp, near(Danger::Filtered, "snmpd")).is_empty());
        assert_eq!(play.telling.due(), Some(play.start + Duration::from_millis(1200)));
        assert_eq!(play.at(1200, &udp, near(Danger::Filtered, "snmpd")), [Some(Danger::Filtered)]);
    }
}
