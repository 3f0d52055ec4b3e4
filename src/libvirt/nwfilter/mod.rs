//! The operator's nwfilter definitions, kept in libvirt, and libvirt's own rules,
//! kept in the kernel.
//!
//! In: the definitions below a root, what libvirt holds and what stands in the
//! kernel. Out: definitions brought in step (here), and ports whose rules are
//! gone instantiated again (`ports`). Which steps there are is not decided here.
//! Everything may wait as long as libvirt does.

mod ports;

use std::path::Path;

use serde::Serialize;
use virt::connect::Connect;

use super::binding::Binding;
use super::uuid::with_uuid;
use super::{connect, said};
use crate::facts::nwfilter::{Definition, Doing, Filter, Held, Library, Step, difference, in_order, steps};
use crate::facts::with_source;
use crate::state::MadeFilters;

pub use ports::{Healed, Port, heal, rebuild, verify};

/// Why definitions are not brought in step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A definition is not as it must be, with file and line. Nothing was done.
    #[error("{0}")]
    Configuration(String),
    /// libvirt cannot be reached or does not answer.
    #[error("libvirt: {0}")]
    Libvirt(String),
}

/// A step, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    /// The step.
    #[serde(flatten)]
    pub step: Step,
    /// Why it was not done; nothing if it was, or if there was nothing to do.
    pub failed: Option<String>,
}

/// What is to be done.
#[derive(Debug)]
pub struct Look {
    /// The definitions in order of reference.
    pub definitions: Vec<Definition>,
    /// What libvirt holds.
    pub held: Held,
    /// The steps, those that do nothing included.
    pub steps: Vec<Step>,
}

/// Holds the definitions below `root` against the filters of the driver at `uri`.
/// Nothing is changed.
///
/// # Errors
/// The first definition that is not as it must be; libvirt does not answer.
pub fn look(uri: &str, root: &Path) -> Result<Look, Error> {
    let definitions = Library::new(root).definitions();
    let definitions = definitions.map_err(|error| Error::Configuration(with_source(&error)))?;
    let held = connect(uri).and_then(|connection| held(&connection)).map_err(Error::Libvirt)?;
    let definitions = in_order(definitions, &held).map_err(|error| Error::Configuration(error.to_string()))?;
    let steps = steps(&definitions, &held, &MadeFilters::new(root).names());
    Ok(Look { definitions, held, steps })
}

/// Brings the filters of the driver at `uri` in step with the definitions below
/// `root`: equal ones are not touched. After the first step that libvirt refuses
/// none is tried.
///
/// # Errors
/// As for [`look`]; then nothing was done.
pub fn sync(uri: &str, root: &Path) -> Result<Vec<Outcome>, Error> {
    let look = look(uri, root)?;
    let connection = Connect::open(Some(uri)).map_err(|error| Error::Libvirt(said(error)))?;
    let (made, mut refused) = (MadeFilters::new(root), false);
    let mut outcomes = Vec::new();
    for step in &look.steps {
        let failed = match step.doing {
            Doing::Keep | Doing::Retain => None,
            _ if refused => Some("not tried".to_owned()),
            _ => match take(step, &look, &connection) {
                Ok(lost) => remember(step, &made).err().or(lost),
                Err(why) => {
                    refused = true;
                    Some(why)
                }
            },
        };
        outcomes.push(Outcome { step: step.clone(), failed });
    }
    Ok(outcomes)
}

/// Does a step; what libvirt lost of the definition that it took. libvirt 9.0
/// writes no `match='no'` for ports, and reads its own file after a restart.
fn take(step: &Step, look: &Look, connection: &Connect) -> Result<Option<String>, String> {
    if step.doing == Doing::Undefine {
        return connection
            .lookup_nwfilter_by_name(&step.name)
            .and_then(|filter| filter.undefine())
            .map(|()| None)
            .map_err(said);
    }
    let definition = look.definitions.iter().find(|definition| definition.filter.name == step.name);
    let definition = definition.ok_or("it has no definition")?;
    let xml = match step.doing {
        Doing::Update => {
            let uuid = connection.lookup_nwfilter_by_name(&step.name).and_then(|filter| filter.uuid_string());
            with_uuid(&definition.xml, &uuid.map_err(said)?)?
        }
        _ => definition.xml.clone(),
    };
    connection
        .define_nwfilter_xml(&xml)
        .and_then(|filter| filter.xml_desc(0))
        .map_err(said)
        .map(|kept| lost(&kept, definition))
}

fn lost(kept: &str, definition: &Definition) -> Option<String> {
    let lines = Filter::parse(kept.as_bytes(), "libvirt's filter").map(|filter| filter.lines());
    let kept = lines.unwrap_or_else(|error| vec![error.to_string()]);
    let lost = difference(&kept, &definition.filter.lines());
    (!lost.is_empty()).then(|| format!("libvirt took it and keeps something else: {}", lost.join("; ")))
}

/// Only what libvirt did not have before was made by us. A crash in between
/// leaves a filter that counts as somebody else's, and so stays.
fn remember(step: &Step, made: &MadeFilters) -> Result<(), String> {
    let mut names = made.names();
    let changed = match step.doing {
        Doing::Define => names.insert(step.name.clone()),
        Doing::Undefine => names.remove(&step.name),
        _ => false,
    };
    if !changed {
        return Ok(());
    }
    made.set_names(&names).map_err(|error| format!("done, but not remembered: {error}"))
}

/// All filters and bindings.
fn held(connection: &Connect) -> Result<Held, String> {
    let mut held = Held::default();
    for filter in connection.list_all_nw_filters(0).map_err(said)? {
        // Undefined since the list was made.
        let (Ok(name), Ok(xml)) = (filter.name(), filter.xml_desc(0)) else { continue };
        let parsed = Filter::parse(xml.as_bytes(), &format!("libvirt's filter {name:?}"));
        held.filters.insert(name, parsed.map_err(|error| error.to_string()));
    }
    held.ports = Binding::all(connection)?.iter().map(|binding| (binding.port(), binding.filter())).collect();
    Ok(held)
}
