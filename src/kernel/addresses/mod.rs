//! The addresses of this network namespace: which are the host's own, and which
//! interface an address of the outside belongs on.
//!
//! In: rtnetlink's lists of addresses and routes. Out: [`Addresses`]. Putting one
//! there, and having the network know, is in the files beside.

mod announce;
mod forwarding;
mod place;
mod routes;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use nix::net::if_::if_indextoname;
use nix::sys::socket::SockProtocol;

use super::links::Netlink;
use super::netlink::{Message, Request, Socket, attribute, u32_at};
use crate::net::{Family, IfName};
use routes::{Route, routes};

pub use announce::announce;
pub(super) use announce::{destination, mac};
pub use forwarding::{enable_forwarding, forwarding, routes_loopback};
pub use place::{put_address, take_address};

/// linux/rtnetlink.h
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
/// linux/if_addr.h; `IFA_ADDRESS` is the far end's where a link has two ends.
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// `struct ifaddrmsg`
const IFADDR: usize = 8;

/// An address on an interface of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAddress {
    /// The interface that bears it.
    pub interface: IfName,
    /// The address.
    pub address: IpAddr,
    /// The length of its network's prefix, in bits.
    pub prefix: u8,
}

impl HostAddress {
    /// The network that is reached directly by this address, if there are others in it.
    fn network(&self) -> Option<IpNet> {
        let shared = self.prefix < Family::of(self.address).bits();
        IpNet::new(self.address, self.prefix).ok().filter(|_| shared)
    }
}

/// The addresses of this network namespace, and where its default routes lead.
///
/// Link-local IPv6 addresses are left out: every tap has one, and none of them
/// leads anywhere else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    borne: Vec<HostAddress>,
    default_routes: BTreeMap<Family, IfName>,
}

impl Addresses {
    /// These addresses, and the interfaces that the default routes lead to.
    pub fn new(
        borne: impl IntoIterator<Item = HostAddress>,
        default_routes: impl IntoIterator<Item = (Family, IfName)>,
    ) -> Self {
        Self { borne: borne.into_iter().collect(), default_routes: default_routes.into_iter().collect() }
    }

    /// All addresses, in the kernel's order.
    pub fn iter(&self) -> impl Iterator<Item = &HostAddress> {
        self.borne.iter()
    }

    /// Whether `address` is this host's own.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.interface_of(address).is_some()
    }

    /// The interface that bears `address`.
    pub fn interface_of(&self, address: IpAddr) -> Option<&IfName> {
        self.borne.iter().find(|borne| borne.address == address).map(|borne| &borne.interface)
    }

    /// The interface on which the outside asks for `address`: the one whose network
    /// it is in, of several the one of the longest prefix, else the one that the
    /// default route leads to. A network of one address is nobody's neighbourhood.
    pub fn uplink_for(&self, address: IpAddr) -> Option<IfName> {
        let holds = |borne: &&HostAddress| borne.network().is_some_and(|network| network.contains(&address));
        // Of several that are as long, the first one.
        let nearest = self.borne.iter().rev().filter(holds).max_by_key(|borne| borne.prefix);
        let default = || self.default_routes.get(&Family::of(address));
        nearest.map(|borne| &borne.interface).or_else(default).cloned()
    }
}

impl Netlink {
    /// The addresses as they are now. Those of interfaces whose name no rule could
    /// bear are left out.
    ///
    /// # Errors
    /// The kernel does not answer, or answers with an error.
    pub fn addresses(self) -> io::Result<Addresses> {
        let mut socket = Socket::open(SockProtocol::NetlinkRoute)?;
        let mut names = Names::default();
        let mut borne = borne(&mut socket, &mut names)?;
        borne.retain(|borne| !is_of_its_link(borne.address));
        let routes = routes(&mut socket)?;
        let default_route = |family| Some((family, names.of(default_interface(&routes, family)?)?));
        let default_routes: Vec<_> = Family::BOTH.into_iter().filter_map(default_route).collect();
        Ok(Addresses::new(borne, default_routes))
    }

    /// The addresses as they are now, those of a single link included.
    ///
    /// # Errors
    /// The kernel does not answer, or answers with an error.
    pub fn every_address(self) -> io::Result<Vec<HostAddress>> {
        borne(&mut Socket::open(SockProtocol::NetlinkRoute)?, &mut Names::default())
    }
}

