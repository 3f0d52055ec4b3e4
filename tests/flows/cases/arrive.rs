//! A guest comes with connections that this host has not seen begin: it ran before
//! anybody guarded it, or it comes from another host. They live on as far as the
//! rules let whoever speaks first begin them; but what is cut of them stays cut.

use std::time::Instant;

use virt_guard::net::Protocol;

use super::scene::{Scene, open};
use crate::operator::Operator;
use crate::policy;
use crate::sessions::{Batch, Sessions, Side, Way, pace};
use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::kernel::told;
use crate::world::{FAMILIES, World};

/// Sessions of each kind.
const FEW: usize = 20;

pub fn adopted(bench: &mut Bench) {
    policy::write(bench, &open(&[]));
    let world = World::new(bench);
    let guests = [7, 8].map(Guest::new);
    let stations = guests.each_ref().map(|guest| world.plug(bench, guest));
    let scene = Scene { world, guests, stations, sessions: Sessions::new(), operator: Operator::new(bench) };
    let mut all: Vec<Batch> = Vec::new();
    for family in FAMILIES {
        for way in scene.bare_ways(family) {
            all.extend(scene.sessions.open_all(&way, &[(Protocol::TCP, FEW), (Protocol::UDP, FEW)]));
        }
    }
    let tcp: Vec<_> = all.iter().step_by(2).cloned().collect();
    scene.guests.iter().for_each(|guest| bench.go("reconnect", guest));
    bench.assert_in_order();
    // A packet or two was lost while one port was guarded and the other was yet to be.
    std::thread::sleep(pace() * 40);
    let since = Instant::now();
    std::thread::sleep(pace() * 20);
    let (alive, total) = (scene.sessions.alive(&all, since), all.iter().map(ExactSizeIterator::len).sum::<usize>());
    assert_eq!(alive, total, "some of a guest that ran already have died");
    println!("= {alive} of {total} live");
    let done = scene.operator.go(&["flows", "kill", "web7"]);
    scene.sessions.assert_cut("those that were cut", &tcp, done.begin, pace() * 20);
    bench.assert_in_order();
}

/// This host's conntrack took the world's answers for the beginnings, since guest 7 was
/// silent when they came first. Nobody in the world could begin what is admitted so.
pub fn answered(bench: &mut Bench) {
    let guests = [7, 8].map(Guest::new);
    let closed = format!("[[group]]\nname = \"closed\"\ningress = []\n{}", policy::guest(&guests[0], &["closed"]));
    policy::write(bench, &[closed]);
    let world = World::new(bench);
    let stations = guests.each_ref().map(|guest| world.plug(bench, guest));
    let scene = Scene { world, guests, stations, sessions: Sessions::new(), operator: Operator::new(bench) };
    let mut all: Vec<Batch> = Vec::new();
    for family in FAMILIES {
        let [_, outwards, _] = scene.bare_ways(family);
        all.push(scene.sessions.open(Protocol::TCP, &outwards, FEW));
    }
    scene.sessions.silence(&all, Side::Near);
    std::thread::sleep(pace() * 4);
    for program in ["iptables", "ip6tables"] {
        told(program, &["-t", "mangle", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "INVALID"], "");
    }
    std::thread::sleep(pace() * 8);
    bench.go("reconnect", &scene.guests[0]);
    bench.assert_in_order();
    let since = Instant::now();
    std::thread::sleep(pace() * 20);
    assert_eq!(scene.sessions.alive(&all, since), 2 * FEW, "some whose answers came first have died");
}

/// What comes to a port for the first time at a start has no connections.
pub fn fresh(bench: &mut Bench) {
    policy::write(bench, &open(&[]));
    let world = World::new(bench);
    let guests = [7, 8].map(Guest::new);
    let stations = guests.each_ref().map(|guest| world.plug(bench, guest));
    let scene = Scene { world, guests, stations, sessions: Sessions::new(), operator: Operator::new(bench) };
    let mut tcp: Vec<Batch> = Vec::new();
    for family in FAMILIES {
        tcp.extend(scene.bare_ways(family).map(|way: Way<'_>| scene.sessions.open(Protocol::TCP, &way, FEW)));
    }
    let begin = Instant::now();
    scene.guests.iter().for_each(|guest| bench.go("start", guest));
    scene.sessions.assert_cut("those of whoever had the port before", &tcp, begin, pace() * 20);
}
