//! One policy file in memory: its name, its text, and the place of every piece.
//!
//! In: a name and a text. Out: raw shapes by serde, values with their place,
//! and errors that say where. It does not know any key.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use toml::Spanned;

use super::explain::explain;
use super::{FactError, Place, Placed};

/// A policy file that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
    /// The offset at which each line begins, so that a file of many thousand
    /// values is not counted through from its top for each of them.
    lines: Vec<usize>,
}

impl Source {
    /// The file that the operator knows as `name`.
    pub fn new(name: &str, text: String) -> Self {
        let after_newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(after_newlines).collect();
        Self { name: name.to_owned(), text, lines }
    }

    /// The file as `T`.
    ///
    /// # Errors
    /// What is no TOML, has an unknown key or a value of the wrong type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, FactError> {
        toml::from_str(&self.text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            FactError::new(self.place_at(offset), explain(error.message()))
        })
    }

    /// Where `part` of the text begins.
    pub fn place(&self, part: Range<usize>) -> Place {
        self.place_at(part.start)
    }

    /// An error about `part` of the text.
    pub fn error(&self, part: Range<usize>, message: impl fmt::Display) -> FactError {
        FactError::new(self.place(part), message)
    }

    /// A value with its place.
    pub fn placed<T: Clone>(&self, value: &Spanned<T>) -> Placed<T> {
        Placed { value: value.get_ref().clone(), place: self.place(value.span()) }
    }

    /// A text as the value that it spells, with its place.
    ///
    /// # Errors
    /// What `T` says about a text that spells none.
    pub fn value<T: FromStr<Err: fmt::Display>>(&self, text: &Spanned<String>) -> Result<Placed<T>, FactError> {
        let value = text.get_ref().parse().map_err(|error| self.error(text.span(), error))?;
        Ok(Placed { value, place: self.place(text.span()) })
    }

    /// The values that a list spells.
    ///
    /// # Errors
    /// As [`Source::value`], for the first one.
    pub fn values<T: FromStr<Err: fmt::Display>>(&self, list: &[Spanned<String>]) -> Result<Vec<Placed<T>>, FactError> {
        list.iter().map(|text| self.value(text)).collect()
    }

    fn place_at(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let in_line = self.text.get(start..).unwrap_or_default();
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        Place { line, ..Place::at(&self.name, in_line, offset.saturating_sub(start)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_every_offset_is_that_of_the_slow_count() {
        for text in ["", "\n", "a\nöb\r\n\nc", "a\n"] {
            let source = Source::new("f", text.to_owned());
            for offset in (0..=text.len()).filter(|offset| text.is_char_boundary(*offset)) {
                assert_eq!(source.place_at(offset), Place::at("f", text, offset), "{text:?} at {offset}");
            }
        }
    }
}
