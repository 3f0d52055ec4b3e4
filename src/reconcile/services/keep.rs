//! What keeps guests from a service besides the wall: systemd's filter on its unit.
//!
//! In: the filter, a bridge, the host's addresses. Out: whether packets of guests there are
//! dropped by it. Whoever is on the bridge with an address of another network is none that
//! the host answers by the bridge.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::kernel::{HostAddress, Restricted, UnitFilter};
use crate::net::{Family, IfName};

/// Whether the filter drops what guests at `bridge` send in this family.
pub(super) fn keeps(filter: &UnitFilter, bridge: &IfName, family: Family, addresses: &[HostAddress]) -> bool {
    let is_listed = |names: &[String]| names.iter().any(|name| name == bridge.as_str());
    match &filter.interfaces {
        Some(Restricted::To(names)) if !is_listed(names) => return true,
        Some(Restricted::From(names)) if is_listed(names) => return true,
        _ => {}
    }
    let networks = networks(bridge, family, addresses);
    networks.iter().all(|network| {
        let overlaps = |allowed: &IpNet| allowed.contains(network) || network.contains(allowed);
        let is_allowed = filter.allow.iter().any(|allowed| !allowed.addr().is_loopback() && overlaps(allowed));
        !is_allowed && filter.deny.iter().any(|denied| denied.contains(network))
    })
}

/// The networks that the bridge is in; without an address there guests may have any.
fn networks(bridge: &IfName, family: Family, addresses: &[HostAddress]) -> Vec<IpNet> {
    let there = addresses.iter().filter(|at| at.interface == *bridge && Family::of(at.address) == family);
    let found: Vec<_> = there.filter_map(|at| IpNet::new(at.address, at.prefix).ok()).map(|net| net.trunc()).collect();
    if found.is_empty() { vec![all(family)] } else { found }
}

fn all(family: Family) -> IpNet {
    match family {
        Family::V4 => Ipv4Net::default().into(),
        Family::V6 => Ipv6Net::default().into(),
    }
}

/// The settings of a filter, as people write them.
pub(super) fn words(filter: &UnitFilter) -> Vec<String> {
    let mut words = Vec::new();
    let list = |nets: &[IpNet]| nets.iter().map(IpNet::to_string).collect::<Vec<_>>().join(" ");
    match &filter.interfaces {
        Some(Restricted::To(names)) => words.push(format!("RestrictNetworkInterfaces={}", names.join(" "))),
        Some(Restricted::From(names)) => words.push(format!("RestrictNetworkInterfaces=~{}", names.join(" "))),
        None => {}
    }
    if !filter.deny.is_empty() {
        words.push(format!("IPAddressDeny={}", list(&filter.deny)));
    }
    if !filter.allow.is_empty() && !filter.deny.is_empty() {
        words.push(format!("IPAddressAllow={}", list(&filter.allow)));
    }
    words.iter().map(|word| format!("{}: {word}", filter.unit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps_from(deny: &[&str], allow: &[&str], interfaces: Option<Restricted>) -> [bool; 2] {
        let nets = |nets: &[&str]| nets.iter().map(|net| net.parse().unwrap()).collect();
        let filter = UnitFilter { unit: "x.service".to_owned(), deny: nets(deny), allow: nets(allow), interfaces };
        let address = |text: &str, prefix| HostAddress {
            interface: "br100".parse().unwrap(),
            address: text.parse().unwrap(),
            prefix,
        };
        let addresses = [address("10.100.0.1", 24), address("fd00::1", 64), address("fe80::1", 64)];
        Family::BOTH.map(|family| keeps(&filter, &"br100".parse().unwrap(), family, &addresses))
    }

    #[test]
    fn all_networks_of_the_bridge_have_to_be_denied() {
        assert_eq!(keeps_from(&["10.0.0.0/8"], &[], None), [true, false]);
        assert_eq!(keeps_from(&["10.100.0.0/25"], &[], None), [false, false], "half of it");
        assert_eq!(keeps_from(&["fd00::/64"], &[], None), [false, false], "guests have link-local addresses, too");
        assert_eq!(keeps_from(&["fd00::/64", "fe80::/10"], &[], None), [false, true]);
        assert_eq!(keeps_from(&["0.0.0.0/0", "::/0"], &["127.0.0.0/8", "::1/128"], None), [true, true]);
        assert_eq!(keeps_from(&[], &[], None), [false, false]);
    }

    #[test]
    fn what_is_allowed_passes_whatever_is_denied() {
        for allowed in ["10.100.0.0/24", "10.100.0.7/32", "10.0.0.0/8"] {
            assert_eq!(keeps_from(&["0.0.0.0/0"], &[allowed], None), [false, false], "{allowed}");
        }
        assert_eq!(keeps_from(&["0.0.0.0/0"], &["192.0.2.0/24"], None), [true, false]);
    }

    #[test]
    fn an_interface_is_kept_away_whatever_the_addresses() {
        let names = |name: &str| vec![name.to_owned()];
        assert_eq!(keeps_from(&[], &[], Some(Restricted::From(names("br100")))), [true, true]);
        assert_eq!(keeps_from(&[], &[], Some(Restricted::From(names("br200")))), [false, false]);
        assert_eq!(keeps_from(&[], &[], Some(Restricted::To(names("eth0")))), [true, true]);
        assert_eq!(keeps_from(&[], &[], Some(Restricted::To(names("br100")))), [false, false]);
    }

    #[test]
    fn without_an_address_on_the_bridge_all_have_to_be_denied() {
        let filter = |deny: &str| UnitFilter { deny: vec![deny.parse().unwrap()], ..UnitFilter::default() };
        let bridge = "br100".parse().unwrap();
        assert!(keeps(&filter("0.0.0.0/0"), &bridge, Family::V4, &[]));
        assert!(!keeps(&filter("10.0.0.0/8"), &bridge, Family::V4, &[]));
    }
}
