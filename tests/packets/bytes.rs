//! Frames as bytes, whole and with right checksums: a kernel that tracks
//! connections takes wrong ones for invalid packets.
//!
//! Each frame bears a number, so that it is known again where it arrives.

use std::net::IpAddr;

use virt_guard::net::{EtherType, Family, Protocol};

use super::frame::{Body, Extension, Frame, INIT, Ip, L4, SCTP_TAG};
use super::support::sums::{checksum, crc32c, summed};

/// The length of a frame's header: two addresses and a type.
pub const ETHERNET: usize = 14;

/// The frame, bearing `id`.
pub fn frame(frame: &Frame, id: u32) -> Vec<u8> {
    let mut bytes = [frame.to.bytes(), frame.from.bytes()].concat();
    bytes.extend(body(&frame.body, id));
    bytes
}

/// The mark by which a frame is known.
fn marker(id: u32) -> [u8; 8] {
    let [a, b, c, d] = id.to_be_bytes();
    [b'v', b'g', b'-', b'#', a, b, c, d]
}

/// From the type on.
fn body(body: &Body, id: u32) -> Vec<u8> {
    let (kind, content) = match body {
        Body::Arp(kind, arp) => (kind.number(), arp_bytes(arp, id)),
        Body::OddArp(kind, arp, at) => {
            let mut bytes = arp_bytes(arp, id);
            bytes[*at] ^= 0x0e;
            (kind.number(), bytes)
        }
        Body::Ip(ip) => (ip.family().ether_type().number(), ip_bytes(ip, id)),
        Body::Other(kind) => (kind.number(), filler(id)),
        Body::Length => (46, filler(id)),
        Body::Tagged(kind, inner) => (kind.number(), [vec![0, 5], self::body(inner, id)].concat()),
    };
    [kind.to_be_bytes().to_vec(), content].concat()
}

/// What fills the smallest frame: 46 bytes.
fn filler(id: u32) -> Vec<u8> {
    let mut bytes = marker(id).to_vec();
    bytes.resize(46, 0);
    bytes
}

fn arp_bytes(arp: &super::frame::Arp, id: u32) -> Vec<u8> {
    // Ethernet, IPv4, and the lengths of their addresses.
    let mut bytes = vec![0, 1, 8, 0, 6, 4];
    bytes.extend(arp.operation.to_be_bytes());
    bytes.extend(arp.sender_mac.bytes());
    bytes.extend(arp.sender_ip.octets());
    bytes.extend([0; 6]);
    bytes.extend(arp.target_ip.octets());
    bytes.extend(filler(id));
    bytes
}

/// The IP packet alone, bearing `id`.
pub fn ip_bytes(ip: &Ip, id: u32) -> Vec<u8> {
    let content = transport(ip, id);
    let mut bytes = header(ip, content.len(), id);
    bytes.extend(content);
    bytes
}

/// Where what is carried begins within the packet.
pub fn transport_offset(ip: &Ip) -> usize {
    match ip.family() {
        Family::V4 => 20 + extensions(ip).len(),
        Family::V6 => 40 + extensions(ip).len(),
    }
}

/// The packet's headers alone, for so much content.
fn header(ip: &Ip, content: usize, id: u32) -> Vec<u8> {
    let protocol = ip.protocol().0;
    match (ip.source, ip.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let length = transport_offset(ip);
            let mut bytes = vec![0x40 | (length / 4) as u8, 0];
            bytes.extend(((length + content) as u16).to_be_bytes());
            bytes.extend((id as u16 | 1).to_be_bytes());
            bytes.extend([0, 0, 64, protocol, 0, 0]);
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
            bytes.extend(extensions(ip));
            let sum = checksum(&bytes);
            bytes[10..12].copy_from_slice(&sum.to_be_bytes());
            bytes
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut bytes = vec![0x60, 0, 0, 0];
            bytes.extend(((extensions(ip).len() + content) as u16).to_be_bytes());
            bytes.extend([next_header(ip), if protocol == 58 { 255 } else { 64 }]);
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
            bytes.extend(extensions(ip));
            bytes
        }
        _ => panic!("a packet of two families: {ip:?}"),
    }
}

/// The numbers of hop-by-hop options, routing and destination options.
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const DESTINATION: u8 = 60;

fn next_header(ip: &Ip) -> u8 {
    match ip.extension {
        Extension::None | Extension::Options => ip.protocol().0,
        Extension::HopByHop | Extension::Two => HOP_BY_HOP,
        Extension::Destination | Extension::Disguise(_) => DESTINATION,
        Extension::Routing => ROUTING,
    }
}

/// What stands between the header and what is carried.
fn extensions(ip: &Ip) -> Vec<u8> {
    let protocol = ip.protocol().0;
    // Router alert (5) about multicast listener discovery (0), then padding.
    let hop_by_hop = |next| vec![next, 0, 5, 2, 0, 0, 1, 0];
    let destination = |next| vec![next, 0, 1, 4, 0, 0, 0, 0];
    match ip.extension {
        Extension::None => Vec::new(),
        Extension::Options => vec![1, 1, 1, 0],
        Extension::HopByHop => hop_by_hop(protocol),
        Extension::Destination => destination(protocol),
        Extension::Disguise(address) => [vec![protocol, 2, 1, 20, 0, 0, 0, 0], address.octets().to_vec()].concat(),
        // Of a type for experiments (RFC 4727).
        Extension::Routing => vec![protocol, 0, 253, 0, 0, 0, 0, 0],
        Extension::Two => [hop_by_hop(DESTINATION), destination(protocol)].concat(),
    }
}

