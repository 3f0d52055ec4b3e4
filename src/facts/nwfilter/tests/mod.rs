//! What a filter says, what is refused in one, and random filters.

mod random;
mod read;
mod refused;

use super::*;

/// A filter of `content`.
fn with(content: &str) -> String {
    format!("<filter name='f'>{content}</filter>")
}

/// A filter of one rule with `content`.
fn ruled(content: &str) -> String {
    with(&format!("<rule action='drop' direction='in'>{content}</rule>"))
}

fn parse(xml: &str) -> Result<Filter, String> {
    Filter::parse(xml.as_bytes(), "f.xml").map_err(|error| error.to_string())
}

/// The one rule of a filter.
fn rule(xml: &str) -> FilterRule {
    let mut filter = parse(xml).unwrap();
    match (filter.entries.pop(), filter.entries.len()) {
        (Some(Entry::Rule(rule)), 0) => rule,
        other => panic!("{xml}: {other:?}"),
    }
}

fn value(text: &str, kind: Kind) -> Term {
    Term::Value(kind.parse(text).unwrap())
}
