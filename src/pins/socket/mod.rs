//! A socket unit: systemd listens, and starts the service when somebody comes
//! (systemd.socket(5)).
//!
//! In: the unit's files. Out: a drop-in that lists anew what it listens at: each
//! port as it was, at the addresses of the target; what is no IP address as it is.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::draft::Draft;
use super::unit::{Setting, Unit};
use super::wall::{self, Start};
use super::{Activation, PinError, Target, address};
use crate::net::Family;

/// What may be listened at; an empty one of any of them takes all back.
const LISTEN: [&str; 9] = [
    "ListenStream",
    "ListenDatagram",
    "ListenSequentialPacket",
    "ListenFIFO",
    "ListenSpecial",
    "ListenNetlink",
    "ListenMessageQueue",
    "ListenUSBFunction",
    "BindToDevice",
];
/// Those that may be an IP address.
const ADDRESSES: [&str; 3] = ["ListenStream", "ListenDatagram", "ListenSequentialPacket"];
/// The specifiers that stand for a directory (systemd.unit(5)), so that a path follows.
const DIRECTORIES: [&str; 9] = ["%t", "%S", "%C", "%L", "%E", "%T", "%V", "%h", "%d"];

/// What one line listens at.
enum Place {
    /// A port of all addresses, or of all of one family.
    Everywhere(Option<Family>, u16),
    /// A port of one address.
    At(SocketAddr),
    /// A path, an abstract name, a CID: no guest comes there by IP.
    Elsewhere,
}

/// Pins a socket unit, and keeps guests from what it starts.
pub(super) fn pin(draft: &mut Draft, unit: &Unit) -> Result<(), PinError> {
    let lines = listen(draft, unit)?;
    let filters = wall::filters(draft, unit, "Socket")?;
    let keys: Vec<&str> = LISTEN.iter().copied().chain(wall::KEYS).chain(["FreeBind"]).collect();
    let path = unit.drop_in("Socket", &keys)?;
    draft.put(&path, format!("{}[Socket]\n{lines}{filters}", wall::header()))?;
    started(draft, unit)
}

/// Keeps guests from a socket unit that goes on listening where it did.
pub(super) fn keep(draft: &mut Draft, unit: &Unit) -> Result<(), PinError> {
    let filters = wall::filters(draft, unit, "Socket")?;
    if !filters.is_empty() {
        let path = unit.drop_in("Socket", &wall::KEYS)?;
        draft.put(&path, format!("{}[Socket]\n{filters}", wall::header()))?;
    }
    started(draft, unit)
}

/// Whether it listens at an IP address, as far as can be told without a mistake in it.
pub(super) fn is_reached(unit: &Unit) -> bool {
    let found = unit.list("Socket", &LISTEN[..8]);
    found.into_iter().any(|setting| !matches!(place(unit, setting), Ok(Place::Elsewhere)))
}

/// Keeps guests from what the socket starts, and restarts both.
fn started(draft: &mut Draft, unit: &Unit) -> Result<(), PinError> {
    let accepts = unit.last("Socket", "Accept").is_some_and(is_yes);
    let service = service(unit, accepts);
    match Unit::load(draft, &service)? {
        Some(service) => wall::around(draft, &service, Start::AsBefore)?,
        None => return Err(PinError::Refused(format!("{}: starts {service}, which there is not", unit.name))),
    };
    draft.activate(match accepts {
        // What it started answers one connection each and may end with it.
        true => Activation::Restart(unit.name.clone()),
        false => Activation::Socket { socket: unit.name.clone(), service },
    });
    Ok(())
}

/// What the socket unit starts.
fn service(unit: &Unit, accepts: bool) -> String {
    let stem = unit.name.strip_suffix(".socket").unwrap_or(&unit.name);
    match unit.last("Socket", "Service").filter(|service| !service.is_empty()) {
        Some(service) => service.to_owned(),
        None if accepts => format!("{stem}@.service"),
        None => format!("{stem}.service"),
    }
}

/// The words for true (systemd.syntax(7)).
fn is_yes(word: &str) -> bool {
    ["1", "yes", "y", "true", "t", "on"].iter().any(|yes| word.eq_ignore_ascii_case(yes))
}

