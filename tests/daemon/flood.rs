//! Frames with a foreign address, from a guest, as fast as they go; and which of
//! them arrive in the network behind the uplink.
//!
//! Each frame has a number and the time at which it was sent. Frames that pass one
//! right after the other, with no number missing, are a time in which the port
//! stood open; one that the sender does not use, because the processor was taken
//! from it, is not seen as open or closed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::stage::bench::Bench;
use crate::stage::frame::{self, End};
use crate::stage::guest::Guest;
use crate::stage::probe::LAN;
use crate::support::Wire;

const MARK: &[u8; 8] = b"SPOOFED!";
/// Where the sum of a UDP datagram stands that has no other header before it.
const SUM: usize = 14 + 20 + 6;

/// What became of the frames.
#[derive(Debug, Clone, Copy, Default)]
pub struct Leaks {
    /// How many were sent.
    pub sent: u64,
    /// How many arrived behind the uplink.
    pub passed: u64,
    /// The longest time between two frames that passed with all in between.
    pub longest: Duration,
}

/// A time in which every frame passed.
#[derive(Debug, Default)]
struct Open {
    count: u64,
    begin: u64,
    number: u64,
    longest: u64,
}

impl Open {
    fn add(&mut self, number: u64, nanoseconds: u64) {
        if number != self.number + 1 {
            self.begin = nanoseconds;
        }
        self.count += 1;
        self.number = number;
        self.longest = self.longest.max(nanoseconds - self.begin);
    }
}

/// How fast to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// As fast as frames go.
    Full,
    /// About five thousand a second, where others need the processor.
    Gentle,
}

/// Does `work` while the guest sends.
pub fn during<T>(bench: &Bench, (guest, wire): (&Guest, &Wire), rate: Rate, work: impl FnOnce() -> T) -> (T, Leaks) {
    // The bridge learns where the station is, so that frames go there only.
    let station = &bench.around.lan;
    station.send(&frame::arp(LAN, b"here"));
    thread::sleep(Duration::from_millis(20));
    let (over, open, begin) = (AtomicBool::new(false), Mutex::new(Open::default()), Instant::now());
    let frame = spoofed(guest);
    thread::scope(|scope| {
        let sender = scope.spawn(|| send(wire, frame, (rate, begin), &over));
        let receiver = scope.spawn(|| receive(station, &over, &open));
        let result = work();
        over.store(true, Ordering::Relaxed);
        let sent = sender.join().expect("the sender");
        receiver.join().expect("the receiver");
        let open = open.lock().unwrap();
        (result, Leaks { sent, passed: open.count, longest: Duration::from_nanos(open.longest) })
    })
}

fn spoofed(guest: &Guest) -> Vec<u8> {
    let from = End { mac: guest.mac(), ip: [10, 100, 0, 99], port: 6000 };
    let mut frame = frame::udp(from, LAN, &[&MARK[..], &[0; 16]].concat());
    // No sum is a right sum in IPv4, whatever number the frame gets.
    frame[SUM..SUM + 2].fill(0);
    frame
}

fn send(wire: &Wire, mut frame: Vec<u8>, (rate, begin): (Rate, Instant), over: &AtomicBool) -> u64 {
    let (mut number, place) = (0_u64, frame.len() - 16);
    while !over.load(Ordering::Relaxed) {
        frame[place..place + 8].copy_from_slice(&(number + 1).to_be_bytes());
        frame[place + 8..].copy_from_slice(&(begin.elapsed().as_nanos() as u64).to_be_bytes());
        number += u64::from(wire.try_send(&frame));
        if rate == Rate::Gentle {
            thread::sleep(Duration::from_micros(150));
        }
    }
    number
}

fn receive(station: &Wire, over: &AtomicBool, open: &Mutex<Open>) {
    let is_ours = |frame: &[u8]| frame.len() > 24 && frame[frame.len() - 24..].starts_with(MARK);
    loop {
        // Asked before the last look: what passed until then has arrived.
        let last = over.load(Ordering::Relaxed);
        while let Some(frame) = station.receive_within(Duration::from_millis(5), is_ours) {
            let at = |end: usize| u64::from_be_bytes(*frame[frame.len() - end..].first_chunk().unwrap());
            open.lock().unwrap().add(at(16), at(8));
        }
        if last {
            return;
        }
    }
}
