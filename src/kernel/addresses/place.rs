//! An address of the outside on this host: put there, or answered for, and taken
//! away again.
//!
//! In: the address, its interface, how it is to be announced. Out: the kernel
//! answers for it, or no longer. What stands already, or is gone already, is well.
//! Whose address it is and where its packets go is not known here.

use std::fs;
use std::io;
use std::net::IpAddr;

use nix::libc::{EADDRNOTAVAIL, EEXIST, ENODEV, ENOENT, ESRCH};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::SockProtocol;

use super::announce::announce;
use super::routes::{RT_TABLE_MAIN, RTA_DST, RTA_OIF, RTN_UNICAST};
use super::{IFA_ADDRESS, IFA_LOCAL, RTM_NEWADDR, bytes, family_number};
use crate::facts::policy::Announce;
use crate::kernel::netlink::{Message, Request, Socket, attribute, u32_at};
use crate::net::{Family, IfName};

/// linux/netlink.h
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
/// linux/rtnetlink.h
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_NEWNEIGH: u16 = 28;
const RTM_DELNEIGH: u16 = 29;
const RTM_GETNEIGH: u16 = 30;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
/// linux/if_addr.h
const IFA_CACHEINFO: u16 = 6;
const IFA_F_NODAD: u8 = 0x02;
/// linux/neighbour.h
const NDA_DST: u16 = 1;
const NTF_PROXY: u8 = 0x08;
const NUD_PERMANENT: u16 = 0x80;
/// `struct ndmsg`
const NDMSG: usize = 12;

/// Has this host answer for `address` on `interface`, and tells the network at once
/// if it did not before. A host that answers by proxy must forward
/// ([`super::enable_forwarding`]) and have a route to the address by another
/// interface: that of the guest, `bridge`.
///
/// # Errors
/// The kernel refuses; there is no such interface; no bridge is given where one is
/// needed. Nothing is left of what was begun.
pub fn put_address(address: IpAddr, interface: &IfName, how: Announce, bridge: Option<&IfName>) -> io::Result<()> {
    let failed = |error: io::Error| said(error, &format!("{address} cannot be put on {interface}"));
    let is_new = match how {
        Announce::None => false,
        Announce::Address => put(address, interface).map_err(failed)?,
        Announce::Proxy => answer_for(address, interface, bridge).map_err(failed)?,
    };
    if is_new {
        // Who does not hear it, as on an interface that is down, asks by itself later.
        let _ = announce(address, interface);
    }
    Ok(())
}

/// Has this host no longer answer for `address`, as [`put_address`] had it do with
/// the same arguments. The same address with another length of prefix stays.
///
/// # Errors
/// The kernel refuses.
pub fn take_address(address: IpAddr, interface: &IfName, how: Announce, bridge: Option<&IfName>) -> io::Result<()> {
    let taken = match how {
        Announce::None => Ok(()),
        Announce::Address => take(address, interface),
        Announce::Proxy => {
            // Both, even if one cannot be taken away.
            let (entry, route) = (take_proxy(address, interface), take_route(address, bridge));
            entry.and(route)
        }
    };
    taken.map_err(|error| said(error, &format!("{address} cannot be taken from {interface}")))
}

/// Puts the address there; whether it was not.
fn put(address: IpAddr, interface: &IfName) -> io::Result<bool> {
    let request = address_request(RTM_NEWADDR, address, index(interface)?);
    unless(change(&request, NLM_F_CREATE | NLM_F_EXCL), &[EEXIST])
}

fn take(address: IpAddr, interface: &IfName) -> io::Result<()> {
    let Some(index) = index_if_there(interface)? else { return Ok(()) };
    let request = address_request(RTM_DELADDR, address, index);
    unless(change(&request, 0), &[EADDRNOTAVAIL, ENODEV]).map(drop)
}

/// `struct ifaddrmsg` with the address twice: without `IFA_ADDRESS` the kernel does
/// not look at the prefix's length when it deletes (`inet_rtm_deladdr`).
///
/// Without duplicate address detection: the policy says who has the address. With
/// it the address would not be answered for in the first second or two, and never
/// if the host it comes from is slow to let go of it.
///
/// With a preferred lifetime of 0 the address is answered for, but no IPv6
/// connection of the host's own begins from it (RFC 6724, rule 3).
fn address_request(kind: u16, address: IpAddr, index: u32) -> Request {
    let family = Family::of(address);
    let mut header = vec![family_number(family), family.bits(), IFA_F_NODAD, RT_SCOPE_UNIVERSE];
    header.extend(index.to_ne_bytes());
    let [preferred, valid, created, updated] = [0, u32::MAX, 0, 0].map(u32::to_ne_bytes);
    Request::new(kind, &header)
        .raw(IFA_LOCAL, &bytes(address))
        .raw(IFA_ADDRESS, &bytes(address))
        .raw(IFA_CACHEINFO, &[preferred, valid, created, updated].concat())
}

