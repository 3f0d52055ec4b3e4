//! Both ends of a station's cable, by rtnetlink: made, plugged in, named, routed.
//!
//! In: names and addresses. Out: interfaces of the namespace of the calling thread.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;

use nix::libc::IFF_UP;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::SockProtocol;

use super::{bytes, family_number};
use crate::kernel::addresses::Names;
use crate::kernel::netlink::{Message, Request, Socket, attribute, u32_at};
use crate::net::{Family, IfName, Mac};

/// linux/netlink.h
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
/// linux/rtnetlink.h
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RTN_UNICAST: u8 = 1;
const RTNH_F_ONLINK: u32 = 4;
/// linux/if_link.h, linux/veth.h
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BRPORT_STATE: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const ADDR_GEN_MODE_NONE: u8 = 1;
const VETH_INFO_PEER: u16 = 1;
/// linux/if_bridge.h
const BR_STATE_FORWARDING: u8 = 3;
/// linux/if_addr.h
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
/// linux/neighbour.h
const NDA_DST: u16 = 1;
const NTF_USE: u8 = 0x01;
const NUD_VALID: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80;
/// `struct ifinfomsg`, `struct ifaddrmsg`, `struct rtmsg`, `struct ndmsg`
const IFINFO: usize = 16;
const IFADDR: usize = 8;
const RTMSG: usize = 12;
const NDMSG: usize = 12;

/// A cable between a station and this host.
pub(super) struct Cable<'a> {
    /// Its end on the host.
    pub port: &'a IfName,
    /// The address of its end at the station.
    pub mac: Mac,
    /// How long its frames may be.
    pub mtu: u32,
    /// The host's network namespace.
    pub host: &'a File,
}

/// An address that an interface bears.
pub(super) struct Borne {
    pub address: IpAddr,
    flags: u32,
}

impl Borne {
    /// Whether it is still asked if somebody else has it.
    pub fn is_tentative(&self) -> bool {
        self.flags & IFA_F_TENTATIVE != 0 && !self.is_refused()
    }

    /// Whether somebody else has it.
    pub fn is_refused(&self) -> bool {
        self.flags & IFA_F_DADFAILED != 0
    }
}

/// Makes a cable from the calling thread's namespace to the host's.
pub(super) fn make_cable(cable: &Cable<'_>) -> io::Result<()> {
    let mtu = cable.mtu.to_ne_bytes();
    let there = Request::new(0, &[0; IFINFO])
        .text(IFLA_IFNAME, cable.port.as_str())
        .raw(IFLA_ADDRESS, &far_end(cable.mac))
        .raw(IFLA_MTU, &mtu)
        .raw(IFLA_NET_NS_FD, &cable.host.as_raw_fd().to_ne_bytes());
    let request = Request::new(RTM_NEWLINK, &[0; IFINFO])
        .text(IFLA_IFNAME, super::NAME)
        .raw(IFLA_ADDRESS, &cable.mac.bytes())
        .raw(IFLA_MTU, &mtu)
        .nested(IFLA_LINKINFO, |info| {
            let info = info.text(IFLA_INFO_KIND, "veth");
            info.nested(IFLA_INFO_DATA, |data| data.raw(VETH_INFO_PEER, there.body()))
        });
    change(&request, NLM_F_CREATE | NLM_F_EXCL)
}

/// A bridge takes the lowest address of its ports for its own, unless somebody gave it
/// one. As libvirt does for its taps, a port's begins with the highest byte there is for
/// a single station.
fn far_end(mac: Mac) -> [u8; 6] {
    let [_, rest @ ..] = mac.bytes();
    let [a, b, c, d, e] = rest;
    [0xfe, a, b, c, d, e]
}

