//! The chain that a filter's rules stand in.

use std::fmt;
use std::str::FromStr;

use crate::net::ValueError;

/// The longest name (libvirt's `MAX_CHAIN_SUFFIX_SIZE`).
const LONGEST: usize = 12;

/// The name of a chain: `root`, or any name that begins with the word of
/// another [`ChainKind`], such as `arp-mac` (libvirt's formatnwfilter, "Filtering
/// chains"). At most 12 letters, digits, `.`, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainName(String);

impl ChainName {
    /// Which frames enter the chain.
    pub fn kind(&self) -> ChainKind {
        // FromStr let pass only names that have one.
        ChainKind::of(&self.0).unwrap_or(ChainKind::Root)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ChainName {
    /// The root, where a filter that names no chain belongs.
    fn default() -> Self {
        Self("root".to_owned())
    }
}

impl FromStr for ChainName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expected = "root, or at most 12 letters, digits, '.', '_' and '-' that begin with mac, stp, vlan, arp, \
                        rarp, ipv4 or ipv6";
        let valid = text.len() <= LONGEST && text.bytes().all(is_name_byte) && ChainKind::of(text).is_some();
        valid.then(|| Self(text.to_owned())).ok_or_else(|| ValueError::new("chain", text, expected))
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

impl fmt::Display for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a chain is for: the frames that are led into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainKind {
    /// All frames; it leads to the other chains.
    Root,
    /// All frames.
    Mac,
    /// Spanning tree.
    Stp,
    /// Tagged frames.
    Vlan,
    /// ARP.
    Arp,
    /// Reverse ARP.
    Rarp,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// The words that a name begins with. None begins with another.
const PREFIXES: [(&str, ChainKind); 7] = [
    ("mac", ChainKind::Mac),
    ("stp", ChainKind::Stp),
    ("vlan", ChainKind::Vlan),
    ("arp", ChainKind::Arp),
    ("rarp", ChainKind::Rarp),
    ("ipv4", ChainKind::Ipv4),
    ("ipv6", ChainKind::Ipv6),
];

impl ChainKind {
    fn of(name: &str) -> Option<Self> {
        if name == "root" {
            return Some(Self::Root);
        }
        PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, kind)| *kind)
    }

    /// The priority of a chain whose filter says none (libvirt's
    /// formatnwfilter, "Filtering chain priorities").
    pub const fn default_priority(self) -> i16 {
        match self {
            Self::Root => 0,
            Self::Stp => -810,
            Self::Mac => -800,
            Self::Vlan => -750,
            Self::Ipv4 => -700,
            Self::Ipv6 => -600,
            Self::Arp => -500,
            Self::Rarp => -400,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_the_kind_it_begins_with() {
        for (name, kind, priority) in [
            ("root", ChainKind::Root, 0),
            ("mac", ChainKind::Mac, -800),
            ("stp-xyz", ChainKind::Stp, -810),
            ("vlan.1_a", ChainKind::Vlan, -750),
            ("arp-mac", ChainKind::Arp, -500),
            ("rarp", ChainKind::Rarp, -400),
            ("rarparp", ChainKind::Rarp, -400),
            ("ipv4-ip", ChainKind::Ipv4, -700),
            ("ipv6-4567890", ChainKind::Ipv6, -600),
        ] {
            let chain: ChainName = name.parse().unwrap();
            assert_eq!((chain.kind(), chain.as_str(), chain.to_string().as_str()), (kind, name, name));
            assert_eq!(kind.default_priority(), priority);
        }
        assert_eq!(ChainName::default().kind(), ChainKind::Root);
    }

    #[test]
    fn a_name_that_leads_nowhere_is_refused_with_the_choices() {
        for name in ["", "root-1", "ip", "tcp", "MAC", " mac", "mac 1", "mac/1", "mac\u{e9}", "mac-123456789", "xarp"] {
            let error = name.parse::<ChainName>().unwrap_err().to_string();
            assert!(error.contains("begin with mac, stp, vlan, arp, rarp, ipv4 or ipv6"), "{error}");
        }
    }
}