/// Has the kernel answer for the address; whether it did not before.
///
/// net/ipv4/arp.c (`arp_process`) answers on an interface that forwards, for a proxy
/// entry whose address has a route by another interface. net/ipv6/ndisc.c
/// (`ndisc_recv_ns`) asks for `proxy_ndp` instead of the route; it gets one as well,
/// so that a packet which no rule has led elsewhere never goes back where it came
/// from.
fn answer_for(address: IpAddr, interface: &IfName, bridge: Option<&IfName>) -> io::Result<bool> {
    let needed = || io::Error::new(io::ErrorKind::InvalidInput, "no bridge leads to its guest");
    let (bridge, index) = (bridge.ok_or_else(needed)?, index(interface)?);
    if Family::of(address) == Family::V6 {
        enable_proxy(interface)?;
    }
    let stood = proxies(Family::of(address))?.contains(&(index, bytes(address)));
    // A guest may have moved to another bridge.
    change(&route_request(RTM_NEWROUTE, address, Some(self::index(bridge)?)), NLM_F_CREATE | NLM_F_REPLACE)?;
    let entry = change(&proxy_request(RTM_NEWNEIGH, address, index), NLM_F_CREATE | NLM_F_REPLACE);
    if entry.is_err() && !stood {
        // The first error is the one to tell.
        let _ = take_route(address, Some(bridge));
    }
    entry.map(|()| !stood)
}

/// It stays on when addresses are taken away: without entries it does nothing, and
/// others may have some.
fn enable_proxy(interface: &IfName) -> io::Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/proxy_ndp");
    fs::write(&path, "1").map_err(|error| said(error, &path))
}

fn take_proxy(address: IpAddr, interface: &IfName) -> io::Result<()> {
    let Some(index) = index_if_there(interface)? else { return Ok(()) };
    unless(change(&proxy_request(RTM_DELNEIGH, address, index), 0), &[ENOENT, ENODEV]).map(drop)
}

/// Only a route of that kind; without a bridge, whichever interface it leads to.
fn take_route(address: IpAddr, bridge: Option<&IfName>) -> io::Result<()> {
    let index = bridge.map(index_if_there).transpose()?;
    if index == Some(None) {
        // It went with its interface.
        return Ok(());
    }
    unless(change(&route_request(RTM_DELROUTE, address, index.flatten()), 0), &[ESRCH, ENODEV]).map(drop)
}

/// `struct ndmsg`: family, padding, interface, state, flags, type.
fn proxy_request(kind: u16, address: IpAddr, index: u32) -> Request {
    let mut header = vec![family_number(Family::of(address)), 0, 0, 0];
    header.extend(index.to_ne_bytes());
    header.extend(NUD_PERMANENT.to_ne_bytes());
    header.extend([NTF_PROXY, 0]);
    Request::new(kind, &header).raw(NDA_DST, &bytes(address))
}

/// `struct rtmsg`: family, lengths of destination and source, type of service,
/// table, protocol, scope, type, flags.
fn route_request(kind: u16, address: IpAddr, index: Option<u32>) -> Request {
    let family = Family::of(address);
    let [number, length] = [family_number(family), family.bits()];
    let header = [number, length, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_LINK, RTN_UNICAST, 0, 0, 0, 0];
    let request = Request::new(kind, &header).raw(RTA_DST, &bytes(address));
    match index {
        Some(index) => request.raw(RTA_OIF, &index.to_ne_bytes()),
        None => request,
    }
}

/// The addresses that are answered for by proxy: interface and address.
fn proxies(family: Family) -> io::Result<Vec<(u32, Vec<u8>)>> {
    let mut header = [0; NDMSG];
    // With exactly this flag the kernel lists proxies, and neighbours else.
    (header[0], header[10]) = (family_number(family), NTF_PROXY);
    let messages = route_socket()?.dump(&Request::new(RTM_GETNEIGH, &header))?;
    let proxy = |message: &Message| {
        let address = attribute(message.body.get(NDMSG..)?, NDA_DST)?;
        Some((u32_at(&message.body, 4)?, address.to_vec()))
    };
    Ok(messages.iter().filter_map(proxy).collect())
}

fn route_socket() -> io::Result<Socket> {
    Socket::open(SockProtocol::NetlinkRoute)
}

fn change(request: &Request, flags: u16) -> io::Result<()> {
    route_socket()?.change(request, flags)
}

fn index(interface: &IfName) -> io::Result<u32> {
    if_nametoindex(interface.as_str()).map_err(|error| said(error.into(), interface.as_str()))
}

fn index_if_there(interface: &IfName) -> io::Result<Option<u32>> {
    match if_nametoindex(interface.as_str()) {
        Err(nix::errno::Errno::ENODEV) => Ok(None),
        found => Ok(Some(found?)),
    }
}

/// Whether something was done, where these errors say that it was done already.
fn unless(done: io::Result<()>, already: &[i32]) -> io::Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error().is_some_and(|code| already.contains(&code)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn said(error: io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
