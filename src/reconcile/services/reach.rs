//! By which addresses a guest reaches a listener, whatever the rules say.
//!
//! In: what a listener is bound to, the addresses of this host, a bridge. Out: the
//! addresses by which packets that come in by the bridge get there.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::kernel::{HostAddress, Listener};
use crate::net::{IfName, Protocol};

/// A guest-facing bridge, as packets from its ports meet this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bridge {
    /// Its name.
    pub name: IfName,
    /// What it is a part of; a socket bound to a VRF takes what its parts bring.
    pub master: Option<IfName>,
    /// Whether packets that come in there may be for 127.0.0.0/8.
    pub routes_loopback: bool,
    /// Why somebody at one of its ports does not meet the host's wall, if so.
    pub breach: Option<String>,
}

impl Bridge {
    /// Whether a guest at the bridge gets an answer from `address`. This host answers for
    /// all that it has, whichever interface bears it (the weak host model, RFC 1122
    /// section 3.3.4.2); for an address of one link on that link only.
    pub(super) fn leads_to(&self, at: &HostAddress) -> bool {
        match at.address {
            IpAddr::V4(address) => !address.is_loopback() || self.routes_loopback,
            IpAddr::V6(address) if address.is_unicast_link_local() => at.interface == self.name,
            IpAddr::V6(address) => !address.is_loopback(),
        }
    }

    /// Whether a socket that is bound to `interface` takes what comes in by this bridge.
    fn is_within(&self, interface: &IfName) -> bool {
        *interface == self.name || Some(interface) == self.master.as_ref()
    }
}

/// The addresses by which guests at `bridge` reach `listener`; none if they do not.
pub(super) fn reached(listener: &Listener, bridge: &Bridge, addresses: &[HostAddress]) -> Vec<IpAddr> {
    if listener.interface.as_ref().is_some_and(|interface| !bridge.is_within(interface)) {
        return Vec::new();
    }
    let bound = listener.address;
    if is_for_many(bound, addresses) {
        let takes_it = matches!(listener.protocol, Protocol::UDP | Protocol::UDPLITE);
        return Vec::from_iter(takes_it.then_some(bound));
    }
    let mut found: Vec<_> = addresses.iter().filter(|at| bridge.leads_to(at)).map(|at| at.address).collect();
    // Any of 127.0.0.0/8 is the host's, whether an interface bears it or not.
    if bound.is_loopback() && bound.is_ipv4() && bridge.routes_loopback {
        found.push(bound);
    }
    found.retain(|address| takes(listener, *address));
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether the binding lets packets for `address` in. One to all of IPv6 takes IPv4, too,
/// unless it refuses (ipv6(7), `IPV6_V6ONLY`).
pub(super) fn takes(listener: &Listener, address: IpAddr) -> bool {
    let bound = listener.address;
    match (bound.is_unspecified(), bound.is_ipv6(), address.is_ipv6()) {
        (false, ..) => bound == address,
        (true, true, false) => !listener.v6only,
        (true, of_v6, is_v6) => of_v6 == is_v6,
    }
}

/// Whether packets for `address` are for all stations of a network, or for all that
/// listen to it; which do on this host is not asked.
pub(super) fn is_for_many(address: IpAddr, of_host: &[HostAddress]) -> bool {
    let is_broadcast = |at: &HostAddress| match IpNet::new(at.address, at.prefix) {
        Ok(IpNet::V4(net)) => net.prefix_len() < 31 && address == Ipv4Net::broadcast(&net),
        _ => false,
    };
    address.is_multicast() || address == Ipv4Addr::BROADCAST || of_host.iter().any(is_broadcast)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> IfName {
        text.parse().unwrap()
    }

    /// The addresses of a host with a management interface and two bridges.
    fn host() -> Vec<HostAddress> {
        let borne = [
            ("127.0.0.1/8", "lo"),
            ("::1/128", "lo"),
            ("192.0.2.10/24", "eth0"),
            ("fe80::10/64", "eth0"),
            ("10.100.0.1/24", "br100"),
            ("fd00::1/64", "br100"),
            ("fe80::1/64", "br100"),
            ("fe80::2/64", "br200"),
        ];
        let borne = borne.map(|(text, interface)| (text.parse::<IpNet>().unwrap(), name(interface)));
        borne.map(|(net, interface)| HostAddress { interface, address: net.addr(), prefix: net.prefix_len() }).into()
    }

    fn bridge() -> Bridge {
        Bridge { name: name("br100"), master: None, routes_loopback: false, breach: None }
    }

    fn listener(address: &str) -> Listener {
        Listener {
            protocol: Protocol::UDP,
            address: address.parse().unwrap(),
            port: 7,
            v6only: false,
            interface: None,
            inode: 1,
            uid: 0,
        }
    }

    fn by(listener: &Listener, bridge: &Bridge) -> Vec<String> {
        reached(listener, bridge, &host()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_addresses_are_reached_but_loopback_and_those_of_other_links() {
        assert_eq!(by(&listener("0.0.0.0"), &bridge()), ["10.100.0.1", "192.0.2.10"]);
        let both = ["10.100.0.1", "192.0.2.10", "fd00::1", "fe80::1"];
        assert_eq!(by(&listener("::"), &bridge()), both);
        let v6only = Listener { v6only: true, ..listener("::") };
        assert_eq!(by(&v6only, &bridge()), ["fd00::1", "fe80::1"]);
    }

    #[test]
    fn a_bound_address_is_reached_if_it_is_one_of_them() {
        for address in ["192.0.2.10", "10.100.0.1", "fd00::1", "fe80::1"] {
            assert_eq!(by(&listener(address), &bridge()), [address], "the management address among them");
        }
        for address in ["127.0.0.1", "127.0.0.53", "::1", "fe80::10", "fe80::2", "198.51.100.1"] {
            assert!(by(&listener(address), &bridge()).is_empty(), "{address}");
        }
    }

    #[test]
    fn a_bound_device_takes_what_comes_in_there() {
        let bound = |interface| Listener { interface: Some(name(interface)), ..listener("0.0.0.0") };
        assert_eq!(by(&bound("br100"), &bridge()).len(), 2);
        for other in ["eth0", "br200", "lo"] {
            assert!(by(&bound(other), &bridge()).is_empty(), "{other}");
        }
        let part = Bridge { master: Some(name("red")), ..bridge() };
        assert_eq!(by(&bound("red"), &part).len(), 2, "the bridge is a part of it");
    }

    #[test]
    fn loopback_is_reached_where_the_host_routes_it() {
        let bridge = Bridge { routes_loopback: true, ..bridge() };
        assert_eq!(by(&listener("127.0.0.53"), &bridge), ["127.0.0.53"]);
        assert!(by(&listener("0.0.0.0"), &bridge).contains(&"127.0.0.1".to_owned()));
        assert!(by(&listener("::1"), &bridge).is_empty());
    }

    #[test]
    fn what_is_for_many_reaches_who_listens_to_it() {
        for address in ["224.0.0.251", "255.255.255.255", "10.100.0.255", "ff02::fb"] {
            assert_eq!(by(&listener(address), &bridge()), [address]);
            let tcp = Listener { protocol: Protocol::TCP, ..listener(address) };
            assert!(by(&tcp, &bridge()).is_empty(), "TCP has no such packets");
        }
    }
}
