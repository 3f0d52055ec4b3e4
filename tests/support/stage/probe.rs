//! What passes at a guest's port: real frames, some that the bench's policy
//! allows and some that it forbids, sent and looked for where they would arrive.

use std::collections::BTreeSet;
use std::fmt;
use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use virt_guard::net::Mac;

use crate::stage::frame::{self, End};
use crate::stage::guest::Guest;
use crate::stage::runner::slowness;
use crate::support::Wire;
use crate::support::lab::BRIDGE_MAC;

/// A station in the network behind the uplink.
pub const LAN: End = End { mac: Mac::new([2, 0, 0, 0, 0, 0xc8]), ip: [10, 100, 0, 200], port: 4000 };
/// The host, at a service that guests may reach.
const DNS: End = End { mac: BRIDGE_MAC, ip: [10, 100, 0, 1], port: 53 };
/// The host, at a service that they may not.
const SECRET: u16 = 9999;
/// How long a frame takes at most, on hardware with nothing else to do.
pub const SETTLE: Duration = Duration::from_millis(40);

/// Where a frame comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Guest,
    Lan,
    Dns,
    Secret,
}

/// A frame and what ought to become of it.
struct Trial {
    name: &'static str,
    from: Place,
    to: Place,
    allowed: bool,
    frame: Vec<u8>,
    mark: [u8; 8],
}

/// What a port lets through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Frames that ought to pass, and did.
    pub passed: BTreeSet<&'static str>,
    /// Frames that ought to pass, and did not.
    pub lost: BTreeSet<&'static str>,
    /// Frames that ought not to pass, and did.
    pub leaked: BTreeSet<&'static str>,
}

impl Seen {
    /// Whether all passes that may, and nothing else.
    pub fn guarded(&self) -> bool {
        self.leaked.is_empty() && self.lost.is_empty()
    }

    /// Whether nothing passes at all.
    pub fn closed(&self) -> bool {
        self.leaked.is_empty() && self.passed.is_empty()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, lost, leaked) = (&self.passed, &self.lost, &self.leaked);
        write!(f, "passed {passed:?}, lost {lost:?}, LEAKED {leaked:?}")
    }
}

/// The network around the guests: a station behind the uplink, two services.
#[derive(Debug)]
pub struct Surroundings {
    /// The far end of the uplink.
    pub lan: Wire,
    dns: UdpSocket,
    secret: UdpSocket,
    rounds: std::cell::Cell<u16>,
}

impl Surroundings {
    /// The services on the host, of which this is the namespace.
    pub fn new(lan: Wire) -> Self {
        let service = |port: u16| {
            let socket = UdpSocket::bind(("10.100.0.1", port)).expect("a service of the host");
            socket.set_nonblocking(true).expect("a service that does not wait");
            socket
        };
        Self { lan, dns: service(DNS.port), secret: service(SECRET), rounds: std::cell::Cell::new(0) }
    }

    /// Sends all frames and tells which arrived within `time` on hardware, or less
    /// once all that ought to have. `wire` is the guest's end.
    pub fn look(&self, guest: &Guest, wire: &Wire, time: Duration) -> Seen {
        self.rounds.set(self.rounds.get() + 1);
        let trials = trials(guest, self.rounds.get());
        for trial in &trials {
            let sender = if trial.from == Place::Guest { wire } else { &self.lan };
            sender.send(&trial.frame);
        }
        let arrived = self.arrivals(&trials, wire, time);
        let mut seen = Seen::default();
        for trial in &trials {
            let list = match (trial.allowed, arrived.contains(&trial.mark)) {
                (true, true) => &mut seen.passed,
                (true, false) => &mut seen.lost,
                (false, true) => &mut seen.leaked,
                (false, false) => continue,
            };
            list.insert(trial.name);
        }
        seen
    }

