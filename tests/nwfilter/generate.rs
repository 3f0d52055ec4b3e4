//! Frames aimed at a filter, the same each time for the same seed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use virt_guard::net::{Direction, Mac, Protocol};

use super::corpus::{Aim, Case};
use super::draft::Draft;
use super::frame::{ACK, Arp, Body, Bpdu, Frame, INIT_ACK, L4, SYN, SYN_ACK};
use super::rng::Rng;
use super::station::{DHCP_V4, GUEST_MAC, GUEST_V4, GUEST_V6, PEER_MAC, PEER_V4, PEER_V6};

/// A frame on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shot {
    /// From the guest's view.
    pub way: Direction,
    /// The frame.
    pub frame: Frame,
}

/// Frames of one conversation, in their order.
pub type Exchange = Vec<Shot>;

/// What a frame may be that is aimed at nothing.
const KINDS: [&str; 17] = [
    "tcp", "tcp", "udp", "udp", "icmp", "arp", "rarp", "stp", "ipv6", "tcp-ipv6", "udp-ipv6", "icmpv6", "igmp", "esp",
    "sctp", "udplite", "mac",
];
/// The bridge has this one for itself.
const BRIDGE_MAC: Mac = Mac::new([0x02, 0, 0x0a, 0x64, 0, 0x01]);

/// The frames for a filter: about `count` of them.
pub fn exchanges(case: &Case, seed: u64, count: usize) -> Vec<Exchange> {
    let number = case.name.bytes().fold(0, |sum: usize, byte| sum.wrapping_mul(131).wrapping_add(byte.into()));
    let mut rng = Rng::of_policy(seed, number);
    let mut all = Vec::new();
    let mut left = count;
    while left > 0 {
        let exchange = exchange(&mut rng, case);
        left = left.saturating_sub(exchange.len());
        all.push(exchange);
    }
    all
}

fn exchange(rng: &mut Rng, case: &Case) -> Exchange {
    let aim = rng.pick_or(&case.aims.iter().map(Some).collect::<Vec<_>>(), None).filter(|_| rng.chance(75));
    let (way, draft) = match aim {
        Some(aim) => aimed(rng, case, aim),
        None => loose(rng, case),
    };
    let mut draft = draft;
    sprinkle(rng, &mut draft, way);
    deliverable(&mut draft, way);
    let first = Shot { way, frame: draft.frame() };
    let mut all = vec![first];
    // What is picked up midway has no numbers to answer with.
    let is_midway = draft.protocol == Protocol::TCP.0 && draft.tcp.0 != SYN;
    if rng.chance(60) && !is_midway {
        all.extend(rest(&draft, way));
    }
    all
}

fn aimed(rng: &mut Rng, case: &Case, aim: &Aim) -> (Direction, Draft) {
    let meant = if aim.is_in { Direction::In } else { Direction::Out };
    let mut draft = draft(rng, case, meant);
    // Two conversations with the same ports would be one.
    draft.ports = [rng.word() | 0x8000, rng.word() | 0x8000];
    draft.aim(rng, aim);
    // Rules that fit by address lie in the way of those that do not.
    if rng.chance(15) {
        let other = rng.pick(&case.aims);
        draft.aim(rng, &other);
    }
    if rng.chance(35) {
        draft.turn();
        return (other_way(meant), draft);
    }
    (meant, draft)
}

fn loose(rng: &mut Rng, case: &Case) -> (Direction, Draft) {
    let way = rng.pick(&[Direction::In, Direction::Out]);
    let mut draft = draft(rng, case, way);
    let kind = rng.pick(&KINDS);
    draft.become_protocol(rng, kind);
    (way, draft)
}

/// A frame as guest or peer would send it to the other, by and large.
fn draft(rng: &mut Rng, case: &Case, way: Direction) -> Draft {
    let guest = (GUEST_MAC, GUEST_V4, GUEST_V6);
    let peer = (PEER_MAC, PEER_V4, PEER_V6);
    let [source, destination] = if way == Direction::Out { [guest, peer] } else { [peer, guest] };
    let known = addresses(case);
    let mut draft = Draft {
        macs: [source.0, destination.0],
        v4: [source.1, destination.1],
        v6: [source.2, destination.2],
        ports: [rng.word() | 0x8000, rng.pick(&[22, 53, 80, 443, 67, 68, 546, 547, 9])],
        vlan: None,
        ether_type: rng.pick(&[0x0800, 0x0800, 0x86dd, 0x0806, 0x8035, 0x88b5]),
        protocol: rng.pick(&[6, 6, 17, 17, 1, 58, 2, 50, 51, 132, 136, 89]),
        kind: [rng.pick(&[8, 8, 128, 128, 0, 3, 129, 135, 136, 134, 13]), 0],
        identifier: rng.word(),
        dscp: rng.pick(&[0, 0, 0, 8, 10, 46]),
        tcp: (rng.pick(&[SYN, SYN, SYN, SYN, ACK]), None),
        arp: arp(rng, source, destination),
        bpdu: bpdu(rng),
        in_fragments: rng.chance(8),
    };
    for end in 0..2 {
        match rng.pick_or(&known, IpAddr::V4(draft.v4[end])) {
            IpAddr::V4(address) if rng.chance(20) => draft.v4[end] = address,
            IpAddr::V6(address) if rng.chance(40) => draft.v6[end] = address,
            _ => {}
        }
    }
    draft
}

