//! The one type of rule, and the walls that rules are built into.
//!
//! A packet must pass every [`Wall`] on its way. Within a wall the first rule
//! that matches decides; what no rule matches gets the wall's own verdict. So
//! `accept` ends one wall only, and no layer can open what another closed.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::facts::Place;
use crate::facts::policy::GroupName;
use crate::net::{Direction, EtherType, Family, IcmpType, Mac, PortRange, Protocol};

/// The layers, in the order in which a packet meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// What kind of frame it is and whose MAC address it bears; ARP.
    Frame,
    /// Whose IP address it bears; what only a router or a DHCP server may say.
    Address,
    /// Whose IPv6 address a neighbour advertisement claims.
    Neighbour,
    /// Security groups of the policy.
    Groups,
    /// Security groups of the domain's own metadata, which can only restrict.
    Metadata,
    /// What guests may reach on the host itself.
    Host,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Frame => "frame",
            Self::Address => "address",
            Self::Neighbour => "neighbour",
            Self::Groups => "groups",
            Self::Metadata => "metadata",
            Self::Host => "host",
        })
    }
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It passes this wall and goes on to the next.
    Accept,
    /// It is gone, whatever other walls would say.
    Drop,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accept => "accept",
            Self::Drop => "drop",
        })
    }
}

/// The frames that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Every frame.
    Any,
    /// Frames whose first EtherType is this one. A VLAN tag is such a type: a
    /// tagged IPv4 packet is not in the scope of IPv4.
    Ether(EtherType),
    /// Untagged frames of an IP family.
    Ip(Family),
}

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

/// The addresses of one family that the members of a security group have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SetName {
    /// The group.
    pub group: GroupName,
    /// The family.
    pub family: Family,
}

/// A part of a packet and the value it is held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Field {
    /// Source MAC address of the frame.
    SourceMac(Mac),
    /// Operation of an Ethernet/IPv4 ARP or RARP packet (RFC 826, RFC 903).
    ArpOperation(u16),
    /// Hardware address of the sender inside an Ethernet/IPv4 ARP or RARP packet.
    ArpSenderMac(Mac),
    /// Protocol address of the sender inside an Ethernet/IPv4 ARP packet.
    ArpSenderIp(Ipv4Addr),
    /// Source address.
    Source(IpNet),
    /// Destination address.
    Destination(IpNet),
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
    /// Target address of a neighbour advertisement that follows the IPv6 header
    /// directly. Behind an extension header no target counts as known.
    NeighbourTarget(Ipv6Addr),
    /// State of the connection.
    State(State),
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

/// Where a rule comes from, for people: what it is, and the line that asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// What the rule is, for example `group web ingress`.
    pub label: String,
    /// The line of the policy; `None` for what holds without one.
    pub place: Option<Place>,
}

impl Origin {
    /// A rule that holds by itself.
    pub fn built_in(label: &str) -> Self {
        Self { label: label.to_owned(), place: None }
    }

    /// A rule that stands in a file.
    pub fn placed(label: impl Into<String>, place: &Place) -> Self {
        Self { label: label.into(), place: Some(place.clone()) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{} ({}:{})", self.label, place.file, place.line),
            None => write!(f, "{} (built in)", self.label),
        }
    }
}

/// If a packet is in `scope` and all of `matches` hold, then `verdict`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The frames it is about.
    pub scope: Scope,
    /// What must hold, all of it.
    pub matches: Vec<Match>,
    /// What becomes of the packet.
    pub verdict: Verdict,
    /// Why it is there.
    pub origin: Origin,
}

impl Rule {
    /// A rule about the frames of `scope` that satisfy all of `fields`.
    pub fn new<const N: usize>(scope: Scope, fields: [Field; N], verdict: Verdict, origin: &Origin) -> Self {
        Self { scope, matches: fields.map(Match::is).into(), verdict, origin: origin.clone() }
    }

    /// The IP family that the rule is about, if it is about one.
    pub const fn family(&self) -> Option<Family> {
        match self.scope {
            Scope::Ip(family) => Some(family),
            _ => None,
        }
    }
}

/// Rules of one layer in one direction, and what becomes of the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wall {
    /// The layer.
    pub layer: Layer,
    /// The direction.
    pub direction: Direction,
    /// The rules; the first that matches decides.
    pub rules: Vec<Rule>,
    /// What becomes of a packet that no rule matches.
    pub otherwise: Verdict,
    /// Why that is so.
    pub otherwise_origin: Origin,
}
