//! A packet as the rules see it: whole, defragmented, with its connection's state.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::net::{EtherType, Family, Mac, Protocol};

/// The flag of a connection's first segment (RFC 9293).
const SYN: u8 = 0x02;
/// FIN, SYN, RST and ACK, of which the first segment has SYN alone.
const OPENING: u8 = 0x17;
/// The chunk that begins an association (RFC 9260, section 3.3.2).
const INIT: u8 = 1;

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

/// An ARP or RARP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Arp {
    /// Hardware type; 1 is Ethernet.
    pub hardware: u16,
    /// Protocol type; 0x0800 is IPv4.
    pub protocol: u16,
    /// 1 request, 2 reply, 3 reverse request, 4 reverse reply.
    pub operation: u16,
    /// The addresses in it, if it is Ethernet/IPv4 with lengths of 6 and 4; the
    /// layout of any other is not known.
    pub addresses: Option<ArpAddresses>,
}

/// The addresses in an Ethernet/IPv4 ARP or RARP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ArpAddresses {
    /// Hardware address of the sender.
    pub sender_mac: Mac,
    /// Protocol address of the sender.
    pub sender_ip: Ipv4Addr,
    /// Hardware address of the target.
    pub target_mac: Mac,
    /// Protocol address of the target.
    pub target_ip: Ipv4Addr,
}

/// An 802.1Q tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Vlan {
    /// The VLAN, 0 to 4095.
    pub id: u16,
    /// The type of what follows the tag.
    pub encapsulated: u16,
}

/// A spanning tree BPDU in an 802.3 frame, with the fields of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bpdu {
    /// Type; the rest is there only in a configuration, which is 0.
    pub kind: u8,
    /// Flags.
    pub flags: u8,
    /// Priority and address of the root bridge.
    pub root: (u16, Mac),
    /// Cost of the way to the root.
    pub root_cost: u32,
    /// Priority and address of the sending bridge.
    pub sender: (u16, Mac),
    /// Port of the sender.
    pub port: u16,
    /// Age, maximum age, hello time and forward delay, in 1/256 s.
    pub times: [u16; 4],
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

/// What rules see of a TCP header beside its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tcp {
    /// FIN 1, SYN 2, RST 4, PSH 8, ACK 0x10, URG 0x20 (RFC 9293).
    pub flags: u8,
    /// The kind of an option that is there, beside padding.
    pub option: Option<u8>,
}

/// What rules see of the transport beside its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Head {
    /// The header of a TCP segment.
    Tcp(Tcp),
    /// The type of the first chunk of an SCTP packet (RFC 9260, section 3.2).
    Sctp(u8),
    /// Nothing: UDP has no more.
    Plain,
}

impl Head {
    /// The head with which a connection of `protocol` begins.
    pub const fn opening(protocol: Protocol) -> Self {
        match protocol {
            Protocol::TCP => Self::Tcp(Tcp { flags: SYN, option: None }),
            Protocol::SCTP => Self::Sctp(INIT),
            _ => Self::Plain,
        }
    }

    /// Whether a connection begins so. What has no beginning may begin at any time.
    pub const fn opens(self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.flags & OPENING == SYN,
            Self::Sctp(chunk) => chunk == INIT,
            Self::Plain => true,
        }
    }
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
        /// What else is seen of it.
        head: Head,
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
    /// Differentiated services code point, 0 to 63.
    pub dscp: u8,
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
    /// ARP.
    Arp(Arp),
    /// RARP.
    Rarp(Arp),
    /// An 802.1Q tag with whatever is behind it.
    Vlan(Vlan),
    /// A BPDU of the spanning tree protocol, in an 802.3 frame.
    Stp(Bpdu),
    /// IPv4 or IPv6.
    Ip(IpPacket),
    /// Another type; also a service tag (802.1ad) with whatever is behind it.
    Other(EtherType),
    /// An IEEE 802.3 frame, which has a length where others have a type.
    Length,
}

/// One frame on its way from or to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Source MAC address of the frame.
    pub source_mac: Mac,
    /// Destination MAC address of the frame.
    pub destination_mac: Mac,
    /// What it carries.
    pub payload: Payload,
    /// The state of its connection; meaningless unless it is IP.
    pub state: ConnState,
    /// Whether it goes back to the one who began the connection.
    pub is_reply: bool,
    /// How many connections have its source address, its own included.
    pub connections: u32,
}

impl Packet {
    /// The first EtherType of the frame; `None` for an 802.3 length.
    pub const fn ether_type(&self) -> Option<EtherType> {
        match &self.payload {
            Payload::Arp(_) => Some(EtherType::ARP),
            Payload::Rarp(_) => Some(EtherType::RARP),
            Payload::Ip(ip) => Some(ip.family().ether_type()),
            Payload::Vlan(_) => Some(EtherType::VLAN),
            Payload::Other(ether_type) => Some(*ether_type),
            Payload::Stp(_) | Payload::Length => None,
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
