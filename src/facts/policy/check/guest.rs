//! The entries about single guests.
//!
//! In: the raw shape of a `[[guest]]`. Out: a [`GuestEntry`].

use std::collections::BTreeSet;
use std::net::IpAddr;

use toml::Spanned;

use super::super::raw::{RawGuest, Texts};
use super::super::source::Source;
use super::super::{FactError, GuestEntry, Placed};
use super::anti_spoofing;
use crate::net::{Mac, ValueError};

/// Reads one entry.
///
/// # Errors
/// The first value that is none.
pub fn entry(source: &Source, raw: &RawGuest) -> Result<GuestEntry, FactError> {
    let Placed { value: matcher, place } = source.placed(&raw.matcher);
    Ok(GuestEntry {
        matcher,
        mac: raw.mac.as_ref().map(|raw| mac(source, raw)).transpose()?,
        groups: source.values(&raw.groups)?,
        addresses: addresses(source, &raw.addresses)?,
        filters: source.values(&raw.filters)?,
        anti_spoofing: anti_spoofing(source, raw.anti_spoofing.as_ref())?,
        router_advertisements: raw.router_advertisements,
        dhcp_server: raw.dhcp_server,
        place,
    })
}

fn mac(source: &Source, raw: &Spanned<Mac>) -> Result<Mac, FactError> {
    let mac = *raw.get_ref();
    if mac.is_multicast() {
        return Err(
            source.error(raw.span(), format!("{mac} is a multicast address, which no interface has as its own"))
        );
    }
    Ok(mac)
}

fn addresses(source: &Source, raw: &Texts) -> Result<Vec<Placed<IpAddr>>, FactError> {
    let mut seen = BTreeSet::new();
    let mut addresses = Vec::with_capacity(raw.len());
    for text in raw {
        let address = address(source, text)?;
        if !seen.insert(address.value) {
            return Err(FactError::new(address.place, format!("address {} is listed twice", address.value)));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

fn address(source: &Source, raw: &Spanned<String>) -> Result<Placed<IpAddr>, FactError> {
    let text = raw.get_ref();
    let expected = match text.contains('/') {
        true => "an address without a prefix length: a guest has single addresses, not networks",
        false => "an address such as 10.100.0.11 or fd00::11",
    };
    let address = text.parse().map_err(|_| source.error(raw.span(), ValueError::new("address", text, expected)))?;
    match kind_of_no_guest(address) {
        Some(kind) => {
            Err(source.error(raw.span(), format!("{address} is {kind} address, which no guest has as its own")))
        }
        None => Ok(Placed { value: address, place: source.place(raw.span()) }),
    }
}

/// What an address is that cannot be the source of a guest's packets.
fn kind_of_no_guest(address: IpAddr) -> Option<&'static str> {
    match address {
        _ if address.is_unspecified() => Some("the unspecified"),
        _ if address.is_loopback() => Some("a loopback"),
        _ if address.is_multicast() => Some("a multicast"),
        IpAddr::V4(v4) if v4.is_broadcast() => Some("the broadcast"),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Some("an IPv4-mapped"),
        _ => None,
    }
}
