//! A text file, changed line by line.
//!
//! In: its text. Out: the same text but for the lines that were changed: endings,
//! blanks and a missing last newline stay as they are.

use std::fmt;

/// What begins a line that a pin has put out of force.
const OUT: &str = "# virt-guard: ";

/// The lines of a text.
#[derive(Debug, Clone)]
pub(super) struct Text {
    lines: Vec<Line>,
    ending: &'static str,
}

#[derive(Debug, Clone)]
struct Line {
    text: String,
    ending: String,
}

impl Text {
    /// Takes a text apart.
    pub fn new(text: &str) -> Self {
        let lines: Vec<_> = text.split_inclusive('\n').map(Line::new).collect();
        let ending = if lines.first().is_some_and(|line| line.ending == "\r\n") { "\r\n" } else { "\n" };
        Self { lines, ending }
    }

    /// The lines without their endings, each with its index.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines.iter().map(|line| line.text.as_str()).enumerate()
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Puts a line out of force: it becomes a comment.
    pub fn comment_out(&mut self, index: usize) {
        if let Some(line) = self.lines.get_mut(index) {
            line.text.insert_str(0, OUT);
        }
    }

    /// Puts a line before the one at `index`, or at the end.
    pub fn insert(&mut self, index: usize, text: &str) {
        let index = index.min(self.lines.len());
        if let Some(last) = index.checked_sub(1).and_then(|before| self.lines.get_mut(before)) {
            if last.ending.is_empty() {
                self.ending.clone_into(&mut last.ending);
            }
        }
        self.lines.insert(index, Line { text: text.to_owned(), ending: self.ending.to_owned() });
    }
}

impl Line {
    fn new(line: &str) -> Self {
        let text = line.strip_suffix('\n').map_or(line, |text| text.strip_suffix('\r').unwrap_or(text));
        Self { text: text.to_owned(), ending: line[text.len()..].to_owned() }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| write!(f, "{}{}", line.text, line.ending))
    }
}

#[cfg(test)]
mod tests {
    use super::Text;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_not_changed_stays(text in "[a=#\\[\\] \r\n\"'é]*") {
            prop_assert_eq!(Text::new(&text).to_string(), text);
        }
    }

    #[test]
    fn a_changed_line_keeps_its_ending() {
        let mut text = Text::new("a\r\nb");
        text.comment_out(0);
        text.insert(9, "d");
        assert_eq!(text.to_string(), "# virt-guard: a\r\nb\r\nd\r\n");
    }
}
