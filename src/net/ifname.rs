//! Names of interfaces and patterns over names of bridges.

use std::fmt;
use std::str::FromStr;

use super::{ValueError, serde_as_text};

/// The longest name the kernel takes (`IFNAMSIZ` - 1, linux/if.h).
const LONGEST: usize = 15;

/// The name of a network interface.
///
/// The kernel allows nearly any byte. This type allows only letters, digits,
/// `.`, `_` and `-`: the rest has a meaning to nft (`*`, `"`), to iptables
/// (`+`, `!`) or to a path (`/`), and a name that means something else to the
/// engine than to the kernel is a hole.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfName(String);

impl IfName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IfName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let valid =
            (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_name_byte) && !text.starts_with(['-', '.']);
        let expected = "1 to 15 letters, digits, '.', '_' or '-', the first no '-' or '.'";
        valid.then(|| Self(text.to_owned())).ok_or_else(|| ValueError::new("interface name", text, expected))
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

serde_as_text!(IfName);

/// A bridge by name, or all bridges whose names begin alike: `br100`, `virbr*`.
///
/// A `*` stands at the end only, because that is what the kernel can match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BridgePattern {
    /// Exactly this bridge.
    Exact(IfName),
    /// Every bridge whose name begins with this text.
    Prefix(IfName),
}

impl BridgePattern {
    /// Whether `bridge` is meant.
    pub fn matches(&self, bridge: &IfName) -> bool {
        match self {
            Self::Exact(name) => name == bridge,
            Self::Prefix(prefix) => bridge.as_str().starts_with(prefix.as_str()),
        }
    }

    /// Sorts the more specific pattern first: names before prefixes, long before short.
    pub fn specificity(&self) -> impl Ord + use<> {
        match self {
            Self::Exact(_) => (0, 0),
            Self::Prefix(prefix) => (1, LONGEST - prefix.as_str().len()),
        }
    }

    /// The pattern with `wildcard` in the place of `*`, as an engine writes it.
    pub fn with_wildcard(&self, wildcard: char) -> String {
        match self {
            Self::Exact(name) => name.to_string(),
            Self::Prefix(prefix) => format!("{prefix}{wildcard}"),
        }
    }
}

impl FromStr for BridgePattern {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expected = "a bridge name, with at most one '*' at its end, such as br100 or virbr*";
        let error = |_| ValueError::new("bridge", text, expected);
        match text.strip_suffix('*') {
            Some(prefix) => prefix.parse().map(Self::Prefix).map_err(error),
            None => text.parse().map(Self::Exact).map_err(error),
        }
    }
}

impl fmt::Display for BridgePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.with_wildcard('*'))
    }
}

serde_as_text!(BridgePattern);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_an_engine_would_read_otherwise_are_refused() {
        for text in ["", "-i", ".", "..", "vnet*", "vnet+", "a/b", "a b", "a\"b", "a\nb", "abcdefghijklmnop", "vnét"] {
            assert!(text.parse::<IfName>().is_err(), "{text:?} was accepted");
        }
        assert_eq!("tap0a-b.c_1".parse::<IfName>().unwrap().as_str(), "tap0a-b.c_1");
    }

    #[test]
    fn a_star_matches_at_the_end_only() {
        let pattern: BridgePattern = "virbr*".parse().unwrap();
        assert!(pattern.matches(&"virbr0".parse().unwrap()));
        assert!(!pattern.matches(&"br0".parse().unwrap()));
        assert!("*".parse::<BridgePattern>().is_err());
        assert!("v*r".parse::<BridgePattern>().is_err());
    }

    #[test]
    fn specific_patterns_sort_first() {
        let mut patterns: Vec<BridgePattern> = ["b*", "br*", "br100"].map(|text| text.parse().unwrap()).to_vec();
        patterns.sort_by_key(BridgePattern::specificity);
        assert_eq!(patterns.iter().map(ToString::to_string).collect::<Vec<_>>(), ["br100", "br*", "b*"]);
    }
}