fn arp(rng: &mut Rng, source: (Mac, Ipv4Addr, Ipv6Addr), destination: (Mac, Ipv4Addr, Ipv6Addr)) -> Arp {
    Arp {
        hardware: if rng.chance(4) { 6 } else { 1 },
        protocol: if rng.chance(4) { 0x86dd } else { 0x0800 },
        operation: rng.pick(&[1, 1, 2, 2, 3, 4, 8]),
        sender: (source.0, source.1),
        target: (destination.0, if rng.chance(15) { source.1 } else { destination.1 }),
    }
}

fn bpdu(rng: &mut Rng) -> Bpdu {
    Bpdu {
        kind: if rng.chance(25) { 0x80 } else { 0 },
        flags: rng.pick(&[0, 1, 0x80]),
        root: (rng.pick(&[0x1000, 0x8000, 0x2001]), Mac::new([2, 0, 0, 0, 0x10, rng.byte()])),
        cost: rng.below(300) as u32,
        sender: (rng.pick(&[0x8000, 0x9000]), Mac::new([2, 0, 0, 0, 0x20, rng.byte() & 3])),
        port: 0x8000 + rng.below(32) as u16,
        times: [rng.pick(&[0, 256, 300]), rng.pick(&[5120, 5000]), rng.pick(&[512, 1024]), rng.pick(&[3840, 3841])],
    }
}

/// The addresses that the filter names.
fn addresses(case: &Case) -> Vec<IpAddr> {
    let values = case.aims.iter().flat_map(|aim| &aim.attributes).flat_map(|(_, values)| values);
    values
        .filter_map(|value| value.parse().ok())
        .chain([IpAddr::V4(DHCP_V4), IpAddr::V6(GUEST_MAC.link_local())])
        .collect()
}

/// What happens to a few frames, whatever they are.
fn sprinkle(rng: &mut Rng, draft: &mut Draft, way: Direction) {
    let end = if way == Direction::Out { 1 } else { 0 };
    match rng.below(60) {
        0..=3 => draft.vlan = Some(rng.pick(&[5, 7, 10, 0, 4094])),
        4..=6 => draft.macs[1] = Mac::BROADCAST,
        7 | 8 => draft.macs[1] = Mac::new([0x01, 0, 0x5e, rng.byte() & 0x7f, 1, 1]),
        9 | 10 => draft.macs[0] = Mac::new([0x02, 0x11, 0x22, 0x33, 0x44, rng.byte()]),
        11 | 12 => draft.v4[1] = Ipv4Addr::new(224, 0, 0, rng.byte()),
        13 => draft.v6[1] = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
        14 | 15 => draft.v4[end] = Ipv4Addr::new(198, 51, 100, rng.byte()),
        16 => draft.v4[0] = Ipv4Addr::UNSPECIFIED,
        17 => draft.v4[1] = Ipv4Addr::BROADCAST,
        18 => draft.v6[end] = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, rng.word()),
        _ => {}
    }
}

/// A bridge forwards nothing from a group's address, nor back to where it came
/// from, and keeps what is for itself.
fn deliverable(draft: &mut Draft, way: Direction) {
    let (own, other) = if way == Direction::Out { (GUEST_MAC, PEER_MAC) } else { (PEER_MAC, GUEST_MAC) };
    if draft.macs[0].is_multicast() || draft.macs[0] == Mac::new([0; 6]) || draft.macs[0] == BRIDGE_MAC {
        draft.macs[0] = own;
    }
    let to = draft.macs[1].bytes();
    if to[..5] == [0x01, 0x80, 0xc2, 0, 0] {
        draft.macs[1] = Mac::new([0x01, 0x80, 0xc2, 0, 0, 0]);
    } else if [own, BRIDGE_MAC, Mac::new([0; 6])].contains(&draft.macs[1]) {
        draft.macs[1] = other;
    }
    // A connection of somebody with himself is his answer at once.
    if draft.v4[0] == draft.v4[1] {
        draft.v4[1] = PEER_V4;
        draft.v4[0] = if draft.v4[0] == PEER_V4 { GUEST_V4 } else { draft.v4[0] };
    }
    if draft.v6[0] == draft.v6[1] {
        draft.v6[1] = PEER_V6;
        draft.v6[0] = if draft.v6[0] == PEER_V6 { GUEST_V6 } else { draft.v6[0] };
    }
}

/// How a conversation goes on: the answer, and what follows that.
fn rest(first: &Draft, way: Direction) -> Exchange {
    let mut back = first.clone();
    back.turn();
    back.in_fragments = false;
    let mut again = Draft { in_fragments: false, ..first.clone() };
    back.tcp = (SYN_ACK, None);
    again.tcp = (ACK, None);
    match first.kind[0] {
        8 => back.kind[0] = 0,
        13 => back.kind[0] = 14,
        128 => back.kind[0] = 129,
        _ => {}
    }
    deliverable(&mut back, other_way(way));
    let mut answer = Shot { way: other_way(way), frame: back.frame() };
    if let Body::Ip(ip) = &mut answer.frame.body {
        if let L4::Sctp(_, chunk) = &mut ip.transport {
            *chunk = INIT_ACK;
        }
    }
    let goes_on = [Protocol::TCP, Protocol::UDP, Protocol::UDPLITE].contains(&Protocol(first.protocol));
    let third = goes_on.then(|| Shot { way, frame: again.frame() });
    std::iter::once(answer).chain(third).collect()
}

fn other_way(way: Direction) -> Direction {
    if way == Direction::Out { Direction::In } else { Direction::Out }
}
