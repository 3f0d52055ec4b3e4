//! What has been told and is yet to be done.
//!
//! Many tell of the same change: a guest that starts is told of by libvirt, by its
//! status file, by its tap and by the rules that the hook applied. So what is told
//! is gathered first, and done once.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::time::{Duration, Instant};

use crate::facts::Domain;
use crate::facts::domain::Uuid;
use crate::kernel::{Author, RuleChange};

/// How long files are given to be written to their end.
const SETTLE: Duration = Duration::from_millis(100);

/// How long an agent that restarts, or libvirt, is given between two changes.
const GRACE: Duration = Duration::from_secs(2);
const LONGEST_GRACE: Duration = Duration::from_secs(15);

/// Something that a source told.
#[derive(Debug)]
#[cfg_attr(not(feature = "libvirt"), allow(dead_code, reason = "some is told by libvirt alone"))]
pub enum Told {
    /// The process is to end.
    End,
    /// The operator wants everything looked at anew.
    Reload,
    /// Rules were changed.
    Rules(Vec<RuleChange>),
    /// Rules may have been changed by somebody, and nobody knows who.
    RulesPerhaps,
    /// Somebody used the old iptables, which tells of nothing else.
    OldTables,
    /// Interfaces or their addresses were changed.
    Links,
    /// Files of the operator's, or leases, were changed.
    Files,
    /// Somebody may have switched off that bridged packets go through iptables.
    BridgeNetfilter,
    /// libvirt's status file of this name was changed.
    StatusFile(OsString),
    /// The guests that run.
    Running(Vec<Domain>),
    /// Something happened to a guest: it runs with this XML, or not any more.
    Guest(Uuid, Option<Box<Domain>>, String),
    /// What a source has to say for people.
    Note(String),
    /// What became of libvirt's own rules.
    Filters(FilterNews),
}

/// What became of libvirt's own rules, once they were looked at.
#[derive(Debug, Default)]
pub struct FilterNews {
    /// Ports whose rules libvirt has put into the kernel again.
    pub rebuilt: Vec<String>,
    /// What still is wrong.
    pub problems: Vec<String>,
}

/// What is yet to be done.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Rules may be gone: since when, and who was seen to change them.
    pub attack: Option<Attack>,
    /// Everything is to be compared, not before this.
    pub look: Option<Instant>,
    /// Guests that run, if libvirt said so.
    pub running: Option<Vec<Domain>>,
    /// Guests to look at.
    pub guests: BTreeMap<Uuid, (Option<Box<Domain>>, String)>,
    /// Status files to read.
    pub files: BTreeSet<OsString>,
    /// Interfaces or their addresses may be others than before.
    pub links: bool,
    /// What others keep in the kernel may be gone.
    pub beside: Option<Beside>,
}

/// A change of tables that others use: whoever made it may be rebuilding.
#[derive(Debug, Clone)]
pub struct Beside {
    /// When it began.
    since: Instant,
    /// When it is looked at.
    pub due: Instant,
    /// Who did it last.
    pub author: Option<Author>,
}

/// Rules that others have changed.
#[derive(Debug, Clone)]
pub struct Attack {
    /// When it was first told of.
    pub since: Instant,
    /// Who did it, as far as the kernel tells; the last one last.
    pub authors: Vec<Author>,
}

impl Wanted {
    /// Rules were changed by `author`, if it is known.
    pub fn attacked(&mut self, now: Instant, author: Option<&Author>) {
        let attack = self.attack.get_or_insert_with(|| Attack { since: now, authors: Vec::new() });
        if let Some(author) = author.filter(|author| !attack.authors.contains(author)) {
            // A loop has a new process each time; the first and the last few tell enough.
            if attack.authors.len() > 7 {
                attack.authors.remove(1);
            }
            attack.authors.push(author.clone());
        }
    }

    /// Tables that others use were changed, by `author` if it is known. They are
    /// looked at once nobody changes them any more, or after a while all the same.
    pub fn changed_beside(&mut self, now: Instant, author: Option<&Author>) {
        let since = self.beside.as_ref().map_or(now, |beside| beside.since);
        let due = (now + GRACE).min(since + LONGEST_GRACE).max(now);
        self.beside = Some(Beside { since, due, author: author.cloned() });
    }

    /// Everything is to be compared once files have settled.
    pub fn look_soon(&mut self, now: Instant) {
        self.look = Some(now + SETTLE);
    }

    /// Everything is to be compared now.
    pub fn look_now(&mut self, now: Instant) {
        self.look = Some(self.look.map_or(now, |due| due.min(now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_loop_that_flushes_the_first_and_the_last_authors_are_remembered() {
        let (mut wanted, now) = (Wanted::default(), Instant::now());
        for pid in 0..100 {
            wanted.attacked(now + Duration::from_secs(1), Some(&Author { pid, program: "nft".into() }));
        }
        let attack = wanted.attack.unwrap();
        let pids: Vec<_> = attack.authors.iter().map(|author| author.pid).collect();
        assert_eq!((pids.len(), pids[0], pids[7]), (8, 0, 99));
        assert_eq!(attack.since, now + Duration::from_secs(1));
    }

    #[test]
    fn an_agent_that_rebuilds_is_given_time_but_not_for_ever() {
        let (mut wanted, start) = (Wanted::default(), Instant::now());
        let due = |wanted: &Wanted| wanted.beside.as_ref().unwrap().due.duration_since(start).as_secs();
        wanted.changed_beside(start, None);
        assert_eq!(due(&wanted), 2);
        for second in 1..=60 {
            wanted.changed_beside(start + Duration::from_secs(second.min(14)), None);
        }
        assert_eq!(due(&wanted), 15);
    }

    #[test]
    fn files_are_given_time_to_settle_and_a_reload_is_not() {
        let (mut wanted, now) = (Wanted::default(), Instant::now());
        wanted.look_soon(now);
        assert_eq!(wanted.look, Some(now + SETTLE));
        wanted.look_now(now);
        assert_eq!(wanted.look, Some(now));
    }
}
