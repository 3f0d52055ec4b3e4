//! OpenSSH's server: `ListenAddress` in a drop-in of sshd_config(5), or the socket
//! unit where that is what listens.
//!
//! In: its configuration with all that it includes. Out: a file with addresses. They
//! add up wherever they stand, so those that there were are put out of force; ports
//! stay as they are.

mod config;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use self::config::{Config, Directive};
use super::draft::Draft;
use super::recipe::{find, unknown};
use super::text::Text;
use super::unit::Unit;
use super::wall::{self, Start};
use super::{Activation, Name, PinError, address, socket};
use crate::net::Family;

const MAIN: &str = "/etc/ssh/sshd_config";
const DROP_IN: &str = "/etc/ssh/sshd_config.d/00-virt-guard.conf";
/// Where the options of its command line are.
const OPTIONS: [&str; 2] = ["/etc/default/ssh", "/etc/sysconfig/sshd"];
/// Debian's and everybody else's.
const UNITS: [&str; 2] = ["ssh.service", "sshd.service"];
const SOCKETS: [&str; 2] = ["ssh.socket", "sshd.socket"];
/// Where links say that a unit is enabled.
const ENABLED: &str = "/etc/systemd/system/sockets.target.wants";
/// The port, if none is said.
const PORT: u16 = 22;

/// Pins sshd.
pub(super) fn pin(draft: &mut Draft, name: &Name) -> Result<(), PinError> {
    let unit = find(draft, &UNITS)?.ok_or_else(|| unknown(name, &UNITS))?;
    configure(draft)?;
    // Absolute, as sshd itself wants to be called.
    draft.check("/usr/sbin/sshd", ["-t"]);
    if let Some(socket) = listening_socket(draft)? {
        draft.note(format!("{}: listens for sshd, so it is pinned too", socket.name));
        return socket::pin(draft, &socket);
    }
    wall::around(draft, &unit, Start::WaitForAddresses)?;
    draft.activate(Activation::Restart(unit.name));
    Ok(())
}

/// The socket unit that is enabled, as Ubuntu's is since 22.10.
fn listening_socket(draft: &Draft) -> Result<Option<Unit>, PinError> {
    for socket in SOCKETS {
        if draft.has(&Path::new(ENABLED).join(socket))? {
            return Unit::load(draft, socket);
        }
    }
    Ok(None)
}

/// Changes sshd's own files.
fn configure(draft: &mut Draft) -> Result<(), PinError> {
    not_overridden(draft)?;
    let config = Config::load(draft, Path::new(MAIN))?;
    let wanted = wanted(draft, &config)?;
    let listens: Vec<_> = config.all("listenaddress").collect();
    let there: BTreeSet<_> = listens.iter().map(|directive| directive.value.as_str()).collect();
    if there == wanted.iter().map(String::as_str).collect() {
        return Ok(());
    }
    put_out(draft, &listens)?;
    let lines: Vec<_> = wanted.iter().map(|place| format!("ListenAddress {place}")).collect();
    if config.includes(Path::new(DROP_IN)) {
        return draft.put(Path::new(DROP_IN), format!("{}{}\n", wall::header(), lines.join("\n")));
    }
    draft.note(format!("{MAIN}: has no Include of {DROP_IN}, so the addresses are written into it"));
    let mut text = Text::new(&draft.read(Path::new(MAIN))?.unwrap_or_default());
    // First, for after a Match they would not be taken.
    for (index, line) in lines.iter().enumerate() {
        text.insert(index, line);
    }
    draft.put(Path::new(MAIN), text.to_string())
}

/// Puts the lines out of force, but for those of our own file, which is written anew.
fn put_out(draft: &mut Draft, directives: &[&Directive]) -> Result<(), PinError> {
    for directive in directives.iter().filter(|directive| directive.path != Path::new(DROP_IN)) {
        let mut text = Text::new(&draft.read(&directive.path)?.unwrap_or_default());
        text.comment_out(directive.index);
        draft.put(&directive.path, text.to_string())?;
    }
    Ok(())
}

/// What stands behind `ListenAddress` from now on, as an order of lines. Without a
/// port it takes those of all `Port` lines.
fn wanted(draft: &mut Draft, config: &Config) -> Result<BTreeSet<String>, PinError> {
    let places = family(draft, config)?;
    let listens: Vec<_> = config.all("listenaddress").collect();
    let mut ports = BTreeSet::new();
    for directive in &listens {
        ports.insert(port(directive)?);
    }
    if ports.iter().all(Option::is_none) {
        return Ok(places.iter().map(ToString::to_string).collect());
    }
    if ports.remove(&None) {
        ports.extend(config.ports()?.into_iter().map(Some));
    }
    let ports: Vec<u16> = ports.into_iter().flatten().collect();
    Ok(places.iter().flat_map(|place| ports.iter().map(|port| address::with_port(*place, *port))).collect())
}

/// The addresses of the families that `AddressFamily` leaves.
fn family(draft: &mut Draft, config: &Config) -> Result<Vec<IpAddr>, PinError> {
    let mut places = draft.places()?;
    let Some(directive) = config.all("addressfamily").next() else { return Ok(places) };
    let family = match directive.value.to_ascii_lowercase().as_str() {
        "any" => return Ok(places),
        "inet" => Family::V4,
        "inet6" => Family::V6,
        _ => return Err(directive.unreadable("expected any, inet or inet6")),
    };
    places.retain(|place| Family::of(*place) == family);
    if places.is_empty() {
        let there = address::joined(&draft.target.addresses, ", ");
        return Err(directive.unreadable(&format!("leaves none of {there}, which sshd is to listen at")));
    }
    Ok(places)
}

/// The port of an address, as in `10.0.0.5:22` and `[::1]:22`.
fn port(directive: &Directive) -> Result<Option<u16>, PinError> {
    let value = directive.value.as_str();
    if value.contains(char::is_whitespace) {
        return Err(directive.unreadable("expected one address, without rdomain"));
    }
    let port = match value.rsplit_once(':') {
        Some((host, port)) if host.ends_with(']') || !host.contains(':') => port,
        _ => return Ok(None),
    };
    port.parse().map(Some).map_err(|_| directive.unreadable("expected ADDRESS or ADDRESS:PORT"))
}

/// Refuses a command line that names other addresses or another file.
fn not_overridden(draft: &Draft) -> Result<(), PinError> {
    for path in OPTIONS {
        let text = draft.read(Path::new(path))?.unwrap_or_default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#')) {
            let words = line.split(|letter: char| letter.is_whitespace() || "=\"'".contains(letter));
            if words.into_iter().any(|word| word == "-f" || word.to_ascii_lowercase().contains("listenaddress")) {
                let what = format!("expected options without -f and ListenAddress, for {MAIN} would not count");
                return Err(PinError::Unreadable { path: path.into(), line: index + 1, what });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
