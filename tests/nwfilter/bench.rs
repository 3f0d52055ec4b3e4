//! Frames sent from a guest or to it, and a look at which of them arrive.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use virt_guard::net::Direction;

use super::bytes;
use super::generate::{Exchange, Shot};
use super::station::{GUEST_MAC, GUESTS, PEER_MAC, PEER_PORT, port};
use super::support::Wire;
use super::support::lab::{BRIDGE, Lab};

/// How many conversations are held at once.
const BATCH: usize = 60;
/// A wire on which nothing has come for so long is silent: a frame has been
/// forwarded, as a rule, before the call that sent it returns.
pub const SILENCE: Duration = Duration::from_millis(4);
/// The same where that rule may not hold, as the machine is busy.
pub const LONG_SILENCE: Duration = Duration::from_millis(60);
/// The longest that a wire may go on.
const PATIENCE: Duration = Duration::from_secs(5);

/// The ports of the bridge.
pub struct Bench {
    lab: Lab,
    guests: Vec<Wire>,
    peer: Wire,
}

/// Whether each frame of each conversation arrived, whole.
pub type Arrivals = Vec<Vec<bool>>;

/// Emulated machines are slower by about this factor.
pub fn slowness() -> u32 {
    std::env::var("LAB_SLOW").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

impl Bench {
    /// Puts the ports into the bridge, beside which there is nothing but `others`. None of the guests is connected yet.
    pub fn new(lab: Lab, others: &[&str]) -> Self {
        let names: Vec<_> = (0..GUESTS).map(port).collect();
        let guests: Vec<_> = names.iter().map(|name| (name.as_str(), Some(GUEST_MAC))).collect();
        let mut guests = lab.ports(&guests);
        let peer = lab.ports(&[(PEER_PORT, Some(PEER_MAC))]).remove(0);
        // No stack may answer, and nobody is told what is for somebody else.
        // A frame that some other port gets would be of a connection that exists.
        lab.ip(&others.iter().map(|other| format!("link set {other} down")).collect::<Vec<_>>());
        lab.ip(&[format!("address flush dev {BRIDGE}"), format!("link set {BRIDGE} type bridge mcast_snooping 0")]);
        let quiet = |name: &str| format!("link set dev {name} learning off flood off mcast_flood off bcast_flood off");
        lab.bridge(&names.iter().map(|name| quiet(name)).collect::<Vec<_>>());
        lab.bridge(&[
            format!("link set dev {PEER_PORT} learning off"),
            format!("fdb add {PEER_MAC} dev {PEER_PORT} master static"),
        ]);
        guests.truncate(GUESTS);
        Self { lab, guests, peer }
    }

    /// Connects a guest, holds the conversations, and disconnects it. What has not
    /// come after `silence` does not arrive.
    pub fn try_all(&self, guest: usize, exchanges: &[Exchange], silence: Duration) -> Arrivals {
        self.connect(guest, "on", "replace");
        let arrivals = self.hold(guest, exchanges, silence);
        self.connect(guest, "off", "del");
        arrivals
    }

    fn connect(&self, guest: usize, flood: &str, address: &str) {
        let name = port(guest);
        self.lab.bridge(&[
            format!("link set dev {name} flood {flood} mcast_flood {flood} bcast_flood {flood}"),
            format!("fdb {address} {GUEST_MAC} dev {name} master static"),
        ]);
    }

    fn hold(&self, guest: usize, exchanges: &[Exchange], silence: Duration) -> Arrivals {
        let mut volley = Volley { ends: [&self.peer, &self.guests[guest]], seen: Vec::new(), silence };
        let order = order(exchanges);
        let mut phase = None;
        for (batch, turn, number) in &order {
            if phase.replace((*batch, *turn)) != Some((*batch, *turn)) {
                volley.settle();
            }
            volley.send(&exchanges[*number][*turn]);
        }
        volley.settle();
        let mut arrivals: Arrivals = exchanges.iter().map(|exchange| vec![false; exchange.len()]).collect();
        for ((_, turn, number), seen) in order.iter().zip(&volley.seen) {
            arrivals[*number][*turn] = seen.left == 0;
        }
        arrivals
    }
}

/// Batch, turn within the conversation, and conversation, as they are sent: an
/// answer is not given before what it answers has had its time.
pub fn order(exchanges: &[Exchange]) -> Vec<(usize, usize, usize)> {
    let turns = |(number, exchange): (usize, &Exchange)| {
        (0..exchange.len()).map(move |turn| (number / BATCH, turn, number)).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = exchanges.iter().enumerate().flat_map(turns).collect();
    all.sort_unstable();
    all
}

/// What still has to arrive of a frame, a bit for each piece, and where.
struct Seen {
    left: u8,
    end: usize,
}

struct Volley<'a> {
    ends: [&'a Wire; 2],
    seen: Vec<Seen>,
    silence: Duration,
}

impl Volley<'_> {
    fn send(&mut self, shot: &Shot) {
        let end = usize::from(shot.way == Direction::In);
        let frames = bytes::frames(&shot.frame, self.seen.len() as u32);
        self.seen.push(Seen { left: 3, end });
        frames.iter().for_each(|frame| self.ends[1 - end].send(frame));
    }

    /// Reads until nothing comes any more.
    fn settle(&mut self) {
        let end = Instant::now() + PATIENCE * slowness();
        while self.wait() && Instant::now() < end {
            for number in 0..2 {
                while let Some(frame) = self.ends[number].receive() {
                    self.note(number, &frame);
                }
            }
        }
    }

    fn note(&mut self, end: usize, frame: &[u8]) {
        for (id, piece) in bytes::marks(frame) {
            if let Some(seen) = self.seen.get_mut(id as usize).filter(|seen| seen.end == end) {
                seen.left &= !(1 << piece);
            }
        }
    }

    fn wait(&self) -> bool {
        let mut fds = self.ends.map(|wire| PollFd::new(wire.as_fd(), PollFlags::POLLIN));
        let time = PollTimeout::try_from(self.silence * slowness()).unwrap_or(PollTimeout::MAX);
        poll(&mut fds, time).expect("waiting for frames") > 0
    }
}
