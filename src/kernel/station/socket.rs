//! The sockets of a station, as the kernel makes them: of any protocol that has ports, and
//! raw ones for ARP.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{FromRawFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage};

use crate::net::{Family, Protocol};

/// A socket of `protocol` that waits for nothing.
pub(super) fn socket(protocol: Protocol, family: Family) -> io::Result<OwnedFd> {
    let domain = match family {
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    };
    let is_datagram = matches!(protocol, Protocol::UDP | Protocol::UDPLITE);
    let kind = if is_datagram { libc::SOCK_DGRAM } else { libc::SOCK_STREAM };
    // SAFETY: it makes a descriptor, or none.
    let made = unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, protocol.0.into()) };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was made just now and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(made) })
}

/// A port of an address; one of a single link is on that with number `link`.
pub(super) fn at(address: IpAddr, port: u16, link: u32) -> SockaddrStorage {
    let is_of_link = |address: std::net::Ipv6Addr| address.is_unicast_link_local() || address.is_multicast();
    SockaddrStorage::from(match address {
        IpAddr::V6(address) if is_of_link(address) => SocketAddr::V6(SocketAddrV6::new(address, port, 0, link)),
        _ => SocketAddr::new(address, port),
    })
}

/// A packet socket to which the kernel adds the Ethernet header, deaf until it is bound.
pub(super) fn packet_socket() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    Ok(nix::sys::socket::socket(AddressFamily::Packet, SockType::Datagram, flags, None::<SockProtocol>)?)
}
