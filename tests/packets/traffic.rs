//! Random frames, most of them near the border of what a policy allows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use virt_guard::net::{EtherType, Family, Mac, Protocol};

use super::aim;
use super::frame::{Arp, Body, Extension, Frame, INIT, Ip, L4, SYN};
use super::rng::Rng;
use super::station::{End, GUESTS};
use super::values::Values;

/// Flags with which no connection begins: ACK, SYN and ACK, RST, FIN and ACK,
/// none, SYN and FIN.
const STRAY: [u8; 6] = [0x10, 0x12, 0x04, 0x11, 0x00, 0x03];
/// Where an ARP header can be odd: the last bytes of hardware and protocol, and the
/// length of the hardware address. The length of the other is left to receivers: no
/// ebtables of any kind can ask for it alone.
const ODD: [usize; 3] = [1, 3, 4];
/// IEEE's type for experiments.
const EXPERIMENT: u16 = 0x88b5;

/// Who sends a frame, and the frame.
pub fn first(rng: &mut Rng, values: &Values) -> (End, Frame) {
    if rng.chance(35) {
        if let Some((from, to, ip)) = aim::shoot(rng, values) {
            return (from, address(rng, from, to, Body::Ip(ip)));
        }
    }
    let from = sender(rng);
    let to = loop {
        let to = rng.pick(&End::ALL);
        if to != from {
            break to;
        }
    };
    let body = if from == End::Host || rng.chance(80) {
        Body::Ip(ip(rng, values, from, to))
    } else {
        odd(rng, values, from, to)
    };
    (from, address(rng, from, to, body))
}

fn sender(rng: &mut Rng) -> End {
    match rng.below(100) {
        0..60 => End::Guest(rng.below(GUESTS.len())),
        60..80 => End::Lan,
        80..88 => End::Unknown,
        _ => End::Host,
    }
}

fn address(rng: &mut Rng, from: End, to: End, body: Body) -> Frame {
    let group = match &body {
        Body::Ip(ip) => is_group(ip.destination),
        _ => rng.chance(20),
    };
    let mac = from.station().mac;
    let spoofed = from != End::Host && rng.chance(10);
    let from = if spoofed { rng.pick(&[GUESTS[0].mac, GUESTS[1].mac, Mac::new([2, 0, 0, 0, 0, 0x55])]) } else { mac };
    Frame { to: if group { Mac::BROADCAST } else { to.station().mac }, from, body }
}

fn is_group(address: IpAddr) -> bool {
    address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST)
}

fn ip(rng: &mut Rng, values: &Values, from: End, to: End) -> Ip {
    let family = rng.pick(&Family::BOTH);
    if from != End::Host && rng.chance(12) {
        return dhcp(rng, family, from, to);
    }
    let source = source(rng, values, family, from);
    let destination = destination(rng, values, family, from, to);
    let transport = transport(rng, values, family, from);
    let extension = match (family, &transport) {
        (Family::V6, L4::Icmp(130..=132 | 143, ..)) if rng.chance(70) => Extension::HopByHop,
        (Family::V6, _) if rng.chance(15) => rng.pick(&[Extension::Destination, Extension::Routing, Extension::Two]),
        (Family::V4, _) if rng.chance(5) => Extension::Options,
        _ => Extension::None,
    };
    Ip { source, destination, extension, transport }
}

/// What a client or a server of DHCP says, or nearly.
fn dhcp(rng: &mut Rng, family: Family, from: End, to: End) -> Ip {
    let (server, client) = if family == Family::V4 { (67, 68) } else { (547, 546) };
    let (source, destination) = if rng.chance(60) { (client, server) } else { (server, client) };
    let transport = L4::Udp(source, if rng.chance(20) { destination + 1 } else { destination });
    let own = from.station().address(family);
    let there = to.station().address(family);
    let (source, destination) = match family {
        Family::V4 => {
            let nobody = if rng.chance(50) { Ipv4Addr::UNSPECIFIED.into() } else { own };
            (nobody, if rng.chance(60) { Ipv4Addr::BROADCAST.into() } else { there })
        }
        Family::V6 => {
            let local = if rng.chance(60) { from.station().mac.link_local().into() } else { own };
            (local, if rng.chance(60) { Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2).into() } else { there })
        }
    };
    Ip { source, destination, extension: Extension::None, transport }
}

fn source(rng: &mut Rng, values: &Values, family: Family, from: End) -> IpAddr {
    let own = from.station().address(family);
    if from == End::Host {
        return own;
    }
    let local = IpAddr::V6(from.station().mac.link_local());
    match rng.below(20) {
        0..11 => own,
        11..13 => rng.pick(&End::ALL).station().address(family),
        13..16 => values.address(rng, family),
        16..18 if family == Family::V6 => local,
        18 if family == Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        18 => Ipv4Addr::UNSPECIFIED.into(),
        _ => {
            if family == Family::V4 {
                Ipv4Addr::new(10, 100, 0, 77).into()
            } else {
                Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0, 0x77).into()
            }
        }
    }
}

fn destination(rng: &mut Rng, values: &Values, family: Family, from: End, to: End) -> IpAddr {
    let there = to.station().address(family);
    if from == End::Host {
        return if family == Family::V6 && rng.chance(20) { to.station().mac.link_local().into() } else { there };
    }
    let all = match family {
        Family::V4 => IpAddr::from(Ipv4Addr::new(224, 0, 0, 1)),
        Family::V6 => IpAddr::from(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, rng.pick(&[1, 2, 0x16]))),
    };
    match rng.below(20) {
        0..12 => there,
        12..14 => all,
        14 if family == Family::V4 => Ipv4Addr::BROADCAST.into(),
        14..16 if family == Family::V6 => to.station().mac.link_local().into(),
        _ if to == End::Host => there,
        _ => values.address(rng, family),
    }
}

