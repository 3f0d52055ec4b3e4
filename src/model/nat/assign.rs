//! The policy's entries about a guest, each given to the interface that it leads to.

use std::net::IpAddr;

use super::{Floating, Forwarding};
use crate::facts::policy::{FloatingIp, Forward, Policy};
use crate::model::guest::{Guarding, GuestId, InterfacePolicy};
use crate::net::Family;

/// Gives each entry that is about `guest` to the first of its interfaces that has
/// the address it is to lead to. Returns what leads nowhere, and why.
pub(in crate::model) fn assign(policy: &Policy, guest: &GuestId, interfaces: &mut [InterfacePolicy]) -> Vec<String> {
    let uuid = guest.uuid.to_string();
    let mut nowhere = Vec::new();
    for entry in policy.floating.iter().filter(|entry| entry.guest.matches(&guest.name, &uuid)) {
        let address = entry.address.value;
        match find(interfaces, Family::of(address), entry.fixed) {
            Ok((interface, fixed)) => interface.translations.floating.push(floating(policy, entry, fixed)),
            Err(reason) => nowhere.push(format!("floating IP {address}: {reason}")),
        }
    }
    for entry in policy.forwards.iter().filter(|entry| entry.guest.matches(&guest.name, &uuid)) {
        nowhere.extend(assign_forward(entry, interfaces));
    }
    nowhere
}

fn floating(policy: &Policy, entry: &FloatingIp, fixed: IpAddr) -> Floating {
    let uplink = entry.interface.clone().or_else(|| policy.nat.interface.clone());
    Floating { address: entry.address.value, fixed, uplink }
}

/// A forward of no family in particular leads to each address that is there.
fn assign_forward(entry: &Forward, interfaces: &mut [InterfacePolicy]) -> Option<String> {
    let stated = entry.family.or(entry.address.or(entry.fixed).map(Family::of));
    let families = Family::BOTH.into_iter().filter(|family| stated.is_none_or(|stated| stated == *family));
    let (mut reasons, mut found) = (Vec::new(), false);
    for family in families {
        match find(interfaces, family, entry.fixed) {
            Ok((interface, fixed)) => {
                interface.translations.forwards.push(forwarding(entry, fixed));
                found = true;
            }
            Err(reason) => reasons.push(reason),
        }
    }
    let what = || format!("forward of {} {} ({}): {}", entry.protocol, entry.ports, entry.place, reasons.join("; "));
    (!found).then(what)
}

fn forwarding(entry: &Forward, fixed: IpAddr) -> Forwarding {
    Forwarding { address: entry.address, protocol: entry.protocol, ports: entry.ports, fixed, to_ports: entry.to_ports }
}

/// The interface that has `fixed`, or without it the first that has an address of
/// the family; and that address.
fn find(
    interfaces: &mut [InterfacePolicy],
    family: Family,
    fixed: Option<IpAddr>,
) -> Result<(&mut InterfacePolicy, IpAddr), String> {
    let wanted = |address: &&IpAddr| Family::of(**address) == family && fixed.is_none_or(|fixed| fixed == **address);
    for interface in interfaces {
        if matches!(interface.guarding, Guarding::Walls(_)) {
            if let Some(address) = interface.known.iter().find(wanted).copied() {
                return Ok((interface, address));
            }
        }
    }
    Err(match fixed {
        Some(fixed) => format!("{fixed} is no address that the guest is known to have"),
        None => format!("no {family} address is known of the guest"),
    })
}
