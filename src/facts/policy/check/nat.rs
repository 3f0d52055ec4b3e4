//! The entries about addresses and ports that lead to guests.
//!
//! In: the raw shape of a `[[floating-ip]]` or a `[[forward]]`. Out: the typed
//! entry, whose parts agree with each other. What two entries say of the same
//! address is compared in `uses`.

use std::net::IpAddr;

use toml::Spanned;

use super::super::nat::check_fixed;
use super::super::raw::{RawFloatingIp, RawForward, Scalar};
use super::super::source::Source;
use super::super::{FactError, FloatingIp, Forward, GuestMatcher, NatError, Placed};
use super::address;
use crate::net::{Family, PortRange, Protocol, ValueError};

/// Reads one floating IP.
///
/// # Errors
/// The first value that is none, else the first contradiction.
pub fn floating(source: &Source, raw: &RawFloatingIp) -> Result<FloatingIp, FactError> {
    let address = checked(source, &raw.address, |address| FloatingIp::check(address, None))?;
    let check = |fixed| FloatingIp::check(address.value, Some(fixed));
    let fixed = raw.fixed.as_ref().map(|raw| checked(source, raw, check)).transpose()?;
    Ok(FloatingIp {
        address,
        guest: guest(source, &raw.guest)?,
        fixed: fixed.map(|fixed| fixed.value),
        interface: raw.interface.clone(),
    })
}

/// Reads one forward.
///
/// # Errors
/// The first value that is none, else the first contradiction.
pub fn forward(source: &Source, raw: &RawForward) -> Result<Forward, FactError> {
    let address = raw.address.as_ref().map(|raw| checked(source, raw, Forward::check_address)).transpose()?;
    let fixed = raw.fixed.as_ref().map(|raw| checked(source, raw, check_fixed)).transpose()?;
    let listened = ports(source, "ports", &raw.ports)?;
    Ok(Forward {
        guest: guest(source, &raw.guest)?,
        family: family(raw.family.as_ref(), [address.as_ref(), fixed.as_ref()])?,
        address: address.map(|address| address.value),
        protocol: raw.protocol.as_ref().map_or(Ok(Protocol::TCP), |raw| protocol(source, raw))?,
        ports: listened,
        to_ports: raw.to_ports.as_ref().map_or(Ok(listened), |raw| to_ports(source, listened, raw))?,
        fixed: fixed.map(|fixed| fixed.value),
        place: source.place(raw.ports.span()),
    })
}

fn guest(source: &Source, raw: &Spanned<String>) -> Result<GuestMatcher, FactError> {
    GuestMatcher::one(raw.get_ref()).map_err(|error| source.error(raw.span(), error))
}

/// An address that `check` has nothing against.
fn checked(
    source: &Source,
    raw: &Spanned<String>,
    check: impl Fn(IpAddr) -> Result<(), NatError>,
) -> Result<Placed<IpAddr>, FactError> {
    let address = address(source, raw)?;
    check(address.value).map_err(|error| source.error(raw.span(), error))?;
    Ok(address)
}

fn protocol(source: &Source, raw: &Spanned<String>) -> Result<Protocol, FactError> {
    match raw.get_ref().as_str() {
        "tcp" => Ok(Protocol::TCP),
        "udp" => Ok(Protocol::UDP),
        text => Err(source.error(raw.span(), ValueError::new("protocol", text, "tcp or udp"))),
    }
}

fn ports(source: &Source, key: &'static str, raw: &Spanned<Scalar>) -> Result<PortRange, FactError> {
    let text = raw.get_ref().to_string();
    let range = text.parse().ok().filter(|range: &PortRange| range.first() > 0);
    let range = range.ok_or_else(|| {
        let expected = "a port from 1 to 65535 or one range such as 8000-8010; write an entry for each range";
        source.error(raw.span(), ValueError::new(key, &text, expected))
    })?;
    if range.count() > Forward::MOST_PORTS {
        let (count, most) = (range.count(), Forward::MOST_PORTS);
        return Err(source.error(raw.span(), format!("{key} {range} are {count} ports, expected at most {most}")));
    }
    Ok(range)
}

fn to_ports(source: &Source, listened: PortRange, raw: &Spanned<Scalar>) -> Result<PortRange, FactError> {
    let range = ports(source, "to-ports", raw)?;
    if range.count() != listened.count() {
        let (count, expected) = (range.count(), listened.count());
        let message = format!("to-ports {range} are {count} and ports {listened} are {expected}, expected as many");
        return Err(source.error(raw.span(), message));
    }
    Ok(range)
}

/// The one family that the key and the addresses agree on. The error is at the
/// address, which says more than the key.
fn family(key: Option<&Spanned<Family>>, addresses: [Option<&Placed<IpAddr>>; 2]) -> Result<Option<Family>, FactError> {
    let mut agreed = key.map(|key| (*key.get_ref(), format!("family {}", key.get_ref())));
    for Placed { value, place } in addresses.into_iter().flatten() {
        let family = Family::of(*value);
        let words = format!("the {family} address {value}");
        if let Some((other, stated)) = agreed.as_ref().filter(|(other, _)| *other != family) {
            let message = format!("{words} contradicts {stated}; expected an {other} address");
            return Err(FactError::new(place.clone(), message));
        }
        agreed = Some((family, words));
    }
    Ok(agreed.map(|(family, _)| family))
}
