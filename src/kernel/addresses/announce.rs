//! The one frame that tells a network who has an address now, so that nobody sends
//! to the host that had it before.
//!
//! In: an address and its interface. Out: a gratuitous ARP (RFC 5227) or an
//! unsolicited neighbour advertisement (RFC 4861, 7.2.6), to everybody there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, sendto, socket,
};

use crate::kernel::netlink::{Request, Socket, attribute};
use crate::net::{EtherType, IfName, Mac, Protocol};

/// linux/rtnetlink.h, linux/if_link.h, linux/if_arp.h
const RTM_GETLINK: u16 = 18;
const IFLA_ADDRESS: u16 = 1;
const ARPHRD_ETHER: u16 = 1;
/// `struct ifinfomsg`
const IFINFO: usize = 16;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Where Ethernet sends what is for them (RFC 2464).
const ALL_NODES_MAC: Mac = Mac::new([0x33, 0x33, 0, 0, 0, 1]);

/// Tells everybody on `interface` that `address` is there now. On what is no
/// Ethernet nobody needs to be told.
///
/// # Errors
/// There is no such interface, it is down, or raw packets are forbidden.
pub fn announce(address: IpAddr, interface: &IfName) -> io::Result<()> {
    let index = if_nametoindex(interface.as_str())?;
    let Some(mac) = mac(index)? else { return Ok(()) };
    let (packet, kind, to) = match address {
        IpAddr::V4(address) => (arp(address, mac), EtherType::ARP, Mac::BROADCAST),
        IpAddr::V6(address) => (advertisement(address, mac), EtherType::IPV6, ALL_NODES_MAC),
    };
    // Of this type the kernel writes the Ethernet header; packet(7).
    let socket = socket(AddressFamily::Packet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None::<SockProtocol>)?;
    sendto(socket.as_raw_fd(), &packet, &destination(index, kind, to)?, MsgFlags::empty())?;
    Ok(())
}

/// The interface's own Ethernet address, if it has one.
pub(in crate::kernel) fn mac(index: u32) -> io::Result<Option<Mac>> {
    let mut header = [0; IFINFO];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    let link = Socket::open(SockProtocol::NetlinkRoute)?.get(&Request::new(RTM_GETLINK, &header))?;
    let body = link.map(|link| link.body).unwrap_or_default();
    let is_ethernet = body.get(2..4) == Some(&ARPHRD_ETHER.to_ne_bytes());
    let address = body.get(IFINFO..).and_then(|attributes| attribute(attributes, IFLA_ADDRESS));
    Ok(address.and_then(|bytes| bytes.try_into().ok()).filter(|_| is_ethernet).map(Mac::new))
}

/// A request of ARP for the address that the sender has itself.
fn arp(address: Ipv4Addr, mac: Mac) -> Vec<u8> {
    // Ethernet, IPv4, the lengths of their addresses, a request (RFC 826).
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1];
    packet.extend(mac.bytes());
    packet.extend(address.octets());
    packet.extend([0; 6]);
    packet.extend(address.octets());
    packet
}

/// An IPv6 packet that says so, to replace what was known before.
fn advertisement(address: Ipv6Addr, mac: Mac) -> Vec<u8> {
    // Type 136, no checksum yet, the flag "override".
    let mut message = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    message.extend(address.octets());
    // The target's link-layer address, in units of eight bytes.
    message.extend([2, 1]);
    message.extend(mac.bytes());
    let length = message.len() as u16;
    let ends = [address.octets(), ALL_NODES.octets()].concat();
    let pseudo = [&ends[..], &u32::from(length).to_be_bytes(), &[0, 0, 0, Protocol::ICMPV6.0]].concat();
    let sum = checksum(&[&pseudo[..], &message].concat());
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let [high, low] = length.to_be_bytes();
    // Version 6; nobody takes one that a router has passed on, so 255 hops.
    [&[0x60, 0, 0, 0, high, low, Protocol::ICMPV6.0, 255], &ends[..], &message].concat()
}

/// The sum of RFC 1071 over an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Where frames of `kind` go by one interface, as packet(7) wants it said.
pub(in crate::kernel) fn destination(index: u32, kind: EtherType, to: Mac) -> io::Result<LinkAddr> {
    let mut raw = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: kind.number().to_be(),
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0; 8],
    };
    raw.sll_addr[..6].copy_from_slice(&to.bytes());
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: `raw` is a whole sockaddr_ll, of the family and length it is said to be.
    let made = unsafe { LinkAddr::from_raw((&raw const raw).cast(), Some(length)) };
    made.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}