fn transport(rng: &mut Rng, values: &Values, family: Family, from: End) -> L4 {
    // One side unlike any other packet's, so that each is a connection of its own.
    let (any, known) = (rng.word() | 0x8000, values.port(rng));
    match rng.below(20) {
        0..5 => L4::syn(any, known),
        5 => L4::Tcp(any, known, rng.pick(&STRAY), [1000, 2000]),
        6..11 => L4::Udp(any, known),
        11 => L4::Udp(known, any),
        12 => L4::Sctp(any, known, 0, INIT),
        13 => L4::Other(values.protocol(rng)),
        14..16 => L4::echo(family, any),
        _ => icmp(rng, values, family, from),
    }
}

fn icmp(rng: &mut Rng, values: &Values, family: Family, from: End) -> L4 {
    let (number, code) = values.icmp(rng, family);
    let mut body = Vec::new();
    if family == Family::V6 {
        let target = target(rng, values, from).octets();
        match number {
            134 => body = vec![0; 8],
            137 => body = [target, target].concat(),
            135 | 136 | 130..=132 => body = target.to_vec(),
            _ => {}
        }
    }
    let word = rng.word().to_be_bytes();
    let rest = if (133..=137).contains(&number) { [0; 4] } else { [word[0], word[1], 0, 1] };
    L4::Icmp(number, code, rest, body)
}

/// An address that a neighbour may claim to have.
fn target(rng: &mut Rng, values: &Values, from: End) -> Ipv6Addr {
    let any = values.address(rng, Family::V6);
    match (rng.below(4), any) {
        (0, _) => from.station().v6,
        (1, _) => from.station().mac.link_local(),
        (2, IpAddr::V6(address)) => address,
        _ => rng.pick(&GUESTS.each_ref().map(|guest| guest.v6)),
    }
}

/// Anything but plain IP.
fn odd(rng: &mut Rng, values: &Values, from: End, to: End) -> Body {
    match rng.below(10) {
        0..6 => arp(rng, from, to),
        6..8 => {
            let inner = if rng.chance(70) { Body::Ip(ip(rng, values, from, to)) } else { arp(rng, from, to) };
            Body::Tagged(rng.pick(&[EtherType::VLAN, EtherType::QINQ]), Box::new(inner))
        }
        8 => Body::Length,
        _ => Body::Other(EtherType::new(EXPERIMENT + u16::from(rng.chance(30))).expect("a type")),
    }
}

fn arp(rng: &mut Rng, from: End, to: End) -> Body {
    let kind = if rng.chance(25) { EtherType::RARP } else { EtherType::ARP };
    let operation = if kind == EtherType::RARP { rng.pick(&[3, 3, 4, 1]) } else { rng.pick(&[1, 1, 2, 2, 3]) };
    let own = from.station();
    let other = rng.pick(&GUESTS.each_ref().map(|guest| (guest.mac, guest.v4)));
    let sender_mac = if rng.chance(15) { other.0 } else { own.mac };
    let sender_ip = match rng.below(10) {
        0..6 => own.v4,
        6 => Ipv4Addr::UNSPECIFIED,
        7 => Ipv4Addr::new(10, 100, 0, 77),
        _ => other.1,
    };
    let arp = Arp { operation, sender_mac, sender_ip, target_ip: to.station().v4 };
    if rng.chance(15) { Body::OddArp(kind, arp, rng.pick(&ODD)) } else { Body::Arp(kind, arp) }
}

/// The packet with which `to` answers `ip`, and how: with an answer of its kind.
pub fn reply(ip: &Ip) -> Option<Ip> {
    let transport = match &ip.transport {
        L4::Tcp(source, destination, SYN, _) => L4::Tcp(*destination, *source, super::frame::SYN_ACK, [5000, 1001]),
        L4::Tcp(..) => return None,
        L4::Udp(source, destination) => L4::Udp(*destination, *source),
        L4::Sctp(source, destination, ..) => {
            L4::Sctp(*destination, *source, super::frame::SCTP_TAG, super::frame::INIT_ACK)
        }
        L4::Icmp(8, code, rest, _) => L4::Icmp(0, *code, *rest, Vec::new()),
        L4::Icmp(128, code, rest, _) => L4::Icmp(129, *code, *rest, Vec::new()),
        L4::Icmp(..) => return None,
        L4::Other(protocol) => L4::Other(*protocol),
    };
    Some(Ip { source: ip.destination, destination: ip.source, extension: Extension::None, transport })
}

/// The ICMP error with which `from` answers `ip`.
pub fn error(rng: &mut Rng, ip: &Ip, from: End) -> Ip {
    let number = match ip.family() {
        Family::V4 => rng.pick(&[3, 11, 12]),
        Family::V6 => rng.pick(&[1, 3, 4]),
    };
    let transport = L4::Icmp(number, rng.below(2) as u8, [0; 4], super::bytes::quote(ip));
    Ip { source: from.station().address(ip.family()), destination: ip.source, extension: Extension::None, transport }
}

/// Whether conntrack finds a connection by this packet's quotation.
pub fn is_quotable(ip: &Ip) -> bool {
    ip.extension == Extension::None && ip.protocol() != Protocol(47)
}
