//! A rule becomes narrower, or a guest leaves a group: what only the old rules let
//! in dies, and what the new ones let in, too, does not notice.

use std::net::IpAddr;

use virt_guard::net::{Family, Protocol};

use super::scene::{LONGER, Scene};
use crate::policy;
use crate::sessions::{Batch, Side, Way};
use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::world::{FAMILIES, far, floating, own, own_network};

/// Sessions of each kind.
const FEW: usize = 40;
/// What the rules are about.
const PROTOCOLS: [&str; 3] = ["udp", "tcp", "sctp"];
/// Sessions of them.
const KINDS: [(Protocol, usize); 3] = [(Protocol::UDP, FEW), (Protocol::TCP, FEW), (Protocol::SCTP, 4)];

/// `22 from any` becomes `from 10.0.0.0/8`: only the outsiders' die, over the guest's
/// own address and over its floating one. Packets from the middle of a connection
/// revive nothing, whichever end sends them. (A datagram of UDP that the guest sends
/// begins a connection which it may begin, so of UDP the guest only listens.)
pub fn narrowed(bench: &mut Bench) {
    let guests = [7, 8].map(Guest::new);
    let entries = |rules: &[String]| {
        let mut list = vec![policy::group("ssh", rules), policy::open_group()];
        list.push(policy::guest(&guests[0], &["ssh"]));
        list.push(policy::guest(&guests[1], &["open"]));
        list.extend(FAMILIES.map(|family| policy::floating(family, 10, &guests[0])));
        list
    };
    let scene = Scene::new(bench, &entries(&PROTOCOLS.map(|protocol| policy::rule(protocol, "22"))));
    scene.operator.go(&["apply"]);
    let [mut theirs, mut ours]: [Vec<Batch>; 2] = Default::default();
    for family in FAMILIES {
        theirs.extend(from_the_world(&scene, far(family)));
        ours.extend(from_the_world(&scene, own(family)));
        ours.extend(from_within(&scene, family));
    }
    // UDP is the first of the kinds.
    let datagrams: Vec<_> = theirs.iter().step_by(KINDS.len()).cloned().collect();
    scene.sessions.silence(&datagrams, Side::Far);
    let watch = scene.sessions.watch(&ours);
    let narrow = |family: Family| PROTOCOLS.map(|what| policy::rule_from(what, "22", own_network(family)));
    policy::write(bench, &entries(&FAMILIES.map(narrow).concat()));
    let done = scene.operator.go(&["apply"]);
    scene.sessions.assert_cut("those from outside", &theirs, done.begin, LONGER);
    scene.sessions.assert_unharmed("the others", &watch);
    bench.assert_in_order();
}

/// To port 22 of guest 7 from this address of the world, by both of the guest's.
fn from_the_world(scene: &Scene, source: IpAddr) -> Vec<Batch> {
    let (guest, family) = (&scene.stations[0], Family::of(source));
    let open = |address| {
        let way = Way::new(&scene.world.outside, guest, address, 22).with_source(source);
        scene.sessions.open_all(&way, &KINDS)
    };
    [guest.address(family), floating(family, 10)].map(open).concat()
}

/// What guest 7 and its neighbour may have before and after.
fn from_within(scene: &Scene, family: Family) -> Vec<Batch> {
    let ([guest, neighbour], outside) = (&scene.stations, &scene.world.outside);
    let to = Way::new(neighbour, guest, guest.address(family), 22);
    let from = Way::new(guest, outside, outside.address(family), policy::OPEN);
    [to, from].map(|way| scene.sessions.open_all(&way, &KINDS)).concat()
}

/// Guest 8 leaves the group `app`, whose members guest 7 lets in at tcp/5432: those
/// connections die. What 7 lets anybody in at, what 8 lets anybody in at, and what
/// guest 9, which stays a member, has open, live on.
pub fn left(bench: &mut Bench) {
    let third = Guest::new(9);
    let rules = [policy::rule_from_group("tcp", "5432", "app"), policy::rule("tcp", "80")];
    let entries = |groups: &[&str]| {
        let mut list = vec![policy::group("db", &rules), policy::group("app", &[]), policy::open_group()];
        list.push(policy::guest(&Guest::new(7), &["db"]));
        list.push(policy::guest(&Guest::new(8), groups));
        list.push(policy::guest(&Guest::new(9), &["app"]));
        list
    };
    let scene = Scene::new(bench, &entries(&["app", "open"]));
    let third = {
        let station = scene.world.plug(bench, &third);
        bench.go("start", &third);
        station
    };
    let [db, app] = &scene.stations;
    let [mut members, mut others]: [Vec<Batch>; 2] = Default::default();
    for family in FAMILIES {
        let open = |way: Way<'_>| scene.sessions.open(Protocol::TCP, &way, FEW);
        members.push(open(Way::new(app, db, db.address(family), 5432)));
        others.push(open(Way::new(app, db, db.address(family), 80)));
        others.push(open(Way::new(&third, db, db.address(family), 5432)));
        others.push(open(Way::new(&scene.world.outside, app, app.address(family), policy::OPEN)));
        others.push(open(Way::new(db, app, app.address(family), policy::OPEN)));
    }
    let watch = scene.sessions.watch(&others);
    policy::write(bench, &entries(&["open"]));
    let done = scene.operator.go(&["apply"]);
    scene.sessions.assert_cut("those that membership allowed", &members, done.begin, LONGER);
    scene.sessions.assert_unharmed("the others", &watch);
    bench.assert_in_order();
}

/// Somebody flushes everything, and the world gets in where no rule lets it; with the
/// rules back that is over, and what they let in has not noticed.
pub fn flushed(bench: &mut Bench) {
    let scene = Scene::open(bench);
    let ([guest, _], outside) = (&scene.stations, &scene.world.outside);
    let [mut within, mut beyond]: [Vec<Batch>; 2] = Default::default();
    for family in FAMILIES {
        let way = Way::new(outside, guest, guest.address(family), policy::OPEN);
        within.push(scene.sessions.open(Protocol::TCP, &way, FEW));
    }
    crate::stage::kernel::flush();
    for family in FAMILIES {
        let way = Way::new(outside, guest, guest.address(family), 6000);
        beyond.push(scene.sessions.open(Protocol::TCP, &way, FEW));
    }
    let watch = scene.sessions.watch(&within);
    let done = scene.operator.go(&["apply"]);
    scene.sessions.assert_cut("those that no rule lets in", &beyond, done.begin, LONGER);
    scene.sessions.assert_unharmed("those from before", &watch);
    bench.assert_in_order();
}
