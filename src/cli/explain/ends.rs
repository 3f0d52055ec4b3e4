//! Who sends the packet and who is to get it.

use std::convert::Infallible;
use std::net::IpAddr;
use std::str::FromStr;

use nix::ifaddrs::getifaddrs;

use super::super::exit::Usage;
use super::{Direction, Domain, Explain, GuestPolicy, IfName, Mac};
use crate::model::InterfacePolicy;
use crate::net::Family;

/// One end as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// This host.
    Host,
    /// Whoever has this address.
    Address(IpAddr),
    /// A guest, by name or UUID.
    Guest(String),
}

impl FromStr for End {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match (text, text.parse()) {
            ("host", _) => Self::Host,
            (_, Ok(address)) => Self::Address(address),
            (name, Err(_)) => Self::Guest(name.to_owned()),
        })
    }
}

/// Both ends, found.
#[derive(Debug)]
pub struct Ends<'a> {
    /// The way of the packet.
    pub direction: Direction,
    /// The guest's interface that it passes.
    pub interface: &'a InterfacePolicy,
    /// The source address.
    pub source: IpAddr,
    /// The destination address, of the same family.
    pub destination: IpAddr,
    /// The sender's MAC address, where it is known.
    pub source_mac: Option<Mac>,
    /// The receiver's MAC address, where it is known.
    pub destination_mac: Option<Mac>,
    /// Whether it is for this host.
    pub to_host: bool,
}

/// The end that is not the guest.
struct Far {
    addresses: Vec<IpAddr>,
    mac: Option<Mac>,
    is_host: bool,
}

impl<'a> Ends<'a> {
    /// Finds both ends of the packet in question.
    pub fn find(
        query: &Explain,
        domain: &Domain,
        guest: &'a GuestPolicy,
        others: &[GuestPolicy],
    ) -> Result<Self, Usage> {
        let (near, far, missing) = match query.direction {
            Direction::In => (&query.to, &query.from, "a packet in to a guest needs --from"),
            Direction::Out => (&query.from, &query.to, "a packet out of a guest needs --to"),
        };
        let far = far.as_ref().ok_or_else(|| Usage(format!("{missing} ADDR, NAME or host")))?;
        let interface = interface(guest, query.interface.as_deref(), near.as_ref())?;
        let at = guest.interfaces.iter().position(|other| other == interface);
        let bridge = at.and_then(|at| domain.interfaces.get(at)?.bridge.as_ref());
        let far = self::far(far, bridge, others)?;
        let near = near_addresses(guest, interface, near.as_ref())?;
        let (near, address) = pair(&near, &far.addresses, query.protocol.family())?;
        let out = query.direction == Direction::Out;
        Ok(Self {
            direction: query.direction,
            interface,
            source: if out { near } else { address },
            destination: if out { address } else { near },
            source_mac: if out { Some(interface.mac) } else { far.mac },
            destination_mac: if out { far.mac } else { Some(interface.mac) },
            to_host: out && far.is_host,
        })
    }
}

/// The interface that is named, else the one that has the guest's address, else
/// the first.
fn interface<'a>(
    guest: &'a GuestPolicy,
    named: Option<&str>,
    near: Option<&End>,
) -> Result<&'a InterfacePolicy, Usage> {
    let is_named = |interface: &&InterfacePolicy, name: &str| {
        interface.mac.to_string() == name.to_ascii_lowercase()
            || interface.target.as_ref().is_some_and(|port| port.as_str() == name)
    };
    let mut all = guest.interfaces.iter();
    let found = match (named, near) {
        (Some(name), _) => all.find(|interface| is_named(interface, name)),
        (None, Some(End::Address(address))) => {
            all.find(|interface| interface.addresses.contains(address)).or(guest.interfaces.first())
        }
        (None, _) => guest.interfaces.first(),
    };
    found.ok_or_else(|| {
        let names: Vec<_> = guest.interfaces.iter().map(name_of).collect();
        let wanted = named.map_or(String::new(), |name| format!(" {name:?}"));
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Usage(format!("guest {:?} has no interface{wanted}; there is {there}", guest.id.name))
    })
}

fn name_of(interface: &InterfacePolicy) -> String {
    match &interface.target {
        Some(port) => format!("{port} ({})", interface.mac),
        None => interface.mac.to_string(),
    }
}

