//! Which of the host's own services guests can reach.
//!
//! In: who listens, the addresses of this host, the policy, and what stands in the
//! kernel. Out: each listener with what becomes of a guest's first packet to it.
//! Changes nothing.

mod keep;
mod pin;
mod probe;
mod reach;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use crate::facts::policy::{BridgePolicy, Policy, UnknownPorts};
use crate::kernel::{
    Deadline, HostAddress, Links, Listener, Netlink, Owner, UnitFilter, Units, owners, routes_loopback,
};
use crate::model::{FlowEnd, Members, Origin, Verdict, Wall, admission, host_wall};
use crate::net::{Detail, Direction, Family, IfName, Mac, Tuple};
use crate::plan::Base;

use super::{Error, Host};
use pin::broken_pin;
pub use pin::{Changed, Confirmation, FileChange, PINS, PinPlan, PinTo, Pinnable, Pinned, Unpinned};
pub use probe::{Attempt, Finding, Outcome as ProbeOutcome, ProbeRequest, Probed, Progress, Stand, Walls};
use reach::{Bridge, reached};

pub use watch::{Bound, Danger, Near, ServiceWatch};

/// A guest's first packet. The host's wall asks neither for its port, nor for whose it is.
const GUEST_PORT: u16 = 49152;
const GUEST_MAC: Mac = Mac::new([0x02, 0, 0, 0, 0, 0x01]);

/// Why a service is exposed while [`Services::breach`] says what is wrong.
const NO_WALLS: &str = "the walls do not stand as the policy has them";

/// What becomes of a guest's first packet to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exposure {
    /// It gets there although the policy does not allow it: why the wall is not in its way.
    Exposed(String),
    /// It gets there: the rule that lets it.
    Allowed(Origin),
    /// It would get there, if the host's wall did not drop it by this rule.
    Filtered(Origin),
    /// It is dropped by systemd's filter on the unit that made the socket, whatever the wall
    /// does.
    Pinned,
    /// The service is bound to what no guest can reach.
    Local,
}

/// A service of the host and what becomes of guests' packets to it, by the same rule
/// wherever it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its socket.
    pub listener: Listener,
    /// The processes that hold the socket; the kernel's own have none.
    pub owners: Vec<Owner>,
    /// What becomes of the packets.
    pub exposure: Exposure,
    /// The bridges whose guests reach it, and by which addresses.
    pub reached: Vec<(IfName, Vec<IpAddr>)>,
    /// What keeps guests from it besides the wall: what it is bound to, where that is what
    /// they do not reach, and the filters of its unit.
    pub pinned_by: Vec<String>,
}

/// The services of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Services {
    /// Why the walls are not known to stand as the policy has them.
    pub breach: Option<String>,
    /// The guest-facing bridges that are there.
    pub bridges: Vec<IfName>,
    /// Each service, the most dangerous first.
    pub all: Vec<Service>,
}

/// How many services guests reach, or would reach: one counts once for each way in which
/// packets to it are judged, as it is listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Exposures {
    /// Guests reach them, and the policy does not allow it.
    pub exposed: usize,
    /// Guests reach them by a rule.
    pub allowed: usize,
    /// Guests would reach them without the wall.
    pub filtered: usize,
    /// Pins of services that are among the exposed or filtered ones all the same.
    pub broken_pins: usize,
}

/// Whose a socket is, and what the unit that made it keeps away.
#[derive(Debug, Clone, Default)]
struct Holder {
    owners: Vec<Owner>,
    filter: Option<UnitFilter>,
}

/// What a listener is judged by.
#[derive(Debug, PartialEq, Eq)]
struct Scene {
    wall: Wall,
    breach: Option<String>,
    bridges: Vec<Bridge>,
    addresses: Vec<HostAddress>,
}

