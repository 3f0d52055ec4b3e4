//! A floating IP is taken from its guest. NAT rules are consulted for the first
//! packet of a connection only, so taking them and the address away leaves a
//! thousand connections as they were, in both directions.

use std::net::IpAddr;
use std::thread;
use std::time::Instant;

use virt_guard::net::Family;

use super::scene::{self, SHORT, Scene, long, many, mixture};
use crate::overhear::tracked;
use crate::policy;
use crate::sessions::{Batch, Watch, Way, pace};
use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::kernel;
use crate::world::{FAMILIES, floating};

/// What runs before the address is taken away.
struct Before {
    scene: Scene,
    address: IpAddr,
    over: Vec<Batch>,
    beside: Watch,
}

impl Before {
    /// So many connections to guest 7 over its floating IP, by it, and beside it.
    fn new(scene: Scene, family: Family, count: usize) -> Self {
        let ([first, second], outside) = (&scene.stations, &scene.world.outside);
        let address = floating(family, 10);
        let kinds = mixture(family, count);
        let mut over = scene.sessions.open_all(&Way::new(outside, first, address, policy::OPEN), &kinds);
        let out = Way::new(first, outside, outside.address(family), policy::OPEN);
        let begun = scene.sessions.open_all(&out, &kinds);
        assert_eq!(scene.sessions.callers(&begun), [address].into(), "the world sees the floating IP");
        over.extend(begun);
        let beside = Way::new(first, second, second.address(family), policy::OPEN);
        let beside = scene.sessions.open_all(&beside, &kinds);
        thread::sleep(pace() * 2);
        assert_eq!(scene.sessions.alive(&over, Instant::now() - pace() * 2), 2 * count);
        let beside = scene.sessions.watch(&beside);
        Self { scene, address, over, beside }
    }
}

/// By command, with IPv4.
pub fn v4(bench: &mut Bench) {
    by_command(bench, Family::V4);
}

/// By command, with IPv6.
pub fn v6(bench: &mut Bench) {
    by_command(bench, Family::V6);
}

fn by_command(bench: &Bench, family: Family) {
    let scene = Scene::open(bench);
    let address = floating(family, 10).to_string();
    scene.operator.go(&["floating", "associate", &address, "web7"]);
    let Before { scene, address, over, beside } = Before::new(scene, family, many());
    let done = scene.operator.go(&["floating", "disassociate", &address.to_string(), "--json"]);
    println!("= {}", done.stdout.trim());
    scene.sessions.assert_cut("those over the floating IP", &over, done.begin, long());
    scene.sessions.assert_unharmed("those beside it", &beside);
    let told = done.json();
    assert_eq!(told["address"], address.to_string());
    assert_eq!(told["guest"], "web7");
    assert_eq!(told["rules-gone"], true);
    assert_eq!(told["address-gone"], true);
    assert_eq!(told["alive"], 0);
    let killed = told["killed"].as_u64().expect("how many were killed");
    assert!(killed >= 2 * many() as u64, "{killed} were killed");
    assert!(told["milliseconds"].as_f64().is_some_and(|time| time > 0.0), "{told}");
    assert_not_here(bench, &scene, address);
}

/// By the policy's file, with both families at once.
pub fn by_policy(bench: &mut Bench) {
    let guest = Guest::new(7);
    let associations = FAMILIES.map(|family| policy::floating(family, 10, &guest));
    let scene = Scene::new(bench, &scene::open(&associations));
    scene.operator.go(&["apply"]);
    let Before { scene, over, beside, .. } = Before::new(scene, Family::V6, 50);
    let before = Before::new(scene, Family::V4, 50);
    policy::write(bench, &scene::open(&[]));
    let done = before.scene.operator.go(&["apply"]);
    let over = [over, before.over].concat();
    before.scene.sessions.assert_cut("those over the floating IPs", &over, done.begin, SHORT);
    before.scene.sessions.assert_unharmed("those beside one", &beside);
    before.scene.sessions.assert_unharmed("those beside the other", &before.beside);
    for family in FAMILIES {
        assert_not_here(bench, &before.scene, floating(family, 10));
    }
}

/// A dry run tells how many would die and kills none.
pub fn dry_run(bench: &mut Bench) {
    let scene = Scene::open(bench);
    for family in FAMILIES {
        scene.operator.go(&["floating", "associate", &floating(family, 10).to_string(), "web7"]);
    }
    for family in FAMILIES {
        let way = Way::new(&scene.world.outside, &scene.stations[0], floating(family, 10), policy::OPEN);
        let batches = scene.sessions.open_all(&way, &mixture(family, 20));
        let watch = scene.sessions.watch(&batches);
        let words = ["floating", "disassociate", &floating(family, 10).to_string(), "--dry-run"];
        scene.operator.go(&words);
        thread::sleep(pace() * 4);
        scene.sessions.assert_unharmed("all", &watch);
    }
    bench.assert_in_order();
}

/// Nothing on the host speaks of the address any more.
fn assert_not_here(bench: &Bench, scene: &Scene, address: IpAddr) {
    let listed = scene.operator.go(&["floating", "list", "--json"]).stdout;
    assert!(!listed.contains(&format!("\"{address}\"")), "{address} is listed: {listed}");
    assert!(!kernel::mentions(&kernel::rules(bench.engine), &address.to_string()), "{address} is in the rules");
    let borne = kernel::told("ip", &["address", "show", "to", &address.to_string()], "");
    assert!(borne.is_empty(), "the host still bears it: {borne}");
    // What the dead send is tracked, too, by who does not drop it, but leads nowhere.
    let guest = scene.stations[0].address(Family::of(address));
    let translated = tracked(&[address, guest]);
    assert!(translated.is_empty(), "{} are still translated, as {}", translated.len(), translated[0]);
    bench.assert_in_order();
}
