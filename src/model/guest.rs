//! The policy of one guest: who it is, and what stands around each interface.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::facts::domain::{InterfaceKind, Uuid};
use crate::facts::policy::GroupName;
use crate::net::{Direction, IfName, Mac};

use super::field::SetName;
use super::nat::Translations;
use super::rule::{Layer, Origin, Verdict, Wall};

/// Which guest. The name is for people; the UUID is what counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestId {
    /// The domain's name: a tenant's text, to be quoted wherever it is shown.
    pub name: String,
    /// The domain's UUID.
    pub uuid: Uuid,
}

impl fmt::Display for GuestId {
    /// The name as a Rust string literal, so that no newline or escape sequence
    /// of a tenant's choice reaches a terminal or a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({})", self.name, self.uuid)
    }
}

/// Whether rules can stand around an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarding {
    /// These walls do, in the order in which a packet meets them.
    Walls(Vec<Wall>),
    /// Its packets never cross a Linux bridge; the reason in words.
    Impossible(String),
}

/// What is to stand around one interface of a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfacePolicy {
    /// How the interface is attached.
    pub kind: InterfaceKind,
    /// Its MAC address.
    pub mac: Mac,
    /// The host's end; libvirt names it between `prepare` and `start`.
    pub target: Option<IfName>,
    /// What it may use as its own; empty if nobody told.
    pub addresses: Vec<IpAddr>,
    /// What it is known to have: these, or of a family that nobody told, what this
    /// host's own DHCP server gave it.
    pub known: Vec<IpAddr>,
    /// Addresses and ports of the host's side that lead to it.
    pub translations: Translations,
    /// The security groups it is in.
    pub groups: Vec<GroupName>,
    /// The nwfilters around it.
    pub filters: Vec<String>,
    /// Whether nothing but DHCP passes until somebody tells its address.
    pub waits_for_address: bool,
    /// The sets its addresses are in by that.
    pub members: Vec<(SetName, IpAddr)>,
    /// Whether the operator asked for more than the defaults here, so that the
    /// guest must not run if this interface cannot be guarded.
    pub demand: Demand,
    /// The walls, or why there are none.
    pub guarding: Guarding,
}

#[cfg(test)]
impl InterfacePolicy {
    /// At a bridge, known to have these addresses, and with no walls.
    pub fn bare(mac: &str, known: &[&str]) -> Self {
        Self {
            kind: InterfaceKind::Bridge,
            mac: mac.parse().unwrap(),
            target: None,
            addresses: Vec::new(),
            known: known.iter().map(|text| text.parse().unwrap()).collect(),
            translations: Translations::default(),
            groups: Vec::new(),
            filters: Vec::new(),
            waits_for_address: false,
            members: Vec::new(),
            demand: Demand::IfPossible,
            guarding: Guarding::Walls(Vec::new()),
        }
    }
}

/// What to do with a guest whose interface cannot be guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// Refuse its start.
    Guarded,
    /// Let it run, and say so.
    IfPossible,
}

/// What is to stand around a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestPolicy {
    /// The guest.
    pub id: GuestId,
    /// Its interfaces, in the order of its XML.
    pub interfaces: Vec<InterfacePolicy>,
    /// Floating IPs and forwards that cannot lead to it, and why.
    pub unassigned: Vec<String>,
}

/// The walls of a port that must stay closed, because what should stand there
/// is not known or could not be built. Frames alone would do; packets are dropped
/// once more in case the program that sees frames is the one that failed.
pub fn quarantine(reason: &str) -> Vec<Wall> {
    let closed = |(layer, direction)| Wall {
        layer,
        direction,
        rules: Vec::new(),
        branches: Vec::new(),
        otherwise: Verdict::Drop,
        otherwise_origin: Origin::built_in(&format!("quarantine: {reason}")),
    };
    [(Layer::Frame, Direction::In), (Layer::Frame, Direction::Out), (Layer::Address, Direction::Out)].map(closed).into()
}
