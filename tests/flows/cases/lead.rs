//! Addresses and ports of the host lead to guests, for everybody: the world, other
//! guests, the guest itself, the host.

use std::net::IpAddr;
use std::thread;

use virt_guard::engine::EngineKind;
use virt_guard::net::{Family, Protocol};

use super::scene::{self, SHORT, Scene, mixture};
use crate::policy;
use crate::sessions::{Way, pace};
use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::kernel::told;
use crate::station::CARD;
use crate::world::{FAMILIES, floating, upstream};

/// Sessions of each kind.
const FEW: usize = 10;

/// Forwards of TCP and UDP, of a port, a range and a range that leads elsewhere.
/// What a forward leads to is under the guest's rules like all else.
pub fn forwards(bench: &mut Bench) {
    let guest = Guest::new(7);
    let lines = [
        ("tcp", "8080", "5080"),
        ("udp", "8080", "5080"),
        ("tcp", "8100-8109", "8100-8109"),
        ("tcp", "5200-5209", "5200-5209"),
        ("udp", "8300-8309", "5300-5309"),
    ];
    let forwards = lines.map(|(protocol, ports, to)| policy::forward(&guest, protocol, ports, to));
    let scene = Scene::new(bench, &scene::open(&forwards));
    scene.operator.go(&["apply"]);
    if bench.engine == EngineKind::Iptables {
        // As libvirt does for a network with NAT.
        for program in ["iptables", "ip6tables"] {
            for rule in [
                "-A FORWARD -i br100 -o br100 -j ACCEPT",
                "-A FORWARD -o br100 -m conntrack ! --ctstate RELATED,ESTABLISHED -j REJECT",
            ] {
                told(program, &rule.split(' ').collect::<Vec<_>>(), "");
            }
        }
    }
    let (station, outside) = (&scene.stations[0], &scene.world.outside);
    for family in FAMILIES {
        let way = |port, heard| Way::new(outside, station, upstream(family), port).heard_at(heard);
        for (protocol, port, heard) in [
            (Protocol::TCP, 8080, 5080),
            (Protocol::UDP, 8080, 5080),
            (Protocol::TCP, 5200, 5200),
            (Protocol::TCP, 5209, 5209),
            (Protocol::UDP, 8300, 5300),
            (Protocol::UDP, 8309, 5309),
        ] {
            scene.sessions.open(protocol, &way(port, heard), FEW);
        }
        let refused = scene.sessions.attempt(Protocol::TCP, &way(8100, 8100), FEW);
        let neighbour = Way::new(&scene.stations[1], station, upstream(family), 8080).heard_at(5080);
        scene.sessions.open(Protocol::TCP, &neighbour, FEW);
        thread::sleep(pace() * 4);
        assert_eq!(scene.sessions.established(&refused), 0, "the guest's rules do not let that in");
    }
    bench.assert_in_order();
}

/// A guest's floating IP is the same address to everybody: to the world and from it,
/// to another guest of the same bridge, to the guest itself, to the host.
pub fn hairpin(bench: &mut Bench) {
    let associations = FAMILIES.map(|family| policy::floating(family, 10, &Guest::new(7)));
    let scene = Scene::new(bench, &scene::open(&associations));
    scene.operator.go(&["apply"]);
    let ([guest, other], world) = (&scene.stations, &scene.world);
    for family in FAMILIES {
        let address = floating(family, 10);
        let mut all = Vec::new();
        // A bridge does not send a frame back by the port it came in, and br_netfilter
        // makes a bridged frame of it.
        let itself = (bench.engine == EngineKind::Nftables).then_some(guest);
        for from in [&world.outside, other, &world.host].into_iter().chain(itself) {
            let way = Way::new(from, guest, address, policy::OPEN);
            all.extend(scene.sessions.open_all(&way, &[(Protocol::TCP, FEW), (Protocol::UDP, FEW)]));
        }
        let watch = scene.sessions.watch(&all);
        thread::sleep(pace() * 8);
        scene.sessions.assert_unharmed("all", &watch);
    }
    bench.assert_in_order();
}

