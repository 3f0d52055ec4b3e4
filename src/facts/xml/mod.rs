//! XML as a small tree, read within bounds that no document can exceed.
//!
//! In: bytes that a tenant may have influenced. Out: an [`Element`] whose size
//! and depth are limited, or a [`FactError`] with line and column. Time and
//! memory are linear in the input. There are no entities beyond XML's own five
//! and the numeric ones, nothing is fetched, and nothing is repaired: what is
//! not well-formed is refused, because two readers that repair differently
//! would see two different guests.

mod element;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::{QName, ResolveResult};
use quick_xml::{NsReader, XmlVersion, escape};

use super::{FactError, Place};
pub use element::Element;
use element::Position;

/// The largest document, in bytes; a domain with hundreds of devices has a tenth of it.
pub const MAX_BYTES: usize = 4 << 20;
/// The deepest nesting. It also bounds the recursion when a tree is dropped.
pub const MAX_DEPTH: usize = 64;
/// The largest number of elements in a document.
pub const MAX_ELEMENTS: usize = 100_000;
/// The largest number of attributes of one element, namespace declarations included.
pub const MAX_ATTRIBUTES: usize = 64;
/// The longest name of a namespace, in bytes: each element holds a copy of its own.
pub const MAX_NAMESPACE: usize = 256;

/// Reads the one element that `xml` consists of; `file` is what errors call it.
///
/// Fails on everything that is not well-formed XML 1.0 in UTF-8, on a DOCTYPE
/// whatever it holds, and on a document beyond the limits of this module.
pub fn parse(xml: &[u8], file: &str) -> Result<Element, FactError> {
    let text = decode(xml, file)?;
    Document::new(text, file).read()
}

