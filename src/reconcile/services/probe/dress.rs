//! The addresses of a probe: such as a guest at the bridge would have.
//!
//! In: the addresses of this host, and those that are promised to guests. Out: a station
//! that bears a free one of each family and sends all else to the bridge's own; or why it
//! has none. An answer must come back by the bridge: what would leave this machine is not
//! tried.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::facts::Surroundings;
use crate::facts::policy::Policy;
use crate::kernel::{Deadline, HostAddress, Station, free_address, leads_by};
use crate::net::Family;

use super::super::reach::Bridge;
use super::Stand;
use super::post::random;

/// So many addresses of a network are asked for, from its end.
const ASKED: usize = 1024;
/// A probe begins at one of so many, or two at once would ask for the same ones.
const SPREAD: u64 = 64;
/// Of a network with a longer prefix there are no addresses to choose from.
const LONGEST: (u8, u8) = (30, 126);
/// What a station makes up that nobody gives an address (RFC 3927); its first and its last
/// 256 are reserved.
const LINK_LOCAL: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16);

/// What addresses are chosen by.
pub(super) struct Choice<'a> {
    pub bridge: &'a Bridge,
    pub addresses: &'a [HostAddress],
    /// IPv4 addresses that are promised to somebody.
    pub promised: &'a BTreeSet<Ipv4Addr>,
}

/// What a station is to bear, and by which way all else is reached.
#[derive(Debug, Default)]
pub(super) struct Dress {
    /// An address of each family that one was found of, and the length of its prefix; of
    /// IPv6 that of the link may be enough.
    own: Vec<(IpAddr, u8)>,
    /// The host's own addresses by which it is reached, one of each family that is tried.
    gateways: Vec<IpAddr>,
    notes: Vec<String>,
    lacks: Vec<String>,
}

/// All IPv4 addresses that the policy, a network's definition or a lease gives to a guest.
pub(super) fn promised(policy: &Policy, host: &Surroundings) -> BTreeSet<Ipv4Addr> {
    let of_entries = policy.entries.iter().flat_map(|entry| &entry.addresses).map(|address| address.value);
    let floating = policy.floating.iter().map(|floating| floating.address.value);
    let v4 = |address| match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    };
    of_entries.chain(floating).chain(host.leases.all()).filter_map(v4).collect()
}

impl Dress {
    fn bear(&mut self, address: IpAddr, prefix: u8, gateway: IpAddr) {
        self.own.push((address, prefix));
        self.gateways.push(gateway);
    }

    /// The addresses that are to be borne.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.own.iter().map(|(address, _)| *address).collect()
    }

    /// Dresses a station, behind walls or not, and tells how it stands at the bridge.
    ///
    /// # Errors
    /// The kernel refuses something; that an address is not to be had is no error.
    pub fn put_on(mut self, station: &Station, bridge: &Bridge, deadline: Deadline) -> io::Result<Stand> {
        station.wake(deadline)?;
        if bridge.routes_loopback {
            station.give_up_loopback()?;
        }
        for (address, prefix) in &self.own {
            if !station.bear(*address, *prefix)? {
                self.lacks.push(format!("somebody has {address}, which was free"));
            }
        }
        let mut silent = Vec::new();
        for gateway in &self.gateways {
            if !station.route_by(*gateway)? {
                silent.push(*gateway);
            }
        }
        Ok(Stand {
            bridge: bridge.name.clone(),
            mac: station.mac(),
            addresses: station.addresses()?,
            families: self.gateways.iter().copied().map(Family::of).collect(),
            silent,
            notes: self.notes,
            lacks: self.lacks,
        })
    }
}

