//! Which flows a change of a port concerns, found by what of the world around was the
//! port's before and is now.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::facts::domain::Uuid;
use crate::net::IfName;
use crate::state::{Concerned, PortAddresses};

use super::desired::{Desired, DesiredPort};
use super::{Error, Host};

/// How a guest came to have rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It is about to begin: no connection can be its own yet.
    Fresh,
    /// It runs, or comes from another host or from a file with connections of its own.
    Running,
}

impl Host {
    /// A guest is about to begin. Connections that others had at its addresses are not
    /// for it to inherit.
    pub(super) fn concern_arrival(&mut self, guest: &Uuid, wanted: &Desired) -> Result<(), Error> {
        let links = self.links()?;
        let own = wanted.ports.iter().filter_map(|port| port.ends.as_ref()).flat_map(|ends| &ends.addresses);
        let mut ended = BTreeSet::new();
        for address in own {
            // Two guests that run may share an address; whose each connection is nobody
            // knows.
            let others = self.state.ports_with(*address).map_err(Error::io(NOT_LISTED))?;
            if !others.iter().any(|(port, other)| other != guest && links.get(port).is_some()) {
                ended.insert(*address);
            }
        }
        self.concern(Concerned { ended, ..Concerned::default() })
    }

    /// The flows that a change of these ports concerns.
    pub(super) fn concern_ports<'a>(&mut self, ports: impl IntoIterator<Item = &'a DesiredPort>) -> Result<(), Error> {
        let mut all = Concerned::default();
        for port in ports {
            all.add(self.concerned_at(port)?);
        }
        self.concern(all)
    }

    fn concerned_at(&self, port: &DesiredPort) -> Result<Concerned, Error> {
        let name = &port.plan.ifname;
        let now: BTreeSet<IpAddr> = port.ends.iter().flat_map(|ends| ends.addresses.iter().copied()).collect();
        let mut concerned = Concerned { judged: now.clone(), ..Concerned::default() };
        let Some(mut old) = self.state.addresses_at(name) else { return Ok(concerned) };
        if old.guest == port.guest.uuid {
            // What it has still, or what nobody says anything else of, may live.
            let keeps = |address: &IpAddr| port.ends.is_none() || now.contains(address);
            let (kept, lost) = old.addresses.into_iter().partition(keeps);
            concerned.judged.extend::<Vec<_>>(kept);
            old.addresses = lost;
        }
        concerned.ended = self.no_others(name, &old)?;
        Ok(concerned)
    }

    /// A port is gone, and the guest's connections with it.
    pub(super) fn concern_gone(&mut self, name: &IfName) -> Result<(), Error> {
        let Some(old) = self.state.addresses_at(name) else { return Ok(()) };
        let ended = self.no_others(name, &old)?;
        self.concern(Concerned { ended, ..Concerned::default() })?;
        self.state.set_addresses_at(name, None).map_err(Error::io("the addresses of a port cannot be forgotten"))?;
        self.state.set_settles_until(name, None).map_err(Error::io("the records of a port"))?;
        self.state.set_translations(name, &Default::default()).map_err(Error::io("the translations of a port"))
    }

    /// The addresses that were at this port alone.
    fn no_others(&self, name: &IfName, old: &PortAddresses) -> Result<BTreeSet<IpAddr>, Error> {
        if old.addresses.is_empty() {
            return Ok(BTreeSet::new());
        }
        let links = self.links()?;
        let mut alone = BTreeSet::new();
        for address in &old.addresses {
            let all = self.state.ports_with(*address).map_err(Error::io(NOT_LISTED))?;
            if !all.iter().any(|(port, _)| port != name && links.get(port).is_some()) {
                alone.insert(*address);
            }
        }
        Ok(alone)
    }

    /// Remembers what of the world is the port's, if that is not known already.
    pub(super) fn set_ends(&self, port: &DesiredPort) -> Result<(), Error> {
        let (Some(ends), name) = (&port.ends, &port.plan.ifname) else { return Ok(()) };
        let addresses = PortAddresses { guest: port.guest.uuid, addresses: ends.addresses.clone() };
        if self.state.addresses_at(name).as_ref() != Some(&addresses) {
            self.state.set_addresses_at(name, Some(&addresses)).map_err(Error::io("the addresses of a port"))?;
        }
        if self.state.translations_at(name) != ends.translations {
            self.state.set_translations(name, &ends.translations).map_err(Error::io("the translations of a port"))?;
        }
        Ok(())
    }

    /// The same of all ports; those of which it changes concern flows, although their
    /// rules may be the same.
    pub(super) fn keep_ends(&mut self, ports: &[DesiredPort]) -> Result<(), Error> {
        let changed = |port: &&DesiredPort| {
            let Some(ends) = &port.ends else { return false };
            let known = self.state.addresses_at(&port.plan.ifname);
            known.is_none_or(|known| known.guest != port.guest.uuid || known.addresses != ends.addresses)
        };
        let changed: Vec<_> = ports.iter().filter(changed).collect();
        self.concern_ports(changed)?;
        ports.iter().try_for_each(|port| self.set_ends(port))
    }
}

const NOT_LISTED: &str = "the ports with an address cannot be listed";
