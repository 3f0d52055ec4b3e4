//! A packet as the rules see it: whole, defragmented, with its connection's state.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::net::{EtherType, Family, Mac, Protocol};

/// What conntrack says of the connection that a packet belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnState {
    /// The first packet of a connection.
    New,
    /// A packet of a connection that both sides have seen.
    Established,
    /// A packet that another connection caused, such as an ICMP error.
    Related,
    /// A packet that belongs nowhere.
    Invalid,
    /// A packet that conntrack does not look at; neighbour discovery is such.
    Untracked,
}

/// An Ethernet/IPv4 ARP or RARP packet, as far as rules look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Arp {
    /// 1 request, 2 reply, 3 reverse request, 4 reverse reply.
    pub operation: u16,
    /// Hardware address of the sender.
    pub sender_mac: Mac,
    /// Protocol address of the sender.
    pub sender_ip: Ipv4Addr,
}

/// An ICMP or ICMPv6 message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IcmpMessage {
    /// Message type.
    pub number: u8,
    /// Message code.
    pub code: u8,
    /// Target address, of a neighbour advertisement or solicitation.
    pub target: Option<Ipv6Addr>,
}

/// What an IP packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP, UDP or SCTP.
    Ports {
        /// Which of them.
        protocol: Protocol,
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
    },
    /// ICMP in an IPv4 packet, ICMPv6 in an IPv6 packet.
    Icmp(IcmpMessage),
    /// Anything else.
    Other(Protocol),
}

/// An IPv4 or IPv6 packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpPacket {
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// What it carries.
    pub transport: Transport,
    /// Whether IPv6 extension headers stand before what it carries.
    pub extension_headers: bool,
}

impl IpPacket {
    /// The packet's family.
    pub const fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// The protocol of what it carries.
    pub const fn protocol(&self) -> Protocol {
        match self.transport {
            Transport::Ports { protocol, .. } | Transport::Other(protocol) => protocol,
            Transport::Icmp(_) => self.family().icmp(),
        }
    }
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Payload {
    /// Ethernet/IPv4 ARP.
    Arp(Arp),
    /// Ethernet/IPv4 RARP.
    Rarp(Arp),
    /// IPv4 or IPv6.
    Ip(IpPacket),
    /// Another type; also a VLAN tag with whatever is behind it, and an ARP
    /// packet of other hardware or another protocol.
    Other(EtherType),
    /// An IEEE 802.3 frame, which has a length where others have a type.
    Length,
}

/// One frame on its way from or to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Source MAC address of the frame.
    pub source_mac: Mac,
    /// What it carries.
    pub payload: Payload,
    /// The state of its connection; meaningless unless it is IP.
    pub state: ConnState,
}

impl Packet {
    /// The first EtherType of the frame; `None` for an 802.3 length.
    pub const fn ether_type(&self) -> Option<EtherType> {
        match &self.payload {
            Payload::Arp(_) => Some(EtherType::ARP),
            Payload::Rarp(_) => Some(EtherType::RARP),
            Payload::Ip(ip) => Some(ip.family().ether_type()),
            Payload::Other(ether_type) => Some(*ether_type),
            Payload::Length => None,
        }
    }

    /// The IP packet inside, if there is one.
    pub const fn ip(&self) -> Option<&IpPacket> {
        match &self.payload {
            Payload::Ip(ip) => Some(ip),
            _ => None,
        }
    }

    /// The ARP or RARP packet inside, if there is one.
    pub const fn arp(&self) -> Option<&Arp> {
        match &self.payload {
            Payload::Arp(arp) | Payload::Rarp(arp) => Some(arp),
            _ => None,
        }
    }
}
