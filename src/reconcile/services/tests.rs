//! What is said of a listener, by the policy and by what stands.

use super::*;
use crate::model::Field;
use crate::net::Protocol;

fn name(text: &str) -> IfName {
    text.parse().unwrap()
}

fn bridge(text: &str) -> Bridge {
    Bridge { name: name(text), master: None, routes_loopback: false, breach: None }
}

/// A host with two bridges and what a policy without a word allows.
fn scene() -> Scene {
    let address = |text: &str, interface| HostAddress {
        interface: name(interface),
        address: text.parse().unwrap(),
        prefix: if Family::of(text.parse().unwrap()) == Family::V4 { 24 } else { 64 },
    };
    Scene {
        wall: host_wall(&Policy::default()),
        breach: None,
        bridges: vec![bridge("br100"), bridge("br200")],
        addresses: vec![address("10.100.0.1", "br100"), address("fd00::1", "br200")],
    }
}

fn listener(protocol: Protocol, address: &str, port: u16) -> Listener {
    Listener { protocol, address: address.parse().unwrap(), port, v6only: false, interface: None, inode: 1, uid: 0 }
}

/// Each way of being judged: what becomes of the packets, and where.
fn judged(scene: &Scene, listener: &Listener) -> Vec<(String, String)> {
    let word = |exposure: &Exposure| match exposure {
        Exposure::Exposed(why) => format!("exposed: {why}"),
        Exposure::Allowed(rule) => format!("allowed: {}", rule.label),
        Exposure::Filtered(_) => "filtered".to_owned(),
        Exposure::Pinned => "pinned".to_owned(),
        Exposure::Local => "local".to_owned(),
    };
    let place = |(bridge, addresses): &(IfName, Vec<IpAddr>)| format!("{bridge} {addresses:?}");
    let places = |service: &Service| service.reached.iter().map(place).collect::<Vec<_>>().join(", ");
    scene.judge(listener, None).iter().map(|service| (word(&service.exposure), places(service))).collect()
}

fn pair(state: &str, places: &str) -> (String, String) {
    (state.to_owned(), places.to_owned())
}

#[test]
fn what_the_policy_allows_is_told_from_what_it_drops() {
    let both = "br100 [10.100.0.1], br200 [10.100.0.1]";
    let ssh = listener(Protocol::TCP, "0.0.0.0", 22);
    assert_eq!(judged(&scene(), &ssh), [pair("filtered", both)]);
    let dns = listener(Protocol::TCP, "0.0.0.0", 53);
    assert_eq!(judged(&scene(), &dns), [pair("allowed: host allows dns", both)]);
    let lite = listener(Protocol::UDPLITE, "0.0.0.0", 53);
    assert_eq!(judged(&scene(), &lite), [pair("filtered", both)], "another protocol than dns has");
    let local = listener(Protocol::TCP, "127.0.0.1", 53);
    assert_eq!(judged(&scene(), &local), [pair("local", "")]);
}

#[test]
fn a_listener_that_is_judged_in_two_ways_is_told_twice() {
    // DHCP has this port with IPv4 only.
    let dhcp = listener(Protocol::UDP, "::", 67);
    let allowed = pair("allowed: host allows dhcp", "br100 [10.100.0.1], br200 [10.100.0.1]");
    assert_eq!(judged(&scene(), &dhcp), [allowed, pair("filtered", "br100 [fd00::1], br200 [fd00::1]")]);
}

#[test]
fn without_a_wall_what_was_filtered_is_open() {
    let open = Scene { breach: Some("it is gone".to_owned()), ..scene() };
    let both = "br100 [10.100.0.1], br200 [10.100.0.1]";
    let of = |port| judged(&open, &listener(Protocol::TCP, "0.0.0.0", port));
    assert_eq!(of(22), [pair(&format!("exposed: {NO_WALLS}"), both)]);
    assert_eq!(of(53), [pair("allowed: host allows dns", both)]);
    assert_eq!(judged(&open, &listener(Protocol::TCP, "127.0.0.1", 22)), [pair("local", "")]);
}

#[test]
fn a_bridge_with_a_port_that_meets_no_wall_is_open_alone() {
    let mut scene = scene();
    scene.bridges[1].breach = Some("vnet9 is open".to_owned());
    let found = judged(&scene, &listener(Protocol::TCP, "0.0.0.0", 22));
    assert_eq!(found, [pair("filtered", "br100 [10.100.0.1]"), pair("exposed: vnet9 is open", "br200 [10.100.0.1]")]);
}

#[test]
fn the_wall_asks_for_nothing_that_is_not_known() {
    let rules = scene().wall.rules;
    for condition in rules.iter().flat_map(|rule| &rule.matches) {
        let known = matches!(
            condition.field,
            Field::Protocol(_) | Field::DestinationPort(_) | Field::State(_) | Field::Icmp(_) | Field::MidStream(_)
        );
        assert!(known, "{:?}: judge each address by itself", condition.field);
    }
}

#[test]
fn the_most_dangerous_comes_first() {
    let rule = || Origin::built_in("x");
    let judged = [Exposure::Exposed("x".to_owned()), Exposure::Allowed(rule()), Exposure::Filtered(rule())];
    let all: Vec<_> = judged.into_iter().chain([Exposure::Pinned, Exposure::Local]).collect();
    assert!(all.is_sorted_by_key(Exposure::rank));
}

#[test]
fn a_unit_that_keeps_guests_away_pins_whatever_its_sockets_are_bound_to() {
    let filter = UnitFilter {
        unit: "ssh.service".to_owned(),
        deny: vec!["10.100.0.0/24".parse().unwrap()],
        ..UnitFilter::default()
    };
    let ssh = listener(Protocol::TCP, "0.0.0.0", 22);
    let judged = scene().judge(&ssh, Some(&filter));
    let exposures: Vec<_> = judged.iter().map(|service| &service.exposure).collect();
    assert!(matches!(exposures[..], [Exposure::Pinned, Exposure::Filtered(_)]), "br200 has no network: {exposures:?}");
    assert_eq!(judged[0].pinned_by, ["ssh.service: IPAddressDeny=10.100.0.0/24"]);
    let local = scene().judge(&listener(Protocol::TCP, "127.0.0.1", 22), None);
    assert_eq!(local[0].pinned_by, ["address 127.0.0.1"]);
}
