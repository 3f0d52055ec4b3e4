//! How long it takes to cut the connections of one address off, beside many that
//! are others': look for them, delete them, look again. Held against the time of
//! one walk through the whole table.

use std::time::{Duration, Instant};

use virt_guard::kernel::{Conntrack, End};
use virt_guard::net::{Family, Flow, Protocol};

use crate::Case;
use crate::flows::{everything, foreign, ip, ports, translated};
use crate::support::entries::add;

/// Connections of others.
const FOREIGN: u32 = 100_000;
/// Connections of the address, half of them to it and half from it.
const OURS: u16 = 1000;
/// All of them.
pub const ENTRIES: usize = FOREIGN as usize + OURS as usize;
/// A time is the shortest of this many.
const TRIES: usize = 5;
/// How many walks through the whole table it may take.
const ALLOWED: f64 = 1.5;
/// The same for IPv6 where the others speak nothing else: it takes two walks, for
/// there the kernel does not choose.
const ALLOWED_AMONG_V6: f64 = 2.5;

const BOTH: &[Family] = &[Family::V4, Family::V6];

pub const ALL: [Case; 4] = [
    ("measure-ipv4-among-ipv4", || measure("IPv4 among IPv4", Family::V4, &[Family::V4], ALLOWED)),
    ("measure-ipv4-among-both", || measure("IPv4 among both", Family::V4, BOTH, ALLOWED)),
    ("measure-ipv6-among-both", || measure("IPv6 among both", Family::V6, BOTH, ALLOWED)),
    ("measure-ipv6-among-ipv6", || measure("IPv6 among IPv6", Family::V6, &[Family::V6], ALLOWED_AMONG_V6)),
];

fn measure(name: &str, family: Family, others: &[Family], allowed: f64) {
    let mut conntrack = Conntrack::open().expect("a connection to conntrack");
    let began = Instant::now();
    let of = |number: u32| others[number as usize % others.len()];
    add(&(0..FOREIGN).map(|number| foreign(of(number), number)).collect::<Vec<_>>());
    println!("{name}: {FOREIGN} entries made in {:.2} s", began.elapsed().as_secs_f64());
    let before = everything(&mut conntrack, 0);
    assert_eq!(before.len(), FOREIGN as usize);
    let (mut walk, mut cut) = (Duration::MAX, Duration::MAX);
    for _ in 0..TRIES {
        add(&ours(family));
        let began = Instant::now();
        let all = everything(&mut conntrack, 0).len();
        walk = walk.min(began.elapsed());
        assert_eq!(all, ENTRIES);
        cut = cut.min(cut_off(&mut conntrack, family));
        assert_eq!(everything(&mut conntrack, 0), before, "others' connections were touched");
    }
    let ratio = cut.as_secs_f64() / walk.as_secs_f64();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("{name}: whole table {:.1} ms, {OURS} cut off in {:.1} ms, ratio {ratio:.2}", ms(walk), ms(cut));
    assert!(ratio <= allowed, "{name}: more than {allowed} walks through the table");
}

/// Looks for the address at both ends, deletes, looks again; how long that took.
fn cut_off(conntrack: &mut Conntrack, family: Family) -> Duration {
    let ends = [End::OriginalDestination(floating(family)), End::ReplyDestination(floating(family))];
    let began = Instant::now();
    let found = find(conntrack, ends);
    assert_eq!(found.len(), usize::from(OURS));
    assert_eq!(conntrack.delete(&found).expect("they are deleted"), found.len());
    assert!(find(conntrack, ends).is_empty());
    began.elapsed()
}

fn find(conntrack: &mut Conntrack, ends: [End; 2]) -> Vec<Flow> {
    conntrack.with_any(&ends, 0).expect("flows")
}

fn floating(family: Family) -> std::net::IpAddr {
    ip(if family == Family::V4 { "192.0.2.11" } else { "2001:db8::11" })
}

fn ours(family: Family) -> Vec<Flow> {
    let [inside, outside] = match family {
        Family::V4 => ["10.100.0.11", "198.51.100.7"],
        Family::V6 => ["fd00:100::11", "2001:db8:7::7"],
    }
    .map(ip);
    let floating = floating(family);
    let flow = |number: u16| {
        let spoken = ports(Protocol::TCP, 20_000 + number, 80);
        match number % 2 {
            0 => translated([outside, floating], [inside, outside], spoken),
            _ => translated([inside, outside], [outside, floating], spoken),
        }
    };
    (0..OURS).map(flow).collect()
}