impl Host {
    /// The host's own services, and which of them guests reach.
    ///
    /// # Errors
    /// The policy is broken or the kernel cannot be asked.
    pub fn services(&mut self) -> Result<Services, Error> {
        let scene = self.scene_as_it_stands()?;
        let listeners = listeners()?;
        let holders = self.holders(&listeners)?;
        let judged = |listener: &Listener| {
            let holder = holders.get(&listener.inode).cloned().unwrap_or_default();
            let owners = move |service| Service { owners: holder.owners.clone(), ..service };
            let filter = holders.get(&listener.inode).and_then(|holder| holder.filter.as_ref());
            scene.judge(listener, filter).into_iter().map(owners).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = listeners.iter().flat_map(judged).collect();
        all.sort_by_key(|service| {
            let Listener { protocol, address, port, .. } = service.listener;
            (service.exposure.rank(), protocol, port, address)
        });
        let bridges = scene.bridges.into_iter().map(|bridge| bridge.name).collect();
        Ok(Services { breach: scene.breach, bridges, all })
    }

    /// How many services guests reach.
    ///
    /// # Errors
    /// The policy is broken or the kernel cannot be asked.
    pub fn exposures(&mut self) -> Result<Exposures, Error> {
        let scene = self.scene_as_it_stands()?;
        self.count(&scene)
    }

    /// The same right after [`Host::check_all`] has found that nothing differs: the walls
    /// are not read once more.
    ///
    /// # Errors
    /// As of [`Host::exposures`].
    pub fn exposures_behind_walls(&mut self) -> Result<Exposures, Error> {
        let (policy, links) = (self.policy()?, self.links()?);
        let scene = self.scene(&policy, &links, None)?;
        self.count(&scene)
    }

    fn count(&mut self, scene: &Scene) -> Result<Exposures, Error> {
        let listeners = listeners()?;
        let near: Vec<_> = listeners.iter().filter(|listener| scene.is_near(listener)).cloned().collect();
        let holders = self.holders(&near)?;
        let filter = |listener: &Listener| holders.get(&listener.inode).and_then(|holder| holder.filter.as_ref());
        let judged: Vec<_> = listeners.iter().flat_map(|listener| scene.judge(listener, filter(listener))).collect();
        let pins = self.pins()?;
        let owners = |service: &Service| holders.get(&service.listener.inode).map_or(&[][..], |it| &it.owners);
        let broken: BTreeSet<_> =
            judged.iter().filter_map(|service| broken_pin(&pins, service, owners(service))).collect();
        let counts = judged.iter().map(|service| service.exposure.clone()).collect();
        Ok(Exposures { broken_pins: broken.len(), ..counts })
    }

    /// Who holds the listeners' sockets, and what their units keep away.
    fn holders(&mut self, listeners: &[Listener]) -> Result<BTreeMap<u32, Holder>, Error> {
        self.holders_by(listeners, self.deadline)
    }

    /// The same, with systemd not waited for longer than until `deadline`.
    fn holders_by(&mut self, listeners: &[Listener], deadline: Deadline) -> Result<BTreeMap<u32, Holder>, Error> {
        let inodes: BTreeSet<_> = listeners.iter().map(|listener| listener.inode).collect();
        if inodes.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut owners = owners(&inodes).map_err(Error::io("the processes of this host cannot be listed"))?;
        let names = owners.values().flatten().filter_map(|owner| owner.unit.clone()).collect();
        let units = Units::ask(self.runner.as_mut(), &names, deadline);
        let mut holders = BTreeMap::new();
        for listener in listeners {
            let mut owners = owners.remove(&listener.inode).unwrap_or_default();
            let filter = units.see_to(listener, &mut owners);
            holders.entry(listener.inode).or_insert(Holder { owners, filter });
        }
        Ok(holders)
    }

    /// The scene by the walls as the kernel has them.
    fn scene_as_it_stands(&mut self) -> Result<Scene, Error> {
        let policy = self.policy()?;
        let links = self.links()?;
        let breach = self.breach(&policy, &links)?;
        self.scene(&policy, &links, breach)
    }

    fn scene(&mut self, policy: &Policy, links: &Links, breach: Option<String>) -> Result<Scene, Error> {
        let base = self.base(policy, links);
        let addresses = Netlink.every_address().map_err(Error::io("the addresses of this host cannot be listed"))?;
        let bridges = links.bridges().filter_map(|name| {
            let of_policy = policy.bridges.iter().find(|bridge| bridge.pattern.matches(name))?;
            Some(Bridge {
                name: name.clone(),
                master: links.get(name).and_then(|link| link.master.clone()),
                routes_loopback: routes_loopback(name),
                breach: self.stranger(of_policy, name, links, &base),
            })
        });
        Ok(Scene { wall: host_wall(policy), breach, bridges: bridges.collect(), addresses })
    }

    /// Why the walls are not known to stand as the policy has them, if so.
    fn breach(&mut self, policy: &Policy, links: &Links) -> Result<Option<String>, Error> {
        if self.state.base().is_none() {
            return Ok(Some("nothing was applied yet, or not to its end".to_owned()));
        }
        let drifts = self.wall_drifts(policy, links)?;
        Ok(drifts.first().map(|first| match drifts.len() {
            1 => first.to_string(),
            all => format!("{first}; and {} more", all - 1),
        }))
    }

    /// Whoever is at a port that is nobody's meets no wall, if the policy leaves it open.
    fn stranger(&self, policy: &BridgePolicy, bridge: &IfName, links: &Links, base: &Base) -> Option<String> {
        let is_nobodys = |port: &IfName| !base.uplinks.contains(port) && self.state.port(port).is_none();
        let mut ports = links.ports(bridge).map(|(port, _)| port);
        let open = ports.find(|port| policy.unknown_ports == UnknownPorts::Accept && is_nobodys(port))?;
        Some(format!("{open} of {bridge} is no guest's port, and unknown-ports = \"accept\""))
    }
}

/// Who listens on this host.
fn listeners() -> Result<Vec<Listener>, Error> {
    Netlink.listeners().map_err(Error::io("the sockets of this host cannot be listed"))
}

impl FromIterator<Exposure> for Exposures {
    fn from_iter<T: IntoIterator<Item = Exposure>>(all: T) -> Self {
        let mut counts = Self::default();
        for exposure in all {
            match exposure {
                Exposure::Exposed(_) => counts.exposed += 1,
                Exposure::Allowed(_) => counts.allowed += 1,
                Exposure::Filtered(_) => counts.filtered += 1,
                Exposure::Pinned | Exposure::Local => {}
            }
        }
        counts
    }
}

impl Exposure {
    /// The most dangerous is 0.
    fn rank(&self) -> u8 {
        match self {
            Self::Exposed(_) => 0,
            Self::Allowed(_) => 1,
            Self::Filtered(_) => 2,
            Self::Pinned => 3,
            Self::Local => 4,
        }
    }