fn near_addresses(guest: &GuestPolicy, of: &InterfacePolicy, typed: Option<&End>) -> Result<Vec<IpAddr>, Usage> {
    let name = &guest.id.name;
    match typed {
        Some(End::Address(address)) => Ok(vec![*address]),
        Some(End::Host) => Err(Usage(format!("one end is guest {name:?} itself, and that is not the host"))),
        Some(End::Guest(other)) if *other != *name && *other != guest.id.uuid.to_string() => {
            Err(Usage(format!("one end is guest {name:?} itself, not {other:?}; give its address or leave it out")))
        }
        _ if of.addresses.is_empty() => {
            let option = "--from or --to, whichever is the guest's own end";
            Err(Usage(format!("the addresses of guest {name:?} are not known; give one by {option}")))
        }
        _ => Ok(of.addresses.clone()),
    }
}

fn far(typed: &End, bridge: Option<&IfName>, others: &[GuestPolicy]) -> Result<Far, Usage> {
    let own = own_addresses(bridge);
    match typed {
        End::Host => Ok(Far { addresses: own, mac: None, is_host: true }),
        End::Address(address) => {
            let is_host = own.contains(address) && !address.is_loopback();
            Ok(Far { addresses: vec![*address], mac: None, is_host })
        }
        End::Guest(name) => {
            let is = |guest: &&GuestPolicy| guest.id.name == *name || guest.id.uuid.to_string() == *name;
            let guest = others.iter().find(is).ok_or_else(|| {
                Usage(format!("{name:?} is no address, not host, and no guest that is known; give an address"))
            })?;
            let addresses: Vec<_> = guest.interfaces.iter().flat_map(|one| one.addresses.iter().copied()).collect();
            if addresses.is_empty() {
                return Err(Usage(format!(
                    "the addresses of guest {name:?} are not known; give one instead of the name"
                )));
            }
            Ok(Far { addresses, mac: guest.interfaces.first().map(|one| one.mac), is_host: false })
        }
    }
}

/// This host's own addresses: those of the guest's bridge first, loopback last.
/// Linux answers for any of them at any interface.
fn own_addresses(bridge: Option<&IfName>) -> Vec<IpAddr> {
    let mut own = Vec::new();
    for interface in getifaddrs().into_iter().flatten() {
        let Some(address) = interface.address else { continue };
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        let v6 = address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()));
        let at_bridge = bridge.is_some_and(|bridge| bridge.as_str() == interface.interface_name);
        own.extend(v4.or(v6).map(|address| (address.is_loopback(), !at_bridge, address)));
    }
    own.sort();
    own.into_iter().map(|(_, _, address)| address).collect()
}

/// The first two addresses of one family, which the protocol is spoken in.
fn pair(near: &[IpAddr], far: &[IpAddr], family: Option<Family>) -> Result<(IpAddr, IpAddr), Usage> {
    let fits = |address: &&IpAddr| family.is_none_or(|family| Family::of(**address) == family);
    let pairs = near.iter().filter(fits).flat_map(|near| far.iter().map(move |far| (*near, *far)));
    pairs.into_iter().find(|(near, far)| Family::of(*near) == Family::of(*far)).ok_or_else(|| {
        let spoken = family.map_or(String::new(), |family| format!(" that the protocol is spoken in ({family})"));
        let list = |all: &[IpAddr]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Usage(format!("no two addresses of one family{spoken}: {} and {}", list(near), list(far)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses<const N: usize>(texts: [&str; N]) -> Vec<IpAddr> {
        texts.map(|text| text.parse().unwrap()).into()
    }

    #[test]
    fn an_end_is_the_host_an_address_or_a_name() {
        assert_eq!("host".parse(), Ok(End::Host));
        assert_eq!("fd00::1".parse(), Ok(End::Address("fd00::1".parse().unwrap())));
        assert_eq!("10.0.0.0/8".parse(), Ok(End::Guest("10.0.0.0/8".into())));
    }

    #[test]
    fn the_ends_are_of_one_family_and_of_the_protocols() {
        let near = addresses(["10.0.0.1", "fd00::1"]);
        let far = addresses(["fd00::2", "10.0.0.2"]);
        let v6 = (near[1], far[0]);
        assert_eq!(pair(&near, &far, None).unwrap(), (near[0], far[1]));
        assert_eq!(pair(&near, &far, Some(Family::V6)).unwrap(), v6);
        let error = pair(&near[..1], &far[..1], None).unwrap_err().to_string();
        assert_eq!(error, "no two addresses of one family: 10.0.0.1 and fd00::2");
        assert!(pair(&near[..1], &far, Some(Family::V6)).unwrap_err().to_string().contains("spoken in (ipv6)"));
    }

    #[test]
    fn loopback_is_the_last_of_the_hosts_addresses() {
        let own = own_addresses(None);
        let first_loopback = own.iter().position(IpAddr::is_loopback).unwrap_or(own.len());
        assert!(own[first_loopback..].iter().all(IpAddr::is_loopback), "{own:?}");
    }
}
