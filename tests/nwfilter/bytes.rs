//! Frames as bytes, with right checksums: a kernel that tracks connections takes
//! wrong ones for invalid packets.
//!
//! Each frame, and each fragment of it, bears a mark by which it is known again.

use std::net::IpAddr;

use virt_guard::net::{EtherType, Mac, Protocol};

use super::frame::{ACK, Arp, Body, Bpdu, Frame, INIT, Ip, L4, SYN, SYN_ACK, UDPLITE};
use super::support::sums::{checksum, crc32c, summed};

/// The initiate tag of every INIT.
const SCTP_TAG: u32 = 0x7667_7667;
/// How much of a packet its first fragment takes: up to the second mark.
const FIRST: usize = 32;

/// What the frame is on the wire: one frame, or two if it is in fragments.
pub fn frames(frame: &Frame, id: u32) -> Vec<Vec<u8>> {
    match &frame.body {
        Body::Ip(ip) if ip.in_fragments => {
            let (content, kind) = (transport(ip, id), EtherType::IPV4.number());
            let (first, second) = content.split_at(FIRST);
            let pieces = [header(ip, first.len(), id, 0x2000), header(ip, second.len(), id, FIRST as u16 / 8)];
            let whole = |(header, rest): (Vec<u8>, &[u8])| {
                [head(frame), kind.to_be_bytes().to_vec(), header, rest.to_vec()].concat()
            };
            pieces.into_iter().zip([first, second]).map(whole).collect()
        }
        body => vec![[head(frame), self::body(body, id)].concat()],
    }
}

/// The numbers of the frames whose marks are in these bytes, and which mark it is.
pub fn marks(bytes: &[u8]) -> Vec<(u32, u8)> {
    let mark = |at: &[u8]| match at {
        [b'v', b'g', piece @ 0..=1, b'#', a, b, c, d] => Some((u32::from_be_bytes([*a, *b, *c, *d]), *piece)),
        _ => None,
    };
    bytes.windows(8).filter_map(mark).collect()
}

fn mark(id: u32, piece: u8) -> [u8; 8] {
    let [a, b, c, d] = id.to_be_bytes();
    [b'v', b'g', piece, b'#', a, b, c, d]
}

/// Both marks, so far from each other that each fragment has one.
fn both_marks(id: u32) -> Vec<u8> {
    [mark(id, 0), mark(id, 1)].concat()
}

fn head(frame: &Frame) -> Vec<u8> {
    let mut bytes = [frame.to.bytes(), frame.from.bytes()].concat();
    if let Some(vlan) = frame.vlan {
        bytes.extend(EtherType::VLAN.number().to_be_bytes());
        bytes.extend(vlan.to_be_bytes());
    }
    bytes
}

/// From the type on.
fn body(body: &Body, id: u32) -> Vec<u8> {
    let (kind, content) = match body {
        Body::Arp(arp) => (EtherType::ARP.number(), arp_bytes(arp)),
        Body::Rarp(arp) => (EtherType::RARP.number(), arp_bytes(arp)),
        Body::Stp(bpdu) => {
            let content = bpdu_bytes(bpdu);
            (content.len() as u16, content)
        }
        Body::Ip(ip) => {
            let content = transport(ip, id);
            return [
                ip.family().ether_type().number().to_be_bytes().to_vec(),
                header(ip, content.len(), id, 0),
                content,
            ]
            .concat();
        }
        Body::Other(kind) => (kind.number(), Vec::new()),
    };
    let mut bytes = [kind.to_be_bytes().to_vec(), content, both_marks(id)].concat();
    bytes.resize(bytes.len().max(48), 0);
    bytes
}

fn arp_bytes(arp: &Arp) -> Vec<u8> {
    let mut bytes = [arp.hardware, arp.protocol].map(u16::to_be_bytes).concat();
    bytes.extend([6, 4]);
    bytes.extend(arp.operation.to_be_bytes());
    for (mac, ip) in [arp.sender, arp.target] {
        bytes.extend(mac.bytes());
        bytes.extend(ip.octets());
    }
    bytes
}

/// Behind an LLC header (IEEE 802.1D, clause 9.3).
fn bpdu_bytes(bpdu: &Bpdu) -> Vec<u8> {
    let mut bytes = vec![0x42, 0x42, 3, 0, 0, 0, bpdu.kind];
    if bpdu.kind == 0 {
        let bridge = |(priority, mac): (u16, Mac)| [priority.to_be_bytes().to_vec(), mac.bytes().to_vec()].concat();
        bytes.push(bpdu.flags);
        bytes.extend(bridge(bpdu.root));
        bytes.extend(bpdu.cost.to_be_bytes());
        bytes.extend(bridge(bpdu.sender));
        bytes.extend(bpdu.port.to_be_bytes());
        bytes.extend(bpdu.times.map(u16::to_be_bytes).concat());
    }
    bytes
}

