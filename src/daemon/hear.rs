//! What is told becomes what is wanted: news that is ours or old is none.

use std::time::Instant;

use super::wanted::{FilterNews, Told};
use super::work::{LONGEST_RETRY, Worker};
use crate::kernel::{RuleChange, bridge_netfilter_stands, generation};
use crate::state::events::Kind;

impl Worker {
    /// Notes what was told.
    pub fn hear(&mut self, told: Told, now: Instant) {
        match told {
            Told::End => {}
            Told::Reload => {
                self.journal.add(Kind::Noted, "looking at everything anew, as SIGHUP asks for");
                self.wanted.look_now(now);
            }
            Told::Rules(changes) => self.hear_rules(&changes, now),
            Told::RulesPerhaps if self.is_known_generation() => {}
            Told::RulesPerhaps | Told::OldTables => {
                self.wanted.attacked(now, None);
                self.wanted.changed_beside(now, None);
            }
            // Our own write is told of, too.
            Told::BridgeNetfilter if bridge_netfilter_stands() => {}
            Told::BridgeNetfilter => self.wanted.attacked(now, None),
            Told::Links => self.wanted.links = true,
            Told::Files => self.wanted.look_soon(now),
            Told::StatusFile(name) => drop(self.wanted.files.insert(name)),
            Told::Running(domains) => {
                self.wanted.running = Some(domains);
                self.wanted.look_now(now);
                self.wanted.changed_beside(now, None);
            }
            Told::Filters(news) => self.hear_filters(news, now),
            Told::Guest(uuid, domain, event) => drop(self.wanted.guests.insert(uuid, (domain, event))),
            Told::Note(message) => self.journal.add(Kind::Noted, message),
        }
    }

    /// Changes that we made, or that are older than the last comparison, are none.
    fn hear_rules(&mut self, changes: &[RuleChange], now: Instant) {
        let host = self.host();
        let (tables, own) = (host.watched_tables(), host.state().authors());
        let ours = |change: &&RuleChange| own.contains(&change.author.pid) || self.own == Some(change.generation);
        let others: Vec<_> = changes.iter().filter(|change| !ours(change)).collect();
        for change in others {
            if change.elsewhere || change.tables.iter().any(|table| !table.is_private()) {
                self.wanted.changed_beside(now, Some(&change.author));
            }
            if !tables.is_disjoint(&change.tables) && !self.has_seen(change.generation) {
                self.wanted.attacked(now, Some(&change.author));
            }
        }
    }

    fn hear_filters(&mut self, news: FilterNews, now: Instant) {
        if !news.rebuilt.is_empty() {
            let message = format!("libvirt has put its own rules into the kernel again: {}", news.rebuilt.join(", "));
            self.journal.add(Kind::Healed, message);
        }
        if !news.problems.is_empty() {
            // Its own tries are changes of rules, too.
            self.filters_rest = now + LONGEST_RETRY;
        }
        news.problems.into_iter().for_each(|problem| self.journal.failed(problem));
    }

    /// The kernel counts changes and begins anew at zero.
    fn has_seen(&self, generation: u32) -> bool {
        self.seen.is_some_and(|seen| generation.wrapping_sub(seen).cast_signed() <= 0)
    }

    fn is_known_generation(&self) -> bool {
        generation().is_ok_and(|now| self.seen == Some(now))
    }
}
