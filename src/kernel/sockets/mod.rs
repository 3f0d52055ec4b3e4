//! Who listens in this network namespace: the sockets that take what nobody there
//! asked for.
//!
//! In: the kernel's lists by sock_diag(7). Out: [`Listener`]s. Whose they are is in
//! the file beside; who can reach them is not known here.

mod drops;
mod owners;

use std::fs;
use std::io;
use std::net::IpAddr;

use nix::sys::socket::SockProtocol;

use super::addresses::Names;
use super::links::Netlink;
use super::netlink::{Message, Request, Socket, attribute, u32_at};
use crate::net::{Family, IfName, Protocol};

pub use drops::{Intake, intakes};
pub use owners::{Owner, holder, owners};

/// linux/sock_diag.h
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// linux/inet_diag.h: with `INET_DIAG_TCLASS` comes `INET_DIAG_SKV6ONLY` (sock_diag(7)).
const INET_DIAG_TCLASS: u8 = 6;
const INET_DIAG_SKV6ONLY: u16 = 11;
const INET_DIAG_LOCALS: u16 = 12;
/// `struct inet_diag_sockid` and `struct inet_diag_msg`
const SOCKET_ID: usize = 48;
const MESSAGE: usize = 72;
/// `struct sockaddr_storage`
const SOCKET_ADDRESS: usize = 128;
/// The states of a socket that waits for whoever comes (net/tcp_states.h): of a
/// protocol without connections it is that of a socket which is not connected.
const TCP_CLOSE: u8 = 7;
const TCP_LISTEN: u8 = 10;
/// The protocols, the state of their listeners, and of those that a kernel may lack
/// the name that /proc/net/protocols has for them.
const KINDS: [(Protocol, u8, Option<&str>); 4] = [
    (Protocol::TCP, TCP_LISTEN, None),
    (Protocol::UDP, TCP_CLOSE, None),
    (Protocol::UDPLITE, TCP_CLOSE, Some("UDP-Lite")),
    (Protocol::SCTP, TCP_LISTEN, Some("SCTP")),
];

/// A socket that waits for whoever comes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// What is spoken there: TCP, UDP, UDP-Lite or SCTP.
    pub protocol: Protocol,
    /// The address that it is bound to; the unspecified one if to all. One that maps
    /// IPv4 into IPv6 is told as the IPv4 address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Whether one of IPv6 that is bound to all addresses takes no IPv4.
    pub v6only: bool,
    /// The only interface whose packets it takes, if there is one (`SO_BINDTODEVICE`,
    /// or the scope of a link-local address).
    pub interface: Option<IfName>,
    /// The number by which the files of processes refer to it; 0 if none can.
    pub inode: u32,
    /// The user who made it.
    pub uid: u32,
}

impl Netlink {
    /// The listeners of this network namespace as they are now.
    ///
    /// # Errors
    /// The kernel does not answer, or knows a protocol and cannot tell of its sockets.
    pub fn listeners(self) -> io::Result<Vec<Listener>> {
        let mut socket = Socket::open(SockProtocol::NetlinkSockDiag)?;
        let mut names = Names::default();
        let mut listeners = Vec::new();
        for (protocol, state, name) in KINDS {
            for family in Family::BOTH {
                match socket.dump(&request(protocol, family, state)) {
                    Ok(messages) => {
                        let told = messages.iter().filter(|message| message.kind == SOCK_DIAG_BY_FAMILY);
                        listeners.extend(told.flat_map(|message| sockets(message, protocol, state, &mut names)));
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound && name.is_some_and(is_unknown) => {}
                    Err(error) => {
                        return Err(io::Error::new(error.kind(), format!("sockets of {protocol}: {error}")));
                    }
                }
            }
        }
        Ok(listeners)
    }
}

/// Whether the kernel has no sockets of this protocol; it loads the module with the
/// first. Who cannot be asked may have some.
fn is_unknown(protocol: &str) -> bool {
    let known = fs::read_to_string("/proc/net/protocols");
    known.is_ok_and(|known| !known.lines().any(|line| line.split_whitespace().next() == Some(protocol)))
}

/// `struct inet_diag_req_v2`
fn request(protocol: Protocol, family: Family, state: u8) -> Request {
    let mut header = vec![family_number(family), protocol.0, 1 << (INET_DIAG_TCLASS - 1), 0];
    header.extend((1_u32 << state).to_ne_bytes());
    header.resize(header.len() + SOCKET_ID, 0);
    Request::new(SOCK_DIAG_BY_FAMILY, &header)
}

/// linux/socket.h
const fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

/// The listener that one message tells of, once for each of its addresses: SCTP has
/// several.
fn sockets(message: &Message, protocol: Protocol, wanted: u8, names: &mut Names) -> Vec<Listener> {
    let is_wanted = message.body.get(1) == Some(&wanted);
    let Some(first) = listener(&message.body, protocol, names).filter(|_| is_wanted) else { return Vec::new() };
    let locals = message.body.get(MESSAGE..).and_then(|attributes| attribute(attributes, INET_DIAG_LOCALS));
    match locals.map(addresses).filter(|addresses| !addresses.is_empty()) {
        None => vec![first],
        Some(several) => several.into_iter().map(|address| Listener { address, ..first.clone() }).collect(),
    }
}

/// The socket of a `struct inet_diag_msg`. What has no port is not there for others yet.
fn listener(body: &[u8], protocol: Protocol, names: &mut Names) -> Option<Listener> {
    let (id, attributes) = (body.get(4..)?, body.get(MESSAGE..)?);
    let address = address(*body.first()?, id.get(4..20)?)?;
    let v6only = attribute(attributes, INET_DIAG_SKV6ONLY).is_some_and(|value| value.first() == Some(&1));
    let interface = u32_at(id, 36)?;
    let listener = Listener {
        protocol,
        address,
        port: u16::from_be_bytes(*id.first_chunk()?),
        v6only: v6only && address.is_ipv6(),
        // Bound to one whose name nobody can tell counts as bound to none: too much is
        // said to be open then, not too little.
        interface: if interface == 0 { None } else { names.of(interface) },
        inode: u32_at(body, 68)?,
        uid: u32_at(body, 64)?,
    };
    Some(listener).filter(|listener| listener.port != 0)
}

/// The addresses in an array of `struct sockaddr_storage`.
fn addresses(value: &[u8]) -> Vec<IpAddr> {
    let address_of = |bytes: &[u8]| {
        let family = u16::from_ne_bytes(*bytes.first_chunk()?);
        let at = if family == u16::from(family_number(Family::V4)) { 4 } else { 8 };
        address(u8::try_from(family).ok()?, bytes.get(at..at + 16)?)
    };
    value.chunks_exact(SOCKET_ADDRESS).filter_map(address_of).collect()
}

/// The address in the first bytes of a field that has room for either family's.
fn address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match Family::BOTH.into_iter().find(|known| family_number(*known) == family)? {
        Family::V4 => Some(IpAddr::from(*bytes.first_chunk::<4>()?)),
        Family::V6 => Some(IpAddr::from(*bytes.first_chunk::<16>()?).to_canonical()),
    }
}

#[cfg(test)]
mod tests;
