//! Everything that reaches a station at one of its addresses, whether or not it
//! belongs to a connection; and packets that belong to none.
//!
//! In: a station and its address. Out: what its stack was handed since.

use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use virt_guard::net::{Family, Protocol};

use crate::sessions::ends;
use crate::station::Station;
use crate::support::sums::{checksum, summed};

/// Ears at an address of a station.
#[derive(Debug)]
pub struct Ears {
    address: IpAddr,
    sockets: Vec<(Protocol, UdpSocket)>,
}

/// A packet of which the transport header is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What it is.
    pub protocol: Protocol,
    /// Who sent it.
    pub source: IpAddr,
    /// From its transport header on.
    pub bytes: Vec<u8>,
}

/// An acknowledgement (RFC 9293), as it comes in the middle of a connection.
const ACK: u8 = 0x10;

impl Ears {
    /// From now on.
    pub fn new(station: &Station, address: IpAddr) -> Self {
        let protocols = [Protocol::TCP, Protocol::UDP, Family::of(address).icmp()];
        let sockets = station.inside(|| protocols.map(|protocol| (protocol, ends::raw(protocol, address))).into());
        Self { address, sockets }
    }

    /// What has been heard since the last call.
    pub fn heard(&self) -> Vec<Heard> {
        let mut list = Vec::new();
        for (protocol, socket) in &self.sockets {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                // Raw sockets of IPv4 give the IP header, too: raw(7).
                let header = if from.is_ipv4() { usize::from(buffer[0] & 15) * 4 } else { 0 };
                let bytes = buffer[header.min(length)..length].to_vec();
                list.push(Heard { protocol: *protocol, source: from.ip(), bytes });
            }
        }
        list
    }

    /// Sends a segment of TCP from the middle of a connection.
    pub fn acknowledge(&self, port: u16, to: SocketAddr) {
        let mut segment = [port.to_be_bytes(), to.port().to_be_bytes()].concat();
        segment.extend([0, 0, 16, 0, 0, 0, 16, 0, 0x50, ACK, 0xff, 0xff, 0, 0, 0, 0]);
        self.send(Protocol::TCP, to.ip(), &summed((self.address, to.ip()), Protocol::TCP, segment, 16));
    }

    /// Tells `to` that its datagram from `from` did not get to `port` here.
    pub fn complain(&self, port: u16, to: SocketAddr) {
        let family = Family::of(to.ip());
        let mut datagram = [to.port().to_be_bytes(), port.to_be_bytes()].concat();
        datagram.extend([0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let datagram = summed((to.ip(), self.address), Protocol::UDP, datagram, 6);
        let quoted = [header(to.ip(), self.address, datagram.len()), datagram].concat();
        // Host unreachable; address unreachable.
        let kind = if family == Family::V4 { 3 } else { 1 };
        let code = if family == Family::V4 { 1 } else { 3 };
        let mut message = [&[kind, code, 0, 0, 0, 0, 0, 0][..], &quoted].concat();
        if family == Family::V4 {
            let sum = checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        self.send(family.icmp(), to.ip(), &message);
    }

    fn send(&self, protocol: Protocol, to: IpAddr, bytes: &[u8]) {
        let (_, socket) = self.sockets.iter().find(|(known, _)| *known == protocol).expect("a socket of the protocol");
        socket.send_to(bytes, SocketAddr::new(to, 0)).expect("a packet is sent");
    }
}

impl Heard {
    /// Whether it is an error of ICMP.
    pub fn is_complaint(&self) -> bool {
        let kind = self.bytes.first().copied();
        match self.protocol {
            Protocol::ICMP => kind == Some(3),
            Protocol::ICMPV6 => kind == Some(1),
            _ => false,
        }
    }
}

/// The IP header of a datagram of UDP.
fn header(source: IpAddr, destination: IpAddr, length: usize) -> Vec<u8> {
    let udp = Protocol::UDP.0;
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let total = (20 + length as u16).to_be_bytes();
            let mut header = [0x45, 0, total[0], total[1], 0, 0, 0, 0, 60, udp, 0, 0].to_vec();
            header.extend([source.octets(), destination.octets()].concat());
            let sum = checksum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            header
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let [high, low] = (length as u16).to_be_bytes();
            let head = [0x60, 0, 0, 0, high, low, udp, 60];
            [&head[..], &source.octets(), &destination.octets()].concat()
        }
        ends => panic!("a packet of two families: {ends:?}"),
    }
}

/// The connections of the calling thread's namespace that have to do with all these
/// addresses, as the kernel tells of them.
pub fn tracked(addresses: &[IpAddr]) -> Vec<String> {
    let text = fs::read_to_string("/proc/thread-self/net/nf_conntrack").expect("the kernel's connections");
    let names = |line: &str, address: IpAddr| {
        let ends = line.split_whitespace().filter_map(|word| word.split_once('='));
        ends.filter_map(|(_, end)| end.parse::<IpAddr>().ok()).any(|end| end == address)
    };
    let about = |line: &&str| addresses.iter().all(|address| names(line, *address));
    text.lines().filter(about).map(str::to_owned).collect()
}
