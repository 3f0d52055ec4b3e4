//! Who is at the bridge: guests, each with a filter, and their peer, which has none.

use std::net::{Ipv4Addr, Ipv6Addr};

use virt_guard::net::Mac;

/// How many guests there are at once: each costs libvirt about a second.
pub const GUESTS: usize = 20;
/// The peer's port.
pub const PEER_PORT: &str = "peer";
/// The peer's MAC address.
pub const PEER_MAC: Mac = Mac::new([0x02, 0, 0, 0, 0x63, 0xc8]);
/// The peer's address.
pub const PEER_V4: Ipv4Addr = Ipv4Addr::new(10, 100, 0, 200);
/// The peer's IPv6 address.
pub const PEER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0, 0x200);
/// The address of each guest: only one is connected at a time.
pub const GUEST_V4: Ipv4Addr = Ipv4Addr::new(10, 100, 0, 11);
/// The IPv6 address of each guest.
pub const GUEST_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0, 0x11);

/// The port of guest `number`.
pub fn port(number: usize) -> String {
    format!("vnet{number}")
}

/// The MAC address of each guest.
pub const GUEST_MAC: Mac = Mac::new([0x52, 0x54, 0, 0, 0x64, 0x0b]);
/// The address of the DHCP server.
pub const DHCP_V4: Ipv4Addr = Ipv4Addr::new(10, 100, 0, 1);
