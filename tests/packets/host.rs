//! The host's end: sockets that see what has passed its input chain, and sockets
//! that send from it.
//!
//! A raw socket gets its copy behind every netfilter hook of the input path and
//! before the protocol itself looks at the packet (raw(7)).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{MsgFlags, SockaddrIn, SockaddrIn6, recv, sendto, setsockopt, sockopt};
use virt_guard::net::Family;

use super::bytes;
use super::frame::{Extension, Ip};
use super::support::lab::BRIDGE;

/// What the host listens for: whatever else arrives there is not looked at.
pub const HEARD: [(Family, &[u8]); 2] =
    [(Family::V4, &[1, 2, 6, 17, 47, 50, 99, 132]), (Family::V6, &[58, 2, 6, 17, 47, 50, 99, 132])];

/// The host's sockets.
#[derive(Debug)]
pub struct HostSockets {
    listeners: Vec<(Family, OwnedFd)>,
    senders: [OwnedFd; 2],
    bridge: u32,
}

/// The groups of IPv6 that a station of any kind speaks to.
const GROUPS: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16)];

impl HostSockets {
    /// Opens them in this thread's network namespace, and has the host take what
    /// a stricter one would drop behind the rules' backs.
    pub fn open() -> Self {
        for name in ["all/rp_filter", "default/rp_filter", "br100/rp_filter", "all/accept_redirects"] {
            set("ipv4", name, "0");
        }
        set("ipv4", "br100/accept_local", "1");
        set("ipv6", "br100/accept_redirects", "0");
        let bridge = nix::net::if_::if_nametoindex(BRIDGE).expect("the bridge");
        let group = UdpSocket::from(raw(libc::AF_INET6, libc::IPPROTO_ICMPV6));
        GROUPS.iter().for_each(|address| group.join_multicast_v6(address, bridge).expect("a multicast group"));
        let mut listeners = vec![(Family::V6, OwnedFd::from(group))];
        for (family, protocols) in HEARD {
            let number = if family == Family::V4 { libc::AF_INET } else { libc::AF_INET6 };
            let heard = protocols.iter().filter(|protocol| **protocol != 58);
            listeners.extend(heard.map(|protocol| (family, raw(number, i32::from(*protocol)))));
        }
        let senders = [libc::AF_INET, libc::AF_INET6].map(|family| raw(family, libc::IPPROTO_RAW));
        Self { listeners, senders, bridge }
    }

    /// Sends the packet as it is; the host's own tables find the way.
    pub fn send(&self, ip: &Ip, id: u32) {
        let packet = bytes::ip_bytes(ip, id);
        let [v4, v6] = self.senders.each_ref().map(AsRawFd::as_raw_fd);
        let sent = match ip.destination {
            IpAddr::V4(address) => {
                sendto(v4, &packet, &SockaddrIn::from(SocketAddrV4::new(address, 0)), MsgFlags::empty())
            }
            IpAddr::V6(address) => {
                let to = SocketAddrV6::new(address, 0, 0, self.bridge);
                sendto(v6, &packet, &SockaddrIn6::from(to), MsgFlags::empty())
            }
        };
        match sent {
            // The rules may say no right here.
            Ok(_) | Err(Errno::EPERM | Errno::ENOBUFS) => {}
            Err(error) => panic!("the host cannot send {ip:?}: {error}"),
        }
    }

    /// The next packet that has passed: of IPv4 whole, of IPv6 what it carries.
    pub fn receive(&self) -> Option<(Family, Vec<u8>)> {
        let mut packet = vec![0; 4096];
        for (family, socket) in &self.listeners {
            if let Ok(length) = recv(socket.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
                packet.truncate(length);
                return Some((*family, packet));
            }
        }
        None
    }

    /// Readable when a packet has passed.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.listeners.iter().map(|(_, socket)| socket.as_fd())
    }
}

fn set(family: &str, name: &str, value: &str) {
    fs::write(format!("/proc/sys/net/{family}/conf/{name}"), value).expect("the host's settings");
}

/// nix knows the names of some protocols only.
fn raw(family: libc::c_int, protocol: libc::c_int) -> OwnedFd {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: a call without pointers.
    let number = unsafe { libc::socket(family, kind, protocol) };
    assert!(number >= 0, "a raw socket of protocol {protocol}: {}", Errno::last());
    // SAFETY: a descriptor that was opened just now and is nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    setsockopt(&socket, sockopt::RcvBufForce, &(4 << 20)).expect("a large buffer");
    socket
}

/// Whether the host's own stack hands `ip` to a raw socket, rules aside.
/// `broadcast` says that the frame is not for the host alone.
pub fn hears(ip: &Ip, broadcast: bool, addresses: &[IpAddr]) -> bool {
    let protocols = HEARD.iter().find(|(family, _)| *family == ip.family()).map_or(&[][..], |(_, all)| all);
    let mine = match ip.destination {
        address if !broadcast => addresses.contains(&address),
        IpAddr::V4(address) => address.is_broadcast() || address == Ipv4Addr::new(224, 0, 0, 1),
        IpAddr::V6(address) => GROUPS.contains(&address) || address == Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
    };
    // A routing header is for one station only.
    let is_routed = ip.extension == Extension::Routing && broadcast;
    mine && !is_routed && protocols.contains(&ip.protocol().0) && is_plausible(ip)
}

/// What the stack calls a martian is dropped by routing.
fn is_plausible(ip: &Ip) -> bool {
    match (ip.source, ip.destination) {
        (IpAddr::V4(source), IpAddr::V4(to)) => {
            let [first, ..] = source.octets();
            let anybody = to.is_broadcast() || to.octets()[..3] == [224, 0, 0];
            let nobody = source.is_unspecified() && anybody;
            nobody || (first == 127 && to.is_broadcast()) || !matches!(first, 0 | 127 | 224..=255)
        }
        (IpAddr::V6(source), _) => !source.is_multicast() && !source.is_loopback(),
        _ => false,
    }
}
