//! The entries about single guests.
//!
//! In: the raw shape of a `[[guest]]`. Out: a [`GuestEntry`].

use std::collections::BTreeSet;
use std::net::IpAddr;

use toml::Spanned;

use super::super::address::kind_of_no_guest;
use super::super::raw::{RawGuest, Texts};
use super::super::source::Source;
use super::super::{FactError, GuestEntry, Placed};
use super::anti_spoofing;
use crate::net::Mac;

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
    let address = super::address(source, raw)?;
    match kind_of_no_guest(address.value) {
        Some(kind) => {
            let message = format!("{} is {kind} address, which no guest has as its own", address.value);
            Err(FactError::new(address.place, message))
        }
        None => Ok(address),
    }
}
