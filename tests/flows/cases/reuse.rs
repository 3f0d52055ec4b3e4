//! A guest is gone and another gets its address at once, at another port, while the
//! old peers go on sending. What the old guest's rules let in, or what it began
//! itself, is nothing to the new one.

use std::net::{IpAddr, SocketAddr};
use std::thread;

use virt_guard::net::{Family, Protocol};

use super::scene::{SHORT, Scene, mixture, open};
use crate::overhear::Ears;
use crate::policy;
use crate::sessions::{Batch, Way, pace};
use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::world::FAMILIES;

/// How the old guest went.
#[derive(PartialEq, Eq)]
enum Gone {
    /// libvirt told the hook.
    Told,
    /// Nobody did: the process died with libvirtd away, and its tap with it.
    Untold,
}

pub fn released(bench: &mut Bench) {
    reused(bench, &Gone::Told);
}

pub fn missed(bench: &mut Bench) {
    reused(bench, &Gone::Untold);
}

fn reused(bench: &Bench, how: &Gone) {
    let scene = Scene::open(bench);
    let old: Vec<_> = FAMILIES.iter().flat_map(|family| of_the_old(&scene, *family)).collect();
    if *how == Gone::Told {
        ["stopped", "release"].iter().for_each(|operation| bench.go(operation, &scene.guests[0]));
    }
    scene.world.unplug(bench, &scene.guests[0]);
    let heir = Guest::new(9).with_addresses_of(7);
    let station = inherit(bench, &scene, &heir);
    let ears = FAMILIES.map(|family| Ears::new(&station, station.address(family)));
    bench.go("start", &heir);
    scene.world.forget_neighbours(bench);
    thread::sleep(pace() * 8);
    for (family, ears) in FAMILIES.into_iter().zip(&ears) {
        assert_strangers(&scene, ears, station.address(family), &old);
    }
    scene.sessions.assert_dead("those of the old guest", &old, SHORT);
    // The new one is there, and its own rules hold.
    for family in FAMILIES {
        let way = Way::new(&scene.world.outside, &station, station.address(family), 80);
        scene.sessions.open(Protocol::TCP, &way, 5);
    }
    if *how == Gone::Told {
        bench.assert_in_order();
    }
}

/// What the world has begun with the old guest, and the old guest with the world.
fn of_the_old(scene: &Scene, family: Family) -> Vec<Batch> {
    let (old, outside) = (&scene.stations[0], &scene.world.outside);
    let to = Way::new(outside, old, old.address(family), policy::OPEN);
    let from = Way::new(old, outside, outside.address(family), policy::OPEN);
    [to, from].map(|way| scene.sessions.open_all(&way, &mixture(family, 40))).concat()
}

/// The new guest was told nothing by the old one's peers, and what it says as if it
/// were the old one does not get to them.
fn assert_strangers(scene: &Scene, ears: &Ears, here: IpAddr, old: &[Batch]) {
    let there = scene.world.outside.address(Family::of(here));
    let listening = Ears::new(&scene.world.outside, there);
    for port in old.iter().flat_map(|batch| scene.sessions.ports(batch)) {
        ears.acknowledge(port, SocketAddr::new(there, policy::OPEN));
        ears.acknowledge(policy::OPEN, SocketAddr::new(there, port));
    }
    thread::sleep(pace());
    let heard: Vec<_> = ears.heard().into_iter().filter(|packet| packet.source == there).collect();
    assert!(heard.is_empty(), "{here} was told {} things by its forerunner's peers: {:?}", heard.len(), heard[0]);
    let mut said = listening.heard();
    said.retain(|packet| packet.source == here && packet.protocol == Protocol::TCP);
    assert!(said.is_empty(), "{here} went on with {} things of its forerunner's: {:?}", said.len(), said[0]);
}

/// The new guest is plugged in, in the policy, and lets in tcp/80 and nothing else.
fn inherit(bench: &Bench, scene: &Scene, heir: &Guest) -> crate::station::Station {
    let without_old = open(&[]).into_iter().filter(|entry| !entry.contains("\"web7\""));
    let mut entries: Vec<_> = without_old.collect();
    entries.push(policy::group("web", &[policy::rule("tcp", "80")]));
    entries.push(policy::guest(heir, &["web"]));
    policy::write(bench, &entries);
    scene.world.plug(bench, heir)
}
