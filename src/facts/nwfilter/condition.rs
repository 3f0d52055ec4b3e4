//! A condition of a rule: one element of its protocol.

use super::attribute::Attribute;
use super::element::{no_content, own_attributes, unexpected};
use super::protocol::FilterProtocol;
use super::variable::Term;
use crate::facts::xml::Element;
use crate::facts::{FactError, Place};
use crate::net::ValueError;

/// What must hold for a rule to apply: each attribute, or with `match='no'`
/// the contrary of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Whether each attribute is negated: `match='no'`.
    pub negated: bool,
    /// The attributes in the order of the element, each once.
    pub attributes: Vec<(Attribute, Term)>,
    /// Where the element stands.
    pub place: Place,
}

impl Condition {
    /// Reads the element of `protocol`.
    pub(super) fn parse(element: &Element, protocol: FilterProtocol) -> Result<Self, FactError> {
        no_content(element)?;
        let attributes = own_attributes(element)
            .filter(|(name, _)| *name != "match")
            .map(|(name, text)| attribute(element, protocol, (name, text)))
            .collect::<Result<Vec<_>, _>>()?;
        let negated = negated(element)?;
        if negated && attributes.iter().all(|(attribute, _)| *attribute == Attribute::Comment) {
            return Err(element.error("match='no' without an attribute that it negates"));
        }
        Ok(Self { negated, attributes, place: element.place() })
    }
}

fn negated(element: &Element) -> Result<bool, FactError> {
    match element.attribute("match") {
        None | Some("yes") => Ok(false),
        Some("no") => Ok(true),
        Some(text) => Err(element.error(ValueError::new("match", text, "yes or no"))),
    }
}

fn attribute(
    element: &Element,
    protocol: FilterProtocol,
    (name, text): (&str, &str),
) -> Result<(Attribute, Term), FactError> {
    let (attribute, kind) = protocol.attribute(name).ok_or_else(|| {
        let mut known: Vec<_> = protocol.rows().map(|(attribute, _)| attribute.to_string()).collect();
        known.push("match".to_owned());
        unexpected(element, name, &known)
    })?;
    let term = Term::parse(kind, text).map_err(|error| element.error(format!("{name}: {error}")))?;
    Ok((attribute, term))
}
