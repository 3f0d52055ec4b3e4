//! The base of the plan: policy and the interfaces that are there now.

use std::collections::BTreeSet;

use crate::engine::BridgeNames;
use crate::facts::policy::{BridgePolicy, MidStream, Peer, Policy, UnknownPorts, Uplinks};
use crate::kernel::Links;
use crate::model::{SetName, host_wall, routed_wall};
use crate::net::{Family, IfName};
use crate::plan::{Base, GuardedBridge};

/// What all ports share on this host.
///
/// Ports of other bridges are part of it only where ebtables cannot ask for the
/// bridge; elsewhere their coming and going changes nothing.
pub(super) fn base(policy: &Policy, links: &Links, names: BridgeNames) -> Base {
    let guarded =
        |bridge: &BridgePolicy| GuardedBridge { pattern: bridge.pattern.clone(), unknown_ports: bridge.unknown_ports };
    let mut base = Base {
        bridges: policy.bridges.iter().map(guarded).collect(),
        uplinks: BTreeSet::new(),
        foreign: BTreeSet::new(),
        open: BTreeSet::new(),
        marks: policy.marks,
        mid_stream: policy.guests.mid_stream,
        host: Base::host_chain(&host_wall(policy)),
        routed: Base::routed_chain(&routed_wall(policy)),
        sets: sets(policy),
    };
    base.uplinks.extend(listed_uplinks(policy).chain(policy.probes.iter().cloned()));
    for bridge in links.bridges() {
        match policy.bridges.iter().find(|guarded| guarded.pattern.matches(bridge)) {
            Some(guarded) if guarded.uplinks == Uplinks::Detected => {
                let uplinks = links.ports(bridge).filter(|(_, link)| link.kind.is_uplink());
                base.uplinks.extend(uplinks.map(|(name, _)| name.clone()));
            }
            _ => {}
        }
    }
    if names == BridgeNames::Unknown {
        add_ports_by_name(&mut base, policy, links);
    }
    base
}

fn listed_uplinks(policy: &Policy) -> impl Iterator<Item = IfName> {
    policy.bridges.iter().flat_map(|bridge| match &bridge.uplinks {
        Uplinks::Listed(names) => names.clone(),
        Uplinks::Detected => Vec::new(),
    })
}

fn add_ports_by_name(base: &mut Base, policy: &Policy, links: &Links) {
    for bridge in links.bridges() {
        let ports = links.ports(bridge).map(|(name, _)| name.clone());
        match policy.bridges.iter().find(|guarded| guarded.pattern.matches(bridge)) {
            None => base.foreign.extend(ports),
            Some(guarded) if guarded.unknown_ports == UnknownPorts::Accept => base.open.extend(ports),
            Some(_) => {}
        }
    }
}

/// The sets that some rule of the policy asks about.
fn sets(policy: &Policy) -> BTreeSet<SetName> {
    let rules = policy.groups.values().flat_map(|group| group.ingress.iter().chain(group.egress.iter().flatten()));
    let groups = rules.filter_map(|rule| match &rule.peer {
        Peer::Group(group) => Some(group),
        _ => None,
    });
    let groups = groups.flat_map(|group| Family::BOTH.map(|family| SetName { group: Some(group.clone()), family }));
    let connected = Family::BOTH.map(SetName::connected).into_iter();
    groups.chain(connected.filter(|_| policy.guests.mid_stream == MidStream::Drop)).collect()
}
