//! Where a fact was read, so that an error or a verdict can name file and line.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A position in a text file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file as the operator knows it, or a word such as `domain XML`.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl Place {
    /// The place of byte `offset` in `text`, which is the content of `file`.
    pub fn at(file: &str, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        let clamp = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Self { file: file.to_owned(), line: clamp(line), column: clamp(column) }
    }

    /// The file's name without its folders, and the line: `web.toml:3`.
    pub fn short(&self) -> String {
        let name = Path::new(&self.file).file_name().map_or(self.file.as_str().into(), |name| name.to_string_lossy());
        format!("{name}:{}", self.line)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A value and the place it was read from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

/// Something in a file that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct FactError {
    /// Where.
    pub place: Place,
    /// What is wrong, and what would have been right.
    pub message: String,
}

impl FactError {
    /// An error at `place`.
    pub fn new(place: Place, message: impl fmt::Display) -> Self {
        Self { place, message: message.to_string() }
    }
}

/// An error with what caused it, each once: some quote their cause themselves.
pub fn with_source(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let text = "ä = 1\nöb = 2\n";
        let place = Place::at("/etc/virt-guard/x.toml", text, text.find('b').unwrap());
        assert_eq!((place.line, place.column), (2, 2));
        assert_eq!(place.to_string(), "/etc/virt-guard/x.toml:2:2");
        assert_eq!(place.short(), "x.toml:2");
    }

    #[test]
    fn an_offset_past_the_end_is_the_end() {
        assert_eq!(Place::at("f", "ab", 99).column, 3);
    }
}