/// The lines about where it listens.
fn listen(draft: &mut Draft, unit: &Unit) -> Result<String, PinError> {
    let found = unit.list("Socket", &LISTEN[..8]);
    let mut lines: Vec<String> = Vec::new();
    let (mut before, mut after) = (0, 0);
    for setting in &found {
        let place = place(unit, setting)?;
        before += usize::from(!matches!(place, Place::Elsewhere));
        for value in values(draft, setting, &place)? {
            let line = format!("{}={value}", setting.key);
            if !lines.contains(&line) {
                after += usize::from(!matches!(place, Place::Elsewhere));
                lines.push(line);
            }
        }
    }
    match (before, after) {
        (0, _) => Err(PinError::Refused(format!("{}: listens at no IP address, so guests do not reach it", unit.name))),
        (_, 0) => Err(nowhere(unit, &found, draft.target)),
        _ => Ok(text(draft.target, &lines)),
    }
}

fn nowhere(unit: &Unit, found: &[&Setting], target: &Target) -> PinError {
    let listened: Vec<_> = found.iter().map(|setting| setting.value.as_str()).collect();
    PinError::Refused(format!(
        "{}: would listen nowhere: it takes {}, and none of {} is of that family",
        unit.name,
        listened.join(", "),
        address::joined(&target.addresses, ", ")
    ))
}

fn text(target: &Target, lines: &[String]) -> String {
    let mut text = String::from("# Empty first: without that, systemd would add to what it has.\nListenStream=\n");
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    match &target.interface {
        Some(interface) => {
            let _ = writeln!(text, "BindToDevice={interface}");
        }
        // At boot the socket comes before the address does.
        None => text.push_str("FreeBind=yes\n"),
    }
    text
}

/// What is listened at instead.
fn values(draft: &mut Draft, setting: &Setting, place: &Place) -> Result<Vec<String>, PinError> {
    let bound = draft.target.interface.is_some();
    Ok(match place {
        // The interface says who comes; loopback would not.
        Place::Elsewhere | Place::Everywhere(..) if bound => vec![setting.value.clone()],
        Place::Elsewhere => vec![setting.value.clone()],
        Place::Everywhere(family, port) => at(&draft.places()?, *family, *port),
        Place::At(there) if draft.target.addresses.contains(&there.ip()) => vec![setting.value.clone()],
        Place::At(there) if there.ip().is_loopback() && !bound => vec![setting.value.clone()],
        Place::At(there) => {
            draft.places()?;
            at(&address::outer(draft.target), Some(Family::of(there.ip())), there.port())
        }
    })
}

fn at(addresses: &[IpAddr], family: Option<Family>, port: u16) -> Vec<String> {
    let taken = addresses.iter().filter(|address| family.is_none_or(|family| family == Family::of(**address)));
    taken.map(|address| address::with_port(*address, port)).collect()
}

/// Where a line listens.
fn place(unit: &Unit, setting: &Setting) -> Result<Place, PinError> {
    let value = instantiated(unit, &setting.value);
    let elsewhere = value.starts_with(['/', '@']) || value.starts_with("vsock:");
    if elsewhere || !ADDRESSES.contains(&setting.key.as_str()) || DIRECTORIES.iter().any(|d| value.starts_with(d)) {
        return Ok(Place::Elsewhere);
    }
    if let Ok(port) = value.parse() {
        return Ok(Place::Everywhere(v6_only(unit).then_some(Family::V6), port));
    }
    let address = value.split('%').next().unwrap_or(&value);
    let there: SocketAddr = address.parse().map_err(|_| PinError::Unreadable {
        path: setting.path.clone(),
        line: setting.line,
        what: format!("{}={}: expected a port, ADDRESS:PORT, a path or @NAME", setting.key, setting.value),
    })?;
    Ok(match there.ip() {
        ip if !ip.is_unspecified() => Place::At(there),
        IpAddr::V6(_) if !v6_only(unit) => Place::Everywhere(None, there.port()),
        ip => Place::Everywhere(Some(Family::of(ip)), there.port()),
    })
}

/// Whether a socket for IPv6 takes IPv4 not as well; where the unit leaves it to the
/// host's `net.ipv6.bindv6only`, the kernel's default is taken.
fn v6_only(unit: &Unit) -> bool {
    unit.last("Socket", "BindIPv6Only") == Some("ipv6-only")
}

/// An instance may be its port.
fn instantiated(unit: &Unit, value: &str) -> String {
    let instance = unit.name.split_once('@').and_then(|(_, rest)| rest.strip_suffix(".socket")).unwrap_or_default();
    value.replace("%i", instance).replace("%I", instance)
}

#[cfg(test)]
mod tests;
