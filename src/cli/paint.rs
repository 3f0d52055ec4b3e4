//! Colours: on a terminal only, unless somebody says otherwise.
//!
//! In: words and what they mean. Out: the same words, between escape sequences (ECMA-48)
//! where they are wanted. What is shown carries its colours only in the alternate form
//! (`{:#}`), so that it is plain text wherever nobody asks for more. JSON has none.

use std::fmt;
use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use clap::ValueEnum;

/// When there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal that can, and not if NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What the operator typed. One program writes to one output.
static WHEN: OnceLock<When> = OnceLock::new();

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// With escape sequences.
    Colours,
    /// As it is.
    Plain,
}

/// What words mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tint {
    /// As it should be.
    Good,
    /// To be looked at.
    Doubtful,
    /// Not as it should be.
    Bad,
    /// Nothing that matters.
    Faint,
}

impl Paint {
    /// Notes what was typed, before anything is shown.
    pub fn choose(when: When) {
        let _ = WHEN.set(when);
    }

    /// How standard output is written to.
    pub fn of_output() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let refused = set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == "dumb");
        Self::judge(WHEN.get().copied().unwrap_or(When::Auto), io::stdout().is_terminal(), refused)
    }

    /// `NO_COLOR` is a default (no-color.org): who types `--color always` means it.
    fn judge(when: When, is_terminal: bool, refused: bool) -> Self {
        match when {
            When::Always => Self::Colours,
            When::Auto if is_terminal && !refused => Self::Colours,
            When::Auto | When::Never => Self::Plain,
        }
    }

    /// As it was asked for by the form of a format.
    pub fn of(f: &fmt::Formatter<'_>) -> Self {
        if f.alternate() { Self::Colours } else { Self::Plain }
    }

    /// What is shown, as text.
    pub fn text(self, shown: &impl fmt::Display) -> String {
        match self {
            Self::Colours => format!("{shown:#}"),
            Self::Plain => format!("{shown}"),
        }
    }

    /// The words in the colour of what they mean.
    pub fn tint(self, tint: Tint, words: impl Into<String>) -> String {
        let words = words.into();
        let code = match (self, tint) {
            (Self::Plain, _) => return words,
            (_, Tint::Good) => "32",
            (_, Tint::Doubtful) => "33",
            (_, Tint::Bad) => "1;31",
            (_, Tint::Faint) => "2",
        };
        format!("\x1b[{code}m{words}\x1b[0m")
    }
}

/// How many characters of the text are seen: all but those of colours.
pub fn width(text: &str) -> usize {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap_or_default().chars().count();
    let rest = parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest).chars().count());
    first + rest.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        use Paint::{Colours, Plain};
        for (when, is_terminal, refused, expected) in [
            (When::Auto, true, false, Colours),
            (When::Auto, true, true, Plain),
            (When::Auto, false, false, Plain),
            (When::Always, false, true, Colours),
            (When::Never, true, false, Plain),
        ] {
            assert_eq!(Paint::judge(when, is_terminal, refused), expected, "{when:?} {is_terminal} {refused}");
        }
    }

    #[test]
    fn what_is_seen_is_as_wide_without_colours() {
        let painted = Paint::Colours.tint(Tint::Bad, "é no");
        assert_eq!(painted, "\x1b[1;31mé no\x1b[0m");
        assert_eq!((width(&painted), width("é no"), width("")), (4, 4, 0));
        assert_eq!(Paint::Plain.tint(Tint::Bad, "x"), "x");
    }
}