/// The packet's header alone, for so much content.
fn header(ip: &Ip, content: usize, id: u32, offset: u16) -> Vec<u8> {
    let protocol = ip.protocol().0;
    match (ip.source, ip.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut bytes = vec![0x45, ip.dscp << 2];
            bytes.extend(((20 + content) as u16).to_be_bytes());
            bytes.extend((id as u16 | 1).to_be_bytes());
            bytes.extend(offset.to_be_bytes());
            bytes.extend([64, protocol, 0, 0]);
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
            let sum = checksum(&bytes);
            bytes[10..12].copy_from_slice(&sum.to_be_bytes());
            bytes
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut bytes = vec![0x60 | ip.dscp >> 2, ip.dscp << 6, 0, 0];
            bytes.extend((content as u16).to_be_bytes());
            bytes.extend([protocol, if protocol == 58 { 255 } else { 64 }]);
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
            bytes
        }
        _ => panic!("a packet of two families: {ip:?}"),
    }
}

/// Headers of different lengths are filled up, so that the second mark begins
/// where a second fragment does.
fn transport(ip: &Ip, id: u32) -> Vec<u8> {
    let mut bytes = match &ip.transport {
        L4::Tcp(ports, flags, option) => tcp(*ports, *flags, *option),
        L4::Udp(protocol, ports) => {
            let length = if *protocol == UDPLITE { 0 } else { 40 };
            [ports[0], ports[1], length, 0].map(u16::to_be_bytes).concat()
        }
        L4::Sctp(ports, chunk) => return sctp(*ports, *chunk, id),
        L4::Icmp(kind, code, identifier) => {
            let mut bytes = vec![*kind, *code, 0, 0];
            bytes.extend([*identifier, 1].map(u16::to_be_bytes).concat());
            bytes
        }
        L4::Neighbour(kind, target) => {
            // An option, "nonce", of 24 bytes holds the marks.
            [vec![*kind, 0, 0, 0, 0, 0, 0, 0], target.octets().to_vec(), vec![14, 3, 0, 0, 0, 0, 0, 0]].concat()
        }
        // The next header, length and indices of AH; of ESP an index and a number.
        L4::Other(protocol) if *protocol == Protocol(51) => vec![253, 1, 0, 0, 0, 0, 1, 1],
        L4::Other(_) => vec![0x16, 0, 1, 1, 0, 0, 0, 1],
    };
    bytes.resize(bytes.len().max(8), 0);
    bytes.extend(mark(id, 0));
    bytes.resize(bytes.len().max(FIRST), 0);
    bytes.extend(mark(id, 1));
    match &ip.transport {
        L4::Tcp(..) => summed((ip.source, ip.destination), ip.protocol(), bytes, 16),
        L4::Udp(..) => summed((ip.source, ip.destination), ip.protocol(), bytes, 6),
        L4::Icmp(..) | L4::Neighbour(..) => summed((ip.source, ip.destination), ip.protocol(), bytes, 2),
        _ => bytes,
    }
}

fn tcp(ports: [u16; 2], flags: u8, option: Option<u8>) -> Vec<u8> {
    let mut bytes = ports.map(u16::to_be_bytes).concat();
    let numbers: [u32; 2] = match flags {
        SYN_ACK => [5000, 1001],
        ACK => [1001, 5001],
        _ => [1000, 0],
    };
    bytes.extend(numbers.map(u32::to_be_bytes).concat());
    let length = if option.is_some() { 0x60 } else { 0x50 };
    let flags = if flags & SYN == 0 { flags } else { flags & 0x3f };
    bytes.extend([length, flags, 0xff, 0xff, 0, 0, 0, 0]);
    match option {
        Some(2) => bytes.extend([2, 4, 5, 0xb4]),
        Some(kind) => bytes.extend([kind, 3, 0, 1]),
        None => {}
    }
    bytes
}

/// One chunk: its header, tag, window, streams, first TSN, and a parameter that
/// nobody knows. Summed with CRC-32C.
fn sctp(ports: [u16; 2], chunk: u8, id: u32) -> Vec<u8> {
    let mut bytes = ports.map(u16::to_be_bytes).concat();
    bytes.extend(if chunk == INIT { 0 } else { SCTP_TAG }.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend([chunk, 0, 0, 40]);
    bytes.extend(if chunk == INIT { SCTP_TAG } else { !SCTP_TAG }.to_be_bytes());
    bytes.extend([0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0x80, 0x01, 0, 20]);
    bytes.extend(both_marks(id));
    let sum = crc32c(&bytes);
    bytes[8..12].copy_from_slice(&sum.to_le_bytes());
    bytes
}
