//! libvirt's own rules of ports: whether they stand, and instantiated again.
//!
//! In: libvirt's bindings and what the kernel holds. Out: what is missing, and
//! what is still missing afterwards. A port's binding is taken away and made
//! again, which touches no other port; libvirt does nothing about a filter that
//! is defined once more as it is.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use serde::Serialize;
use virt::connect::Connect;

use super::super::binding::Binding;
use super::super::{connect, said};
use super::held;
use crate::facts::nwfilter::{Entry, Held};
use crate::kernel::{Deadline, Needs, Programs, read_instances};

/// How long the save programs may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a binding that was taken away is tried to be made again.
const TRIES: usize = 5;
/// Between two tries.
const BETWEEN: Duration = Duration::from_millis(500);

/// A port that libvirt filters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Port {
    /// Its name.
    pub port: String,
    /// The name of its filter.
    pub filter: String,
    /// What its filter needs in the kernel and is not there.
    pub missing: Vec<String>,
    /// Why that cannot be told.
    pub unknown: Option<String>,
}

/// What was instantiated again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Healed {
    /// The ports.
    pub rebuilt: Vec<String>,
    /// What libvirt refused, each with its port.
    pub failed: Vec<String>,
    /// The ports that still lack something.
    pub lacking: Vec<Port>,
}

/// The ports that the driver at `uri` filters, and what is missing of each.
/// Nothing is changed.
///
/// # Errors
/// libvirt does not answer, or the kernel cannot be read.
pub fn verify(uri: &str) -> Result<Vec<Port>, String> {
    verify_on(&connect(uri)?)
}

/// Instantiates again what [`verify`] finds missing: for the daemon, after a flush.
///
/// # Errors
/// As for [`verify`].
pub fn heal(uri: &str) -> Result<Healed, String> {
    rebuild(uri, |port| !port.missing.is_empty())
}

/// Instantiates the rules of the chosen ports again. Until that is done, about a
/// second, libvirt's rules of that port are not there, whole or not.
///
/// # Errors
/// As for [`verify`].
pub fn rebuild(uri: &str, chosen: impl Fn(&Port) -> bool) -> Result<Healed, String> {
    let ports = verify(uri)?;
    let names: BTreeSet<_> = ports.into_iter().filter(|port| chosen(port)).map(|port| port.port).collect();
    if names.is_empty() {
        return Ok(Healed::default());
    }
    let connection = Connect::open(Some(uri)).map_err(said)?;
    let mut healed = Healed::default();
    for binding in Binding::all(&connection)?.into_iter().filter(|binding| names.contains(&binding.port())) {
        match again(&connection, &binding) {
            Ok(()) => healed.rebuilt.push(binding.port()),
            Err(why) => healed.failed.push(format!("{}: {why}", binding.port())),
        }
    }
    let lacking = verify_on(&connection)?.into_iter();
    healed.lacking = lacking.filter(|port| names.contains(&port.port) && !port.missing.is_empty()).collect();
    Ok(healed)
}

fn again(connection: &Connect, binding: &Binding) -> Result<(), String> {
    let xml = binding.xml()?;
    binding.delete()?;
    let mut tried = Binding::create(connection, &xml);
    for _ in 1..TRIES {
        if tried.is_ok() {
            break;
        }
        sleep(BETWEEN);
        tried = Binding::create(connection, &xml);
    }
    tried.map(drop).map_err(|why| format!("has no filter of libvirt's any more until its guest is started anew: {why}"))
}

fn verify_on(connection: &Connect) -> Result<Vec<Port>, String> {
    let held = held(connection)?;
    let listing =
        read_instances(&mut Programs::default(), Deadline::after(PATIENCE)).map_err(|error| error.to_string())?;
    let port = |(port, filter): (&String, &String)| {
        let (missing, unknown) = match needs(filter, &held) {
            Ok(needs) => (needs.missing(port, &listing), None),
            Err(why) => (Vec::new(), Some(why)),
        };
        Port { port: port.clone(), filter: filter.clone(), missing, unknown }
    };
    Ok(held.ports.iter().map(port).collect())
}

/// What a filter needs, with all that it refers to.
fn needs(filter: &str, held: &Held) -> Result<Needs, String> {
    let (mut needs, mut seen, mut next) = (Needs::default(), BTreeSet::new(), vec![filter]);
    while let Some(name) = next.pop() {
        if !seen.insert(name) {
            continue;
        }
        let filter = held.filters.get(name).ok_or_else(|| format!("libvirt has no filter {name:?}"))?;
        for entry in &filter.as_ref().map_err(Clone::clone)?.entries {
            match entry {
                Entry::Rule(rule) => needs.add(rule),
                Entry::Include(reference) => next.push(&reference.filter),
            }
        }
    }
    Ok(needs)
}
