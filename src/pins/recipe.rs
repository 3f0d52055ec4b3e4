//! Which recipe is for what.
//!
//! In: a name. Out: how that is pinned: the service's own way where it has one, else
//! systemd's filters on its unit.

use super::draft::Draft;
use super::unit::Unit;
use super::wall::{self, Start};
use super::{Activation, Files, Framework, Name, PinError, Recipe, Target};
use super::{dnsmasq, libvirt, memcached, mysql, nfs, openstack, postgresql, rabbitmq, redis, rpcbind, socket, sshd};

/// How one service is pinned.
type Way = fn(&mut Draft, &Name) -> Result<(), PinError>;

/// The services that have a way of their own, by all names of theirs and of their
/// units (without type and instance).
const WAYS: [(&[&str], Way); 11] = [
    (&["ssh", "sshd", "openssh", "openssh-server"], sshd::pin),
    (&["mysql", "mysqld", "mariadb", "mariadbd"], mysql::pin),
    (
        &[
            "postgresql",
            "postgres",
            "postgresql-13",
            "postgresql-14",
            "postgresql-15",
            "postgresql-16",
            "postgresql-17",
            "postgresql-18",
        ],
        postgresql::pin,
    ),
    (&["redis", "redis-server", "valkey", "valkey-server"], redis::pin),
    (&["memcached"], memcached::pin),
    (&["libvirtd", "virtproxyd"], libvirt::daemon),
    (&["vnc", "spice", "qemu"], libvirt::displays),
    (&["dnsmasq"], dnsmasq::pin),
    (&["nfs", "nfs-server", "nfs-kernel-server"], nfs::pin),
    (&["rpcbind", "portmap"], rpcbind::pin),
    (&["rabbitmq", "rabbitmq-server"], rabbitmq::pin),
];

/// Those of them whose instances have configurations of their own that are known.
const INSTANTIATED: [&str; 4] = ["postgresql", "redis-server", "redis", "valkey-server"];

/// How to keep `name` from guests: what to write, how to check it, what to restart.
///
/// # Errors
/// There is no such unit, it cannot be pinned where the target says, or one of its
/// files is not understood; nothing is half-answered.
pub fn recipe(name: &Name, target: &Target, framework: Framework, files: &dyn Files) -> Result<Recipe, PinError> {
    let mut draft = Draft::new(target, framework, files);
    match (name.kind(), way(name)) {
        (None | Some("service"), Some(way)) => way(&mut draft, name)?,
        (None, None) => any(&mut draft, name, &[format!("{name}.service"), format!("{name}.socket")])?,
        (Some("service" | "socket"), _) => any(&mut draft, name, &[name.to_string()])?,
        // What runs a guest, and opens its display.
        (Some("scope"), _) if name.as_str().starts_with("machine-qemu") => libvirt::displays(&mut draft, name)?,
        (Some(kind), _) => {
            return Err(PinError::Refused(format!(
                "{name}: a {kind} listens nowhere, expected a .service or a .socket"
            )));
        }
    }
    Ok(draft.finish())
}

fn way(name: &Name) -> Option<Way> {
    if openstack::knows(name) {
        return Some(openstack::pin);
    }
    let (base, instance) = name.instance();
    if instance.is_some() && !INSTANTIATED.contains(&base) {
        return None;
    }
    WAYS.iter().find(|(names, _)| names.contains(&base)).map(|(_, way)| *way)
}

/// Pins the first of the units that there is.
fn any(draft: &mut Draft, name: &Name, units: &[String]) -> Result<(), PinError> {
    match find(draft, units)? {
        Some(unit) if unit.name.ends_with(".socket") => socket::pin(draft, &unit),
        Some(unit) => service(draft, &unit),
        None => Err(unknown(name, units)),
    }
}

/// The first of the units that there is.
pub(super) fn find<T: AsRef<str>>(draft: &Draft, units: &[T]) -> Result<Option<Unit>, PinError> {
    for unit in units {
        if let Some(unit) = Unit::load(draft, unit.as_ref())? {
            return Ok(Some(unit));
        }
    }
    Ok(None)
}

/// There is nothing of this name.
pub(super) fn unknown<T: AsRef<str>>(name: &Name, units: &[T]) -> PinError {
    let units: Vec<_> = units.iter().map(AsRef::as_ref).collect();
    PinError::Refused(format!(
        "{name}: unknown here, expected a unit that systemd has, looked for {}",
        units.join(", ")
    ))
}

/// A unit that has no way of its own.
fn service(draft: &mut Draft, unit: &Unit) -> Result<(), PinError> {
    if !wall::around(draft, unit, Start::AsBefore)? {
        return Err(PinError::Refused(format!(
            "{}: nothing to keep it from: no network and no bridge of guests is known",
            unit.name
        )));
    }
    // Its filters are not for sockets that systemd opens for it.
    let socket = format!("{}.socket", unit.name.strip_suffix(".service").unwrap_or(&unit.name));
    if let Some(socket) = Unit::load(draft, &socket)?.filter(socket::is_reached) {
        socket::pin(draft, &socket)?;
    }
    draft.activate(Activation::Restart(unit.name.clone()));
    draft.note(format!(
        "{}: it goes on listening where it did; systemd drops what comes from guests and what goes to them",
        unit.name
    ));
    Ok(())
}

/// The rest for a service that binds to addresses by its own configuration.
pub(super) fn bound(draft: &mut Draft, unit: &Unit) -> Result<(), PinError> {
    wall::around(draft, unit, Start::WaitForAddresses)?;
    draft.activate(Activation::Restart(unit.name.clone()));
    Ok(())
}

/// The program of one of these names that a service's `ExecStart=` runs, by itself or
/// by a shell.
pub(super) fn program(unit: &Unit, names: &[&str]) -> Option<String> {
    let command = unit.last("Service", "ExecStart")?;
    let mut words = command.split(|letter: char| letter.is_whitespace() || "\"';&|()".contains(letter));
    let named = |word: &&str| names.iter().any(|name| word.ends_with(&format!("/{name}")));
    words.find(named).map(|word| word.trim_start_matches(['-', '@', ':', '+', '!']).to_owned())
}
