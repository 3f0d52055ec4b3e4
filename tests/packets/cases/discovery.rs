//! Who a guest says it is to its neighbours.

use std::net::Ipv6Addr;

use virt_guard::net::EtherType;

use super::pieces::Pieces;
use super::scene::{ALPHA, BETA, PATIENCE, SILENCE, Scene, packet, who_has};
use crate::engines::Engine;
use crate::frame::{Arp, Body, Extension, Ip, L4};
use crate::station::End;

fn advertisement(target: Ipv6Addr, extension: Extension) -> Body {
    let (source, destination) = (ALPHA.station().v6.into(), End::Lan.station().v6.into());
    Body::Ip(Ip { source, destination, extension, transport: L4::neighbour(136, target) })
}

/// An advertisement of a neighbour's address takes over its traffic, whatever
/// the source address of the packet is.
pub fn foreign_target_is_dropped(engine: &Engine) {
    let scene = Scene::guarded(engine, "", "");
    let (own, local) = (ALPHA.station().v6, ALPHA.station().mac.link_local());
    for target in [own, local] {
        scene.passes(ALPHA, End::Lan, &advertisement(target, Extension::None));
    }
    let foreign = [BETA.station().v6, BETA.station().mac.link_local(), End::Host.station().v6, Ipv6Addr::UNSPECIFIED];
    for target in foreign {
        scene.stops(ALPHA, End::Lan, &advertisement(target, Extension::None));
        scene.stops(ALPHA, End::Lan, &advertisement(target, Extension::Destination));
        scene.stops(ALPHA, End::Lan, &advertisement(target, Extension::HopByHop));
        scene.stops(ALPHA, End::Lan, &advertisement(target, Extension::Disguise(own)));
    }
    // Where the target stands behind other headers is not looked for.
    scene.stops(ALPHA, End::Lan, &advertisement(own, Extension::Destination));
}

/// Cut in pieces, it is whole again when its receiver looks at it (RFC 6980), so
/// the rules must see it whole as well.
pub fn pieces_are_no_way_round(engine: &Engine) {
    let scene = Scene::guarded(engine, "", "");
    let foreign = BETA.station().v6.octets();
    let router = [0; 8];
    for (number, start) in [(136, foreign.as_slice()), (134, &router)] {
        // In small pieces, in large ones, and in one that says it is one.
        for cut in [8, FIRST_PIECE, 2000] {
            let pieces = Pieces::of(&long_message(number, start), 0, cut);
            pieces.send(&scene, ALPHA, End::Lan);
            assert_eq!(pieces.arrived(&scene, End::Lan, SILENCE), 0, "message {number} cut at {cut}");
        }
    }
    let own = Pieces::of(&long_message(136, &ALPHA.station().v6.octets()), 0, FIRST_PIECE);
    own.send(&scene, ALPHA, End::Lan);
    assert_eq!(own.arrived(&scene, End::Lan, PATIENCE), own.length(), "its own target did not arrive");
}

/// With its headers more than the smallest MTU of IPv6: a bridge that has put
/// smaller pieces together drops them (`nf_br_ip6_fragment`).
const FIRST_PIECE: usize = 1296;

/// A message that begins like this, longer than its first piece.
fn long_message(number: u8, start: &[u8]) -> Ip {
    // An option of 170 times eight bytes that means nothing here.
    let option = [&[14, 170], [0; 170 * 8 - 2].as_slice()].concat();
    let message = L4::Icmp(number, 0, [0; 4], [start, &option].concat());
    match packet(ALPHA.station().v6, End::Lan.station().v6, message) {
        Body::Ip(ip) => ip,
        _ => panic!("a message is IP"),
    }
}

/// The same for IPv4: request, reply, and a reply nobody asked for.
pub fn foreign_arp_sender_is_dropped(engine: &Engine) {
    let scene = Scene::guarded(engine, "", "");
    let (own, other) = (ALPHA.station(), BETA.station());
    scene.passes(ALPHA, End::Lan, &who_has(ALPHA, End::Lan));
    for operation in [1, 2] {
        for (sender_mac, sender_ip) in [(own.mac, other.v4), (other.mac, own.v4), (own.mac, End::Host.station().v4)] {
            let arp = Arp { operation, sender_mac, sender_ip, target_ip: End::Lan.station().v4 };
            scene.stops(ALPHA, End::Lan, &Body::Arp(EtherType::ARP, arp));
        }
    }
    let announce = |sender_mac| Arp { operation: 3, sender_mac, sender_ip: [0; 4].into(), target_ip: [0; 4].into() };
    scene.passes(ALPHA, End::Lan, &Body::Arp(EtherType::RARP, announce(own.mac)));
    scene.stops(ALPHA, End::Lan, &Body::Arp(EtherType::RARP, announce(other.mac)));
}