/// Makes `port` one of `bridge`'s, and sets it up.
pub(super) fn plug(port: &IfName, bridge: &IfName) -> io::Result<()> {
    let quiet = link_request(port.as_str(), 0)?.nested(IFLA_AF_SPEC, |all| {
        all.nested(family_number(Family::V6).into(), |v6| v6.raw(IFLA_INET6_ADDR_GEN_MODE, &[ADDR_GEN_MODE_NONE]))
    });
    // An address of its own would do no harm; without IPv6 there is none to be had.
    let _ = change(&quiet, 0);
    let master = index(bridge.as_str())?.to_ne_bytes();
    change(&link_request(port.as_str(), 0)?.raw(IFLA_MASTER, &master), 0)?;
    set_up(port.as_str())
}

/// Sets an interface up.
pub(super) fn set_up(name: &str) -> io::Result<()> {
    change(&link_request(name, IFF_UP.cast_unsigned())?, 0)
}

/// How long frames of an interface may be.
pub(super) fn mtu(name: &IfName) -> io::Result<u32> {
    let link = link(name.as_str())?;
    let mtu = attribute(&link, IFLA_MTU).and_then(|value| u32_at(value, 0));
    mtu.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{name}: the kernel does not tell its MTU")))
}

/// Whether the bridge forwards what comes from its port.
pub(super) fn forwards(port: &IfName) -> io::Result<bool> {
    let link = link(port.as_str())?;
    let info = attribute(&link, IFLA_LINKINFO).and_then(|info| attribute(info, IFLA_INFO_SLAVE_DATA));
    let state = info.and_then(|info| attribute(info, IFLA_BRPORT_STATE)).and_then(<[u8]>::first);
    Ok(state == Some(&BR_STATE_FORWARDING))
}

/// Has an interface bear an address; of IPv6 not before nobody else claims it.
pub(super) fn bear(name: &str, address: IpAddr, prefix: u8) -> io::Result<()> {
    let mut header = vec![family_number(Family::of(address)), prefix, 0, 0];
    header.extend(index(name)?.to_ne_bytes());
    let request = Request::new(RTM_NEWADDR, &header).raw(IFA_LOCAL, &bytes(address)).raw(IFA_ADDRESS, &bytes(address));
    change(&request, NLM_F_CREATE | NLM_F_EXCL)
}

/// All addresses that an interface bears.
pub(super) fn borne(name: &str) -> io::Result<Vec<Borne>> {
    let index = index(name)?;
    let messages = socket()?.dump(&Request::new(RTM_GETADDR, &[0; IFADDR]))?;
    let of_interface = |message: &&Message| message.kind == RTM_NEWADDR && u32_at(&message.body, 4) == Some(index);
    Ok(messages.iter().filter(of_interface).filter_map(|message| borne_of(&message.body)).collect())
}

fn borne_of(body: &[u8]) -> Option<Borne> {
    let attributes = body.get(IFADDR..)?;
    let address = attribute(attributes, IFA_LOCAL).or_else(|| attribute(attributes, IFA_ADDRESS))?;
    let address = match address.len() {
        4 => IpAddr::from(*address.first_chunk::<4>()?),
        _ => IpAddr::from(*address.first_chunk::<16>()?),
    };
    let flags = attribute(attributes, IFA_FLAGS).and_then(|value| u32_at(value, 0));
    Some(Borne { address, flags: flags.unwrap_or(u32::from(*body.get(2)?)) })
}

/// Takes from the loopback interface the addresses by which a host speaks with itself.
pub(super) fn take_loopback() -> io::Result<()> {
    let local = bytes(Ipv4Addr::LOCALHOST.into());
    let mut header = vec![family_number(Family::V4), 8, 0, 0];
    header.extend(index("lo")?.to_ne_bytes());
    change(&Request::new(RTM_DELADDR, &header).raw(IFA_LOCAL, &local).raw(IFA_ADDRESS, &local), 0)
}

/// Deletes an interface.
pub(super) fn delete(name: &str) -> io::Result<()> {
    change(&Request::new(RTM_DELLINK, &link_header(name, 0)?), 0)
}

