//! The protocol field of an Ethernet frame.

use std::fmt;
use std::str::FromStr;

use super::{ValueError, serde_as_text};

/// An EtherType (IEEE 802 numbers; linux/if_ether.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EtherType(u16);

/// The names this program reads and prints, as /etc/ethertypes and nft have them.
const NAMES: [(&str, EtherType); 6] = [
    ("arp", EtherType::ARP),
    ("rarp", EtherType::RARP),
    ("ipv4", EtherType::IPV4),
    ("ipv6", EtherType::IPV6),
    ("vlan", EtherType::VLAN),
    ("qinq", EtherType::QINQ),
];

impl EtherType {
    /// Address resolution (RFC 826).
    pub const ARP: Self = Self(0x0806);
    /// Reverse address resolution (RFC 903); QEMU announces a migrated guest with it.
    pub const RARP: Self = Self(0x8035);
    /// IPv4.
    pub const IPV4: Self = Self(0x0800);
    /// IPv6.
    pub const IPV6: Self = Self(0x86dd);
    /// IEEE 802.1Q tag.
    pub const VLAN: Self = Self(0x8100);
    /// IEEE 802.1ad service tag.
    pub const QINQ: Self = Self(0x88a8);

    /// The type with this number. Below 0x600 the field is a length (802.3),
    /// for which there is no rule.
    pub fn new(number: u16) -> Option<Self> {
        (number >= 0x600).then_some(Self(number))
    }

    /// The number, in host order.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl FromStr for EtherType {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some((_, ether_type)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(*ether_type);
        }
        text.strip_prefix("0x")
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| u16::from_str_radix(digits, 16).ok())
            .and_then(Self::new)
            .ok_or_else(|| ValueError::new("ethertype", text, "arp, rarp, ipv4, ipv6 or a number from 0x600 to 0xffff"))
    }
}

impl fmt::Display for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, ether_type)| ether_type == self) {
            Some((name, _)) => f.pad(name),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

serde_as_text!(EtherType);