/// What was associated by command stays so: over an apply, over another guest's
/// start, over the guest's own restart.
pub fn persists(bench: &mut Bench) {
    let scene = Scene::open(bench);
    let (guest, outside) = (&scene.stations[0], &scene.world.outside);
    let addresses = FAMILIES.map(|family| floating(family, 10));
    let refused = scene.operator.run(&["floating", "associate", &addresses[0].to_string(), "web7", "--dry-run"]);
    assert_eq!(refused.code, Some(0), "{}", refused.stderr);
    assert_listed(&scene, &addresses, 0);
    for address in addresses {
        scene.operator.go(&["floating", "associate", &address.to_string(), "web7"]);
    }
    assert_listed(&scene, &addresses, 2);
    let mut batches = Vec::new();
    for (family, address) in FAMILIES.into_iter().zip(addresses) {
        let way = Way::new(outside, guest, address, policy::OPEN);
        batches.extend(scene.sessions.open_all(&way, &mixture(family, 20)));
    }
    let watch = scene.sessions.watch(&batches);
    scene.operator.go(&["apply"]);
    for operation in ["stopped", "release", "start"] {
        bench.go(operation, &scene.guests[1]);
    }
    thread::sleep(pace() * 4);
    scene.sessions.assert_unharmed("those over the floating IPs", &watch);
    for operation in ["stopped", "release", "start"] {
        bench.go(operation, &scene.guests[0]);
    }
    assert_listed(&scene, &addresses, 2);
    for address in addresses {
        let way = Way::new(outside, guest, address, policy::OPEN);
        scene.sessions.open(Protocol::TCP, &way, FEW);
    }
    bench.assert_in_order();
}

/// The guest gets another address in the policy: its floating IP leads there, and
/// nothing that led to the old one lives on.
pub fn moved(bench: &mut Bench) {
    let guest = Guest::new(7).attached("bridge", "<source bridge='br100'/><target dev='vnet7'/>");
    let entries = |guest: &Guest| {
        let mut list = vec![policy::open_group(), policy::guest(guest, &["open"])];
        list.push(policy::guest(&Guest::new(8), &["open"]));
        list.extend(FAMILIES.map(|family| policy::floating(family, 10, guest)));
        list
    };
    let scene = Scene::new(bench, &entries(&guest));
    bench.go("start", &guest);
    scene.operator.go(&["apply"]);
    let (station, outside) = (&scene.stations[0], &scene.world.outside);
    let moved = guest.clone().with_addresses_of(27);
    let mut old = Vec::new();
    for family in FAMILIES {
        let address = moved.address_of(family);
        let more = if family == Family::V4 { "/24" } else { "/64 nodad" };
        let (length, no_wait) = more.split_once(' ').unwrap_or((more, ""));
        station.ip(&[format!("address add {address}{length} dev {CARD} {no_wait}")]);
        let way = Way::new(outside, station, floating(family, 10), policy::OPEN);
        old.extend(scene.sessions.open_all(&way, &mixture(family, 20)));
    }
    policy::write(bench, &entries(&moved));
    let done = scene.operator.go(&["apply"]);
    for family in FAMILIES {
        let way = Way::new(outside, station, floating(family, 10), policy::OPEN).heard_by(moved.address_of(family));
        scene.sessions.open_all(&way, &mixture(family, 20));
    }
    scene.sessions.assert_cut("those to the old address", &old, done.begin, SHORT);
    bench.assert_in_order();
}

/// `floating list --json` speaks of so many of these.
fn assert_listed(scene: &Scene, addresses: &[IpAddr], count: usize) {
    let listed = scene.operator.go(&["floating", "list", "--json"]).stdout;
    let found = addresses.iter().filter(|address| listed.contains(&format!("\"{address}\""))).count();
    assert_eq!(found, count, "{listed}");
}
