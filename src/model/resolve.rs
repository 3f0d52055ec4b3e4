//! A domain and the policy of this host, resolved to the walls of its interfaces.
//!
//! This is the only place where names become meaning: which entries of the
//! policy are about the guest, which groups it is in, which addresses it has.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::facts::domain::{Domain, FilterRef, Interface, InterfaceKind, VlanMode};
use crate::facts::policy::{
    AntiSpoofing, Group, GroupName, Guard, GuestEntry, MetadataGroups, MidStream, Policy, Unguardable,
};
use crate::facts::{FactError, Place, Placed, Surroundings};
use crate::net::Family;

use super::connection;
use super::field::SetName;
use super::groups;
use super::guards::{self, Identity};
use super::guest::{Demand, Guarding, GuestId, GuestPolicy, InterfacePolicy};
use super::nat::{self, Translations};
use super::nwfilter::{FilterWalls, Filters, compile_filters, reject_verdict};
use super::rule::{Layer, Wall};

/// Why a guest's policy cannot be resolved. Its ports must stay closed then.
pub type ResolveError = FactError;

/// What is to stand around `domain` on this host.
///
/// # Errors
/// Entries that contradict each other, a filter that cannot be compiled, an unknown group in the domain's
/// metadata, an address parameter that is none, or an interface that cannot be
/// guarded although the policy asks for it: with the line to mend.
pub fn resolve(policy: &Policy, host: &Surroundings, domain: &Domain) -> Result<GuestPolicy, ResolveError> {
    let id = GuestId { name: domain.name.clone(), uuid: domain.uuid };
    let metadata = metadata_groups(policy, domain)?;
    let mut interfaces: Vec<_> = domain
        .interfaces
        .iter()
        .map(|interface| Resolver { policy, host, domain, interface }.resolve(&metadata))
        .collect::<Result<_, _>>()?;
    let unassigned = nat::assign(policy, &id, &mut interfaces);
    Ok(GuestPolicy { id, interfaces, unassigned })
}

/// One interface and all that is known of it.
struct Resolver<'a> {
    policy: &'a Policy,
    host: &'a Surroundings,
    domain: &'a Domain,
    interface: &'a Interface,
}

impl Resolver<'_> {
    fn resolve(&self, metadata: &[&Group]) -> Result<InterfacePolicy, ResolveError> {
        let (policy, interface) = (self.policy, self.interface);
        let entries = entries_about(policy, self.domain, interface);
        let names = group_names(policy, &entries);
        let groups: Vec<&Group> = names.iter().filter_map(|name| policy.groups.get(name)).collect();
        let filters = filters(policy, interface, &entries);
        let mut identity = identity(policy, interface, &entries)?;
        let addresses = identity.addresses.clone().unwrap_or_default();
        // A filter of the interface's own XML is libvirt's to apply as well; only what
        // this policy asks for must not go without.
        let by_policy = interface.filterref.is_none() && !filters.is_empty();
        let asked = !entries.is_empty() || !groups.is_empty() || !metadata.is_empty() || by_policy;
        let demand = demand(policy, asked);
        let known = self.known(&addresses);
        let mut members = members(&names, &addresses);
        let compiled = self.compile(&filters, &known)?;
        identity.tagged = compiled.tagged;
        let guarding = match obstacle(interface) {
            None => {
                let stateful = self.stateful(compiled.walls, &groups, metadata);
                if stateful.iter().any(|wall| wall.layer == Layer::Connection) {
                    members.extend(connected(interface, &known));
                }
                Guarding::Walls(walls(&identity, stateful))
            }
            Some(reason) if demand == Demand::Guarded => return Err(refusal(interface, &reason)),
            Some(reason) => Guarding::Impossible(reason),
        };
        Ok(InterfacePolicy {
            kind: interface.kind,
            mac: interface.mac,
            target: interface.target.clone(),
            members,
            groups: names,
            filters: filters.into_iter().map(|reference| reference.filter).collect(),
            waits_for_address: compiled.waits_for_address,
            addresses,
            known,
            translations: Translations::default(),
            demand,
            guarding,
        })
    }

    /// The walls in which connections matter. A guest without any may be a router that
    /// sees one way of a connection only.
    fn stateful(&self, filters: Vec<Wall>, groups: &[&Group], metadata: &[&Group]) -> Vec<Wall> {
        let mut walls = filters;
        for (layer, groups) in [(Layer::Groups, groups), (Layer::Metadata, metadata)] {
            if !groups.is_empty() {
                walls.extend(groups::walls(layer, groups));
            }
        }
        if !walls.is_empty() && self.policy.guests.mid_stream == MidStream::Drop {
            walls.splice(0..0, connection::walls());
        }
        walls
    }

    /// What the interface's addresses are known to be, if nobody says it by what this
    /// host's own DHCP server gave it.
    fn known(&self, addresses: &[IpAddr]) -> Vec<IpAddr> {
        let mut known = addresses.to_vec();
        for family in Family::BOTH {
            if !addresses.iter().any(|address| Family::of(*address) == family) {
                let leased = self.host.leases.addresses(self.interface.mac).into_iter();
                known.extend(leased.filter(|address| Family::of(*address) == family));
            }
        }
        known
    }

    /// The filters with what is known of the interface.
    fn compile(&self, filters: &[FilterRef], known: &[IpAddr]) -> Result<FilterWalls, ResolveError> {
        if filters.is_empty() {
            return Ok(FilterWalls::default());
        }
        let filters = Filters { library: &self.host.filters, references: filters };
        compile_filters(&filters, self.interface.mac, known, reject_verdict(self.policy.guests.reject))
    }
}