fn transport(ip: &Ip, id: u32) -> Vec<u8> {
    let marker = marker(id);
    match &ip.transport {
        L4::Tcp(source, destination, flags, numbers) => {
            let mut bytes = [source.to_be_bytes(), destination.to_be_bytes()].concat();
            bytes.extend(numbers.map(u32::to_be_bytes).concat());
            bytes.extend([0x50, *flags, 0xff, 0xff, 0, 0, 0, 0]);
            bytes.extend(marker);
            summed((ip.source, ip.destination), ip.protocol(), bytes, 16)
        }
        L4::Udp(source, destination) => {
            let mut bytes = [source.to_be_bytes(), destination.to_be_bytes()].concat();
            bytes.extend([0, 16, 0, 0]);
            bytes.extend(marker);
            summed((ip.source, ip.destination), ip.protocol(), bytes, 6)
        }
        L4::Sctp(source, destination, tag, chunk) => sctp([*source, *destination], *tag, *chunk, marker),
        L4::Icmp(number, code, rest, body) => {
            let mut bytes = vec![*number, *code, 0, 0];
            bytes.extend(rest);
            bytes.extend(body);
            // In neighbour discovery: an option, "nonce", of 16 bytes in all.
            let discovery = ip.family() == Family::V6 && (133..=137).contains(number);
            bytes.extend(if discovery { [14, 2, 0, 0, 0, 0, 0, 0].as_slice() } else { &[] });
            bytes.extend(marker);
            summed((ip.source, ip.destination), ip.protocol(), bytes, 2)
        }
        L4::Other(Protocol(47)) => [vec![0, 0, 0x65, 0x58], marker.to_vec()].concat(),
        L4::Other(_) => [vec![0, 0, 1, 1, 0, 0, 0, 1], marker.to_vec()].concat(),
    }
}

/// One chunk of 32 bytes: its header, the tag, window, streams, first TSN, and a
/// parameter that nobody knows. Summed with CRC-32C.
fn sctp(ports: [u16; 2], tag: u32, chunk: u8, marker: [u8; 8]) -> Vec<u8> {
    let mut bytes = ports.map(u16::to_be_bytes).concat();
    bytes.extend(tag.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend([chunk, 0, 0, 32]);
    bytes.extend(if chunk == INIT { SCTP_TAG } else { !SCTP_TAG }.to_be_bytes());
    bytes.extend([0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0x80, 0x01, 0, 12]);
    bytes.extend(marker);
    let sum = crc32c(&bytes);
    bytes[8..12].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// A UDP header and what it carries, for addresses and ports of `ip`.
pub fn datagram(ip: &Ip, content: &[u8]) -> Vec<u8> {
    let L4::Udp(source, destination) = ip.transport else { panic!("a datagram is UDP: {ip:?}") };
    let length = 8 + content.len() as u16;
    let words = [source, destination, length, 0].map(u16::to_be_bytes).concat();
    summed((ip.source, ip.destination), ip.protocol(), [words, content.to_vec()].concat(), 6)
}

/// A piece of an IP packet, which stands at `offset` in what the packet carries.
pub fn fragment(ip: &Ip, content: &[u8], offset: u16, more: bool) -> Vec<u8> {
    let mut bytes = match ip.family() {
        Family::V4 => {
            let mut bytes = header(ip, content.len(), 0x77);
            bytes[6..8].copy_from_slice(&((offset / 8) | (u16::from(more) << 13)).to_be_bytes());
            bytes[10..12].fill(0);
            let sum = checksum(&bytes);
            bytes[10..12].copy_from_slice(&sum.to_be_bytes());
            bytes
        }
        Family::V6 => {
            let mut bytes = header(ip, 8 + content.len(), 0x77);
            let next = std::mem::replace(&mut bytes[6], 44);
            let [high, low] = (offset | u16::from(more)).to_be_bytes();
            bytes.extend([next, 0, high, low, 0, 0, 0, 0x77]);
            bytes
        }
    };
    bytes.extend(content);
    bytes
}

/// What an ICMP error says of the packet that caused it: its header and eight bytes.
pub fn quote(ip: &Ip) -> Vec<u8> {
    let whole = ip_bytes(ip, 0);
    whole[..transport_offset(ip) + 8].to_vec()
}

/// A received frame without the first tag, which a receiver may or may not see.
pub fn untagged(bytes: &[u8]) -> Vec<u8> {
    let tags = [EtherType::VLAN, EtherType::QINQ].map(|kind| kind.number().to_be_bytes());
    match bytes.get(12..14) {
        Some(kind) if tags.iter().any(|tag| tag == kind) => [&bytes[..12], &bytes[16..]].concat(),
        _ => bytes.to_vec(),
    }
}
