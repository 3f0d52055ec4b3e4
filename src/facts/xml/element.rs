//! One element of a document, and the questions that parsers ask of it.
//!
//! In: what the reader above made. Out: attributes and children by name, and
//! errors that name the line. The helpers see only names without a namespace,
//! which is where libvirt keeps its own: an element or attribute of somebody
//! else's namespace is never mistaken for one of libvirt's.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::shown;
use crate::facts::{FactError, Place};

/// An element with everything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// The name without its prefix.
    pub name: String,
    /// The namespace; libvirt's own elements have none.
    pub namespace: Option<String>,
    /// Names and values in the order of the document. A name with a prefix keeps
    /// it; declarations of namespaces are not listed.
    pub attributes: Vec<(String, String)>,
    /// The text directly within, all pieces joined, white space kept.
    pub text: String,
    /// The elements directly within.
    pub children: Vec<Self>,
    // Not a Place, which would copy the name of the file into each element.
    file: Arc<str>,
    position: Position,
}

impl Element {
    /// An element of `name` at a place, without text and children.
    pub(super) fn new(
        name: String,
        namespace: Option<String>,
        attributes: Vec<(String, String)>,
        (file, position): (Arc<str>, Position),
    ) -> Self {
        Self { name, namespace, attributes, text: String::new(), children: Vec::new(), file, position }
    }

    /// Where its start tag begins.
    pub fn place(&self) -> Place {
        self.position.place(&self.file)
    }

    /// An error about this element.
    pub fn error(&self, message: impl fmt::Display) -> FactError {
        FactError::new(self.place(), message)
    }

    /// Whether this is libvirt's element `name`, which has no namespace.
    pub fn is(&self, name: &str) -> bool {
        self.namespace.is_none() && self.name == name
    }

    /// Libvirt's elements `name` directly within, in order.
    pub fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.is(name))
    }

    /// Libvirt's first element `name` directly within.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(name))
    }

    /// Libvirt's element `name` directly within, if any.
    ///
    /// A second one is an error: libvirt writes one, and which of two it would
    /// have heeded differs from element to element.
    pub fn only_child(&self, name: &str) -> Result<Option<&Self>, FactError> {
        let mut children = self.children.iter().filter(|child| child.is(name));
        let first = children.next();
        match children.next() {
            Some(second) => Err(second.error(format!("a second <{name}> in <{}>, expected one", shown(&self.name)))),
            None => Ok(first),
        }
    }

    /// Like [`Self::only_child`], where it must not be missing either.
    pub fn required_child(&self, name: &str) -> Result<&Self, FactError> {
        self.only_child(name)?.ok_or_else(|| self.error(format!("<{}> without <{name}>", shown(&self.name))))
    }

    /// The value of attribute `name`, which has no prefix.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of attribute `name`, which must be there and hold something.
    pub fn required_attribute(&self, name: &str) -> Result<&str, FactError> {
        self.attribute(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| self.error(format!("<{}> without attribute {name}", shown(&self.name))))
    }

    /// The value of attribute `name` as a `T`, if it is there.
    pub fn parsed<T: FromStr<Err: fmt::Display>>(&self, name: &str) -> Result<Option<T>, FactError> {
        self.attribute(name).map(|value| self.value(value)).transpose()
    }

    /// The value of attribute `name` as a `T`; it must be there.
    pub fn required<T: FromStr<Err: fmt::Display>>(&self, name: &str) -> Result<T, FactError> {
        self.value(self.required_attribute(name)?)
    }

    /// The text of an element that holds nothing else, verbatim.
    pub fn only_text(&self) -> Result<&str, FactError> {
        match self.children.first() {
            Some(child) => Err(child.error(format!("an element in <{}>, expected text only", shown(&self.name)))),
            None => Ok(&self.text),
        }
    }

    /// Text of this element as a `T`.
    fn value<T: FromStr<Err: fmt::Display>>(&self, text: &str) -> Result<T, FactError> {
        text.parse().map_err(|error| self.error(error))
    }
}

/// A position in a document that only moves on, so that the lines of all
/// elements together are counted in one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    offset: usize,
    line: u32,
    column: u32,
}

impl Position {
    /// Before the first character.
    pub(super) const START: Self = Self { offset: 0, line: 1, column: 1 };

    /// Moves on to byte `offset` of `text`.
    pub(super) fn advance(&mut self, text: &str, offset: usize) {
        for c in text.get(self.offset..offset).unwrap_or_default().chars() {
            // No overflow: a document has no more characters than xml::MAX_BYTES.
            (self.line, self.column) = if c == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        }
        self.offset = self.offset.max(offset);
    }

    /// Whether nothing came before.
    pub(super) const fn is_start(self) -> bool {
        self.offset == 0
    }

    /// The place in `file`.
    pub(super) fn place(self, file: &str) -> Place {
        Place { file: file.to_owned(), line: self.line, column: self.column }
    }
}
