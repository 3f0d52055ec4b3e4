//! Chains as lines of text, before they are wrapped in a program's syntax.

use super::Table;
use crate::model::Origin;
use crate::plan::Name;

/// A chain in a table, one line a rule, so that the number of lines is the
/// number of rules the kernel must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainText {
    /// The table.
    pub table: Table,
    /// The chain.
    pub name: Name,
    /// How packets get into it from the kernel, for a base chain of nft.
    pub hook: Option<&'static str>,
    /// Its rules without the words that add them.
    pub rules: Vec<String>,
}

impl ChainText {
    /// The number of lines that the kernel must show of it.
    pub fn lines(&self) -> usize {
        self.rules.len() + usize::from(self.hook.is_some())
    }
}

/// A rule's origin in the letters that every engine takes inside a quoted
/// comment. nft has no escape for `"` and allows 128 bytes.
pub(super) fn comment(origin: &Origin) -> String {
    let text = match &origin.place {
        Some(place) => format!("{}: {}", place.short(), origin.label),
        None => origin.label.clone(),
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() || " ._:/,-".contains(c) { c } else { '_' };
    text.chars().map(plain).take(100).collect()
}

/// Words with a space between each two, empty ones left out.
pub(super) fn join<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    let mut line = String::new();
    for word in words {
        let word = word.as_ref();
        if !line.is_empty() && !word.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Place;

    #[test]
    fn a_comment_cannot_end_its_own_quotes() {
        let place = Place { file: "/etc/virt-guard/policy.d/a\".toml".into(), line: 3, column: 1 };
        let origin = Origin::placed("group x\"; flush ruleset; \"", &place);
        assert_eq!(comment(&origin), "a_.toml:3: group x__ flush ruleset_ _");
    }
}
