//! The operator's own rules for each guest: `/etc/virt-guard/iptables.d/*.rules`.
//!
//! In: files as iptables-save writes them, with variables. Out: rules whose
//! variables are known and stand where a value cannot be misread. What a rule
//! says is iptables' own affair; which guest it is for is not known here.

mod parse;
mod values;

use std::io;
use std::path::Path;

use super::file::{self, below};
use super::policy::{PolicyError, XtTable};
use super::{FactError, Place};
use crate::net::Family;

pub use values::Values;

const FOLDER: &str = "/etc/virt-guard/iptables.d";

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// For iptables, or, from `*.v6.rules`, for ip6tables.
    pub family: Family,
    /// The chains that it declares.
    pub chains: Vec<Declared>,
    /// Its rules, in their order.
    pub rules: Vec<FragmentRule>,
}

/// A chain that a fragment brings along, one for each port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// In which table.
    pub table: XtTable,
    /// Its name, with `${IFNAME}` in it.
    pub name: String,
    /// Where it stands.
    pub place: Place,
}

/// A rule of a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FragmentRule {
    /// In which table.
    pub table: XtTable,
    /// In which chain, with variables.
    pub chain: String,
    /// At which end of the chain.
    pub end: End,
    /// Its words, with variables.
    pub words: String,
    /// Where it stands.
    pub place: Place,
}

/// An end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// `-I`
    First,
    /// `-A`
    Last,
}

/// Reads the fragments below `root`, in the order of their names. The folder may
/// be missing; names that begin with `.` or do not end in `.rules` are not read.
///
/// # Errors
/// The first file that cannot be read, or the first mistake.
pub fn load(root: &Path) -> Result<Vec<Fragment>, PolicyError> {
    let names = file::names(&below(root, FOLDER), ".rules").map_err(io_error(FOLDER))?;
    names.iter().map(|name| fragment(root, &format!("{FOLDER}/{name}"))).collect()
}

fn fragment(root: &Path, name: &str) -> Result<Fragment, PolicyError> {
    let bytes = file::read(&below(root, name)).map_err(io_error(name))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| FactError::new(Place { file: name.to_owned(), line: 1, column: 1 }, "invalid UTF-8"))?;
    let family = if name.ends_with(".v6.rules") { Family::V6 } else { Family::V4 };
    Ok(parse::fragment(name, &text, family)?)
}

fn io_error(name: &str) -> impl FnOnce(io::Error) -> PolicyError {
    let path = name.to_owned();
    move |source| PolicyError::Io { path, source }
}
