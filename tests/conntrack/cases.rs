//! Each case makes entries, asks and deletes, and looks at what is left.

use std::net::IpAddr;

use virt_guard::kernel::{Conntrack, End};
use virt_guard::net::{Family, Flow, Protocol};

use crate::Case;
use crate::flows::{echo, everything, foreign, ip, plain, ports, translated, unnumbered};
use crate::support::entries::{ZoneFor, add, add_in_zone};

pub const ALL: [Case; 12] = [
    ("every-protocol-is-told-as-it-was-made", every_protocol_is_told),
    ("every-protocol-is-deleted-one-by-one", every_protocol_is_deleted),
    ("an-end-is-one-of-four", an_end_is_one_of_four),
    ("no-address-lets-ipv6-be-told-the-wrong-way-round", an_address_of_ipv6_chooses),
    ("for-ipv4-the-kernel-chooses", the_kernel_chooses),
    ("a-zone-is-asked-alone", a_zone_is_asked_alone),
    ("a-zone-of-one-direction-counts-as-that-zone", a_zone_of_one_direction),
    ("an-old-flow-does-not-delete-its-successor", a_successor_stays),
    ("nothing-named-nothing-deleted", nothing_named),
    ("what-is-gone-is-no-error", what_is_gone),
    ("what-the-kernel-refuses-does-not-save-the-others", what_is_refused),
    ("a-connection-announced-by-another-names-it", a_master_is_told),
];

fn conntrack() -> Conntrack {
    Conntrack::open().expect("a connection to conntrack")
}

/// One flow of each protocol between two addresses, with and without translation.
fn between(inside: IpAddr, floating: IpAddr, outside: IpAddr) -> Vec<Flow> {
    let mut spoken: Vec<_> = [Protocol::TCP, Protocol::UDP, Protocol::SCTP, Protocol(47)]
        .map(|protocol| ports(protocol, 40_000, 80))
        .into_iter()
        .collect();
    spoken.push(echo(Family::of(inside), 9));
    let inwards = spoken.iter().map(|spoken| translated([outside, floating], [inside, outside], *spoken));
    let outwards = spoken.iter().map(|spoken| translated([inside, outside], [outside, floating], *spoken));
    inwards.chain(outwards).collect()
}

fn samples() -> Vec<Flow> {
    let of_v4 = between(ip("10.100.0.11"), ip("192.0.2.11"), ip("198.51.100.7"));
    let of_v6 = between(ip("fd00:100::11"), ip("2001:db8::11"), ip("2001:db8:7::7"));
    of_v4.into_iter().chain(of_v6).collect()
}

fn sorted(flows: impl IntoIterator<Item = Flow>) -> Vec<Flow> {
    let mut flows: Vec<_> = flows.into_iter().map(|flow| unnumbered(&flow)).collect();
    flows.sort();
    flows
}

fn every_protocol_is_told() {
    add(&samples());
    let told = everything(&mut conntrack(), 0);
    assert_eq!(sorted(told.iter().copied()), sorted(samples()));
    let mut ids: Vec<_> = told.iter().map(|flow| flow.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), told.len(), "each has a number of its own");
}

fn every_protocol_is_deleted() {
    let mut conntrack = conntrack();
    add(&samples());
    let mut left = everything(&mut conntrack, 0);
    while let Some(flow) = left.pop() {
        assert_eq!(conntrack.delete(&[flow]).expect("it is deleted"), 1, "{}", flow.original);
        assert_eq!(sorted(everything(&mut conntrack, 0)), sorted(left.iter().copied()), "without {}", flow.original);
    }
}

fn an_end_is_one_of_four() {
    let mut conntrack = conntrack();
    add(&samples());
    let mut addresses: Vec<_> = samples().iter().map(|flow| flow.original.source).collect();
    addresses.extend(samples().iter().map(|flow| flow.original.destination));
    addresses.extend([ip("192.0.2.99"), ip("2001:db8::99")]);
    for address in addresses {
        let kinds = [End::OriginalSource, End::OriginalDestination, End::ReplySource, End::ReplyDestination];
        let ends = kinds.map(|kind| kind(address));
        for end in ends {
            let expected = sorted(samples().into_iter().filter(|flow| end.is_of(flow)));
            assert_eq!(sorted(conntrack.with_end(end, 0).expect("flows")), expected, "{end:?}");
        }
        let some = [ends[1], ends[3]];
        let expected = sorted(samples().into_iter().filter(|flow| some.iter().any(|end| end.is_of(flow))));
        assert_eq!(sorted(conntrack.with_any(&some, 0).expect("flows")), expected, "{some:?}");
    }
}

/// The kernel's own filter tells all flows of IPv6 but those that were asked for.
fn an_address_of_ipv6_chooses() {
    let (mut conntrack, destination) = (conntrack(), ip("fd00::99"));
    let flows: Vec<_> =
        (1..=5).map(|number| plain(ip(&format!("fd00::{number}")), destination, ports(Protocol::UDP, 1, 2))).collect();
    add(&flows);
    let told = conntrack.with_end(End::OriginalSource(ip("fd00::2")), 0).expect("flows");
    assert_eq!(sorted(told), [flows[1]]);
    assert!(conntrack.with_end(End::OriginalSource(ip("fd00::9")), 0).expect("no flows").is_empty());
    assert_eq!(conntrack.with_end(End::ReplySource(destination), 0).expect("flows").len(), flows.len());
}

