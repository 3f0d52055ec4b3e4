//! The addresses that a service is to listen at.
//!
//! In: where it is to be pinned. Out: addresses that a configuration can name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Target;
use crate::net::Family;

/// The addresses that a service listened to by everybody is to listen at from now
/// on: those of the target, and the loopback of the same families, which no guest
/// reaches and other programs of the host talk to.
///
/// A link-local address is left out: it is one only together with an interface,
/// and most configurations cannot say that.
pub(super) fn places(target: &Target) -> Vec<IpAddr> {
    let mut places = outer(target);
    for family in Family::BOTH {
        let wanted = places.iter().any(|place| Family::of(*place) == family);
        let loopback = loopback(family);
        if wanted && !places.contains(&loopback) {
            places.push(loopback);
        }
    }
    places
}

/// The target's addresses that a configuration can name, each once.
pub(super) fn outer(target: &Target) -> Vec<IpAddr> {
    let mut places = Vec::new();
    for address in &target.addresses {
        if !is_link_local(*address) && !places.contains(address) {
            places.push(*address);
        }
    }
    places
}

/// Those that [`outer`] leaves out.
pub(super) fn link_local(target: &Target) -> Vec<IpAddr> {
    target.addresses.iter().copied().filter(|address| is_link_local(*address)).collect()
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// The first address of a family's loopback.
pub(super) const fn loopback(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Family::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}

/// Addresses in one line, for people and for most configurations.
pub(super) fn joined(addresses: &[IpAddr], separator: &str) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

/// An address with a port, as `10.0.0.5:22` and `[::1]:22`.
pub(super) fn with_port(address: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}
