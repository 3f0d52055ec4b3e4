//! Many frames sent at once, and a look at where each of them has arrived.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::{Duration, Instant};

use virt_guard::model::{ConnState, Decision, Verdict};
use virt_guard::net::Family;

use super::bytes::{self, ETHERNET};
use super::expect;
use super::frame::Frame;
use super::station::End;
use super::world::{Model, World, slowness};

/// How many frames are on their way at once.
const BATCH: usize = 100;
/// How long a frame that must arrive may take.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long to look for a frame that must not arrive.
const SILENCE: Duration = Duration::from_millis(5);

/// A frame, what must become of it, and what does.
#[derive(Debug)]
pub struct Shot {
    /// Who sends it.
    pub from: End,
    /// The frame.
    pub frame: Frame,
    /// The state of its connection at that time.
    pub state: ConnState,
    /// What must become of it on the way to each who could get it.
    pub expected: BTreeMap<End, Decision>,
    seen: BTreeSet<End>,
    id: u32,
}

/// A frame of which the kernel and the model disagree.
#[derive(Debug)]
pub struct Difference {
    text: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Shot {
    /// The frame with number `id`, and what the model says of it.
    pub fn new(model: &Model, id: u32, from: End, frame: Frame, state: ConnState) -> Self {
        let packet = frame.packet(state);
        let receivers = expect::receivers(&frame, from);
        let expected = receivers.into_iter().map(|to| (to, expect::decision(model, from, to, &packet))).collect();
        Self { from, frame, state, expected, seen: BTreeSet::new(), id }
    }

    /// Whether anybody is to get it.
    pub fn passes(&self) -> bool {
        self.expected.values().any(|decision| decision.verdict == Verdict::Accept)
    }

    fn send(&self, world: &World) {
        match (self.from, self.frame.ip()) {
            (End::Host, Some(ip)) => world.host.send(ip, self.id),
            (End::Host, None) => panic!("the host sends IP only"),
            (from, _) => world.wire(from).send(&bytes::frame(&self.frame, self.id)),
        }
    }

    fn is_missed(&self) -> bool {
        self.expected.iter().any(|(end, decision)| decision.verdict == Verdict::Accept && !self.seen.contains(end))
    }

    fn differences(&self) -> impl Iterator<Item = Difference> {
        let wrong =
            |(end, decision): &(&End, &Decision)| (decision.verdict == Verdict::Accept) != self.seen.contains(end);
        let strangers = self.seen.iter().filter(|end| !self.expected.contains_key(end) && **end != self.from);
        let leaks = strangers.map(|end| self.difference(*end, "nobody sent it there"));
        self.expected.iter().filter(wrong).map(|(end, decision)| self.difference(*end, &said(decision))).chain(leaks)
    }

    fn difference(&self, to: End, said: &str) -> Difference {
        let done = if self.seen.contains(&to) { "it arrived" } else { "it did not arrive" };
        let text = format!(
            "packet #{}: {:?}, connection {:?}\n  from {} to {to}\n  expected: {said}\n  kernel:   {done}",
            self.id, self.frame, self.state, self.from
        );
        Difference { text }
    }
}

fn said(decision: &Decision) -> String {
    let layer = decision.layer.map_or_else(|| "port".to_owned(), |layer| layer.to_string());
    format!("{} by layer {layer}: {}", decision.verdict, decision.origin)
}

/// Where a receiver reads, as the same packet looks different there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Seat {
    Wire,
    Host(Family),
}

/// The frames by what arrives of them.
struct Index(HashMap<(Seat, Vec<u8>), usize>);

impl Index {
    fn of(shots: &[Shot]) -> Self {
        let mut index = HashMap::new();
        for (number, shot) in shots.iter().enumerate() {
            let frame = bytes::frame(&shot.frame, shot.id);
            if let Some(ip) = shot.frame.ip() {
                let offset = if ip.family() == Family::V4 { 0 } else { bytes::transport_offset(ip) };
                index.insert((Seat::Host(ip.family()), frame[ETHERNET + offset..].to_vec()), number);
            }
            index.insert((Seat::Wire, bytes::untagged(&frame)), number);
        }
        Self(index)
    }

    fn find(&self, seat: Seat, bytes: Vec<u8>) -> Option<usize> {
        self.0.get(&(seat, bytes)).copied()
    }
}

/// Sends all, in batches, and returns where model and kernel disagree.
pub fn fire(world: &World, shots: &mut [Shot]) -> Vec<Difference> {
    let index = Index::of(shots);
    for start in (0..shots.len()).step_by(BATCH) {
        let end = shots.len().min(start + BATCH);
        shots[start..end].iter().for_each(|shot| shot.send(world));
        let patience = Instant::now() + PATIENCE * slowness();
        loop {
            collect(world, &index, shots);
            let left = patience.saturating_duration_since(Instant::now());
            if left.is_zero() || !shots[start..end].iter().any(Shot::is_missed) {
                break;
            }
            world.wait(left);
        }
    }
    while world.wait(SILENCE * slowness()) {
        collect(world, &index, shots);
    }
    shots.iter().flat_map(Shot::differences).collect()
}

fn collect(world: &World, index: &Index, shots: &mut [Shot]) {
    for (end, wire) in world.wires() {
        while let Some(frame) = wire.receive() {
            if let Some(number) = index.find(Seat::Wire, bytes::untagged(&frame)) {
                shots[number].seen.insert(end);
            }
        }
    }
    while let Some((family, packet)) = world.host.receive() {
        if let Some(number) = index.find(Seat::Host(family), packet) {
            shots[number].seen.insert(End::Host);
        }
    }
}
