//! Variables in a filter: `$IP`, `$PORT[@1]`, `$DNS[2]`.

use std::fmt;
use std::str::FromStr;

use super::value::{Datum, Kind};
use crate::net::ValueError;

/// The highest number of an iterator (libvirt's `VIR_NWFILTER_MAX_ITERID`).
const LAST_ITERATOR: u32 = 1000;

/// What an attribute is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// This value.
    Value(Datum),
    /// The value that a reference to the filter gives the variable.
    Variable(Variable),
}

impl Term {
    /// Reads `text` as a variable if it begins with `$`, else as a value of `kind`.
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Self, ValueError> {
        match text.strip_prefix('$') {
            Some(variable) => variable.parse().map(Self::Variable),
            None => kind.parse(text).map(Self::Value),
        }
    }
}

/// A variable and the elements of its list that are meant (libvirt's
/// formatnwfilter, "Element access and iterators").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Variable {
    /// The name: letters, digits and `_`.
    pub name: String,
    /// Which elements.
    pub access: Access,
}

/// The elements of a variable's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Each of them, one rule for each; variables with an iterator of the same
    /// number advance together. From 0 to 1000.
    Iterator(u32),
    /// The one at this index, from 0.
    Element(u32),
}

impl FromStr for Variable {
    type Err = ValueError;

    /// Reads what follows the `$`: `X`, which is `X[@0]`, `X[@1]` or `X[2]`.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (name, access) = match text.split_once('[') {
            Some((name, index)) => (name, access(index)),
            None => (text, Some(Access::Iterator(0))),
        };
        let valid = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let expected = "$ and letters, digits and '_', then perhaps [@iterator], from 0 to 1000, or [index]";
        access
            .filter(|_| valid)
            .map(|access| Self { name: name.to_owned(), access })
            .ok_or_else(|| ValueError::new("variable", &format!("${text}"), expected))
    }
}

/// What stands behind the `[`. Spaces are allowed around its parts, as libvirt does.
fn access(text: &str) -> Option<Access> {
    let text = text.strip_suffix(']')?.trim_matches(' ');
    let number = text.strip_prefix('@').unwrap_or(text).trim_start_matches(' ');
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    let number: u32 = number.parse().ok().filter(|_| digits)?;
    match text.starts_with('@') {
        true => (number <= LAST_ITERATOR).then_some(Access::Iterator(number)),
        false => Some(Access::Element(number)),
    }
}

impl fmt::Display for Variable {
    /// Writes what follows the `$`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.access {
            Access::Iterator(0) => f.write_str(&self.name),
            Access::Iterator(number) => write!(f, "{}[@{number}]", self.name),
            Access::Element(index) => write!(f, "{}[{index}]", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_iterated_unless_an_index_is_given() {
        for (text, name, access, printed) in [
            ("IP", "IP", Access::Iterator(0), "IP"),
            ("A_1[@0]", "A_1", Access::Iterator(0), "A_1"),
            ("X[@1000]", "X", Access::Iterator(1000), "X[@1000]"),
            ("X[ @ 2 ]", "X", Access::Iterator(2), "X[@2]"),
            ("X[2]", "X", Access::Element(2), "X[2]"),
            ("x[ 4294967295 ]", "x", Access::Element(u32::MAX), "x[4294967295]"),
        ] {
            let variable: Variable = text.parse().unwrap();
            assert_eq!(variable, Variable { name: name.to_owned(), access });
            assert_eq!(variable.to_string(), printed);
        }
    }

    #[test]
    fn what_names_no_variable_is_refused() {
        for text in [
            "", "[1]", "$X", "X-Y", "X Y", "X[", "X[]", "X[@]", "X[@1001]", "X[-1]", "X[+1]", "X[1]a", "X[1][2]",
            "\u{e9}",
        ] {
            let error = text.parse::<Variable>().unwrap_err().to_string();
            assert!(error.starts_with("invalid variable \"$") && error.contains("[index]"), "{text:?}: {error}");
        }
    }
}
