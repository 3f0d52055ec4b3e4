//! A frame as a test means it, and as the model sees it.
//!
//! In: fields. Out: the [`Packet`] of the model; the bytes are in `bytes`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use virt_guard::model::{self, ConnState, Head, IcmpMessage, IpPacket, Packet, Payload, Transport};
use virt_guard::net::{EtherType, Family, Mac, Protocol};

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Destination MAC address.
    pub to: Mac,
    /// Source MAC address.
    pub from: Mac,
    /// What it carries.
    pub body: Body,
}

/// What a frame carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// ARP or RARP, as the type says.
    Arp(EtherType, Arp),
    /// The same of other hardware, another protocol, or other lengths of their
    /// addresses: the byte of the header at which it is odd.
    OddArp(EtherType, Arp, usize),
    /// IPv4 or IPv6.
    Ip(Ip),
    /// Bytes of another type.
    Other(EtherType),
    /// Bytes behind an 802.3 length.
    Length,
    /// A tag of this type, and what is behind it.
    Tagged(EtherType, Box<Body>),
}

/// Ethernet/IPv4 ARP or RARP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// 1 to 4.
    pub operation: u16,
    /// Hardware address of the sender.
    pub sender_mac: Mac,
    /// Protocol address of the sender.
    pub sender_ip: Ipv4Addr,
    /// Protocol address of the target.
    pub target_ip: Ipv4Addr,
}

/// An IP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// What stands between the header and what is carried.
    pub extension: Extension,
    /// What is carried.
    pub transport: L4,
}

/// IPv6 extension headers, or options of IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// None.
    None,
    /// Options of IPv4 that say nothing.
    Options,
    /// Hop-by-hop options with a router alert, as listener reports have it.
    HopByHop,
    /// Destination options that say nothing.
    Destination,
    /// Destination options whose padding is this address, where the target of an
    /// advertisement would stand if there were no options.
    Disguise(Ipv6Addr),
    /// A routing header with no segments left.
    Routing,
    /// Hop-by-hop options, then destination options.
    Two,
}

/// What an IP packet carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum L4 {
    /// A segment: ports, flags, sequence and acknowledgement numbers.
    Tcp(u16, u16, u8, [u32; 2]),
    /// A datagram: ports.
    Udp(u16, u16),
    /// A packet of one chunk: ports, verification tag, chunk type.
    Sctp(u16, u16, u32, u8),
    /// ICMP or ICMPv6: type, code, the rest of its header, what follows.
    Icmp(u8, u8, [u8; 4], Vec<u8>),
    /// Something else.
    Other(Protocol),
}

/// TCP flags (RFC 9293).
pub const SYN: u8 = 0x02;
/// ACK alone.
pub const ACK: u8 = 0x10;
/// SYN and ACK.
pub const SYN_ACK: u8 = 0x12;
/// SCTP chunk INIT (RFC 9260).
pub const INIT: u8 = 1;
/// SCTP chunk INIT ACK.
pub const INIT_ACK: u8 = 2;
/// The initiate tag of every INIT of the tests.
pub const SCTP_TAG: u32 = 0x7667_7667;

impl Frame {
    /// The frame as rules see it, in a connection of this state.
    pub fn packet(&self, state: ConnState) -> Packet {
        Packet {
            source_mac: self.from,
            destination_mac: self.to,
            payload: payload(&self.body),
            state,
            // Only answers are sent in a connection that both sides have seen.
            is_reply: state == ConnState::Established,
            // No rule of these policies asks for it.
            connections: 1,
        }
    }

    /// The IP packet in it, unless a tag hides that.
    pub fn ip(&self) -> Option<&Ip> {
        match &self.body {
            Body::Ip(ip) => Some(ip),
            _ => None,
        }
    }
}

fn payload(body: &Body) -> Payload {
    match body {
        Body::Arp(kind, arp) => {
            let addresses = model::ArpAddresses {
                sender_mac: arp.sender_mac,
                sender_ip: arp.sender_ip,
                target_mac: Mac::new([0; 6]),
                target_ip: arp.target_ip,
            };
            let arp =
                model::Arp { hardware: 1, protocol: 0x0800, operation: arp.operation, addresses: Some(addresses) };
            if *kind == EtherType::ARP { Payload::Arp(arp) } else { Payload::Rarp(arp) }
        }
        Body::Ip(ip) => Payload::Ip(IpPacket {
            source: ip.source,
            destination: ip.destination,
            transport: transport(&ip.transport),
            dscp: 0,
            extension_headers: !matches!(ip.extension, Extension::None | Extension::Options),
        }),
        Body::Other(kind) | Body::Tagged(kind, _) | Body::OddArp(kind, ..) => Payload::Other(*kind),
        Body::Length => Payload::Length,
    }
}

fn transport(l4: &L4) -> Transport {
    let ports =
        |protocol, [source, destination]: [u16; 2], head| Transport::Ports { protocol, source, destination, head };
    match l4 {
        L4::Tcp(source, destination, flags, _) => {
            let tcp = model::Tcp { flags: *flags, option: None };
            ports(Protocol::TCP, [*source, *destination], Head::Tcp(tcp))
        }
        L4::Udp(source, destination) => ports(Protocol::UDP, [*source, *destination], Head::Plain),
        L4::Sctp(source, destination, _, chunk) => ports(Protocol::SCTP, [*source, *destination], Head::Sctp(*chunk)),
        L4::Icmp(number, code, _, body) => {
            Transport::Icmp(IcmpMessage { number: *number, code: *code, target: target(*number, body) })
        }
        L4::Other(protocol) => Transport::Other(*protocol),
    }
}

/// The target of a neighbour solicitation or advertisement.
fn target(number: u8, body: &[u8]) -> Option<Ipv6Addr> {
    let octets: [u8; 16] = body.get(..16)?.try_into().ok()?;
    matches!(number, 135 | 136).then(|| octets.into())
}

impl Ip {
    /// Its family.
    pub fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// The number of what it carries.
    pub fn protocol(&self) -> Protocol {
        match &self.transport {
            L4::Tcp(..) => Protocol::TCP,
            L4::Udp(..) => Protocol::UDP,
            L4::Sctp(..) => Protocol::SCTP,
            L4::Icmp(..) => self.family().icmp(),
            L4::Other(protocol) => *protocol,
        }
    }
}

impl L4 {
    /// The first segment of a connection.
    pub fn syn(source: u16, destination: u16) -> Self {
        Self::Tcp(source, destination, SYN, [1000, 0])
    }

    /// An echo request of `family`.
    pub fn echo(family: Family, identifier: u16) -> Self {
        let number = if family == Family::V4 { 8 } else { 128 };
        let [high, low] = identifier.to_be_bytes();
        Self::Icmp(number, 0, [high, low, 0, 1], Vec::new())
    }

    /// A neighbour discovery message about `target`, with no flags.
    pub fn neighbour(number: u8, target: Ipv6Addr) -> Self {
        Self::Icmp(number, 0, [0; 4], target.octets().to_vec())
    }
}
