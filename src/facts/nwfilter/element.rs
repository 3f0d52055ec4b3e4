//! Elements that hold nothing but what is expected.
//!
//! Libvirt reads past what it does not know. Here it is refused: a misspelled
//! attribute would leave a rule that matches more, or less, than was meant.

use std::fmt;

use crate::facts::FactError;
use crate::facts::xml::{Element, shown};

/// The attribute that may stand anywhere and means nothing.
const REMARK: &str = "comment";

/// Refuses an attribute of `element` that is not among `known`. Those of a
/// foreign namespace are somebody else's.
pub(super) fn only_attributes(element: &Element, known: &[&str]) -> Result<(), FactError> {
    let unknown = own_attributes(element).find(|(name, _)| *name != REMARK && !known.contains(name));
    unknown.map_or(Ok(()), |(name, _)| Err(unexpected(element, name, known)))
}

/// The attributes without a namespace.
pub(super) fn own_attributes(element: &Element) -> impl Iterator<Item = (&str, &str)> {
    element
        .attributes
        .iter()
        .filter(|(name, _)| !name.contains(':'))
        .map(|(name, value)| (name.as_str(), value.as_str()))
}

/// The error about an attribute that `element` does not take.
pub(super) fn unexpected(element: &Element, name: &str, known: &[impl fmt::Display]) -> FactError {
    element.error(format!("unknown attribute {:?} of <{}>, expected {}", shown(name), element.name, listed(known)))
}

/// Refuses text in `element` that is more than white space.
pub(super) fn no_text(element: &Element) -> Result<(), FactError> {
    match element.text.trim() {
        "" => Ok(()),
        text => Err(element.error(format!("text {:?} in <{}>, expected none", shown(text), element.name))),
    }
}

/// Refuses any element or text within `element`.
pub(super) fn no_content(element: &Element) -> Result<(), FactError> {
    match element.children.first() {
        Some(child) => Err(child.error(format!("an element in <{}>, expected none", element.name))),
        None => no_text(element),
    }
}

/// The choices as a person lists them.
fn listed(choices: &[impl fmt::Display]) -> String {
    match choices {
        [] => "none".to_owned(),
        [only] => only.to_string(),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(ToString::to_string).collect();
            format!("{} or {last}", first.join(", "))
        }
    }
}
