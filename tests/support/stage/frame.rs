//! Frames as bytes: Ethernet, ARP, IPv4, IPv6, UDP and TCP, with right checksums.

use virt_guard::net::Mac;

/// Where a frame comes from or goes to.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// On Ethernet.
    pub mac: Mac,
    /// In IPv4; its last two bytes are also those of the IPv6 address.
    pub ip: [u8; 4],
    /// In UDP or TCP.
    pub port: u16,
}

const UDP: u8 = 17;
const TCP: u8 = 6;

fn ethernet(source: Mac, destination: Mac, kind: u16, body: &[u8]) -> Vec<u8> {
    [&destination.bytes()[..], &source.bytes(), &kind.to_be_bytes(), body].concat()
}

/// UDP over IPv4.
pub fn udp(from: End, to: End, payload: &[u8]) -> Vec<u8> {
    ethernet(from.mac, to.mac, 0x0800, &ipv4(from, to, UDP, &datagram(from, to, payload, &pseudo4(from, to, UDP))))
}

/// UDP over IPv4 behind a VLAN tag.
pub fn tagged_udp(from: End, to: End, payload: &[u8]) -> Vec<u8> {
    let inner = udp(from, to, payload);
    ethernet(from.mac, to.mac, 0x8100, &[&[0, 7][..], &inner[12..]].concat())
}

/// UDP over IPv6.
pub fn udp6(from: End, to: End, payload: &[u8]) -> Vec<u8> {
    let (source, destination) = (ipv6_address(from), ipv6_address(to));
    let length = (8 + payload.len()) as u16;
    let pseudo = [&source[..], &destination, &[0, 0], &length.to_be_bytes(), &[0, 0, 0, UDP]].concat();
    let datagram = datagram(from, to, payload, &pseudo);
    let header = [&[0x60, 0, 0, 0][..], &length.to_be_bytes(), &[UDP, 64], &source, &destination].concat();
    ethernet(from.mac, to.mac, 0x86dd, &[header, datagram].concat())
}

/// The first segment of a TCP connection over IPv4, with something in it.
pub fn syn(from: End, to: End, payload: &[u8]) -> Vec<u8> {
    let mut segment = [&from.port.to_be_bytes()[..], &to.port.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    let length = (segment.len() as u16).to_be_bytes();
    let sum = checksum(&[&pseudo4(from, to, TCP)[..], &length, &segment].concat());
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    ethernet(from.mac, to.mac, 0x0800, &ipv4(from, to, TCP, &segment))
}

/// An ARP announcement of `from`, with something behind it.
pub fn arp(from: End, payload: &[u8]) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, 1];
    let body = [&head[..], &from.mac.bytes(), &from.ip, &[0; 6], &from.ip, payload].concat();
    ethernet(from.mac, Mac::BROADCAST, 0x0806, &body)
}

fn datagram(from: End, to: End, payload: &[u8], pseudo: &[u8]) -> Vec<u8> {
    let length = ((8 + payload.len()) as u16).to_be_bytes();
    let mut datagram = [&from.port.to_be_bytes()[..], &to.port.to_be_bytes(), &length, &[0, 0], payload].concat();
    // The pseudo header of IPv6 has the length already.
    let counted = if pseudo.len() == 10 { [pseudo, &length[..]].concat() } else { pseudo.to_vec() };
    let sum = checksum(&[&counted[..], &datagram].concat());
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    datagram
}

fn pseudo4(from: End, to: End, protocol: u8) -> Vec<u8> {
    [&from.ip[..], &to.ip, &[0, protocol]].concat()
}

fn ipv4(from: End, to: End, protocol: u8, body: &[u8]) -> Vec<u8> {
    let length = ((20 + body.len()) as u16).to_be_bytes();
    let mut header = [&[0x45, 0][..], &length, &[0, 0, 0, 0, 64, protocol, 0, 0], &from.ip, &to.ip].concat();
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [&header[..], body].concat()
}

/// fd00:100::N:N, whatever the first bytes of the IPv4 address.
fn ipv6_address(end: End) -> [u8; 16] {
    let mut address = [0; 16];
    address[..4].copy_from_slice(&[0xfd, 0, 1, 0]);
    address[14..].copy_from_slice(&end.ip[2..]);
    address
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