    /// The marks of the frames that arrived where they were sent to. When all
    /// that may pass have, the others get a little more time.
    fn arrivals(&self, trials: &[Trial], wire: &Wire, time: Duration) -> BTreeSet<[u8; 8]> {
        let mut end = Instant::now() + time * slowness();
        let mut complete = false;
        let mut arrived = BTreeSet::new();
        loop {
            for (place, frame) in self.frames(wire) {
                let here = trials.iter().filter(|trial| trial.to == place);
                arrived.extend(here.map(|trial| trial.mark).filter(|mark| frame.windows(8).any(|part| part == mark)));
            }
            let all = trials.iter().filter(|trial| trial.allowed).all(|trial| arrived.contains(&trial.mark));
            if all && !complete {
                complete = true;
                end = end.min(Instant::now() + SETTLE * slowness() / 4);
            }
            if Instant::now() >= end {
                return arrived;
            }
            thread::sleep(SETTLE / 10);
        }
    }

    fn frames(&self, wire: &Wire) -> Vec<(Place, Vec<u8>)> {
        let mut frames = Vec::new();
        frames.extend(std::iter::from_fn(|| wire.receive()).map(|frame| (Place::Guest, frame)));
        frames.extend(std::iter::from_fn(|| self.lan.receive()).map(|frame| (Place::Lan, frame)));
        for (place, socket) in [(Place::Dns, &self.dns), (Place::Secret, &self.secret)] {
            frames.extend(std::iter::from_fn(|| datagram(socket)).map(|payload| (place, payload)));
        }
        frames
    }
}

fn datagram(socket: &UdpSocket) -> Option<Vec<u8>> {
    let mut payload = vec![0; 2048];
    let length = socket.recv(&mut payload).ok()?;
    payload.truncate(length);
    Some(payload)
}

/// The frames of one round, none of a connection that was there before.
fn trials(guest: &Guest, round: u16) -> Vec<Trial> {
    let own = End { mac: guest.mac(), ip: guest.address(), port: 10_000 + round };
    let lan = End { port: 10_000 + round, ..LAN };
    let other_mac = End { mac: Mac::new([0x52, 0x54, 0, 0xff, 0xff, 0xff]), ..own };
    let other_ip = End { ip: [10, 100, 0, 99], ..own };
    let at = |port| End { port, ..own };
    let secret = End { port: SECRET, ..DNS };
    use Place::{Dns, Guest, Lan, Secret};
    type Make<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;
    let list: [(&str, Place, Place, bool, Make<'_>); 10] = [
        ("udp from the guest", Guest, Lan, true, &|mark| frame::udp(own, lan, mark)),
        ("dns from the guest", Guest, Dns, true, &|mark| frame::udp(own, DNS, mark)),
        ("tcp/80 to the guest", Lan, Guest, true, &|mark| frame::syn(lan, at(80), mark)),
        ("a foreign MAC address", Guest, Lan, false, &|mark| frame::udp(other_mac, lan, mark)),
        ("a foreign IPv4 address", Guest, Lan, false, &|mark| frame::udp(other_ip, lan, mark)),
        ("a foreign IPv6 address", Guest, Lan, false, &|mark| frame::udp6(other_ip, lan, mark)),
        ("a foreign ARP address", Guest, Lan, false, &|mark| frame::arp(other_ip, mark)),
        ("a VLAN tag", Guest, Lan, false, &|mark| frame::tagged_udp(own, lan, mark)),
        ("a service of the host", Guest, Secret, false, &|mark| frame::udp(own, secret, mark)),
        ("tcp/22 to the guest", Lan, Guest, false, &|mark| frame::syn(lan, at(22), mark)),
    ];
    let [high, low] = round.to_be_bytes();
    let [upper, lower] = guest.number.to_be_bytes();
    let trial = |(index, (name, from, to, allowed, make)): (u8, (&'static str, Place, Place, bool, Make<'_>))| {
        let mark = [b'V', b'G', upper, lower, high, low, index, b'!'];
        Trial { name, from, to, allowed, frame: make(&mark), mark }
    };
    (0..).zip(list).map(trial).collect()
}
