//! What kind an address is, where not every kind will do.
//!
//! In: an address. Out: the word for what is wrong with it, for a message. Whose
//! the address is to be is the caller's.

use std::net::IpAddr;

/// What an address is that no interface has as its own: none of a guest sends from it.
pub fn kind_of_no_guest(address: IpAddr) -> Option<&'static str> {
    match address {
        _ if address.is_unspecified() => Some("the unspecified"),
        _ if address.is_loopback() => Some("a loopback"),
        _ if address.is_multicast() => Some("a multicast"),
        IpAddr::V4(v4) if v4.is_broadcast() => Some("the broadcast"),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Some("an IPv4-mapped"),
        _ => None,
    }
}

/// What an address is that no packet is translated to or from: as above, and that
/// routers do not forward to (RFC 4291, 2.5.6). Linux forwards IPv4's 169.254.0.0/16.
pub fn kind_not_routed(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some("a link-local"),
        _ => kind_of_no_guest(address),
    }
}