/// The filters of the interface: that of its XML and those of the entries about
/// it, or the host's defaults if neither names any.
fn filters(policy: &Policy, interface: &Interface, entries: &[&GuestEntry]) -> Vec<FilterRef> {
    let plain = |named: &Placed<String>| FilterRef {
        filter: named.value.clone(),
        parameters: interface.filterref.as_ref().map(|own| own.parameters.clone()).unwrap_or_default(),
        place: named.place.clone(),
    };
    let named = entries.iter().flat_map(|entry| &entry.filters).map(plain);
    let all: Vec<_> = interface.filterref.iter().cloned().chain(named).collect();
    if all.is_empty() { policy.guests.filters.iter().map(plain).collect() } else { all }
}

fn demand(policy: &Policy, asked: bool) -> Demand {
    if asked && policy.guests.unguardable == Unguardable::Refuse { Demand::Guarded } else { Demand::IfPossible }
}

fn refusal(interface: &Interface, reason: &str) -> ResolveError {
    let remedy = "attach it to a bridge, or set unguardable = \"allow\" in [guests]";
    FactError::new(interface.place.clone(), format!("the policy is about this interface, but {reason}; {remedy}"))
}

/// Why the interface's packets never cross a Linux bridge, if they do not.
fn obstacle(interface: &Interface) -> Option<String> {
    if let Some(port) = interface.virtualport.as_deref().filter(|port| *port == "openvswitch") {
        return Some(format!("an interface with virtualport {port} does not cross a Linux bridge"));
    }
    match interface.kind {
        InterfaceKind::Bridge | InterfaceKind::Network | InterfaceKind::Ethernet => vlan_obstacle(interface),
        ref kind => Some(format!("an interface of type {kind} does not cross a Linux bridge")),
    }
}

/// No rule looks behind a VLAN tag, so a guest that is to send tags is not guardable.
fn vlan_obstacle(interface: &Interface) -> Option<String> {
    let vlan = interface.vlan.as_ref().filter(|vlan| vlan.mode == VlanMode::Trunk)?;
    Some(format!("a VLAN trunk ({} tags) cannot be filtered behind its tags", vlan.tags.len()))
}

fn entries_about<'a>(policy: &'a Policy, domain: &Domain, interface: &Interface) -> Vec<&'a GuestEntry> {
    let uuid = domain.uuid.to_string();
    let about = |entry: &&GuestEntry| {
        entry.matcher.matches(&domain.name, &uuid) && entry.mac.is_none_or(|mac| mac == interface.mac)
    };
    policy.entries.iter().filter(about).collect()
}

/// The groups that the entries name, each once; the host's defaults if they name none.
fn group_names(policy: &Policy, entries: &[&GuestEntry]) -> Vec<GroupName> {
    let named: Vec<_> = entries.iter().flat_map(|entry| &entry.groups).collect();
    let names = if named.is_empty() { policy.guests.groups.iter().collect() } else { named };
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|name| seen.insert(&name.value)).map(|name| name.value.clone()).collect()
}

/// The groups of the domain's own metadata, if this host lets a domain say any.
fn metadata_groups<'a>(policy: &'a Policy, domain: &Domain) -> Result<Vec<&'a Group>, ResolveError> {
    if policy.guests.metadata_groups == MetadataGroups::Ignore {
        return Ok(Vec::new());
    }
    let find = |named: &Placed<String>| {
        let known = named.value.parse::<GroupName>().ok().and_then(|name| policy.groups.get(&name));
        known.ok_or_else(|| {
            let choices: Vec<_> = policy.groups.keys().map(ToString::to_string).collect();
            let message =
                format!("unknown group {:?} in the metadata, expected one of: {}", named.value, choices.join(", "));
            FactError::new(named.place.clone(), message)
        })
    };
    domain.metadata_groups.iter().map(find).collect()
}

