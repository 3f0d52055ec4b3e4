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
use crate::kernel::{Deadline, HostAddress, Station, leads_by};
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
/// How often an IPv6 address is made up anew that somebody turns out to have.
const TIMES: usize = 3;
/// What a station makes up that nobody gives an address (RFC 3927); its first and its last
/// 256 are reserved.
const LINK_LOCAL: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16);

/// What addresses are chosen by.
pub(super) struct Dress<'a> {
    pub station: &'a Station,
    pub bridge: &'a Bridge,
    pub addresses: &'a [HostAddress],
    /// IPv4 addresses that are promised to somebody.
    pub promised: &'a BTreeSet<Ipv4Addr>,
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

impl Dress<'_> {
    /// Dresses the station.
    ///
    /// # Errors
    /// The kernel refuses something; that an address is not to be had is no error.
    pub fn put_on(&self, deadline: Deadline) -> io::Result<Stand> {
        self.station.wake(deadline)?;
        if self.bridge.routes_loopback {
            self.station.give_up_loopback()?;
        }
        let mut stand = Stand {
            bridge: self.bridge.name.clone(),
            mac: self.station.mac(),
            addresses: Vec::new(),
            notes: Vec::new(),
            lacks: Vec::new(),
            families: Vec::new(),
        };
        for family in Family::BOTH {
            let gateway = match family {
                Family::V4 => self.bear_v4(&mut stand)?,
                Family::V6 => self.bear_v6(&mut stand)?,
            };
            let Some(gateway) = gateway else { continue };
            if self.station.route_by(gateway)? {
                stand.families.push(family);
            } else {
                stand.lacks.push(format!("{gateway} is not found from there: nothing gets to this host by {family}"));
            }
        }
        stand.addresses = self.station.addresses()?;
        Ok(stand)
    }

    /// Bears a free address of the bridge's own networks; gives the host's in it.
    fn bear_v4(&self, stand: &mut Stand) -> io::Result<Option<IpAddr>> {
        let mut full = Vec::new();
        for at in self.of_bridge() {
            let Ok(IpNet::V4(net)) = IpNet::new(at.address, at.prefix) else { continue };
            if at.prefix > LONGEST.0 {
                continue;
            }
            if let Some(free) = self.station.free_address(&self.candidates(net))? {
                self.station.bear(free.into(), at.prefix)?;
                return Ok(Some(at.address));
            }
            full.push(net.trunc().to_string());
        }
        if full.is_empty() {
            return self.bear_made_up(stand);
        }
        stand.lacks.push(format!("no address of {} is free: IPv4 was not tried", full.join(", ")));
        Ok(None)
    }

    /// Bears an address that nobody gave it, if an answer to it would come back.
    fn bear_made_up(&self, stand: &mut Stand) -> io::Result<Option<IpAddr>> {
        let of_host = self.addresses.iter().find(|at| Family::of(at.address) == Family::V4 && self.bridge.leads_to(at));
        let Some(gateway) = of_host.map(|at| at.address) else {
            stand.notes.push("this host has no IPv4 address that leads anywhere: IPv4 was not tried".to_owned());
            return Ok(None);
        };
        let candidates: Vec<_> = (0..8).map(|_| made_up()).collect();
        let elsewhere = leads_by(candidates[0].into())?.filter(|interface| *interface != self.bridge.name);
        if let Some(interface) = elsewhere {
            let bridge = &self.bridge.name;
            stand.notes.push(format!(
                "{bridge} has no network of IPv4, and what answers guests there would leave by {interface}: IPv4 was \
                 not tried"
            ));
            return Ok(None);
        }
        let Some(free) = self.station.free_address(&candidates)? else { return Ok(None) };
        self.station.bear(free.into(), LINK_LOCAL.prefix_len())?;
        Ok(Some(gateway))
    }

    /// Bears an address of the bridge's own network beside that of the link; gives the
    /// host's.
    fn bear_v6(&self, stand: &mut Stand) -> io::Result<Option<IpAddr>> {
        let mut of_link = None;
        for at in self.of_bridge() {
            let IpAddr::V6(address) = at.address else { continue };
            if address.is_unicast_link_local() {
                of_link = Some(at.address);
                continue;
            }
            let Ok(net) = Ipv6Net::new(address, at.prefix) else { continue };
            if at.prefix > LONGEST.1 {
                continue;
            }
            for _ in 0..TIMES {
                if self.station.bear(within(net).into(), at.prefix)? {
                    return Ok(Some(at.address));
                }
            }
            stand.lacks.push(format!("no address of {} is to be had", net.trunc()));
        }
        if of_link.is_none() {
            let bridge = &self.bridge.name;
            stand.notes.push(format!("{bridge} has no address of IPv6, not even of its link: IPv6 was not tried"));
        }
        Ok(of_link)
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
