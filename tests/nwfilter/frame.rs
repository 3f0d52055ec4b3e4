//! A frame as the test means it; `bytes` makes it one of the wire.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use virt_guard::net::{EtherType, Family, Mac, Protocol};

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Destination MAC address.
    pub to: Mac,
    /// Source MAC address.
    pub from: Mac,
    /// The VLAN of an 802.1Q tag, if there is one.
    pub vlan: Option<u16>,
    /// What it carries, behind the tag.
    pub body: Body,
}

/// What a frame carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// ARP.
    Arp(Arp),
    /// RARP.
    Rarp(Arp),
    /// A spanning tree BPDU.
    Stp(Bpdu),
    /// IPv4 or IPv6.
    Ip(Ip),
    /// Bytes of another type.
    Other(EtherType),
}

/// An ARP or RARP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// Hardware type; 1 is Ethernet.
    pub hardware: u16,
    /// Protocol type; 0x800 is IPv4.
    pub protocol: u16,
    /// What it asks for or says.
    pub operation: u16,
    /// Addresses of the sender.
    pub sender: (Mac, Ipv4Addr),
    /// Addresses of the target.
    pub target: (Mac, Ipv4Addr),
}

/// A BPDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bpdu {
    /// 0 is a configuration, 0x80 a topology change; of the latter nothing else is sent.
    pub kind: u8,
    /// Flags.
    pub flags: u8,
    /// Priority and address of the root.
    pub root: (u16, Mac),
    /// Cost of the way to the root.
    pub cost: u32,
    /// Priority and address of the sender.
    pub sender: (u16, Mac),
    /// Port of the sender.
    pub port: u16,
    /// Age, maximum age, hello time and forward delay, in 1/256 s.
    pub times: [u16; 4],
}

/// An IP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// Differentiated services code point, 0 to 63.
    pub dscp: u8,
    /// Whether it is sent in two fragments (IPv4 only).
    pub in_fragments: bool,
    /// What it carries.
    pub transport: L4,
}

/// What an IP packet carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum L4 {
    /// A segment: ports, flags, the kind of an option.
    Tcp([u16; 2], u8, Option<u8>),
    /// A datagram of UDP or UDP-Lite: ports.
    Udp(Protocol, [u16; 2]),
    /// A packet of one chunk: ports, type of the chunk.
    Sctp([u16; 2], u8),
    /// ICMP or ICMPv6: type, code, identifier.
    Icmp(u8, u8, u16),
    /// Neighbour solicitation (135) or advertisement (136): type, target.
    Neighbour(u8, Ipv6Addr),
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
/// UDP-Lite (RFC 3828).
pub const UDPLITE: Protocol = Protocol::UDPLITE;

impl Frame {
    /// The IP packet in it, unless a tag hides that.
    pub fn ip(&self) -> Option<&Ip> {
        match &self.body {
            Body::Ip(ip) if self.vlan.is_none() => Some(ip),
            _ => None,
        }
    }
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
            L4::Udp(protocol, _) | L4::Other(protocol) => *protocol,
            L4::Sctp(..) => Protocol::SCTP,
            L4::Icmp(..) | L4::Neighbour(..) => self.family().icmp(),
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}", self.from, self.to)?;
        if let Some(vlan) = self.vlan {
            write!(f, ", VLAN {vlan}")?;
        }
        match &self.body {
            Body::Ip(ip) => write!(f, ", {ip}"),
            body => write!(f, ", {body:?}"),
        }
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces = if self.in_fragments { " in fragments" } else { "" };
        let Self { source, destination, dscp, .. } = self;
        write!(f, "{source} > {destination}{pieces}, {:?}, dscp {dscp}", self.transport)
    }
}
