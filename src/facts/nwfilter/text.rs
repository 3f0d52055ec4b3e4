//! A filter as lines that mean it, whatever it was written like.
//!
//! In: a filter. Out: one line for what it is and one for each entry; equal
//! lines are equal filters, and the lines that differ are the difference.

use std::fmt::Write;

use super::{Condition, Datum, Entry, Filter, FilterRule, Term};
use crate::facts::domain::FilterRef;

impl Filter {
    /// The filter as lines. Where it stands and its UUID are not in them.
    pub fn lines(&self) -> Vec<String> {
        let head = format!("chain {} priority {}", self.chain.as_str(), self.priority);
        std::iter::once(head).chain(self.entries.iter().map(Entry::line)).collect()
    }

    /// The names of the filters that it refers to, with the references.
    pub fn references(&self) -> impl Iterator<Item = &FilterRef> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Include(reference) => Some(reference),
            Entry::Rule(_) => None,
        })
    }
}

impl Entry {
    fn line(&self) -> String {
        match self {
            Self::Rule(rule) => line(rule),
            Self::Include(reference) => {
                let mut line = format!("filterref {:?}", reference.filter);
                for (name, values) in &reference.parameters {
                    // Writing to a text does not fail.
                    let _ = write!(line, " {name}={values:?}");
                }
                line
            }
        }
    }
}

fn line(rule: &FilterRule) -> String {
    let mut line = format!("rule {} {} priority {}", rule.action, rule.direction, rule.priority);
    // The Ethernet layer knows no state.
    if !rule.state_match && !rule.protocol.is_ethernet() {
        line += " statematch=false";
    }
    let _ = write!(line, " {}", rule.protocol);
    // Several elements of one protocol mean what one with all attributes does.
    let mut attributes: Vec<_> = rule.conditions.iter().flat_map(attributes).collect();
    attributes.sort();
    attributes.iter().fold(line, |line, attribute| format!("{line} {attribute}"))
}

fn attributes(condition: &Condition) -> impl Iterator<Item = String> {
    let is = if condition.negated { "!=" } else { "=" };
    condition.attributes.iter().map(move |(attribute, term)| match term {
        Term::Variable(variable) => format!("{attribute}{is}${variable}"),
        Term::Value(value) => format!("{attribute}{is}{}", shown(value)),
    })
}

fn shown(value: &Datum) -> String {
    match value {
        Datum::Number(number) => number.to_string(),
        Datum::Mac(mac) => mac.to_string(),
        Datum::Ip(address) => address.to_string(),
        Datum::Prefix(ones) => ones.to_string(),
        Datum::Bool(yes) => yes.to_string(),
        Datum::Text(text) | Datum::Set(text) => format!("{text:?}"),
        Datum::Flags { mask, flags } => format!("{mask:#04x}/{flags:#04x}"),
        Datum::SetEnds(ends) => format!("{ends:?}").to_lowercase(),
        Datum::States(states) => format!("{states:?}").to_lowercase(),
    }
}

/// The lines that only one of two texts has, marked `-` and `+`, in their order.
pub fn difference(before: &[String], after: &[String]) -> Vec<String> {
    // lengths[i][j]: of the longest text that the rests from i and j share.
    let mut lengths = vec![vec![0u32; after.len() + 1]; before.len() + 1];
    for i in (0..before.len()).rev() {
        for j in (0..after.len()).rev() {
            lengths[i][j] = match before[i] == after[j] {
                true => lengths[i + 1][j + 1] + 1,
                false => lengths[i + 1][j].max(lengths[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < before.len() || j < after.len() {
        if i < before.len() && j < after.len() && before[i] == after[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == after.len() || i < before.len() && lengths[i + 1][j] >= lengths[i][j + 1] {
            lines.push(format!("- {}", before[i]));
            i += 1;
        } else {
            lines.push(format!("+ {}", after[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(xml: &str) -> Vec<String> {
        Filter::parse(xml.as_bytes(), "x.xml").unwrap().lines()
    }

    #[test]
    fn what_is_written_otherwise_is_no_difference() {
        let one = "<filter name='x'><rule action='drop' direction='in'><tcp dstportstart='0x50' srcipaddr='$IP'/></rule></filter>";
        let other = "<filter name='x' chain='root'>\n<uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\n\
                     <rule action='drop' direction='in' priority='500'><tcp srcipaddr='$IP[@0]'/><tcp dstportstart='80'/></rule></filter>";
        assert_eq!(lines(one), lines(other));
        assert_eq!(lines(one)[1], "rule drop in priority 500 tcp dstportstart=80 srcipaddr=$IP");
    }

    #[test]
    fn a_difference_is_what_was_taken_and_what_was_added() {
        let text = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let found = difference(&text(&["a", "b", "c"]), &text(&["a", "x", "c", "d"]));
        assert_eq!(found, ["- b", "+ x", "+ d"]);
        assert!(difference(&found, &found).is_empty());
    }
}
