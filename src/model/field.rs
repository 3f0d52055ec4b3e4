//! The parts of a packet that a rule can ask about.
//!
//! One closed list for all sources of rules. What an engine cannot say exactly of
//! it, it refuses by name.

use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use crate::facts::policy::GroupName;
use crate::net::{
    AddressRange, EtherType, Family, IcmpRange, IcmpType, Mac, MacPattern, NumberRange, PortRange, Protocol,
};

/// Whether a field is to be so or not to be so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sense {
    /// The field has the value.
    Is,
    /// The field is there and has another value.
    IsNot,
}

/// The state of the connection that a packet belongs to, as conntrack says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Part of a connection that both sides have seen, or related to one.
    Established,
    /// Nothing that conntrack can place.
    Invalid,
}

/// One of the states that conntrack gives a packet (iptables-extensions(8)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CtState {
    /// The first packet of a connection.
    New,
    /// Part of a connection that both sides have seen.
    Established,
    /// Caused by another connection, as an ICMP error is.
    Related,
    /// Nothing that conntrack can place.
    Invalid,
}

/// On which of a connection's two ways a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CtWay {
    /// From the one who began it.
    Original,
    /// Back to that one.
    Reply,
}

/// A number of a spanning tree BPDU (IEEE 802.1D, clause 9.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StpNumber {
    /// Type of the BPDU; 0 is a configuration, the only one with the rest.
    Type,
    /// Flags.
    Flags,
    /// Priority of the root bridge.
    RootPriority,
    /// Cost of the way to the root.
    RootCost,
    /// Priority of the sending bridge.
    SenderPriority,
    /// Port of the sender.
    Port,
    /// Age of the message, in 1/256 s.
    Age,
    /// Age at which it is forgotten, in 1/256 s.
    MaxAge,
    /// Time between messages, in 1/256 s.
    HelloTime,
    /// Time before forwarding, in 1/256 s.
    ForwardDelay,
}

/// An address of a spanning tree BPDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StpAddress {
    /// The root bridge.
    Root,
    /// The sending bridge.
    Sender,
}

/// An end of a packet, as ipset counts the dimensions of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SetEnd {
    /// Source.
    Src,
    /// Destination.
    Dst,
}

/// The addresses of one family that the members of a security group have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SetName {
    /// The group; without one all guests around which connections matter.
    pub group: Option<GroupName>,
    /// The family.
    pub family: Family,
}

impl SetName {
    /// The addresses of all guests around which connections matter.
    pub const fn connected(family: Family) -> Self {
        Self { group: None, family }
    }
}

/// A part of a packet and the value it is held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Field {
    /// Source MAC address of the frame.
    SourceMac(MacPattern),
    /// Destination MAC address of the frame.
    DestinationMac(MacPattern),
    /// First EtherType of the frame.
    EtherType(EtherType),
    /// VLAN of an 802.1Q frame.
    VlanId(u16),
    /// Type of what follows the tag of an 802.1Q frame.
    Encapsulated(u16),
    /// A number of a spanning tree BPDU.
    StpNumber(StpNumber, NumberRange),
    /// An address of a spanning tree BPDU.
    StpAddress(StpAddress, MacPattern),
    /// Hardware type of an ARP or RARP packet.
    ArpHardware(u16),
    /// Protocol type of an ARP or RARP packet.
    ArpProtocol(u16),
    /// Operation of an ARP or RARP packet (RFC 826, RFC 903).
    ArpOperation(u16),
    /// Hardware address of the sender inside an Ethernet/IPv4 ARP or RARP packet.
    ArpSenderMac(Mac),
    /// Hardware address of the target inside an Ethernet/IPv4 ARP or RARP packet.
    ArpTargetMac(Mac),
    /// Protocol address of the sender inside an Ethernet/IPv4 ARP or RARP packet.
    ArpSenderIp(Ipv4Net),
    /// Protocol address of the target inside an Ethernet/IPv4 ARP or RARP packet.
    ArpTargetIp(Ipv4Net),
    /// Sender and target of an Ethernet/IPv4 ARP packet have one protocol address.
    ArpGratuitous,
    /// Source address.
    Source(IpNet),
    /// Destination address.
    Destination(IpNet),
    /// Source address lies within these two.
    SourceRange(AddressRange),
    /// Destination address lies within these two.
    DestinationRange(AddressRange),
    /// Differentiated services code point (RFC 2474), 0 to 63.
    Dscp(u8),
    /// Source address is one of a group's members.
    SourceIn(SetName),
    /// Destination address is one of a group's members.
    DestinationIn(SetName),
    /// Protocol of the payload, behind extension headers if there are any.
    Protocol(Protocol),
    /// Source port.
    SourcePort(PortRange),
    /// Destination port.
    DestinationPort(PortRange),
    /// Message type of ICMP or ICMPv6, whichever the rule's family speaks.
    Icmp(IcmpType),
    /// Message types and codes of ICMPv6.
    IcmpRange(IcmpRange),
    /// Of the TCP flags in `mask` exactly those in `set` are set.
    TcpFlags {
        /// The flags looked at.
        mask: u8,
        /// Those that are to be set.
        set: u8,
    },
    /// The TCP header has an option of this kind.
    TcpOption(u8),
    /// Target address of a neighbour advertisement that follows the IPv6 header
    /// directly. Behind an extension header no target counts as known.
    NeighbourTarget(Ipv6Addr),
    /// State of the connection.
    State(State),
    /// State of the connection, one of these.
    CtState(Vec<CtState>),
    /// The packet's way within its connection.
    CtWay(CtWay),
    /// The packet is the first that conntrack sees of a connection of this protocol,
    /// TCP or SCTP, and does not begin one.
    MidStream(Protocol),
    /// It is this late, in seconds since 1970; looked at by the kernel itself.
    NotBefore(u64),
    /// More connections than this have the packet's source address.
    ConnectionsAbove(u32),
    /// The packet's ends are in a set of the operator's (ipset(8)).
    IpSet(String, Vec<SetEnd>),
}

impl Field {
    /// Whether it is an address in an ARP packet, whose place only the layout of
    /// Ethernet/IPv4 tells.
    pub const fn is_arp_address(&self) -> bool {
        matches!(
            self,
            Self::ArpSenderMac(_)
                | Self::ArpSenderIp(_)
                | Self::ArpTargetMac(_)
                | Self::ArpTargetIp(_)
                | Self::ArpGratuitous
        )
    }

    /// Whether it is a part of a spanning tree BPDU.
    pub const fn is_stp(&self) -> bool {
        matches!(self, Self::StpNumber(..) | Self::StpAddress(..))
    }
}

/// One condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// Whether the field must have the value or must not.
    pub sense: Sense,
    /// The field and the value.
    pub field: Field,
}

impl Match {
    /// The field has the value.
    pub const fn is(field: Field) -> Self {
        Self { sense: Sense::Is, field }
    }

    /// The field has another value.
    pub const fn is_not(field: Field) -> Self {
        Self { sense: Sense::IsNot, field }
    }
}
