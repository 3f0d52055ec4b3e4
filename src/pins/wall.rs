//! What keeps guests from a unit whatever address they ask it by: systemd's own
//! filters on the unit's control group (systemd.resource-control(5)).
//!
//! Linux answers for each of its addresses on every interface, so a service that
//! listens at the management address alone is still reached by it from a bridge.
//! In: a unit. Out: its drop-in, with what a recipe adds of its own.
//!
//! `SocketBindDeny=` is not used: it forbids a port whatever the address, and a
//! service that may not bind its port serves nobody.

use std::fmt::Write as _;

use ipnet::IpNet;

use super::draft::Draft;
use super::unit::{Setting, Unit};
use super::{Framework, PinError, address};
use crate::net::{Family, parse_net};

/// The units that the dnsmasq of libvirt's networks runs in: kept from guests, it
/// would give them no address.
const HARMED: [&str; 2] = ["libvirtd.service", "virtnetworkd.service"];
/// What the drop-in sets of these filters.
pub(super) const KEYS: [&str; 3] = ["IPAddressDeny", "IPAddressAllow", "RestrictNetworkInterfaces"];
/// When a service may bind to one address: at boot it would else fail, or listen
/// at the others only.
const WAIT: &str = "[Unit]\nWants=network-online.target\nAfter=network-online.target\n\n";

/// What a drop-in says besides keeping guests away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// The service binds to addresses that have to be there first.
    WaitForAddresses,
    /// It does not matter when it starts.
    AsBefore,
}

/// Gives a service the drop-in that keeps guests from it. `Ok(false)`: not this one,
/// which the notes tell.
pub(super) fn around(draft: &mut Draft, unit: &Unit, start: Start) -> Result<bool, PinError> {
    let keep = !HARMED.contains(&unit.name.as_str());
    if !keep {
        draft.note(format!(
            "{}: no IPAddressDeny=, for the dnsmasq of libvirt's networks runs in this unit and guests need it",
            unit.name
        ));
    }
    let mut body = String::new();
    if keep {
        body = filters(draft, unit, "Service")?;
    }
    let wait = if start == Start::WaitForAddresses { WAIT } else { "" };
    let section = if body.is_empty() { String::new() } else { format!("[Service]\n{body}") };
    if !(wait.is_empty() && section.is_empty()) {
        draft.put(
            &unit.drop_in("Service", &KEYS)?,
            format!("{}{wait}{section}", header()).trim_end().to_owned() + "\n",
        )?;
    }
    Ok(!body.is_empty())
}

/// The first lines of each file that is ours alone.
pub(super) fn header() -> &'static str {
    "# Written by `virt-guard services pin`; `virt-guard services unpin` takes it away.\n"
}

/// The lines of the filters, for the unit's section; none if no guests are known.
///
/// # Errors
/// The unit lets guests in by `IPAddressAllow=`, which wins over `IPAddressDeny=`.
pub(super) fn filters(draft: &mut Draft, unit: &Unit, section: &str) -> Result<String, PinError> {
    for name in std::iter::once(None).chain(slices(unit).into_iter().map(Some)) {
        match name {
            None => not_let_in(unit, section, &draft.target.guests)?,
            Some(name) => {
                if let Some(slice) = Unit::load(draft, &name)? {
                    not_let_in(&slice, "Slice", &draft.target.guests)?;
                }
            }
        }
    }
    tell_of_own(draft, &unit.name);
    let mut lines = String::new();
    if !draft.target.guests.is_empty() {
        let _ = writeln!(lines, "IPAddressDeny={}", words(&draft.target.guests));
    }
    if draft.framework == Framework::Present && !draft.target.bridges.is_empty() {
        // Both: the interfaces are looked up when the unit starts, and a bridge that
        // comes later, as libvirt's do at boot, is silently not among them.
        let _ = writeln!(lines, "RestrictNetworkInterfaces=~{}", words(&draft.target.bridges));
    }
    Ok(lines)
}

fn words<T: ToString>(values: &[T]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The slices that a unit is in; what they allow is allowed to it.
fn slices(unit: &Unit) -> Vec<String> {
    let section = if unit.name.ends_with(".socket") { "Socket" } else { "Service" };
    let slice = unit.last(section, "Slice").filter(|slice| !slice.is_empty()).unwrap_or("system.slice");
    let stem = slice.strip_suffix(".slice").unwrap_or(slice);
    let above = stem.match_indices('-').filter(|(at, _)| *at > 0).map(|(at, _)| format!("{}.slice", &stem[..at]));
    above.chain([format!("{stem}.slice"), "-.slice".to_owned()]).collect()
}

/// Refuses what `IPAddressAllow=` lets in although it is a guest's.
fn not_let_in(unit: &Unit, section: &str, guests: &[IpNet]) -> Result<(), PinError> {
    for setting in unit.list(section, &["IPAddressAllow"]) {
        for word in setting.value.split_whitespace() {
            let guest = guests.iter().find(|guest| networks(word).iter().any(|net| overlap(net, guest)));
            if let Some(guest) = guest {
                return Err(let_in(setting, word, guest));
            }
        }
    }
    Ok(())
}

fn let_in(setting: &Setting, word: &str, guest: &IpNet) -> PinError {
    PinError::Refused(format!(
        "{}: IPAddressAllow={word} lets in guests of {guest}, and wins over IPAddressDeny=: take it away or narrow it",
        setting.place()
    ))
}

/// What a word of `IPAddressAllow=` stands for (systemd.resource-control(5)); what
/// is none of these systemd ignores.
fn networks(word: &str) -> Vec<IpNet> {
    let texts: Vec<&str> = match word {
        "any" => vec!["0.0.0.0/0", "::/0"],
        "localhost" => Family::BOTH.iter().map(|family| family.loopback()).collect(),
        "link-local" => vec!["169.254.0.0/16", "fe80::/64"],
        "multicast" => vec!["224.0.0.0/4", "ff00::/8"],
        _ => vec![word],
    };
    texts.into_iter().filter_map(|text| parse_net(text).ok()).collect()
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

/// The host's own address in a network of guests is denied with it, to the host too.
fn tell_of_own(draft: &mut Draft, unit: &str) {
    let own = address::outer(draft.target);
    let denied: Vec<_> =
        own.into_iter().filter(|own| draft.target.guests.iter().any(|guests| guests.contains(own))).collect();
    if !denied.is_empty() {
        draft.note(format!(
            "{unit}: {} is in a network of guests, so whoever else is in it is kept away too",
            address::joined(&denied, ", ")
        ));
    }
}
