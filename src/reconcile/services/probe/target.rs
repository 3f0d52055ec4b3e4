//! What is tried from a bridge: each port once by each address, whoever listens there.
//!
//! In: the listeners, the addresses of this host, a bridge. Out: targets with the listeners
//! that take what comes there. What a socket is bound to is believed only as far as it says
//! which packets could be meant for it at all.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::kernel::{HostAddress, Listener};
use crate::net::{Family, Protocol};

use super::super::reach::{Bridge, is_for_many, reached, takes};

/// All DHCP servers and relays of a link (RFC 8415, section 7.1).
const DHCP_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// A port of an address, and who listens there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub protocol: Protocol,
    pub port: u16,
    pub address: IpAddr,
    /// Several that the kernel makes no difference between share what comes.
    pub listeners: Vec<&'a Listener>,
}

/// What is tried once: the port of a protocol, at an address.
pub(super) type Key = (Protocol, u16, IpAddr);

/// How well a listener fits: the kernel gives a packet to the one that fits best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    is_reached: bool,
    is_of_interface: bool,
    is_of_address: bool,
    is_of_family: bool,
}

/// All targets at `bridge`, sorted by port and address.
pub(super) fn targets<'a>(listeners: &'a [Listener], bridge: &Bridge, addresses: &[HostAddress]) -> Vec<Target<'a>> {
    let mut found: BTreeMap<Key, Vec<(Fit, &Listener)>> = BTreeMap::new();
    for listener in listeners {
        let reached = reached(listener, bridge, addresses);
        for address in asked_at(listener, bridge, addresses) {
            let fit = Fit {
                is_reached: reached.contains(&address) || is_for_all(address) && !reached.is_empty(),
                is_of_interface: listener.interface.is_some(),
                is_of_address: !listener.address.is_unspecified(),
                is_of_family: listener.address.is_ipv6() == address.is_ipv6(),
            };
            found.entry((listener.protocol, listener.port, address)).or_default().push((fit, listener));
        }
    }
    let target = |((protocol, port, address), fitting): (_, Vec<(Fit, &'a Listener)>)| {
        let best = fitting.iter().map(|(fit, _)| *fit).max();
        let listeners =
            fitting.into_iter().filter(|(fit, _)| Some(*fit) == best).map(|(_, listener)| listener).collect();
        Target { protocol, port, address, listeners }
    };
    found.into_iter().map(target).collect()
}

/// The addresses by which a listener could be meant; also one bound to another interface is
/// asked, as a proof that it is deaf.
fn asked_at(listener: &Listener, bridge: &Bridge, addresses: &[HostAddress]) -> Vec<IpAddr> {
    let bound = listener.address;
    let is_datagram = matches!(listener.protocol, Protocol::UDP | Protocol::UDPLITE);
    if is_for_many(bound, addresses) {
        return Vec::from_iter(is_datagram.then_some(bound));
    }
    let of_host = addresses.iter().filter(|at| bridge.leads_to(at)).map(|at| at.address);
    let mut asked: Vec<_> = of_host.filter(|address| takes(listener, *address)).collect();
    if bound.is_loopback() && bound.is_ipv4() && bridge.routes_loopback {
        asked.push(bound);
    }
    if bound.is_unspecified() && listener.protocol == Protocol::UDP {
        asked.extend(dhcp_servers(listener));
    }
    asked.sort_unstable();
    asked.dedup();
    asked
}

/// Where a client of DHCP asks that knows nobody yet.
fn dhcp_servers(listener: &Listener) -> Option<IpAddr> {
    match (listener.port, Family::of(listener.address)) {
        (67, Family::V4) => Some(Ipv4Addr::BROADCAST.into()),
        (547, Family::V6) => Some(DHCP_SERVERS.into()),
        _ => None,
    }
}

