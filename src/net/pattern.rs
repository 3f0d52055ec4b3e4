//! Masked addresses and ranges, as rules compare them.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Family, IcmpType, Mac};

/// A MAC address of which only the bits of a mask count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MacPattern {
    address: Mac,
    mask: Mac,
}

impl MacPattern {
    /// The address within the mask; bits outside of it are cleared.
    pub fn new(address: Mac, mask: Mac) -> Self {
        Self { address: and(address, mask), mask }
    }

    /// The address, without bits outside of the mask.
    pub const fn address(self) -> Mac {
        self.address
    }

    /// The bits that count.
    pub const fn mask(self) -> Mac {
        self.mask
    }

    /// Whether every bit counts.
    pub fn is_whole(self) -> bool {
        self.mask == Mac::BROADCAST
    }

    /// Whether the bits that count are the same in `mac`.
    pub fn matches(self, mac: Mac) -> bool {
        and(mac, self.mask) == self.address
    }
}

fn and(address: Mac, mask: Mac) -> Mac {
    let (address, mask) = (address.bytes(), mask.bytes());
    Mac::new(std::array::from_fn(|index| address[index] & mask[index]))
}

impl From<Mac> for MacPattern {
    fn from(mac: Mac) -> Self {
        Self::new(mac, Mac::BROADCAST)
    }
}

/// `52:54:00:00:00:00/ff:ff:ff:00:00:00`, as ebtables writes it; the address alone
/// where every bit counts.
impl fmt::Display for MacPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_whole() {
            true => write!(f, "{}", self.address),
            false => write!(f, "{}/{}", self.address, self.mask),
        }
    }
}

/// Numbers from `first` to `last`, both included; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NumberRange {
    first: u32,
    last: u32,
}

impl NumberRange {
    /// The range, or `None` if `last` is before `first`.
    pub const fn new(first: u32, last: u32) -> Option<Self> {
        if first <= last { Some(Self { first, last }) } else { None }
    }

    /// The range of one number.
    pub const fn single(number: u32) -> Self {
        Self { first: number, last: number }
    }

    /// The number, if there is only one.
    pub const fn only(self) -> Option<u32> {
        if self.first == self.last { Some(self.first) } else { None }
    }

    /// Whether `number` lies within.
    pub const fn contains(self, number: u32) -> bool {
        self.first <= number && number <= self.last
    }

    /// The range with `separator` between its ends, or the one number alone.
    pub fn with_separator(self, separator: char) -> String {
        if self.first == self.last { self.first.to_string() } else { format!("{}{separator}{}", self.first, self.last) }
    }
}

/// Addresses of one family from `first` to `last`, both included; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// The range, or `None` if the ends are of two families or run backwards.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        (Family::of(first) == Family::of(last) && first <= last).then_some(Self { first, last })
    }

    /// The lowest address.
    pub const fn first(self) -> IpAddr {
        self.first
    }

    /// The highest address.
    pub const fn last(self) -> IpAddr {
        self.last
    }

    /// Whether `address` lies within.
    pub fn contains(self, address: IpAddr) -> bool {
        Family::of(address) == Family::of(self.first) && self.first <= address && address <= self.last
    }

    /// The networks that together are the range.
    pub fn networks(self) -> Vec<ipnet::IpNet> {
        match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                ipnet::Ipv4Subnets::new(first, last, 0).map(ipnet::IpNet::from).collect()
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                ipnet::Ipv6Subnets::new(first, last, 0).map(ipnet::IpNet::from).collect()
            }
            // The constructor lets no range of two families through.
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Message types of ICMPv6 with a range of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IcmpRange {
    /// The types.
    pub types: NumberRange,
    /// The codes; every code if `None`.
    pub codes: Option<NumberRange>,
}

impl IcmpRange {
    /// Whether a message of this type and code is meant.
    pub fn contains(self, kind: IcmpType) -> bool {
        let code = |codes: NumberRange| kind.code.is_some_and(|code| codes.contains(code.into()));
        self.types.contains(kind.number.into()) && self.codes.is_none_or(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_bits_of_the_mask_count() {
        let pattern = MacPattern::new("52:54:00:00:00:07".parse().unwrap(), "ff:ff:ff:00:00:00".parse().unwrap());
        assert_eq!(pattern.to_string(), "52:54:00:00:00:00/ff:ff:ff:00:00:00");
        assert!(pattern.matches("52:54:00:12:34:56".parse().unwrap()));
        assert!(!pattern.matches("52:54:01:12:34:56".parse().unwrap()));
        assert_eq!(MacPattern::from(pattern.address()).to_string(), "52:54:00:00:00:00");
    }

    #[test]
    fn a_range_never_runs_backwards_or_across_families() {
        let address = |text: &str| text.parse().unwrap();
        assert!(AddressRange::new(address("10.0.0.2"), address("10.0.0.1")).is_none());
        assert!(AddressRange::new(address("10.0.0.2"), address("fd00::1")).is_none());
        assert!(NumberRange::new(2, 1).is_none());
    }

    proptest! {
        #[test]
        fn the_networks_of_a_range_are_the_range(a in any::<u32>(), b in any::<u32>(), probe in any::<u32>()) {
            let address = |number: u32| IpAddr::from(std::net::Ipv4Addr::from(number));
            let range = AddressRange::new(address(a.min(b)), address(a.max(b))).unwrap();
            for probe in [probe, a, b, a.wrapping_sub(1), b.wrapping_add(1)].map(address) {
                let within = range.networks().iter().any(|net| net.contains(&probe));
                prop_assert_eq!(within, range.contains(probe));
            }
        }
    }
}