/// Sends all that is not for the interface's own networks to `gateway`, be it in one of
/// these or not.
pub(super) fn route_by(name: &str, gateway: IpAddr) -> io::Result<()> {
    let family = family_number(Family::of(gateway));
    let mut header = vec![family, 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, RTN_UNICAST];
    header.extend(RTNH_F_ONLINK.to_ne_bytes());
    let request =
        Request::new(RTM_NEWROUTE, &header).raw(RTA_GATEWAY, &bytes(gateway)).raw(RTA_OIF, &index(name)?.to_ne_bytes());
    change(&request, NLM_F_CREATE | NLM_F_REPLACE)
}

/// Has the kernel ask who has `address`.
pub(super) fn look_for(name: &str, address: IpAddr) -> io::Result<()> {
    let mut header = vec![family_number(Family::of(address)), 0, 0, 0];
    header.extend(index(name)?.to_ne_bytes());
    header.extend([0, 0, NTF_USE, 0]);
    change(&Request::new(RTM_NEWNEIGH, &header).raw(NDA_DST, &bytes(address)), NLM_F_CREATE)
}

/// Whether somebody has answered for `address`.
pub(super) fn is_found(name: &str, address: IpAddr) -> io::Result<bool> {
    let index = index(name)?;
    let messages = socket()?.dump(&Request::new(RTM_GETNEIGH, &[0; NDMSG]))?;
    let is_valid = |message: &Message| {
        let state = message.body.get(8..10).map(|state| u16::from_ne_bytes([state[0], state[1]]));
        let address_of = message.body.get(NDMSG..).and_then(|attributes| attribute(attributes, NDA_DST));
        u32_at(&message.body, 4) == Some(index)
            && address_of == Some(&bytes(address))
            && state.is_some_and(|state| state & NUD_VALID != 0)
    };
    Ok(messages.iter().any(is_valid))
}

/// The interface by which packets of this host for `address` leave, if any.
///
/// # Errors
/// The kernel does not say.
pub fn leads_by(address: IpAddr) -> io::Result<Option<IfName>> {
    let family = Family::of(address);
    let mut header = [0; RTMSG];
    (header[0], header[1]) = (family_number(family), family.bits());
    match socket()?.get(&Request::new(RTM_GETROUTE, &header).raw(RTA_DST, &bytes(address))) {
        Ok(found) => {
            let body = found.map(|found| found.body).unwrap_or_default();
            let interface = body.get(RTMSG..).and_then(|attributes| attribute(attributes, RTA_OIF));
            Ok(interface.and_then(|value| u32_at(value, 0)).and_then(|index| Names::default().of(index)))
        }
        Err(error) if error.raw_os_error().is_some_and(is_unreachable) => Ok(None),
        Err(error) => Err(error),
    }
}

/// No route, or one that says so.
fn is_unreachable(code: i32) -> bool {
    use nix::libc::{EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH};
    [ENETUNREACH, EHOSTUNREACH, EINVAL, EACCES].contains(&code)
}

/// The attributes of an interface.
fn link(name: &str) -> io::Result<Vec<u8>> {
    let gone = || io::Error::new(io::ErrorKind::NotFound, format!("{name} is not there"));
    let found = socket()?.get(&Request::new(RTM_GETLINK, &link_header(name, 0)?))?.ok_or_else(gone)?;
    Ok(found.body.get(IFINFO..).unwrap_or_default().to_vec())
}

fn link_request(name: &str, up: u32) -> io::Result<Request> {
    Ok(Request::new(RTM_NEWLINK, &link_header(name, up)?))
}

/// `struct ifinfomsg`: family, padding, type, index, flags, which flags.
fn link_header(name: &str, up: u32) -> io::Result<Vec<u8>> {
    Ok([0, index(name)?, up, up].map(u32::to_ne_bytes).concat())
}

fn index(name: &str) -> io::Result<u32> {
    if_nametoindex(name).map_err(|error| io::Error::new(io::Error::from(error).kind(), format!("{name}: {error}")))
}

fn socket() -> io::Result<Socket> {
    Socket::open(SockProtocol::NetlinkRoute)
}

fn change(request: &Request, flags: u16) -> io::Result<()> {
    socket()?.change(request, flags)
}