fn is_for_all(address: IpAddr) -> bool {
    address == IpAddr::from(Ipv4Addr::BROADCAST) || address == IpAddr::from(DHCP_SERVERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Vec<HostAddress> {
        [("10.100.0.1", 24, "br100"), ("fd00::1", 64, "br100"), ("192.0.2.10", 24, "eth0"), ("127.0.0.1", 8, "lo")]
            .map(|(address, prefix, interface)| HostAddress {
                interface: interface.parse().unwrap(),
                address: address.parse().unwrap(),
                prefix,
            })
            .into()
    }

    fn bridge() -> Bridge {
        Bridge { name: "br100".parse().unwrap(), master: None, routes_loopback: false, breach: None }
    }

    fn listener(protocol: Protocol, address: &str, port: u16) -> Listener {
        let address = address.parse().unwrap();
        Listener { protocol, address, port, v6only: false, interface: None, inode: u32::from(port), uid: 0 }
    }

    /// Each target with the bindings of those who listen there.
    fn told(listeners: &[Listener]) -> Vec<String> {
        let all = targets(listeners, &bridge(), &addresses());
        let binding = |listener: &&Listener| match &listener.interface {
            Some(interface) => format!("{}%{interface}", listener.address),
            None => listener.address.to_string(),
        };
        let line = |target: &Target<'_>| {
            let who: Vec<_> = target.listeners.iter().map(binding).collect();
            format!("{} {}", target.address, who.join(" "))
        };
        all.iter().map(line).collect()
    }

    #[test]
    fn a_listener_is_asked_by_every_address_that_could_be_meant() {
        let all = ["10.100.0.1 ::", "192.0.2.10 ::", "fd00::1 ::"];
        assert_eq!(told(&[listener(Protocol::TCP, "::", 22)]), all);
        assert_eq!(told(&[listener(Protocol::TCP, "192.0.2.10", 22)]), ["192.0.2.10 192.0.2.10"]);
        assert!(told(&[listener(Protocol::TCP, "127.0.0.1", 22)]).is_empty());
    }

    #[test]
    fn what_the_kernel_gives_to_one_is_not_told_of_another() {
        let both = [listener(Protocol::TCP, "0.0.0.0", 22), listener(Protocol::TCP, "192.0.2.10", 22)];
        assert_eq!(told(&both), ["10.100.0.1 0.0.0.0", "192.0.2.10 192.0.2.10"]);
        let both = [listener(Protocol::TCP, "::", 22), listener(Protocol::TCP, "0.0.0.0", 22)];
        assert_eq!(told(&both), ["10.100.0.1 0.0.0.0", "192.0.2.10 0.0.0.0", "fd00::1 ::"]);
        let elsewhere = Listener { interface: Some("eth0".parse().unwrap()), ..both[1].clone() };
        let both = [elsewhere.clone(), listener(Protocol::TCP, "0.0.0.0", 22)];
        assert_eq!(told(&both), ["10.100.0.1 0.0.0.0", "192.0.2.10 0.0.0.0"]);
        assert_eq!(told(&[elsewhere]), ["10.100.0.1 0.0.0.0%eth0", "192.0.2.10 0.0.0.0%eth0"], "it is to be deaf");
    }

    #[test]
    fn sockets_that_share_a_port_are_both_told_of() {
        let twin = listener(Protocol::TCP, "10.100.0.1", 22);
        assert_eq!(told(&[twin.clone(), Listener { inode: 7, ..twin }]), ["10.100.0.1 10.100.0.1 10.100.0.1"]);
    }

    #[test]
    fn dhcp_is_asked_by_broadcast_as_well() {
        let dhcp = told(&[listener(Protocol::UDP, "0.0.0.0", 67)]);
        assert_eq!(dhcp, ["10.100.0.1 0.0.0.0", "192.0.2.10 0.0.0.0", "255.255.255.255 0.0.0.0"]);
        let dhcpv6 = Listener { v6only: true, ..listener(Protocol::UDP, "::", 547) };
        assert_eq!(told(&[dhcpv6]), ["fd00::1 ::", "ff02::1:2 ::"]);
    }

    #[test]
    fn what_is_for_many_is_asked_as_that() {
        assert_eq!(told(&[listener(Protocol::UDP, "224.0.0.251", 5353)]), ["224.0.0.251 224.0.0.251"]);
        assert!(told(&[listener(Protocol::TCP, "10.100.0.255", 80)]).is_empty());
    }
}
