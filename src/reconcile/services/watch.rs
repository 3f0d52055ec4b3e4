//! The services that are nearer to guests than the policy wants, looked at again and again.
//!
//! In: the sockets of this host, each time. Out: what is [`Near`], and how many there are
//! of each kind. What they are judged by is read anew only when somebody says that it may
//! have changed, and who holds a socket only when it is a new one: a look at a host on
//! which nothing happens is a list of its sockets and a comparison.

use std::cmp::Ordering;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::pin::broken_pin;
use super::{Exposure, Exposures, Holder, Scene, Service, listeners};
use crate::kernel::{Deadline, Listener, Owner, holder};
use crate::net::{IfName, Protocol};
use crate::reconcile::{Error, Host};
use crate::state::PinRecord;

/// Rules that somebody takes away meanwhile wait for systemd's answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How near guests are to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Danger {
    /// Only the host's wall keeps them from it.
    Filtered,
    /// They reach it.
    Exposed,
}

/// What a socket is bound to: what of a service stays as it is when it is restarted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bound {
    /// What is spoken there.
    pub protocol: Protocol,
    /// The address; the unspecified one if all.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The only interface whose packets it takes, if there is one.
    pub interface: Option<IfName>,
    /// Whether one of IPv6 takes no IPv4.
    pub v6only: bool,
}

/// A service that guests reach against the policy, or would without the wall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// How near they are.
    pub danger: Danger,
    /// Why no rule is in the way, or which one is.
    pub why: String,
    /// The bridges that they are at.
    pub bridges: Vec<IfName>,
    /// Who holds the socket, if it is a process.
    pub owner: Option<Owner>,
    /// The pin that was to keep guests from it, by its name.
    pub broken_pin: Option<String>,
}

/// The services as they were when they were last looked at.
#[derive(Debug, Default)]
pub struct ServiceWatch {
    scene: Option<Scene>,
    /// Whether the scene is of now, as far as anybody has said.
    is_current: bool,
    listeners: Vec<Listener>,
    /// Those of sockets that are near, by inode.
    holders: BTreeMap<u32, Holder>,
    pins: Option<Vec<PinRecord>>,
    near: BTreeMap<Bound, Near>,
    counts: Exposures,
}

impl ServiceWatch {
    /// The policy, the interfaces, the addresses or the walls may be others than before.
    pub fn outdate(&mut self) {
        self.is_current = false;
    }

    /// The services that are nearer than the policy wants.
    pub fn near(&self) -> &BTreeMap<Bound, Near> {
        &self.near
    }

    /// How many services guests reach, or would reach.
    pub fn counts(&self) -> Exposures {
        self.counts
    }

    /// Looks again, and says whether anything differs from the last time. `breach` is why
    /// the walls do not stand, if so: whoever keeps them there knows, and they are not
    /// read for this.
    ///
    /// # Errors
    /// The kernel cannot be asked, or the policy is broken: then the last good one is what
    /// is judged by, until somebody says that it may be another.
    pub fn look(&mut self, host: &mut Host, breach: Option<&str>) -> Result<bool, Error> {
        let mut listeners = listeners()?;
        listeners.sort_unstable();
        let has_come_or_gone = listeners != self.listeners;
        let may_differ = has_come_or_gone || !self.is_current;
        let scene = if self.is_current { None } else { Some(self.read(host, breach)?) };
        let is_other = scene.is_some() && scene != self.scene;
        self.scene = scene.or(self.scene.take());
        // Whoever pins a service restarts it. A record that cannot be read is told of by
        // whoever looks after pins.
        let pins = if may_differ { host.pins().ok() } else { None };
        let are_others = pins.is_some() && pins != self.pins;
        self.pins = pins.or(self.pins.take());
        if !is_other && !are_others && !has_come_or_gone {
            return Ok(false);
        }
        // If that fails nothing is known of any of them.
        self.listeners.clear();
        let judged = self.judge(host, &listeners)?;
        self.listeners = listeners;
        Ok(judged)
    }