fn walls(identity: &Identity, stateful: Vec<Wall>) -> Vec<Wall> {
    guards::walls(identity).into_iter().chain(stateful).collect()
}

fn members(groups: &[GroupName], addresses: &[IpAddr]) -> Vec<(SetName, IpAddr)> {
    let member = |group: &GroupName, address: &IpAddr| {
        (SetName { group: Some(group.clone()), family: Family::of(*address) }, *address)
    };
    groups.iter().flat_map(|group| addresses.iter().map(move |address| member(group, address))).collect()
}

/// The addresses by which what this host routes to the interface is known.
fn connected(interface: &Interface, known: &[IpAddr]) -> Vec<(SetName, IpAddr)> {
    let all = known.iter().copied().chain([IpAddr::V6(interface.mac.link_local())]);
    all.map(|address| (SetName::connected(Family::of(address)), address)).collect()
}

fn identity(policy: &Policy, interface: &Interface, entries: &[&GuestEntry]) -> Result<Identity, ResolveError> {
    let pins =
        agreed(entries, "anti-spoofing", |entry| entry.anti_spoofing.as_ref())?.unwrap_or(&policy.guests.anti_spoofing);
    Ok(Identity {
        mac: interface.mac,
        addresses: addresses(interface, entries)?,
        pin_mac: pins.contains(&AntiSpoofing::Mac),
        pin_arp: pins.contains(&AntiSpoofing::Arp),
        pin_ip: pins.contains(&AntiSpoofing::Ip),
        router_advertisements: guard(entries, "router-advertisements", policy.guests.router_advertisements, |entry| {
            entry.router_advertisements.as_ref()
        })?,
        dhcp_server: guard(entries, "dhcp-server", policy.guests.dhcp_server, |entry| entry.dhcp_server.as_ref())?,
        ether_types: policy.guests.ethertypes.clone(),
        tagged: Vec::new(),
    })
}

fn guard<'a>(
    entries: &[&'a GuestEntry],
    key: &str,
    default: Guard,
    value: impl Fn(&'a GuestEntry) -> Option<&'a Guard>,
) -> Result<Guard, ResolveError> {
    Ok(*agreed(entries, key, value)?.unwrap_or(&default))
}

/// What the entries say of `key`; entries that disagree are an error.
fn agreed<'a, T: PartialEq>(
    entries: &[&'a GuestEntry],
    key: &str,
    value: impl Fn(&'a GuestEntry) -> Option<&'a T>,
) -> Result<Option<&'a T>, ResolveError> {
    let mut said: Option<(&T, &Place)> = None;
    for entry in entries {
        let Some(now) = value(entry) else { continue };
        match said {
            Some((before, place)) if before != now => {
                let message = format!("{key} contradicts {}:{}, which is about the same guest", place.file, place.line);
                return Err(FactError::new(entry.place.clone(), message));
            }
            _ => said = Some((now, &entry.place)),
        }
    }
    Ok(said.map(|(value, _)| value))
}

/// The interface's addresses. For each family the parameters of its filter
/// reference come first, as they are about this very interface, then the policy.
fn addresses(interface: &Interface, entries: &[&GuestEntry]) -> Result<Option<Vec<IpAddr>>, ResolveError> {
    let mut all = Vec::new();
    for (family, parameter) in [(Family::V4, "IP"), (Family::V6, "IPV6")] {
        let given = match &interface.filterref {
            Some(filterref) => parameter_addresses(filterref, parameter, family)?,
            None => Vec::new(),
        };
        let listed = entries.iter().flat_map(|entry| &entry.addresses).map(|address| address.value);
        if given.is_empty() {
            all.extend(listed.filter(|address| Family::of(*address) == family));
        } else {
            all.extend(given);
        }
    }
    let mut seen = BTreeSet::new();
    all.retain(|address| seen.insert(*address));
    Ok((!all.is_empty()).then_some(all))
}

fn parameter_addresses(filterref: &FilterRef, name: &str, family: Family) -> Result<Vec<IpAddr>, ResolveError> {
    let values = filterref.parameters.get(name).map(Vec::as_slice).unwrap_or_default();
    let read = |text: &String| {
        let address: Option<IpAddr> = text.trim().parse().ok();
        address.filter(|address| Family::of(*address) == family).ok_or_else(|| {
            let message =
                format!("parameter {name} of filter {:?} is {text:?}, expected an {family} address", filterref.filter);
            FactError::new(filterref.place.clone(), message)
        })
    };
    values.iter().map(read).collect()
}
