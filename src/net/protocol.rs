//! IP protocols, transport ports and ICMP types.

use std::fmt;
use std::str::FromStr;

use super::{Family, ValueError, serde_as_text};

/// An IP protocol number (IANA "Assigned Internet Protocol Numbers").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

/// The protocols that have a name here, as in /etc/protocols.
const NAMES: [(&str, Protocol); 10] = [
    ("icmp", Protocol::ICMP),
    ("igmp", Protocol(2)),
    ("tcp", Protocol::TCP),
    ("udp", Protocol::UDP),
    ("gre", Protocol(47)),
    ("esp", Protocol(50)),
    ("ah", Protocol(51)),
    ("icmpv6", Protocol::ICMPV6),
    ("sctp", Protocol::SCTP),
    ("udplite", Protocol::UDPLITE),
];

impl Protocol {
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);
    /// SCTP.
    pub const SCTP: Self = Self(132);
    /// UDP-Lite.
    pub const UDPLITE: Self = Self(136);

    /// Whether a rule may name ports of it.
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::TCP | Self::UDP | Self::SCTP)
    }

    /// The only family the protocol is spoken in, if there is one.
    pub const fn family(self) -> Option<Family> {
        match self {
            Self::ICMP => Some(Family::V4),
            Self::ICMPV6 => Some(Family::V6),
            _ => None,
        }
    }
}

impl FromStr for Protocol {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some((_, protocol)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(*protocol);
        }
        let expected = "any, tcp, udp, sctp, icmp, icmpv6, igmp, gre, esp, ah, udplite or a number from 0 to 255";
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits);
        number.map(Self).ok_or_else(|| ValueError::new("protocol", text, expected))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, protocol)| protocol == self) {
            Some((name, _)) => f.pad(name),
            None => f.pad(&self.0.to_string()),
        }
    }
}

serde_as_text!(Protocol);

/// Transport ports from `first` to `last`, both included; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The range, or `None` if `last` is before `first`.
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first <= last { Some(Self { first, last }) } else { None }
    }

    /// The range of one port.
    pub const fn single(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// The lowest port.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub const fn last(self) -> u16 {
        self.last
    }

    /// How many ports lie within.
    pub const fn count(self) -> u32 {
        (self.last - self.first) as u32 + 1
    }

    /// Whether a port lies within both.
    pub const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Whether `port` lies within.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// The range with `separator` between its ends, or the one port alone.
    pub fn with_separator(self, separator: char) -> String {
        if self.first == self.last { self.first.to_string() } else { format!("{}{separator}{}", self.first, self.last) }
    }
}

impl FromStr for PortRange {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = || ValueError::new("port", text, "a port from 0 to 65535 or a range such as 8000-8080");
        let number = |part: &str| -> Result<u16, ValueError> {
            let digits = part.bytes().all(|b| b.is_ascii_digit());
            part.parse().ok().filter(|_| digits).ok_or_else(error)
        };
        let (first, last) = text.split_once(['-', ':']).unwrap_or((text, text));
        Self::new(number(first.trim())?, number(last.trim())?).ok_or_else(error)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.with_separator('-'))
    }
}

serde_as_text!(PortRange);

/// An ICMP or ICMPv6 message type, with or without a code: `8`, `3/4`.
///
/// The number alone does not say which of the two protocols is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IcmpType {
    /// The type.
    pub number: u8,
    /// The code; every code if `None`.
    pub code: Option<u8>,
}

impl IcmpType {
    /// Every code of this type.
    pub const fn any_code(number: u8) -> Self {
        Self { number, code: None }
    }
}

impl FromStr for IcmpType {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = || ValueError::new("icmp type", text, "a type from 0 to 255, or type/code such as 3/4");
        let number = |part: &str| -> Result<u8, ValueError> {
            let digits = part.bytes().all(|b| b.is_ascii_digit());
            part.parse().ok().filter(|_| digits).ok_or_else(error)
        };
        match text.split_once('/') {
            Some((kind, code)) => Ok(Self { number: number(kind)?, code: Some(number(code)?) }),
            None => Ok(Self::any_code(number(text)?)),
        }
    }
}

impl fmt::Display for IcmpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{}/{code}", self.number),
            None => write!(f, "{}", self.number),
        }
    }
}

serde_as_text!(IcmpType);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_read_by_name_and_number() {
        assert_eq!("tcp".parse(), Ok(Protocol::TCP));
        assert_eq!("6".parse(), Ok(Protocol::TCP));
        for text in ["", "256", "-1", "+6", "TCP", "any"] {
            assert!(text.parse::<Protocol>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn port_ranges_take_a_dash_or_a_colon_and_never_run_backwards() {
        assert_eq!("80".parse(), Ok(PortRange::single(80)));
        assert_eq!("8000-8080".parse::<PortRange>().unwrap(), "8000:8080".parse().unwrap());
        for text in ["", "90-80", "65536", "80-", "-80", "80,90", "+80"] {
            assert!(text.parse::<PortRange>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn ranges_overlap_where_they_share_a_port() {
        let range = |text: &str| text.parse::<PortRange>().unwrap();
        assert_eq!([range("80").count(), range("8000-8010").count(), range("0-65535").count()], [1, 11, 65536]);
        for (one, two, shared) in [("80-90", "90-99", true), ("80-89", "90", false), ("1-100", "50", true)] {
            assert_eq!((range(one).overlaps(range(two)), range(two).overlaps(range(one))), (shared, shared));
        }
    }

    #[test]
    fn icmp_types_have_an_optional_code() {
        assert_eq!("3/4".parse(), Ok(IcmpType { number: 3, code: Some(4) }));
        assert_eq!("8".parse(), Ok(IcmpType::any_code(8)));
        assert!("8/".parse::<IcmpType>().is_err());
    }
}