fn the_kernel_chooses() {
    let mut conntrack = conntrack();
    let others: Vec<_> = (0..1000).map(|number| foreign(Family::V4, number)).collect();
    let ours: Vec<_> = samples().into_iter().filter(|flow| flow.original.family() == Family::V4).collect();
    add(&others);
    add(&ours);
    let floating = ip("192.0.2.11");
    let inwards = conntrack.with_end(End::OriginalDestination(floating), 0).expect("flows");
    let outwards = conntrack.with_end(End::ReplyDestination(floating), 0).expect("flows");
    assert_eq!((inwards.len(), outwards.len()), (5, 5));
    assert_eq!(conntrack.told(), 10, "the kernel told what nobody asked for");
}

fn a_zone_is_asked_alone() {
    let mut conntrack = conntrack();
    let in_seven: Vec<_> = samples().into_iter().map(|flow| Flow { zone: 7, ..flow }).collect();
    add(&samples());
    add(&in_seven);
    assert_eq!(sorted(everything(&mut conntrack, 7)), sorted(in_seven.iter().copied()));
    assert!(everything(&mut conntrack, 8).is_empty());
    for floating in [ip("192.0.2.11"), ip("2001:db8::11")] {
        let ends = [End::OriginalDestination(floating), End::ReplyDestination(floating)];
        let flows = conntrack.with_any(&ends, 7).expect("flows");
        assert!(flows.len() == 10 && flows.iter().all(|flow| flow.zone == 7));
        assert_eq!(conntrack.delete(&flows).expect("they are deleted"), 10);
    }
    assert!(everything(&mut conntrack, 7).is_empty());
    assert_eq!(sorted(everything(&mut conntrack, 0)), sorted(samples()));
}

fn a_zone_of_one_direction() {
    let mut conntrack = conntrack();
    let flow = |port| {
        let flow = plain(ip("192.0.2.7"), ip("10.100.0.11"), ports(Protocol::TCP, port, 80));
        Flow { zone: 7, ..flow }
    };
    // The same connection once in zone 7, there or back, and once in none.
    for (port, zone) in [(1, ZoneFor::Original), (2, ZoneFor::Reply)] {
        add_in_zone(&[flow(port)], zone);
        let told = conntrack.with_end(End::ReplyDestination(ip("192.0.2.7")), 7).expect("flows");
        assert_eq!(sorted(told.iter().copied()), [flow(port)], "{zone:?}");
        assert!(everything(&mut conntrack, 0).is_empty(), "{zone:?}");
        let beside = Flow { zone: 8, ..flow(port) };
        add(&[beside]);
        assert_eq!(conntrack.delete(&told).expect("it is deleted"), 1, "{zone:?}");
        assert!(everything(&mut conntrack, 7).is_empty(), "{zone:?}");
        assert_eq!(sorted(everything(&mut conntrack, 8)).last(), Some(&beside));
    }
}

/// The kernel makes the number of the entry's place in memory and its tuples: a
/// successor that happens to lie in the same place has the same number. That cannot
/// be told from outside, so only those with another number have to stay.
fn a_successor_stays() {
    let mut conntrack = conntrack();
    add(&samples());
    let old = everything(&mut conntrack, 0);
    assert_eq!(conntrack.delete(&old).expect("they are deleted"), old.len());
    // Others take the places that are free now.
    add(&(0..1000).map(|number| Flow { zone: 7, ..foreign(Family::V4, number) }).collect::<Vec<_>>());
    add(&samples());
    let (same, new): (Vec<_>, Vec<_>) = everything(&mut conntrack, 0).into_iter().partition(|flow| old.contains(flow));
    assert!(!new.is_empty());
    assert_eq!(conntrack.delete(&old).expect("nothing else is deleted"), same.len());
    assert_eq!(everything(&mut conntrack, 0), new);
}

fn nothing_named() {
    let mut conntrack = conntrack();
    add(&samples());
    assert_eq!(conntrack.delete(&[]).expect("nothing to do"), 0);
    assert_eq!(everything(&mut conntrack, 0).len(), samples().len());
    assert!(conntrack.with_any(&[], 0).expect("nothing asked").is_empty());
}

fn what_is_gone() {
    let mut conntrack = conntrack();
    add(&samples());
    let flows = everything(&mut conntrack, 0);
    let twice: Vec<_> = flows.iter().chain(&flows).copied().collect();
    assert_eq!(conntrack.delete(&flows[..3]).expect("three are deleted"), 3);
    assert_eq!(conntrack.delete(&twice).expect("the others are deleted"), flows.len() - 3);
    assert!(everything(&mut conntrack, 0).is_empty());
}

fn what_is_refused() {
    let mut conntrack = conntrack();
    add(&samples());
    let mut flows = everything(&mut conntrack, 0);
    // Ends of two families are no tuple.
    flows[0].original.source = ip("fd00::1");
    let stays = flows[0].id;
    conntrack.delete(&flows).expect_err("one of them is refused");
    let left = everything(&mut conntrack, 0);
    assert!(left.len() == 1 && left[0].id == stays, "{left:?}");
}

fn a_master_is_told() {
    let control = plain(ip("192.0.2.7"), ip("10.100.0.11"), ports(Protocol::TCP, 40_000, 21));
    let data = plain(ip("10.100.0.11"), ip("192.0.2.7"), ports(Protocol::TCP, 20, 40_001));
    let data = Flow { master: Some(control.original), ..data };
    add(&[control]);
    add(&[data]);
    assert_eq!(sorted(everything(&mut conntrack(), 0)), sorted([control, data]));
}
