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
/// the family; and that address. Of an interface of which no address of the family is
/// known, `fixed` is the operator's word for it.
fn find(
    interfaces: &mut [InterfacePolicy],
    family: Family,
    fixed: Option<IpAddr>,
) -> Result<(&mut InterfacePolicy, IpAddr), String> {
    let wanted = |address: &&IpAddr| Family::of(**address) == family && fixed.is_none_or(|fixed| fixed == **address);
    let guarded = |interface: &InterfacePolicy| matches!(interface.guarding, Guarding::Walls(_));
    let candidates = interfaces.iter().enumerate().filter(|(_, interface)| guarded(interface));
    let known = |(place, interface): (usize, &InterfacePolicy)| Some((place, *interface.known.iter().find(wanted)?));
    let found = candidates.filter_map(known).next();
    if let Some((place, address)) = found {
        return Ok((&mut interfaces[place], address));
    }
    let Some(fixed) = fixed else { return Err(format!("no {family} address is known of the guest")) };
    let unknown = |interface: &&mut InterfacePolicy| {
        guarded(interface) && !interface.known.iter().any(|address| Family::of(*address) == family)
    };
    let Some(interface) = interfaces.iter_mut().find(unknown) else {
        return Err(format!("{fixed} is no address that the guest is known to have"));
    };
    interface.known.push(fixed);
    Ok((interface, fixed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(known: &[&str]) -> InterfacePolicy {
        InterfacePolicy::bare("52:54:00:00:00:07", known)
    }

    fn found(interfaces: &mut [InterfacePolicy], fixed: Option<&str>) -> Result<String, String> {
        let fixed = fixed.map(|text| text.parse().unwrap());
        find(interfaces, Family::V4, fixed).map(|(_, address)| address.to_string())
    }

    #[test]
    fn the_first_interface_with_an_address_of_the_family_has_it() {
        let mut interfaces = [interface(&["fd00::7"]), interface(&["fd00::8", "10.0.0.8"]), interface(&["10.0.0.9"])];
        assert_eq!(found(&mut interfaces, None).as_deref(), Ok("10.0.0.8"));
        assert_eq!(found(&mut interfaces, Some("10.0.0.9")).as_deref(), Ok("10.0.0.9"));
    }

    #[test]
    fn the_operators_word_stands_in_for_an_address_that_nobody_knows_and_no_other() {
        let mut known = [interface(&["10.0.0.8"])];
        assert!(found(&mut known, Some("10.0.0.9")).unwrap_err().contains("no address that the guest"));
        let mut unknown = [interface(&["fd00::7"])];
        assert!(found(&mut unknown, None).unwrap_err().contains("no ipv4 address is known"));
        assert_eq!(found(&mut unknown, Some("10.0.0.9")).as_deref(), Ok("10.0.0.9"));
        assert_eq!(unknown[0].known.len(), 2);
    }
}
