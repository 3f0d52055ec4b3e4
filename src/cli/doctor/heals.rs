//! When the daemon compared last, when it put something back, and how often it has to.

use std::fs;
use std::time::{Duration, SystemTime};

use super::checkup::{Checkup, clock};
use super::daemon::daemon;
use super::finding::Finding;
use crate::cli::events::line;
use crate::state::events::{Event, Kind};

/// A daemon may be so much later than its settings say.
const SLACK: Duration = Duration::from_secs(60);
/// So long ago counts as now.
const LATELY: Duration = Duration::from_secs(3600);
/// So many heals within that time are more than an operator at work.
const MANY: usize = 10;

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    if daemon(&checkup.processes, &checkup.root).is_none() {
        return Vec::new();
    }
    let events = match checkup.host.state().events() {
        Ok(events) => events,
        Err(error) => {
            return vec![Finding::unknown(format!("the events cannot be read: {error}"), "look at /run/virt-guard")];
        }
    };
    let compared = compared(checkup);
    let mut findings: Vec<_> = late(checkup, compared).into_iter().chain(often(&events, checkup.now)).collect();
    if findings.is_empty() {
        let compared = compared.map_or_else(String::new, |when| format!("compared at {}; ", clock(when)));
        let last = events.iter().rfind(|event| event.kind == Kind::Healed).map(line);
        findings.push(Finding::ok(compared + &last.unwrap_or_else(|| "nothing had to be put back".to_owned())));
    }
    findings
}

/// When the daemon last wrote its counters, which it does after each comparison.
fn compared(checkup: &Checkup) -> Option<SystemTime> {
    let own = checkup.host.state().metrics_file();
    let policy = checkup.policy.as_ref().ok();
    let named = policy.and_then(|policy| policy.daemon.metrics.clone());
    fs::metadata(named.unwrap_or(own)).ok()?.modified().ok()
}

fn late(checkup: &Checkup, compared: Option<SystemTime>) -> Option<Finding> {
    let every = checkup.policy.as_ref().ok()?.daemon.check_every;
    let age = checkup.now.duration_since(compared?).unwrap_or_default();
    (age > every * 2 + SLACK).then(|| {
        let found = format!("the daemon has compared nothing for {} s", age.as_secs());
        Finding::warning(found, "systemctl restart virt-guard; virt-guard events says what it did last")
    })
}

/// Somebody who changes rules again and again.
fn often(events: &[Event], now: SystemTime) -> Option<Finding> {
    let lately = |event: &&Event| {
        let time = humantime::parse_rfc3339(&event.time).ok();
        time.is_some_and(|time| now.duration_since(time).unwrap_or_default() < LATELY)
    };
    let heals: Vec<_> =
        events.iter().filter(lately).filter(|event| matches!(event.kind, Kind::Healed | Kind::Storm)).collect();
    let last = heals.last().filter(|_| heals.len() > MANY || heals.iter().any(|event| event.kind == Kind::Storm))?;
    let found = format!("rules were put back {} times within an hour, last: {}", heals.len(), line(last));
    Some(Finding::warning(found, "virt-guard events names who changes them: have it leave virt_guard's tables alone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_heals_are_an_operator_and_many_or_a_storm_are_not() {
        let heal = || Event::now(Kind::Healed, "x");
        let now = SystemTime::now();
        assert_eq!(often(&[heal(), heal()], now), None);
        let many: Vec<_> = (0..11).map(|_| heal()).collect();
        assert!(often(&many, now).unwrap().found.starts_with("rules were put back 11 times"));
        assert_eq!(often(&many, now + LATELY * 2), None, "that is long ago");
        assert!(often(&[Event::now(Kind::Storm, "y")], now).is_some());
    }
}
