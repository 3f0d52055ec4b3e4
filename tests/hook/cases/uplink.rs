//! What goes on beside a guest's start: the host and the other guests lose not
//! one frame of what they are allowed.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use virt_guard::net::Mac;

use crate::stage::bench::{self, Bench};
use crate::stage::frame::{self, End};
use crate::stage::guest::Guest;
use crate::stage::probe::LAN;
use crate::stage::runner::slowness;
use crate::support::Wire;
use crate::support::lab::BRIDGE_MAC;

/// A service of the host that guests may not reach, and the LAN may.
const SERVICE: u16 = 7777;
const PAUSE: Duration = Duration::from_millis(1);

/// Does `work` while `wire` sends one frame after the other, each with its number
/// in the last four bytes, and says how many it sent.
fn while_sending(wire: &Wire, frame: impl Fn(&[u8]) -> Vec<u8> + Sync, work: impl FnOnce()) -> u32 {
    let over = AtomicBool::new(false);
    let send = || {
        let mut number = 0_u32;
        while !over.load(Ordering::Relaxed) {
            wire.send(&frame(&number.to_be_bytes()));
            number += 1;
            thread::sleep(PAUSE);
        }
        number
    };
    thread::scope(|scope| {
        let sender = scope.spawn(send);
        thread::sleep(PAUSE * 20);
        work();
        thread::sleep(PAUSE * 20);
        over.store(true, Ordering::Relaxed);
        sender.join().expect("the sender")
    })
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.last_chunk()?))
}

fn assert_none_lost(sent: u32, arrived: &BTreeSet<u32>) {
    let lost: Vec<_> = (0..sent).filter(|number| !arrived.contains(number)).collect();
    println!("= {} of {sent} lost", lost.len());
    assert!(sent > 20, "only {sent} were sent");
    assert!(lost.is_empty(), "lost {lost:?} of {sent}");
}

/// A host in the LAN goes on talking to this one: while the first guest starts
/// and all is built from nothing, while a second one does, and while both stop.
pub fn lan(bench: &mut Bench) {
    let guests = [7, 8].map(Guest::new);
    let _wires = guests.each_ref().map(|guest| bench.plug(guest));
    let service = UdpSocket::bind(("10.100.0.1", SERVICE)).expect("a service");
    service.set_read_timeout(Some(Duration::from_millis(100) * slowness())).expect("a patient service");
    let to = End { mac: BRIDGE_MAC, ip: [10, 100, 0, 1], port: SERVICE };
    let arrived = thread::spawn(move || {
        let mut buffer = [0; 64];
        let mut arrived = BTreeSet::new();
        // Frames come every millisecond; the end is when none does.
        while let Ok(length) = service.recv(&mut buffer) {
            arrived.extend(number(&buffer[..length]));
        }
        arrived
    });
    let sent = while_sending(
        &bench.around.lan,
        |payload| frame::udp(LAN, to, payload),
        || {
            guests.iter().for_each(|guest| bench.go("start", guest));
            // Other services for guests: everything is built anew.
            bench.file("virt-guard.toml", bench::policy(bench.engine, 300) + "[host]\nallow = [\"dns\"]\n");
            guests.iter().for_each(|guest| bench.go("reconnect", guest));
            guests.iter().for_each(|guest| bench.go("stopped", guest));
        },
    );
    assert_none_lost(sent, &arrived.join().expect("the service"));
}

/// A guest goes on talking to the LAN while others start and stop.
pub fn neighbour(bench: &mut Bench) {
    let (guest, other) = (Guest::new(8), Guest::new(7));
    let _other = bench.plug(&other);
    loses_nothing(bench, &guest, || {
        bench.go("start", &other);
        bench.go("reconnect", &other);
        bench.go("stopped", &other);
    });
}

/// A restart of libvirt's daemon finds the guest's rules in order.
pub fn own(bench: &mut Bench) {
    let guest = Guest::new(8);
    loses_nothing(bench, &guest, || {
        bench.go("started", &guest);
        bench.go("reconnect", &guest);
    });
}

fn loses_nothing(bench: &Bench, guest: &Guest, work: impl FnOnce()) {
    let wire = bench.plug(guest);
    bench.go("start", guest);
    bench.assert_guarded(guest, &wire);
    let from = End { mac: guest.mac(), ip: guest.address(), port: 5000 };
    let to = End { mac: Mac::new([2, 0, 0, 0, 0, 1]), ..LAN };
    let mark = |payload: &[u8]| [&b"neighbour"[..], payload].concat();
    let sent = while_sending(&wire, |payload| frame::udp(from, to, &mark(payload)), work);
    thread::sleep(Duration::from_millis(20) * slowness());
    let frames = std::iter::from_fn(|| bench.around.lan.receive());
    let ours = frames.filter(|frame| frame.windows(9).any(|part| part == b"neighbour"));
    assert_none_lost(sent, &ours.filter_map(|frame| number(&frame)).collect());
}
