//! Which addresses and ports of the host's side lead to which guest.
//!
//! In: the policy's floating IPs and forwards, and the interfaces of a guest. Out:
//! [`Translations`] for each interface, and all of them in one [`NatTable`]. What a
//! translated packet may do is for the guest's walls to say: they see it as the
//! guest does.

mod assign;
mod table;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::net::{Family, IfName, PortRange, Protocol};

pub(super) use assign::assign;
pub use table::{NatTable, Translated};

/// An address of the outside that is a guest's there, in both directions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Floating {
    /// The address outside.
    pub address: IpAddr,
    /// The guest's own.
    pub fixed: IpAddr,
    /// The interface of the host where it is reached; none if nobody knows.
    pub uplink: Option<IfName>,
}

/// Ports of the host that lead to ports of a guest, for connections from outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Forwarding {
    /// The host's address; any of its own without one.
    pub address: Option<IpAddr>,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The host's ports.
    pub ports: PortRange,
    /// The guest's own address.
    pub fixed: IpAddr,
    /// The guest's ports, as many, in the same order.
    pub to_ports: PortRange,
}

impl Forwarding {
    /// The family of the connections.
    pub const fn family(&self) -> Family {
        Family::of(self.fixed)
    }

    /// The guest's port that `port` of the host leads to.
    pub fn target(&self, port: u16) -> Option<u16> {
        self.ports.contains(port).then(|| self.to_ports.first() + (port - self.ports.first()))
    }

    /// Whether the guest's ports are the host's.
    pub fn keeps_ports(&self) -> bool {
        self.ports == self.to_ports
    }
}

/// What leads to one interface of a guest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Translations {
    /// Its floating IPs, in the order of the policy: it is known outside by the first
    /// of each of its addresses.
    pub floating: Vec<Floating>,
    /// Ports that lead to it.
    pub forwards: Vec<Forwarding>,
}

impl Translations {
    /// Whether nothing leads to it.
    pub fn is_empty(&self) -> bool {
        self.floating.is_empty() && self.forwards.is_empty()
    }
}
