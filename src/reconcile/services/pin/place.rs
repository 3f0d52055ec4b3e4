//! Where a service may be pinned to, and whom it is kept from.
//!
//! In: what the operator named, the policy, the interfaces and addresses of this host.
//! Out: a [`Target`]. Changes nothing.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::facts::policy::Policy;
use crate::kernel::{Addresses, HostAddress, Links};
use crate::net::{IfName, ValueError};
use crate::pins::{PinError, Target};

/// Networks of a single link (RFC 4291, RFC 3927): guests may use them on any bridge.
const OF_A_LINK: [&str; 2] = ["fe80::/10", "169.254.0.0/16"];

/// Where the operator wants a service to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinTo {
    /// At this address of the host.
    Address(IpAddr),
    /// At the addresses of this interface.
    Interface(IfName),
}

impl FromStr for PinTo {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.parse() {
            Ok(address) => Ok(Self::Address(address)),
            Err(_) => text.parse().map(Self::Interface),
        }
    }
}

impl fmt::Display for PinTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Interface(name) => name.fmt(f),
        }
    }
}

/// This host, as far as pins are about it.
pub(super) struct Surface<'a> {
    pub policy: &'a Policy,
    pub links: &'a Links,
    pub addresses: &'a Addresses,
}

impl Surface<'_> {
    /// Where a service listens from now on, by default at all addresses that are on no
    /// guest-facing bridge, and the guests that it is kept from.
    ///
    /// # Errors
    /// No such bridge is here; what was named is not this host's, or is a bridge's; or
    /// there is no address to choose.
    pub fn target(&self, to: &[PinTo]) -> Result<Target, PinError> {
        let bridges: Vec<_> = self.links.bridges().filter(|name| self.is_guarded(name)).cloned().collect();
        if bridges.is_empty() {
            return Err(PinError::Refused(
                "no guest-facing bridge is here, so there is none to keep services from".into(),
            ));
        }
        let mut addresses = Vec::new();
        for place in to {
            addresses.extend(self.named(place)?);
        }
        if to.is_empty() {
            addresses.extend(self.management().map(|at| at.address));
        }
        if addresses.is_empty() {
            let why = "all addresses of this host are on guest-facing bridges; name one to pin to by --to";
            return Err(PinError::Refused(why.into()));
        }
        addresses.sort_unstable();
        addresses.dedup();
        let interface = match to {
            [PinTo::Interface(name)] => Some(name.clone()),
            _ => None,
        };
        Ok(Target { addresses, interface, bridges, guests: self.guests() })
    }

    /// The addresses that a place has.
    fn named(&self, place: &PinTo) -> Result<Vec<IpAddr>, PinError> {
        let of_place = |at: &&HostAddress| match place {
            PinTo::Address(address) => at.address == *address,
            PinTo::Interface(name) => at.interface == *name,
        };
        if let PinTo::Interface(name) = place
            && self.faces_guests(name)
        {
            return Err(PinError::Refused(format!("--to {place}: guests are there, expected {}", self.choices())));
        }
        let found: Vec<_> = self.addresses.iter().filter(of_place).collect();
        if found.is_empty() {
            let what = match place {
                PinTo::Interface(name) if self.links.get(name).is_some() => "has no address that others reach",
                PinTo::Interface(_) => "no interface of this host",
                PinTo::Address(_) => "no address of this host",
            };
            return Err(PinError::Refused(format!("--to {place}: {what}, expected {}", self.choices())));
        }
        if let Some(at) = found.iter().find(|at| self.faces_guests(&at.interface)) {
            let why = format!("--to {place}: an address of {}, where guests are", at.interface);
            return Err(PinError::Refused(format!("{why}, expected {}", self.choices())));
        }
        Ok(found.into_iter().map(|at| at.address).collect())
    }

    /// The addresses by which the host is managed: none of guests' bridges, none that
    /// leads to a guest, and no loopback, which each service keeps as it sees fit.
    fn management(&self) -> impl Iterator<Item = &HostAddress> {
        let leads_to_guest =
            |address: IpAddr| self.policy.floating.iter().any(|floating| floating.address.value == address);
        self.addresses.iter().filter(move |at| {
            !at.address.is_loopback() && !self.faces_guests(&at.interface) && !leads_to_guest(at.address)
        })
    }

    fn choices(&self) -> String {
        let mut all: Vec<_> = self.management().map(|at| format!("{} ({})", at.address, at.interface)).collect();
        all.push("127.0.0.1 (lo)".to_owned());
        all.join(", ")
    }

    fn is_guarded(&self, bridge: &IfName) -> bool {
        self.policy.bridges.iter().any(|guarded| guarded.pattern.matches(bridge))
    }

    /// Whether it is such a bridge, or a port of one.
    fn faces_guests(&self, interface: &IfName) -> bool {
        let is_bridge = |name: &IfName| self.links.bridges().any(|bridge| bridge == name) && self.is_guarded(name);
        is_bridge(interface) || self.links.bridge_of(interface).is_some_and(is_bridge)
    }

    /// The networks of the bridges, the addresses that the policy gives to guests, and
    /// what is of a link.
    fn guests(&self) -> Vec<IpNet> {
        let of_bridges = self.addresses.iter().filter(|at| self.faces_guests(&at.interface));
        let of_bridges = of_bridges.filter_map(|at| IpNet::new(at.address, at.prefix).ok().map(|net| net.trunc()));
        let of_policy = self.policy.entries.iter().flat_map(|entry| entry.addresses.iter());
        let of_link = OF_A_LINK.iter().filter_map(|net| net.parse().ok());
        let all: Vec<_> =
            of_bridges.chain(of_policy.map(|address| IpNet::from(address.value))).chain(of_link).collect();
        IpNet::aggregate(&all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::policy::{BridgePolicy, Policy};
    use crate::kernel::{Link, LinkKind};

    fn name(text: &str) -> IfName {
        text.parse().unwrap()
    }

    fn links() -> Links {
        let link = |kind: &str, master: Option<&str>| Link {
            kind: LinkKind::Virtual(kind.to_owned()),
            master: master.map(name),
        };
        Links::new([
            (name("lo"), Link { kind: LinkKind::Physical, master: None }),
            (name("eth0"), Link { kind: LinkKind::Physical, master: None }),
            (name("eth9"), Link { kind: LinkKind::Physical, master: None }),
            (name("br100"), link("bridge", None)),
            (name("vnet0"), link("tun", Some("br100"))),
            (name("docker0"), link("bridge", None)),
        ])
    }

    fn addresses() -> Addresses {
        let borne = [
            ("127.0.0.1/8", "lo"),
            ("::1/128", "lo"),
            ("192.0.2.10/24", "eth0"),
            ("2001:db8::10/64", "eth0"),
            ("10.100.0.1/24", "br100"),
            ("fd00::1/64", "br100"),
        ];
        let borne = borne.map(|(net, interface)| (net.parse::<IpNet>().unwrap(), name(interface)));
        let borne =
            borne.map(|(net, interface)| HostAddress { interface, address: net.addr(), prefix: net.prefix_len() });
        Addresses::new(borne, [])
    }

    fn target(to: &[&str]) -> Result<Target, PinError> {
        let (policy, links, addresses) = (Policy::default(), links(), addresses());
        let surface = Surface { policy: &policy, links: &links, addresses: &addresses };
        surface.target(&to.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
    }

    fn texts<T: ToString>(all: &[T]) -> Vec<String> {
        all.iter().map(T::to_string).collect()
    }

    #[test]
    fn by_default_it_is_the_side_that_no_guest_is_on() {
        let target = target(&[]).unwrap();
        assert_eq!(texts(&target.addresses), ["192.0.2.10", "2001:db8::10"]);
        assert_eq!(target.interface, None);
        assert_eq!(texts(&target.bridges), ["br100"], "the policy does not guard docker0");
        let mut guests = texts(&target.guests);
        guests.sort();
        assert_eq!(guests, ["10.100.0.0/24", "169.254.0.0/16", "fd00::/64", "fe80::/10"]);
    }

    #[test]
    fn an_interface_stands_for_its_addresses() {
        let named = target(&["eth0"]).unwrap();
        assert_eq!(texts(&named.addresses), ["192.0.2.10", "2001:db8::10"]);
        assert_eq!(named.interface, Some(name("eth0")));
        let several = target(&["eth0", "127.0.0.1"]).unwrap();
        assert_eq!(texts(&several.addresses), ["127.0.0.1", "192.0.2.10", "2001:db8::10"]);
        assert_eq!(several.interface, None);
    }

    #[test]
    fn what_is_not_this_hosts_or_the_guests_is_refused() {
        let choices = "expected 192.0.2.10 (eth0), 2001:db8::10 (eth0), 127.0.0.1 (lo)";
        for (to, why) in [
            ("192.0.2.11", "no address of this host"),
            ("eth7", "no interface of this host"),
            ("eth9", "has no address that others reach"),
            ("br100", "guests are there"),
            ("vnet0", "guests are there"),
            ("10.100.0.1", "an address of br100, where guests are"),
            ("0.0.0.0", "no address of this host"),
        ] {
            let error = target(&[to]).unwrap_err().to_string();
            assert_eq!(error, format!("--to {to}: {why}, {choices}"));
        }
        assert!("no such name".parse::<PinTo>().is_err());
    }

    #[test]
    fn without_a_bridge_or_an_address_there_is_nothing_to_do() {
        let bridges: Vec<BridgePolicy> = Vec::new();
        let (links, addresses) = (links(), addresses());
        let none = Policy { bridges, ..Policy::default() };
        let error = Surface { policy: &none, links: &links, addresses: &addresses }.target(&[]).unwrap_err();
        assert!(error.to_string().starts_with("no guest-facing bridge is here"), "{error}");

        let policy = Policy::default();
        let few = Addresses::new(addresses.iter().filter(|at| at.interface != name("eth0")).cloned(), []);
        let error = Surface { policy: &policy, links: &links, addresses: &few }.target(&[]).unwrap_err();
        assert!(error.to_string().ends_with("name one to pin to by --to"), "{error}");
    }
}
