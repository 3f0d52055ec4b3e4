//! What is to stand around each guest's ports: policy, facts, and the kernel's
//! word on where each port is.

use std::net::IpAddr;

use crate::engine::Engine;
use crate::facts::policy::Policy;
use crate::facts::{Domain, Surroundings};
use crate::kernel::Links;
use crate::model::{Demand, Guarding, GuestId, GuestPolicy, InterfacePolicy, Translations, quarantine, resolve};
use crate::net::IfName;
use crate::plan::{Base, PortPlan};

use super::Error;

/// A port and what is to stand around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredPort {
    /// Whose port it is.
    pub guest: GuestId,
    /// Its chains.
    pub plan: PortPlan,
    /// What of the world around is the port's; nothing if that is as it was.
    pub ends: Option<Ends>,
}

/// What of the world around is a port's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends {
    /// The addresses that its guest is known to have there.
    pub addresses: Vec<IpAddr>,
    /// What leads to it.
    pub translations: Translations,
}

/// What is to stand around one guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The resolved policy.
    pub policy: GuestPolicy,
    /// The ports that have chains.
    pub ports: Vec<DesiredPort>,
    /// Interfaces that cannot be guarded, and why; the policy allows them.
    pub unguarded: Vec<String>,
}

impl Desired {
    /// Whether the engine can say it all.
    ///
    /// # Errors
    /// The rule that it cannot say.
    pub(super) fn sayable(&self, engine: &dyn Engine, base: &Base) -> Result<(), Error> {
        self.ports.iter().try_for_each(|port| engine.port_chains(base, &port.plan).map(drop).map_err(Error::from))
    }
}

/// What is to stand around `domain`.
///
/// # Errors
/// The policy cannot be resolved, or an interface that must be guarded is not a
/// port of a Linux bridge.
pub(super) fn desired(policy: &Policy, host: &Surroundings, domain: &Domain, links: &Links) -> Result<Desired, Error> {
    let policy = resolve(policy, host, domain)?;
    let mut ports = Vec::new();
    let mut unguarded = Vec::new();
    for interface in &policy.interfaces {
        match obstacle(interface, links) {
            None => ports.extend(port(&policy.id, interface)),
            Some(reason) if interface.demand == Demand::Guarded => {
                return Err(Error::Unguardable(format!("interface {} cannot be guarded: {reason}", interface.mac)));
            }
            Some(reason) => unguarded.push(format!("interface {}: {reason}", interface.mac)),
        }
    }
    Ok(Desired { policy, ports, unguarded })
}

/// The port's chains; before libvirt has named it there is nothing to build yet.
fn port(guest: &GuestId, interface: &InterfacePolicy) -> Option<DesiredPort> {
    let Guarding::Walls(walls) = &interface.guarding else { return None };
    let plan = PortPlan::new(interface.target.clone()?, walls, interface.members.clone());
    // A station with any IPv6 has the address of its MAC address, too.
    let addresses = interface.known.iter().copied().chain([IpAddr::V6(interface.mac.link_local())]).collect();
    let ends = Ends { addresses, translations: interface.translations.clone() };
    Some(DesiredPort { guest: guest.clone(), plan, ends: Some(ends) })
}

/// Why packets of the interface do not cross a Linux bridge, by its kind or by
/// the kernel's word. A port that does not exist yet is not judged: its rules can
/// stand before it comes.
fn obstacle(interface: &InterfacePolicy, links: &Links) -> Option<String> {
    if let Guarding::Impossible(reason) = &interface.guarding {
        return Some(reason.clone());
    }
    let target = interface.target.as_ref()?;
    links.get(target)?;
    links.bridge_of(target).is_none().then(|| format!("{target} is not a port of a Linux bridge"))
}

/// Closed ports for a guest whose rules are not known.
pub(super) fn closed(guest: &GuestId, ports: impl IntoIterator<Item = IfName>, reason: &str) -> Vec<DesiredPort> {
    let walls = quarantine(reason);
    let port =
        |ifname| DesiredPort { guest: guest.clone(), plan: PortPlan::new(ifname, &walls, Vec::new()), ends: None };
    ports.into_iter().map(port).collect()
}