    fn is_near(&self) -> bool {
        matches!(self, Self::Exposed(_) | Self::Filtered(_))
    }
}

impl Scene {
    /// Whether guests reach the listener against the policy, or would without the wall, as
    /// far as no unit keeps them from it.
    fn is_near(&self, listener: &Listener) -> bool {
        self.judge(listener, None).iter().any(|service| service.exposure.is_near())
    }

    /// The listener once for each way in which guests' packets to it are judged.
    fn judge(&self, listener: &Listener, filter: Option<&UnitFilter>) -> Vec<Service> {
        let pinned_by: Vec<_> = filter.map(keep::words).unwrap_or_default();
        let service = |exposure, reached| {
            let (listener, pinned_by) = (listener.clone(), pinned_by.clone());
            Service { listener, owners: Vec::new(), exposure, reached, pinned_by }
        };
        let mut services: Vec<Service> = Vec::new();
        for bridge in &self.bridges {
            let by = reached(listener, bridge, &self.addresses);
            for family in Family::BOTH {
                let addresses: Vec<_> = by.iter().copied().filter(|address| Family::of(*address) == family).collect();
                if addresses.is_empty() {
                    continue;
                }
                let is_kept = filter.is_some_and(|filter| keep::keeps(filter, &bridge.name, family, &self.addresses));
                let exposure = if is_kept { Exposure::Pinned } else { self.exposure(listener, bridge, family) };
                match services.iter_mut().find(|service| service.exposure == exposure) {
                    Some(known) => known.add(&bridge.name, addresses),
                    None => services.push(service(exposure, vec![(bridge.name.clone(), addresses)])),
                }
            }
        }
        if services.is_empty() {
            let mut local = service(Exposure::Local, Vec::new());
            local.pinned_by.insert(0, bound(listener));
            services.push(local);
        }
        services
    }

    /// What the policy allows is allowed, whether the wall stands or not.
    fn exposure(&self, listener: &Listener, bridge: &Bridge, family: Family) -> Exposure {
        let end = FlowEnd { direction: Direction::Out, mac: GUEST_MAC, walls: vec![&self.wall] };
        let first = first_packet(listener, family);
        let breach = self.breach.as_ref().map(|_| NO_WALLS).or(bridge.breach.as_deref());
        match (admission(&end, &Members::default(), &first), breach) {
            (Some(decision), _) if decision.verdict == Verdict::Accept => Exposure::Allowed(decision.origin),
            (_, Some(breach)) => Exposure::Exposed(breach.to_owned()),
            (Some(decision), None) => Exposure::Filtered(decision.origin),
            (None, None) => Exposure::Exposed("the wall asks for what is not known of a packet".to_owned()),
        }
    }
}

impl Service {
    fn add(&mut self, bridge: &IfName, more: Vec<IpAddr>) {
        match self.reached.iter_mut().find(|(known, _)| known == bridge) {
            Some((_, addresses)) => addresses.extend(more),
            None => self.reached.push((bridge.clone(), more)),
        }
    }
}

/// What the listener is bound to, if that is what keeps guests from it.
fn bound(listener: &Listener) -> String {
    match &listener.interface {
        Some(interface) => format!("interface {interface}"),
        None => format!("address {}", listener.address),
    }
}

/// The packet with which a connection to `listener` begins. The wall asks neither who
/// sends it nor by which of the host's addresses it came.
fn first_packet(listener: &Listener, family: Family) -> Tuple {
    // Addresses for documentation (RFC 5737, RFC 3849).
    let [source, destination]: [IpAddr; 2] = match family {
        Family::V4 => [1, 2].map(|number| Ipv4Addr::new(192, 0, 2, number).into()),
        Family::V6 => [1, 2].map(|number| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number).into()),
    };
    let detail = Detail::Ports { source: GUEST_PORT, destination: listener.port };
    Tuple { source, destination, protocol: listener.protocol, detail }
}

#[cfg(test)]
mod tests;
