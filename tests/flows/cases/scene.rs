//! Two guests under a policy, the world around them, and the numbers of sessions.

use std::time::Duration;

use virt_guard::net::{Family, Protocol};

use crate::operator::Operator;
use crate::policy;
use crate::sessions::{Sessions, Way};
use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::station::Station;
use crate::world::World;

/// How long the dead are watched.
pub const SHORT: Duration = Duration::from_secs(5);
/// How long they are where something might revive them.
pub const LONGER: Duration = Duration::from_secs(10);

/// What a case has before it.
#[derive(Debug)]
pub struct Scene {
    /// The host and all beyond it.
    pub world: World,
    /// Guests 7 and 8.
    pub guests: [Guest; 2],
    /// Their stacks.
    pub stations: [Station; 2],
    /// None yet.
    pub sessions: Sessions,
    /// Who types commands.
    pub operator: Operator,
}

impl Scene {
    /// Both guests run, under the policy of these entries.
    pub fn new(bench: &Bench, entries: &[String]) -> Self {
        policy::write(bench, entries);
        let world = World::new(bench);
        let guests = [7, 8].map(Guest::new);
        let stations = guests.each_ref().map(|guest| world.plug(bench, guest));
        guests.iter().for_each(|guest| bench.go("start", guest));
        Self { world, guests, stations, sessions: Sessions::new(), operator: Operator::new(bench) }
    }

    /// The same; both are in the group `open` and nothing else is said.
    pub fn open(bench: &Bench) -> Self {
        Self::new(bench, &open(&[]))
    }

    /// From the world to guest 7 and back, and from guest 7 to guest 8, all of them
    /// by the addresses that they bear.
    pub fn bare_ways(&self, family: Family) -> [Way<'_>; 3] {
        let (outside, [first, second]) = (&self.world.outside, &self.stations);
        [(outside, first), (first, outside), (first, second)]
            .map(|(from, to)| Way::new(from, to, to.address(family), policy::OPEN))
    }
}

/// Guests 7 and 8 in the group `open`, and `more`.
pub fn open(more: &[String]) -> Vec<String> {
    let guests = [7, 8].map(Guest::new);
    let mut entries = vec![policy::open_group()];
    entries.extend(guests.iter().map(|guest| policy::guest(guest, &["open"])));
    entries.extend_from_slice(more);
    entries
}

/// So many sessions, of every kind.
pub fn mixture(family: Family, count: usize) -> [(Protocol, usize); 4] {
    let [udp, echo, sctp] = [count * 3 / 10, count / 10, count.div_ceil(100)];
    [(Protocol::TCP, count - udp - echo - sctp), (Protocol::UDP, udp), (family.icmp(), echo), (Protocol::SCTP, sctp)]
}

/// How many sessions there are of a kind where many are asked for.
pub fn many() -> usize {
    let asked = std::env::var("FLOWS_SESSIONS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(1000)
}

/// How long the dead are watched where it is long.
pub fn long() -> Duration {
    let asked = std::env::var("FLOWS_WATCH").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(30))
}