fn borne(socket: &mut Socket, names: &mut Names) -> io::Result<Vec<HostAddress>> {
    let messages = socket.dump(&Request::new(RTM_GETADDR, &[0; IFADDR]))?;
    let told = messages.iter().filter(|message| message.kind == RTM_NEWADDR);
    Ok(told.filter_map(|message| host_address(message, names)).collect())
}

/// The names of interfaces by number, each asked for once.
#[derive(Default)]
pub(super) struct Names(BTreeMap<u32, Option<IfName>>);

impl Names {
    pub(super) fn of(&mut self, index: u32) -> Option<IfName> {
        // One that is gone by now bears no address any more.
        let ask = || if_indextoname(index).ok()?.to_str().ok()?.parse().ok();
        self.0.entry(index).or_insert_with(ask).clone()
    }
}

fn host_address(message: &Message, names: &mut Names) -> Option<HostAddress> {
    let (prefix, index) = (*message.body.get(1)?, u32_at(&message.body, 4)?);
    let attributes = message.body.get(IFADDR..)?;
    let value = attribute(attributes, IFA_LOCAL).or_else(|| attribute(attributes, IFA_ADDRESS))?;
    Some(HostAddress { interface: names.of(index)?, address: address(value)?, prefix })
}

fn is_of_its_link(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// Of several default routes the kernel takes the one of the lowest metric.
fn default_interface(routes: &[Route], family: Family) -> Option<u32> {
    let default = routes.iter().filter(|route| route.family == family && route.is_default());
    default.filter_map(|route| Some((route.metric, route.interface?))).min_by_key(|found| found.0).map(|found| found.1)
}

/// An address in the bytes of an attribute.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

/// The bytes of an address in an attribute.
fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// What rtnetlink calls the family (linux/socket.h).
const fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_address(text: &str, interface: &str) -> HostAddress {
        let net: IpNet = text.parse().unwrap();
        HostAddress { interface: interface.parse().unwrap(), address: net.addr(), prefix: net.prefix_len() }
    }

    fn addresses() -> Addresses {
        let borne = [
            ("127.0.0.1/8", "lo"),
            ("10.0.0.5/8", "eth0"),
            ("10.1.0.5/16", "eth1"),
            ("10.1.9.9/32", "eth0"),
            ("2001:db8::5/64", "eth2"),
        ];
        let borne = borne.map(|(text, interface)| host_address(text, interface));
        Addresses::new(borne, [(Family::V4, "eth3".parse().unwrap())])
    }

    #[test]
    fn an_address_is_asked_for_where_its_network_is_else_where_the_default_route_leads() {
        let uplink = |text: &str| addresses().uplink_for(text.parse().unwrap()).map(|name| name.to_string());
        assert_eq!(uplink("10.2.0.1").as_deref(), Some("eth0"));
        assert_eq!(uplink("10.1.0.1").as_deref(), Some("eth1"), "of the longer prefix");
        assert_eq!(uplink("10.1.9.9").as_deref(), Some("eth1"), "not where it stands already");
        assert_eq!(uplink("203.0.113.10").as_deref(), Some("eth3"));
        assert_eq!(uplink("2001:db8::10").as_deref(), Some("eth2"));
        assert_eq!(uplink("2001:db8:1::10"), None, "there is no default route");
    }

    #[test]
    fn an_address_is_the_hosts_own_if_an_interface_bears_it() {
        let bearer = |text: &str| addresses().interface_of(text.parse().unwrap()).map(ToString::to_string);
        assert_eq!(bearer("10.1.9.9").as_deref(), Some("eth0"));
        assert_eq!(bearer("10.1.9.8"), None);
        assert!(addresses().contains("2001:db8::5".parse().unwrap()));
    }

    #[test]
    fn of_several_default_routes_the_one_of_the_lowest_metric_counts() {
        let route = |metric, interface| {
            let mut route = Route::default_of(Family::V6);
            (route.metric, route.interface) = (metric, Some(interface));
            route
        };
        let mut aside = route(1, 9);
        aside.table = 100;
        let routes = [route(1024, 2), aside, route(100, 3)];
        assert_eq!(default_interface(&routes, Family::V6), Some(3));
        assert_eq!(default_interface(&routes, Family::V4), None);
    }
}
