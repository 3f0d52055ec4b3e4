//! What all ports share: the guarded bridges, the way in, the host's wall.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::chain::Chain;
use super::name::Name;
use crate::facts::policy::{Marks, MidStream, UnknownPorts};
use crate::model::{SetName, Wall};
use crate::net::{BridgePattern, Direction, IfName};

/// A guest-facing bridge, and what happens at its ports that are nobody's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardedBridge {
    /// The bridge or bridges.
    pub pattern: BridgePattern,
    /// What becomes of frames at ports that are neither a guest's nor an uplink.
    pub unknown_ports: UnknownPorts,
}

/// What all ports share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The guarded bridges, the most specific pattern first.
    pub bridges: Vec<GuardedBridge>,
    /// Ports of guarded bridges that lead to the outside and are no guest's.
    pub uplinks: BTreeSet<IfName>,
    /// Ports of all other bridges that exist now, for a kernel that cannot be
    /// asked which bridge a port belongs to.
    pub foreign: BTreeSet<IfName>,
    /// Ports of guarded bridges that exist now and may be anybody's, likewise.
    pub open: BTreeSet<IfName>,
    /// The bits of the packet mark that are ours.
    pub marks: Marks,
    /// Whether packets that begin no connection are told from those that do.
    pub mid_stream: MidStream,
    /// The wall between the guests and the host.
    pub host: Chain,
    /// The wall before what the host routes or sends to a guarded bridge.
    pub routed: Chain,
    /// The sets that rules refer to.
    pub sets: BTreeSet<SetName>,
}

impl Base {
    /// The chain that stands around the host's services.
    pub fn host_chain(wall: &Wall) -> Chain {
        Chain::plain(Name::base("host"), wall)
    }

    /// The chain that stands before what is routed or sent to a guarded bridge.
    pub fn routed_chain(wall: &Wall) -> Chain {
        Chain::plain(Name::base("mid_stream"), wall)
    }

    /// The chain that leads there, by bridge.
    pub fn routed_entry() -> Name {
        Name::base("routed")
    }

    /// The chain through which all packets of `direction` enter.
    pub fn entry(direction: Direction) -> Name {
        Name::base(match direction {
            Direction::In => "to",
            Direction::Out => "from",
        })
    }

    /// The chain that leads to the host's wall, for engines in which the wall
    /// cannot itself ask whose packet it is.
    pub fn host_entry() -> Name {
        Name::base("input")
    }

    /// The chain that notes the state of a connection in the packet's mark, for
    /// engines that cannot ask for it where they need it.
    pub fn state_chain() -> Name {
        Name::base("state")
    }
}