    fn read(&mut self, host: &mut Host, breach: Option<&str>) -> Result<Scene, Error> {
        let policy = host.policy();
        // Of a broken one nothing new is to be had before it is written anew.
        self.is_current = policy.is_err();
        let links = host.links()?;
        let scene = host.scene(&policy?, &links, breach.map(str::to_owned))?;
        self.is_current = true;
        Ok(scene)
    }

    fn judge(&mut self, host: &mut Host, listeners: &[Listener]) -> Result<bool, Error> {
        let Some(scene) = &self.scene else { return Ok(false) };
        self.holders = holders(host, scene, listeners, mem::take(&mut self.holders))?;
        let filter = |listener: &Listener| self.holders.get(&listener.inode).and_then(|holder| holder.filter.as_ref());
        let services: Vec<_> = listeners.iter().flat_map(|listener| scene.judge(listener, filter(listener))).collect();
        let pins = self.pins.as_deref().unwrap_or_default();
        let owners = |listener: &Listener| self.holders.get(&listener.inode).map_or(&[][..], |it| &it.owners);
        let broken: BTreeSet<_> =
            services.iter().filter_map(|service| broken_pin(pins, service, owners(&service.listener))).collect();
        let counts: Exposures = services.iter().map(|service| service.exposure.clone()).collect();
        self.counts = Exposures { broken_pins: broken.len(), ..counts };
        let mut near: BTreeMap<Bound, Near> = BTreeMap::new();
        for service in &services {
            let owners = owners(&service.listener);
            let Some(new) = Near::of(service, holder(owners).cloned()) else { continue };
            let new = Near { broken_pin: broken_pin(pins, service, owners).map(str::to_owned), ..new };
            match near.entry(Bound::of(&service.listener)) {
                Entry::Vacant(place) => drop(place.insert(new)),
                Entry::Occupied(known) => known.into_mut().add(new),
            }
        }
        let has_changed = near != self.near;
        self.near = near;
        Ok(has_changed)
    }
}

/// Who holds the sockets that are near, and what their units keep away. Only of those is
/// it asked that are not known: to ask is to look at the files of all processes.
fn holders(
    host: &mut Host,
    scene: &Scene,
    listeners: &[Listener],
    mut known: BTreeMap<u32, Holder>,
) -> Result<BTreeMap<u32, Holder>, Error> {
    let near: Vec<_> = listeners.iter().filter(|listener| scene.is_near(listener)).collect();
    let inodes: BTreeSet<_> = near.iter().map(|listener| listener.inode).collect();
    known.retain(|inode, _| inodes.contains(inode));
    let new: Vec<_> = near.into_iter().filter(|it| !known.contains_key(&it.inode)).cloned().collect();
    known.extend(host.holders_by(&new, Deadline::after(PATIENCE))?);
    Ok(known)
}

impl Bound {
    fn of(listener: &Listener) -> Self {
        let Listener { protocol, address, port, v6only, .. } = *listener;
        Self { protocol, address, port, interface: listener.interface.clone(), v6only }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, SocketAddr::new(self.address, self.port))?;
        self.interface.iter().try_for_each(|interface| write!(f, " on {interface}"))
    }
}

impl Near {
    fn of(service: &Service, owner: Option<Owner>) -> Option<Self> {
        let (danger, why) = match &service.exposure {
            Exposure::Exposed(why) => (Danger::Exposed, why.clone()),
            Exposure::Filtered(rule) => (Danger::Filtered, rule.to_string()),
            Exposure::Allowed(_) | Exposure::Pinned | Exposure::Local => return None,
        };
        let bridges = service.reached.iter().map(|(bridge, _)| bridge.clone()).collect();
        Some(Self { danger, why, bridges, owner, broken_pin: None })
    }

    /// Another socket with the same binding, or another way to the same: what is worse is
    /// told, with the bridges where it is so.
    fn add(&mut self, other: Self) {
        match other.danger.cmp(&self.danger) {
            Ordering::Greater => *self = other,
            Ordering::Less => {}
            Ordering::Equal => {
                self.bridges.extend(other.bridges);
                self.bridges.sort_unstable();
                self.bridges.dedup();
            }
        }
    }
}
