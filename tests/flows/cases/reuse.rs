//! A guest is gone and another gets its address at once, at another port, while the
//! old peers go on sending. What the old guest's rules let in, or what it began
//! itself, is nothing to the new one.

use std::net::SocketAddr;
use std::thread;

use virt_guard::net::Protocol;

use super::scene::{Scene, mixture, open};
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
    let (old, outside) = (&scene.stations[0], &scene.world.outside);
    let heir = Guest::new(9).with_addresses_of(7);
    let mut batches: Vec<Batch> = Vec::new();
    let mut tcp = Vec::new();
    for family in FAMILIES {
        let kinds = mixture(family, 40);
        for way in [
            Way::new(outside, old, old.address(family), policy::OPEN),
            Way::new(old, outside, outside.address(family), policy::OPEN),
        ] {
            let opened = scene.sessions.open_all(&way, &kinds);
            tcp.push(opened[0].clone());
            batches.extend(opened);
        }
    }
    if *how == Gone::Told {
        ["stopped", "release"].iter().for_each(|operation| bench.go(operation, &scene.guests[0]));
    }
    scene.world.unplug(bench, &scene.guests[0]);
    let station = inherit(bench, &scene, &heir);
    let ears = FAMILIES.map(|family| Ears::new(&station, station.address(family)));
    bench.go("start", &heir);
    scene.world.forget_neighbours(bench);
    thread::sleep(pace() * 8);
    for (family, ears) in FAMILIES.into_iter().zip(&ears) {
        let (there, here) = (outside.address(family), station.address(family));
        let listening = Ears::new(outside, there);
        speak(&scene, ears, &tcp, there);
        thread::sleep(pace());
        let heard: Vec<_> = ears.heard().into_iter().filter(|packet| packet.source == there).collect();
        assert!(heard.is_empty(), "{here} was told {} things that were its forerunner's: {:?}", heard.len(), heard[0]);
        let said: Vec<_> = listening.heard().into_iter().filter(|packet| packet.source == here).collect();
        let old_said: Vec<_> = said.iter().filter(|packet| packet.protocol == Protocol::TCP).collect();
        assert!(
            old_said.is_empty(),
            "{here} went on with {} things of its forerunner's: {:?}",
            old_said.len(),
            old_said[0]
        );
    }
    scene.sessions.assert_dead("those of the old guest", &batches, pace() * 20);
    // The new one is there, and its own rules hold.
    for family in FAMILIES {
        let way = Way::new(outside, &station, station.address(family), 80);
        scene.sessions.open(Protocol::TCP, &way, 5);
    }
    if *how == Gone::Told {
        bench.assert_in_order();
    }
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

/// The new guest says what would go on with the old one's connections.
fn speak(scene: &Scene, ears: &Ears, tcp: &[Batch], there: std::net::IpAddr) {
    for port in tcp.iter().flat_map(|batch| scene.sessions.ports(batch)) {
        ears.acknowledge(port, SocketAddr::new(there, policy::OPEN));
        ears.acknowledge(policy::OPEN, SocketAddr::new(there, port));
    }
}
