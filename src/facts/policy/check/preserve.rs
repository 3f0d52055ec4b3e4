//! The entries about chains of others.
//!
//! In: the raw shape of a `[[preserve]]`. Out: a [`Preserve`].

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::super::raw::{RawPreserve, Texts};
use super::super::source::Source;
use super::super::{FactError, Preserve, XtTable};
use crate::net::Family;

/// Reads one entry.
///
/// # Errors
/// The first value that is none, or a list of nothing.
pub fn entry(source: &Source, raw: &RawPreserve) -> Result<Preserve, FactError> {
    let chains = raw.chains.get_ref();
    if chains.is_empty() {
        return Err(source.error(raw.chains.span(), "chains is empty, so none would be preserved"));
    }
    Ok(Preserve {
        chains: source.values(chains)?,
        tables: some(source, raw.tables.as_ref(), &XtTable::ALL)?,
        families: some(source, raw.families.as_ref(), &Family::BOTH)?,
    })
}

/// What a list names, or all of them without one.
fn some<T: FromStr<Err: fmt::Display> + Ord + Copy>(
    source: &Source,
    raw: Option<&toml::Spanned<Texts>>,
    all: &[T],
) -> Result<BTreeSet<T>, FactError> {
    let Some(raw) = raw else { return Ok(all.iter().copied().collect()) };
    if raw.get_ref().is_empty() {
        return Err(source.error(raw.span(), "the list is empty, so nothing would be preserved; leave it out for all"));
    }
    Ok(source.values(raw.get_ref())?.into_iter().map(|value| value.value).collect())
}
