//! Whether the host forwards packets between its interfaces, without which none
//! reaches a guest by an address of the host's side.
//!
//! In: a family. Out: the kernel's setting, on. Which packets may pass then is not
//! known here: that is for rules that stand before.

use std::fs;
use std::io;

use nix::net::if_::if_indextoname;
use nix::sys::socket::SockProtocol;

use super::routes::routes;
use crate::kernel::netlink::Socket;
use crate::net::{Family, IfName};

/// The settings as sysctl(8) names them (Documentation/networking/ip-sysctl).
const fn setting(family: Family) -> &'static str {
    match family {
        Family::V4 => "net.ipv4.ip_forward",
        Family::V6 => "net.ipv6.conf.all.forwarding",
    }
}

fn path(family: Family) -> String {
    format!("/proc/sys/{}", setting(family).replace('.', "/"))
}

/// Whether this network namespace forwards packets of `family`.
pub fn forwarding(family: Family) -> bool {
    fs::read_to_string(path(family)).is_ok_and(|text| text.trim() == "1")
}

/// Has this network namespace forward packets of `family`, between all its
/// interfaces.
///
/// # Errors
/// The setting does not stay, or the host would lose routes by it: a host that
/// forwards IPv6 no longer hears router advertisements where `accept_ra` is 1, and
/// drops at once what it has learnt by them (net/ipv6/addrconf.c).
pub fn enable_forwarding(family: Family) -> io::Result<()> {
    if forwarding(family) {
        return Ok(());
    }
    if let Some(interface) = would_lose_routes(family)? {
        let setting = setting(family);
        // sysctl(8) reads a dot in a name as a slash, and the other way round.
        let name = interface.replace('.', "/");
        return Err(io::Error::other(format!(
            "{setting}: {interface} has its routes from router advertisements and would lose them; \
             set net.ipv6.conf.{name}.accept_ra = 2, or give it routes of its own"
        )));
    }
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", setting(family)));
    fs::write(path(family), "1").map_err(failed)?;
    if forwarding(family) { Ok(()) } else { Err(failed(io::Error::other("is off after it was switched on"))) }
}

/// Whether packets that come in by `interface` may be for 127.0.0.0/8, which otherwise
/// none but the host itself reaches (`route_localnet`, Documentation/networking/ip-sysctl).
pub fn routes_loopback(interface: &IfName) -> bool {
    ["all", interface.as_str()].into_iter().any(|name| {
        let setting = format!("/proc/sys/net/ipv4/conf/{name}/route_localnet");
        fs::read_to_string(setting).is_ok_and(|text| text.trim() == "1")
    })
}

/// An interface with routes that a router advertised, if the kernel would drop them.
fn would_lose_routes(family: Family) -> io::Result<Option<String>> {
    let routes = routes(&mut Socket::open(SockProtocol::NetlinkRoute)?)?;
    let advertised = routes.iter().filter(|route| route.family == family && route.is_advertised());
    let mut interfaces = advertised.filter_map(|route| if_indextoname(route.interface?).ok()?.into_string().ok());
    Ok(interfaces.find(|interface| listens_as_host(interface)))
}

/// With 2 the kernel goes on listening, and with 0 it is another who listens.
fn listens_as_host(interface: &str) -> bool {
    let setting = format!("/proc/sys/net/ipv6/conf/{interface}/accept_ra");
    fs::read_to_string(setting).is_ok_and(|text| text.trim() == "1")
}