/// The document as text without its byte order mark, all of it characters that XML allows.
fn decode<'i>(xml: &'i [u8], file: &str) -> Result<&'i str, FactError> {
    if xml.len() > MAX_BYTES {
        let message = format!("{} bytes of XML, expected at most {MAX_BYTES}", xml.len());
        return Err(FactError::new(Place::at(file, "", 0), message));
    }
    let text = std::str::from_utf8(xml).map_err(|error| {
        let valid = String::from_utf8_lossy(&xml[..error.valid_up_to()]);
        FactError::new(Place::at(file, &valid, valid.len()), "not UTF-8")
    })?;
    if let Some((offset, bad)) = text.char_indices().find(|(_, c)| !is_xml_char(*c)) {
        return Err(FactError::new(Place::at(file, text, offset), forbidden(bad)));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Whether `c` may stand in a document (the production `Char` of XML 1.0).
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

fn forbidden(c: char) -> String {
    format!("character U+{:04X}, which XML does not allow", u32::from(c))
}

/// Whether `text` is a name without a prefix: letters, digits, `_`, `-`, `.` and
/// what is beyond ASCII, the first no digit, `-` or `.`.
fn is_name(text: &str) -> bool {
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let goes_on = |c: char| starts(c) || c.is_ascii_digit() || matches!(c, '-' | '.');
    text.starts_with(starts) && text.chars().all(goes_on)
}

/// A piece of the document for a message: one short line, whatever it is.
pub(super) fn shown(text: impl fmt::Display) -> String {
    let text = text.to_string();
    text.chars().take(120).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A document being read.
struct Document<'i> {
    text: &'i str,
    file: Arc<str>,
    reader: NsReader<&'i [u8]>,
    /// Where the event in hand begins.
    position: Position,
    /// The elements not yet closed, the root first.
    open: Vec<Element>,
    /// The root, once closed.
    root: Option<Element>,
    elements: usize,
}

impl<'i> Document<'i> {
    fn new(text: &'i str, file: &str) -> Self {
        let mut reader = NsReader::from_str(text);
        reader.config_mut().enable_all_checks(true);
        Self { text, file: file.into(), reader, position: Position::START, open: Vec::new(), root: None, elements: 0 }
    }

    fn read(mut self) -> Result<Element, FactError> {
        loop {
            let offset = usize::try_from(self.reader.buffer_position()).unwrap_or(self.text.len());
            self.position.advance(self.text, offset);
            match self.reader.read_event().map_err(|error| self.broken(&error))? {
                Event::Start(tag) => {
                    let element = self.element(&tag)?;
                    self.open.push(element);
                }
                Event::Empty(tag) => {
                    let element = self.element(&tag)?;
                    self.close(element);
                }
                Event::End(_) => {
                    let element = self.open.pop().ok_or_else(|| self.error("end tag without its start"))?;
                    self.close(element);
                }
                Event::Text(text) => self.append(&text.xml10_content())?,
                Event::CData(text) => self.append(&text.xml10_content())?,
                Event::GeneralRef(reference) => self.append_reference(&reference)?,
                Event::Decl(declaration) => self.check_declaration(&declaration)?,
                Event::DocType(_) => return Err(self.error("a DOCTYPE, expected a document without one")),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => return self.finish(),
            }
        }
    }

    fn finish(mut self) -> Result<Element, FactError> {
        if let Some(unclosed) = self.open.last() {
            let message = format!("end of the document within <{}>", shown(&unclosed.name));
            return Err(self.error(message));
        }
        self.root.take().ok_or_else(|| self.error("a document without an element"))
    }

    /// Hands a complete element to its parent, or makes it the root.
    fn close(&mut self, element: Element) {
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn append(&mut self, text: &str) -> Result<(), FactError> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(self.error("text outside of the root element")),
        }
        Ok(())
    }

    fn append_reference(&mut self, reference: &BytesRef<'_>) -> Result<(), FactError> {
        if let Some(c) = reference.resolve_char_ref().map_err(|error| self.error(shown(error)))? {
            return if is_xml_char(c) {
                self.append(c.encode_utf8(&mut [0; 4]))
            } else {
                Err(self.error(forbidden(c)))
            };
        }
        match escape::resolve_xml_entity(reference) {
            Some(text) => self.append(text),
            None => {
                let name = shown(&**reference);
                Err(self.error(format!("unknown entity &{name};, expected &lt; &gt; &amp; &apos; &quot; or &#number;")))
            }
        }
    }

    fn check_declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), FactError> {
        let version = declaration.version().map_err(|error| self.error(shown(error)))?;
        let encoding = declaration.encoding().transpose().map_err(|error| self.error(shown(error)))?;
        let utf8 = encoding.is_none_or(|encoding| encoding.eq_ignore_ascii_case("utf-8"));
        if !self.position.is_start() || version != "1.0" || !utf8 {
            return Err(self.error("XML declaration, expected version 1.0 in UTF-8, at the very start"));
        }
        Ok(())
    }

    /// The element that `tag` starts, as yet without children and text.
    fn element(&mut self, tag: &BytesStart<'_>) -> Result<Element, FactError> {
        self.check_limits()?;
        self.check_name(tag.name())?;
        let namespace = self.namespace(self.reader.resolver().resolve_element(tag.name()).0)?;
        let name = tag.local_name().into_inner().to_owned();
        let attributes = self.attributes(tag)?;
        Ok(Element::new(name, namespace, attributes, (Arc::clone(&self.file), self.position)))
    }

    fn check_limits(&mut self) -> Result<(), FactError> {
        self.elements += 1;
        if self.root.is_some() {
            return Err(self.error("a second root element"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.error(format!("elements nested deeper than {MAX_DEPTH}")));
        }
        if self.elements > MAX_ELEMENTS {
            return Err(self.error(format!("more than {MAX_ELEMENTS} elements")));
        }
        Ok(())
    }

    fn check_name(&self, name: QName<'_>) -> Result<(), FactError> {
        let (local, prefix) = name.decompose();
        if is_name(local.into_inner()) && prefix.is_none_or(|prefix| is_name(prefix.into_inner())) {
            return Ok(());
        }
        Err(self.error(format!("invalid name {:?}", shown(name.into_inner()))))
    }

    /// The name of a namespace, its references resolved: quick-xml leaves it as written.
    fn namespace(&self, resolved: ResolveResult<'_>) -> Result<Option<String>, FactError> {
        match resolved {
            ResolveResult::Unbound => Ok(None),
            ResolveResult::Unknown(prefix) => Err(self.error(format!("undeclared prefix {:?}", shown(prefix)))),
            ResolveResult::Bound(name) if name.into_inner().len() > MAX_NAMESPACE => {
                Err(self.error(format!("name of a namespace longer than {MAX_NAMESPACE} bytes")))
            }
            ResolveResult::Bound(name) => {
                let name = escape::unescape(name.into_inner()).map_err(|error| self.error(shown(error)))?;
                Ok(Some(name.into_owned()))
            }
        }
    }

    fn attributes(&self, tag: &BytesStart<'_>) -> Result<Vec<(String, String)>, FactError> {
        let mut attributes = Vec::new();
        for (index, attribute) in tag.attributes().enumerate() {
            if index == MAX_ATTRIBUTES {
                return Err(self.error(format!("more than {MAX_ATTRIBUTES} attributes")));
            }
            let attribute = attribute.map_err(|error| self.error(shown(error)))?;
            if attribute.key.as_namespace_binding().is_none() {
                attributes.push((self.attribute_name(attribute.key)?, self.attribute_value(&attribute)?));
            }
        }
        Ok(attributes)
    }

    /// The name with its prefix, so that it is never taken for one without.
    fn attribute_name(&self, name: QName<'_>) -> Result<String, FactError> {
        self.check_name(name)?;
        self.namespace(self.reader.resolver().resolve_attribute(name).0)?;
        Ok(name.into_inner().to_owned())
    }

    fn attribute_value(&self, attribute: &Attribute<'_>) -> Result<String, FactError> {
        if attribute.value.contains('<') {
            return Err(self.error("'<' in the value of an attribute, expected &lt;"));
        }
        let value =
            attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| self.error(shown(error)))?.into_owned();
        match value.chars().find(|c| !is_xml_char(*c)) {
            Some(bad) => Err(self.error(forbidden(bad))),
            None => Ok(value),
        }
    }

    /// An error where the event in hand begins.
    fn error(&self, message: impl fmt::Display) -> FactError {
        FactError::new(self.position.place(&self.file), message)
    }

    /// An error of the reader's, where it saw it.
    fn broken(&self, error: &quick_xml::Error) -> FactError {
        let offset = usize::try_from(self.reader.error_position()).unwrap_or(self.text.len());
        FactError::new(Place::at(&self.file, self.text, offset), shown(error))
    }
}
