//! Filters as libvirt's nwfilter driver keeps them.
//!
//! In: the XML of a filter, or the folders that hold one file for each. Out: a
//! [`Filter`] that is unambiguous, each rule with its place. A variable stays a
//! variable and a reference a name: what they stand for only the guest's
//! interface says, and resolving them is the model's. Unlike libvirt, nothing
//! that could change what a filter does is read past.
//!
//! ```text
//! library    names        → files → Filter
//! rule       <rule>       → FilterRule: action, direction, one protocol
//! condition  <tcp …/>     → attributes with values or variables
//! table      protocol     → its attributes and the kinds of their values
//! value      kind, text   → Datum
//! check      conditions   → refuses what contradicts itself
//! text       Filter       → lines that mean it, and their difference
//! manage     definitions, what libvirt holds → what is to be done
//! ```

mod attribute;
mod chain;
mod check;
mod condition;
mod element;
mod library;
mod manage;
mod protocol;
mod rule;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod variable;
mod words;

use super::domain::{FilterRef, Uuid};
use super::xml::{self, Element, shown};
use super::{FactError, Place};
pub use attribute::Attribute;
pub use chain::{ChainKind, ChainName};
pub use condition::Condition;
use element::{no_content, no_text, only_attributes};
pub use library::{Library, LibraryError};
pub use manage::{Definition, Doing, Held, Step, in_order, steps};
pub use protocol::FilterProtocol;
pub use rule::{Action, FilterRule, RuleDirection};
pub use text::difference;
pub use value::{Datum, Kind};
pub use variable::{Access, Term, Variable};
pub use words::{SetEnd, StateName};

/// A filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Its name: any text but none.
    pub name: String,
    /// The chain its rules stand in.
    pub chain: ChainName,
    /// Where the chain stands, from -1000, the first, to 1000; the default of
    /// the chain's kind if the filter says nothing.
    pub priority: i16,
    /// Its rules and references, in the order of the XML.
    pub entries: Vec<Entry>,
    /// Where it stands.
    pub place: Place,
}

/// A part of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A rule.
    Rule(FilterRule),
    /// Another filter, and the values of its variables.
    Include(FilterRef),
}

impl Filter {
    /// Reads a `<filter>`; `file` is what errors call the document.
    ///
    /// # Errors
    /// XML beyond the limits of [`xml`], and the first thing in it that is not
    /// as it must be.
    pub fn parse(xml: &[u8], file: &str) -> Result<Self, FactError> {
        let root = xml::parse(xml, file)?;
        if !root.is("filter") {
            return Err(root.error("expected <filter>, in no namespace"));
        }
        only_attributes(&root, &["name", "chain", "priority"])?;
        no_text(&root)?;
        check_uuid(&root)?;
        let chain: ChainName = root.parsed("chain")?.unwrap_or_default();
        let entries = root.children.iter().filter(|child| !child.is("uuid")).map(Entry::parse);
        Ok(Self {
            name: root.required_attribute("name")?.to_owned(),
            priority: rule::priority(&root)?.unwrap_or(chain.kind().default_priority()),
            chain,
            entries: entries.collect::<Result<_, _>>()?,
            place: root.place(),
        })
    }
}

/// Nothing is done with the UUID; but what is not one may be something else.
fn check_uuid(filter: &Element) -> Result<(), FactError> {
    let Some(uuid) = filter.only_child("uuid")? else { return Ok(()) };
    only_attributes(uuid, &[])?;
    uuid.only_text()?.trim().parse::<Uuid>().map(drop).map_err(|error| uuid.error(error))
}

impl Entry {
    fn parse(element: &Element) -> Result<Self, FactError> {
        if element.is("rule") {
            return FilterRule::parse(element).map(Self::Rule);
        }
        if element.is("filterref") {
            return include(element).map(Self::Include);
        }
        Err(element.error(format!("<{}> in <filter>, expected <rule>, <filterref> or <uuid>", shown(&element.name))))
    }
}

/// Reads a `<filterref>` that holds nothing but parameters.
fn include(element: &Element) -> Result<FilterRef, FactError> {
    only_attributes(element, &["filter"])?;
    no_text(element)?;
    for child in &element.children {
        if !child.is("parameter") {
            return Err(child.error(format!("<{}> in <filterref>, expected <parameter>", shown(&child.name))));
        }
        only_attributes(child, &["name", "value"])?;
        no_content(child)?;
    }
    FilterRef::parse(element)
}
