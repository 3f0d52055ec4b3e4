//! Floating IPs and port forwards: addresses of the host's side that lead to guests.
//!
//! In: typed values, of a file or of a command. Out: typed entries, and what is
//! wrong with one alone; what is wrong between two is found in `uses`. Which
//! interface of a guest an entry leads to is the model's to say, and on which of
//! the host's an address stands, the kernel's facts.

use std::net::IpAddr;

use super::address::kind_not_routed;
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

impl FloatingIp {
    /// Whether `address` can be a floating IP, and lead to `fixed` if that is given.
    /// A file's entry and a command's words are held to the same.
    ///
    /// # Errors
    /// What is wrong with the address; if it is right alone, with `fixed`.
    pub fn check(address: IpAddr, fixed: Option<IpAddr>) -> Result<(), NatError> {
        if let Some(kind) = kind_not_routed(address) {
            return Err(NatError::Floating { address, kind });
        }
        let Some(fixed) = fixed else { return Ok(()) };
        check_fixed(fixed)?;
        if fixed == address {
            return Err(NatError::Itself { address });
        }
        let (family, other) = (Family::of(address), Family::of(fixed));
        if family == other { Ok(()) } else { Err(NatError::Families { address, family, fixed, other }) }
    }
}

/// `[[forward]]`: ports of this host that lead to ports of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The one guest.
    pub guest: GuestMatcher,
    /// The host's address; any of its addresses without one.
    pub address: Option<IpAddr>,
    /// Only of this family, stated or implied by an address; of both without one.
    pub family: Option<Family>,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The host's ports; never port 0.
    pub ports: PortRange,
    /// The guest's ports, as many as the host's, in the same order.
    pub to_ports: PortRange,
    /// The guest's own address; without one its first of the family.
    pub fixed: Option<IpAddr>,
    /// Where its ports are written.
    pub place: Place,
}

impl Forward {
    /// The most ports of one entry.
    pub const MOST_PORTS: u32 = 1024;

    /// Whether `address` can be one that a forward listens on.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_address(address: IpAddr) -> Result<(), NatError> {
        kind_not_routed(address).map_or(Ok(()), |kind| Err(NatError::Forward { address, kind }))
    }

    /// Whether there is a packet that both would lead to a guest.
    pub fn overlaps(&self, other: &Self) -> bool {
        let same = |one: Option<IpAddr>, two: Option<IpAddr>| one.zip(two).is_none_or(|(one, two)| one == two);
        let families = self.family.zip(other.family).is_none_or(|(one, two)| one == two);
        self.protocol == other.protocol
            && self.ports.overlaps(other.ports)
            && families
            && same(self.address, other.address)
    }
}

/// Whether something can lead to a guest's `fixed` address.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_fixed(fixed: IpAddr) -> Result<(), NatError> {
    kind_not_routed(fixed).map_or(Ok(()), |kind| Err(NatError::Fixed { fixed, kind }))
}

/// Why an address cannot lead to a guest, or to this one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NatError {
    /// Not an address that can be a floating IP.
    #[error("{address} is {kind} address, which cannot be a floating IP; expected one such as 203.0.113.10")]
    Floating {
        /// The address.
        address: IpAddr,
        /// What it is, with its article.
        kind: &'static str,
    },
    /// Not an address that a forward can listen on.
    #[error("{address} is {kind} address, on which nothing is forwarded; expected one of this host's")]
    Forward {
        /// The address.
        address: IpAddr,
        /// What it is, with its article.
        kind: &'static str,
    },
    /// Not an address of a guest to which anything can lead.
    #[error("{fixed} is {kind} address, to which nothing is forwarded; expected one that the guest has")]
    Fixed {
        /// The address.
        fixed: IpAddr,
        /// What it is, with its article.
        kind: &'static str,
    },
    /// It would lead to itself.
    #[error("floating IP {address} cannot lead to itself; fixed is the address that the guest has")]
    Itself {
        /// The address.
        address: IpAddr,
    },
    /// No translation leads from one family to the other.
    #[error("the {other} address {fixed} contradicts the {family} floating IP {address}; expected an {family} address")]
    Families {
        /// The floating IP.
        address: IpAddr,
        /// Its family.
        family: Family,
        /// What it was to lead to.
        fixed: IpAddr,
        /// The other's family.
        other: Family,
    },
}
