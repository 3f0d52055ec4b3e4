//! Services of the host that come near guests: when they are looked at, and what is told
//! of them in the events.
//!
//! In: what the watch of [`ServiceWatch`] finds. Out: events, few of them whatever the
//! services do; when they are told is decided in `telling`. Nothing is done about a
//! service here: the wall is there already.

use std::time::{Duration, Instant};

use super::telling::{News, Telling, Turn};
use super::work::Worker;
use crate::facts::with_source;
use crate::kernel::Owner;
use crate::net::IfName;
use crate::reconcile::{Bound, Danger, Error, Exposures, Host, ServiceWatch};
use crate::state::events::{Event, Kind, ServiceFact};

/// Services are listed in this part of the time within which they are to be told of.
const PART: (u32, u32) = (3, 4);
/// A look that takes long is followed by so many times as long without one.
const REST: u32 = 10;
/// So many of a kind are told one by one; of more only the first few are named.
const ALONE: usize = 8;
const NAMED: usize = 3;
/// So many lines of a kind may come in a row, and one more each time that this has passed.
const BURST: u32 = 40;
const REFILL: Duration = Duration::from_secs(30);

/// The services.
#[derive(Debug)]
pub struct Services {
    watch: ServiceWatch,
    telling: Telling,
    /// Why the walls do not stand, if so.
    breach: Option<String>,
    next: Instant,
    lines: [Budget; 2],
}

impl Services {
    pub fn new(now: Instant) -> Self {
        Self {
            watch: ServiceWatch::default(),
            telling: Telling::default(),
            breach: None,
            next: now,
            lines: [Budget::full(now), Budget::full(now)],
        }
    }

    /// What they are judged by may have changed.
    pub fn outdate(&mut self) {
        self.watch.outdate();
    }

    /// Whether the walls stand; if not, why.
    pub fn walls(&mut self, breach: Option<String>) {
        if breach != self.breach {
            self.breach = breach;
            self.watch.outdate();
        }
    }

    /// How many there are of each kind.
    pub fn counts(&self) -> Exposures {
        self.watch.counts()
    }

    /// When they are to be listed, if ever.
    pub fn due(&self, within: Option<Duration>) -> Option<Instant> {
        within.map(|_| self.next)
    }

    /// Lists them, and says what is to be told.
    ///
    /// # Errors
    /// As of [`ServiceWatch::look`].
    pub fn look(&mut self, host: &mut Host, now: Instant) -> Result<Vec<Event>, Error> {
        let has_changed = self.watch.look(host, self.breach.as_deref())?;
        if !has_changed && self.telling.due().is_none_or(|due| due > now) {
            return Ok(Vec::new());
        }
        let news = self.telling.update(self.watch.near(), now);
        Ok(self.events(&news, now))
    }

    /// They were looked at from `begun` until `done`.
    pub fn looked(&mut self, begun: Instant, done: Instant, within: Option<Duration>) {
        let interval = within.unwrap_or_default() * PART.0 / PART.1;
        let regular = (begun + interval).max(done + done.duration_since(begun) * REST);
        self.next = self.telling.due().map_or(regular, |due| regular.min(due.max(done)));
    }

    fn events(&mut self, news: &[News], now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        for kind in [Kind::PinBroken, Kind::Exposed, Kind::Filtered, Kind::Gone] {
            for danger in [Danger::Exposed, Danger::Filtered] {
                let about = |news: &&News| kind_of(news) == kind && news.near.danger == danger;
                let of_kind: Vec<_> = news.iter().filter(about).collect();
                let told = if of_kind.len() > ALONE { vec![many(kind, &of_kind)] } else { each(kind, &of_kind) };
                let budget = &mut self.lines[usize::from(danger == Danger::Exposed)];
                events.extend(told.into_iter().filter_map(|event| budget.spend(event, now)));
            }
        }
        events
    }
}

