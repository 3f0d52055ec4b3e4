//! Floating IPs and port forwards: addresses of the host's side that lead to guests.
//!
//! Out: typed entries. Which interface of a guest an entry leads to is the model's
//! to say, and on which of the host's an address stands, the kernel's facts.

use std::net::IpAddr;

use super::{Announce, GuestMatcher, Place, Placed};
use crate::net::{Family, IfName, PortRange, Protocol};

/// What holds for every address that leads to a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatPolicy {
    /// The interface on which floating IPs are reached, unless an entry names another.
    /// Without one it is the one whose network the address is in, else the one that
    /// the default route leads to.
    pub interface: Option<IfName>,
    /// How the network learns of a floating IP.
    pub announce: Announce,
}

impl Default for NatPolicy {
    fn default() -> Self {
        Self { interface: None, announce: Announce::Address }
    }
}

/// `[[floating-ip]]`: an address that is one guest's in the world outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatingIp {
    /// The address, and where it is written.
    pub address: Placed<IpAddr>,
    /// The one guest.
    pub guest: GuestMatcher,
    /// The guest's own address that it leads to; without one its first of the family.
    pub fixed: Option<IpAddr>,
    /// The interface on which it is reached.
    pub interface: Option<IfName>,
}

/// `[[forward]]`: ports of this host that lead to ports of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The one guest.
    pub guest: GuestMatcher,
    /// The host's address; any of its addresses without one.
    pub address: Option<IpAddr>,
    /// Only of this family; of both without one.
    pub family: Option<Family>,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The host's ports.
    pub ports: PortRange,
    /// The guest's ports, as many as the host's, in the same order.
    pub to_ports: PortRange,
    /// The guest's own address; without one its first of the family.
    pub fixed: Option<IpAddr>,
    /// Where it is written.
    pub place: Place,
}
