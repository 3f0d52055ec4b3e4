//! The one type of rule, and the walls that rules are built into.
//!
//! A packet must pass every [`Wall`] on its way. Within a wall the first rule
//! that matches decides; what no rule matches gets the wall's own verdict. So
//! `accept` ends one wall only, and no layer can open what another closed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::field::{Field, Match};
use crate::facts::Place;
use crate::net::{Direction, EtherType, Family};

/// The layers, in the order in which a packet meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// What kind of frame it is and whose MAC address it bears; ARP.
    Frame,
    /// nwfilter rules about frames: mac, vlan, stp, arp, rarp, ip, ipv6.
    Ethernet,
    /// Whose IP address it bears; what only a router or a DHCP server may say.
    Address,
    /// Whose IPv6 address a neighbour advertisement claims.
    Neighbour,
    /// Whether it belongs to a connection, or begins one.
    Connection,
    /// nwfilter rules about IP packets: tcp, udp, …, all.
    Ip,
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
            Self::Ethernet => "ethernet",
            Self::Address => "address",
            Self::Neighbour => "neighbour",
            Self::Connection => "connection",
            Self::Ip => "ip",
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
    /// It is gone, and its sender is told so.
    Reject,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accept => "accept",
            Self::Drop => "drop",
            Self::Reject => "reject",
        })
    }
}

/// What a rule does with a packet that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The wall has decided.
    Verdict(Verdict),
    /// The branch has nothing to say of it; the wall goes on behind the jump.
    Return,
    /// The branch with this number of the wall's is asked, and if it does not
    /// decide, the wall goes on.
    Jump(usize),
}

impl From<Verdict> for Target {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(verdict)
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
    pub target: Target,
    /// Why it is there.
    pub origin: Origin,
}

impl Rule {
    /// A rule about the frames of `scope` that satisfy all of `fields`.
    pub fn new<const N: usize>(scope: Scope, fields: [Field; N], target: impl Into<Target>, origin: &Origin) -> Self {
        Self { scope, matches: fields.map(Match::is).into(), target: target.into(), origin: origin.clone() }
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
    /// Lists of rules that a rule of `rules` may jump to. They jump nowhere.
    pub branches: Vec<Branch>,
    /// What becomes of a packet that no rule matches.
    pub otherwise: Verdict,
    /// Why that is so.
    pub otherwise_origin: Origin,
}

/// Rules that only some packets of a wall are held against: a chain of nwfilter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// The chain's name, as the filters call it.
    pub name: String,
    /// The rules; the first that matches decides. If none does, the wall goes on.
    pub rules: Vec<Rule>,
}