impl Worker {
    /// Lists the services that listen, if that is due. Rules go before.
    pub(super) fn look_at_services(&mut self, now: Instant) {
        let within = self.settings.services_within;
        if within.is_none() {
            self.journal.no_services();
        }
        if self.services.due(within).is_none_or(|due| due > now) {
            return;
        }
        let mut host = self.host();
        match self.services.look(&mut host, now) {
            Ok(events) => self.journal.services(events, self.services.counts()),
            // Of the policy it is told where it is applied.
            Err(error) if error.is_configuration() => {}
            Err(error) => self.journal.failed(with_source(&error)),
        }
        self.services.looked(now, Instant::now(), within);
    }
}

/// How many lines may still be told.
#[derive(Debug)]
struct Budget {
    left: u32,
    refilled: Instant,
}

impl Budget {
    fn full(now: Instant) -> Self {
        Self { left: BURST, refilled: now }
    }

    /// The event if there is a line left for it; in place of the last one, that more are
    /// left out.
    fn spend(&mut self, event: Event, now: Instant) -> Option<Event> {
        let fresh = now.duration_since(self.refilled).as_secs() / REFILL.as_secs();
        let fresh = u32::try_from(fresh).unwrap_or(u32::MAX);
        if fresh > 0 {
            self.left = self.left.saturating_add(fresh).min(BURST);
            self.refilled = now;
        }
        self.left = self.left.checked_sub(1)?;
        if self.left > 0 {
            return Some(event);
        }
        let message = "services come and go faster than can be told; virt-guard services audit lists all";
        Some(Event { message: message.to_owned(), ..event })
    }
}

fn kind_of(news: &News) -> Kind {
    match (news.turn, news.near.danger) {
        (Turn::Went, _) => Kind::Gone,
        _ if news.near.broken_pin.is_some() => Kind::PinBroken,
        (Turn::Came, Danger::Exposed) => Kind::Exposed,
        (Turn::Came, Danger::Filtered) => Kind::Filtered,
    }
}

fn each(kind: Kind, news: &[&News]) -> Vec<Event> {
    let event = |news: &&News| Event { services: vec![fact(news)], ..Event::now(kind, line(news)) };
    news.iter().map(event).collect()
}

fn many(kind: Kind, news: &[&News]) -> Event {
    let named: Vec<_> = news.iter().take(NAMED).map(|news| name(news)).collect();
    let what = match kind {
        Kind::Exposed => "guests reach",
        Kind::PinBroken => "pins are broken of",
        Kind::Gone => "gone, or not near guests any more:",
        _ => "only this host's rules keep guests from",
    };
    let message =
        format!("{what} {} services: {}; and {} more", news.len(), named.join(", "), news.len() - named.len());
    Event { services: news.iter().map(|news| fact(news)).collect(), ..Event::now(kind, message) }
}

/// One service in words.
fn line(news: &News) -> String {
    let pin = news.near.broken_pin.as_ref().filter(|_| news.turn == Turn::Came);
    let pin = pin.map(|pin| format!("the pin of {pin} is broken: ")).unwrap_or_default();
    format!("{pin}{}", plight(news))
}

fn plight(news: &News) -> String {
    let (name, near) = (name(news), &news.near);
    let bridges = near.bridges.iter().map(IfName::as_str).collect::<Vec<_>>().join(", ");
    match (news.turn, near.danger) {
        (Turn::Went, _) => format!("{name} is gone, or guests do not get near it any more"),
        (_, Danger::Exposed) => format!("guests of {bridges} reach {name}: {}", near.why),
        (_, Danger::Filtered) => format!("only this host's rules keep guests of {bridges} from {name}: {}", near.why),
    }
}

/// Programs choose their names.
fn name(news: &News) -> String {
    let Some(Owner { pid, command, unit }) = &news.near.owner else { return news.bound.to_string() };
    let unit = unit.as_ref().map(|unit| format!(", {}", unit.escape_debug())).unwrap_or_default();
    format!("{} ({}, pid {pid}{unit})", news.bound, command.escape_debug())
}