impl Choice<'_> {
    /// Chooses an address of each family.
    ///
    /// # Errors
    /// The kernel refuses to ask who has one.
    pub fn dress(&self) -> io::Result<Dress> {
        let mut dress = Dress::default();
        self.choose_v4(&mut dress)?;
        self.choose_v6(&mut dress);
        Ok(dress)
    }

    /// A free address of the bridge's own networks.
    fn choose_v4(&self, dress: &mut Dress) -> io::Result<()> {
        let mut full = Vec::new();
        for at in self.of_bridge() {
            let Ok(IpNet::V4(net)) = IpNet::new(at.address, at.prefix) else { continue };
            if at.prefix > LONGEST.0 {
                continue;
            }
            if let Some(free) = free_address(&self.bridge.name, &self.candidates(net))? {
                dress.bear(free.into(), at.prefix, at.address);
                return Ok(());
            }
            full.push(net.trunc().to_string());
        }
        if full.is_empty() {
            return self.make_up_v4(dress);
        }
        dress.lacks.push(format!("no address of {} is free: IPv4 was not tried", full.join(", ")));
        Ok(())
    }

    /// An address that nobody gave, if an answer to it would come back.
    fn make_up_v4(&self, dress: &mut Dress) -> io::Result<()> {
        let of_host = self.addresses.iter().find(|at| Family::of(at.address) == Family::V4 && self.bridge.leads_to(at));
        let Some(gateway) = of_host.map(|at| at.address) else {
            dress.notes.push("this host has no IPv4 address that leads anywhere: IPv4 was not tried".to_owned());
            return Ok(());
        };
        let candidates: Vec<_> = (0..8).map(|_| made_up()).collect();
        let elsewhere = leads_by(candidates[0].into())?.filter(|interface| *interface != self.bridge.name);
        if let Some(interface) = elsewhere {
            dress.notes.push(format!(
                "{} has no network of IPv4, and what answers guests there would leave by {interface}: IPv4 was not \
                 tried",
                self.bridge.name
            ));
        } else if let Some(free) = free_address(&self.bridge.name, &candidates)? {
            dress.bear(free.into(), LINK_LOCAL.prefix_len(), gateway);
        }
        Ok(())
    }

    /// An address of the bridge's own network beside that of the link, which will do.
    fn choose_v6(&self, dress: &mut Dress) {
        let mut of_link = None;
        for at in self.of_bridge() {
            let IpAddr::V6(address) = at.address else { continue };
            match Ipv6Net::new(address, at.prefix) {
                _ if address.is_unicast_link_local() => of_link = Some(at.address),
                Ok(net) if at.prefix <= LONGEST.1 => return dress.bear(within(net).into(), at.prefix, at.address),
                _ => {}
            }
        }
        match of_link {
            Some(of_link) => dress.gateways.push(of_link),
            None => {
                let bridge = &self.bridge.name;
                dress.notes.push(format!("{bridge} has no address of IPv6, not even of its link: IPv6 was not tried"));
            }
        }
    }

    fn of_bridge(&self) -> impl Iterator<Item = &HostAddress> {
        self.addresses.iter().filter(|at| at.interface == self.bridge.name)
    }

    /// Addresses of the network to choose from, beginning near its end, where servers of
    /// DHCP come last.
    fn candidates(&self, net: Ipv4Net) -> Vec<Ipv4Addr> {
        let (first, last) = (net.network().to_bits() + 1, net.broadcast().to_bits() - 1);
        let is_hosts = |address: &Ipv4Addr| self.addresses.iter().any(|at| at.address == IpAddr::V4(*address));
        let free = |address: &Ipv4Addr| !is_hosts(address) && !self.promised.contains(address);
        let mut all: Vec<_> = (first..=last).rev().map(Ipv4Addr::from_bits).filter(free).take(ASKED).collect();
        let spread = SPREAD.min(all.len() as u64).max(1);
        let begin = usize::try_from(random() % spread).unwrap_or_default();
        all.rotate_left(begin);
        all
    }
}

fn made_up() -> Ipv4Addr {
    let [a, b, ..] = random().to_be_bytes();
    Ipv4Addr::new(169, 254, a.clamp(1, 254), b)
}

/// A random address of the network (RFC 7217 has no secret here to keep).
fn within(net: Ipv6Net) -> Ipv6Addr {
    let bits = u128::from(random()) << 64 | u128::from(random());
    Ipv6Addr::from_bits(net.network().to_bits() | bits & net.hostmask().to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_address_is_of_its_network() {
        for net in ["fd00::/64", "2001:db8::4/126", "fd00:1::/120"] {
            let net: Ipv6Net = net.parse().unwrap();
            for _ in 0..20 {
                assert!(net.contains(&within(net)));
            }
        }
        assert!((0..50).all(|_| LINK_LOCAL.contains(&made_up())));
    }
}