fn fact(news: &News) -> ServiceFact {
    let (Bound { protocol, address, port, interface, .. }, near) = (news.bound.clone(), news.near.clone());
    ServiceFact { protocol, address, port, interface, owner: near.owner, bridges: near.bridges }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Protocol;
    use crate::reconcile::Near;

    fn news(port: u16, danger: Danger) -> News {
        let bound =
            Bound { protocol: Protocol::TCP, address: "::".parse().unwrap(), port, interface: None, v6only: false };
        let owner = Some(Owner { pid: 7, command: "a\nb".to_owned(), unit: Some("x.service".to_owned()) });
        let near = Near {
            danger,
            why: "no wall".to_owned(),
            bridges: vec!["br100".parse().unwrap()],
            owner,
            broken_pin: None,
        };
        News { bound, near, turn: Turn::Came }
    }

    fn told(services: &mut Services, news: &[News], now: Instant) -> Vec<(Kind, String)> {
        services.events(news, now).into_iter().map(|event| (event.kind, event.message)).collect()
    }

    #[test]
    fn a_few_services_are_told_one_by_one() {
        let now = Instant::now();
        let gone = News { turn: Turn::Went, ..news(3, Danger::Exposed) };
        let all = [news(1, Danger::Filtered), news(2, Danger::Exposed), gone];
        let expected = [
            (Kind::Exposed, "guests of br100 reach tcp [::]:2 (a\\nb, pid 7, x.service): no wall"),
            (
                Kind::Filtered,
                "only this host's rules keep guests of br100 from tcp [::]:1 (a\\nb, pid 7, x.service): no wall",
            ),
            (Kind::Gone, "tcp [::]:3 (a\\nb, pid 7, x.service) is gone, or guests do not get near it any more"),
        ];
        assert_eq!(
            told(&mut Services::new(now), &all, now),
            expected.map(|(kind, message)| (kind, message.to_owned()))
        );
    }

    #[test]
    fn a_broken_pin_is_what_is_told_of_its_service() {
        let now = Instant::now();
        let mut broken = news(22, Danger::Filtered);
        broken.near.broken_pin = Some("ssh".to_owned());
        let (kind, message) = told(&mut Services::new(now), &[broken], now).remove(0);
        assert!(kind == Kind::PinBroken && message.starts_with("the pin of ssh is broken: only this host's rules"));
    }

    #[test]
    fn many_at_once_are_one_line_with_all_of_them_as_facts() {
        let now = Instant::now();
        let all: Vec<_> = (1..=30).map(|port| news(port, Danger::Exposed)).collect();
        let events = Services::new(now).events(&all, now);
        assert_eq!((events.len(), events[0].services.len()), (1, 30));
        let message = &events[0].message;
        assert!(message.starts_with("guests reach 30 services: tcp [::]:1 (") && message.ends_with("and 27 more"));
    }

    #[test]
    fn a_storm_of_services_fills_no_log_and_hides_no_exposure() {
        let (start, mut lines) = (Instant::now(), Vec::new());
        let mut services = Services::new(start);
        for port in 1..=3600 {
            let now = start + Duration::from_secs(port.into());
            lines.extend(told(&mut services, &[news(port, Danger::Filtered)], now));
        }
        assert!((100..200).contains(&lines.len()), "{} lines in an hour", lines.len());
        assert!(lines.iter().any(|(_, message)| message.starts_with("services come and go faster")), "{lines:?}");
        let now = start + Duration::from_secs(3601);
        assert_eq!(told(&mut services, &[news(1, Danger::Exposed)], now)[0].0, Kind::Exposed);
    }

    #[test]
    fn a_look_that_takes_long_is_a_rare_one() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut services = Services::new(start);
        services.looked(start, start + Duration::from_millis(1), Some(second));
        assert_eq!(services.due(Some(second)), Some(start + Duration::from_millis(750)));
        assert_eq!(services.due(None), None);
        services.looked(start, start + second, Some(second));
        assert_eq!(services.due(Some(second)), Some(start + 11 * second));
    }
}
