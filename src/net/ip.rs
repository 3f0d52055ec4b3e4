//! IP families, networks and directions.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::{EtherType, Protocol, ValueError, serde_as_text};

/// One of the two IP families; code loops over [`Family::BOTH`] rather than
/// being written twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both families, IPv4 first.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The family of a network.
    pub fn of_net(net: IpNet) -> Self {
        Self::of(net.addr())
    }

    /// The type of the Ethernet frames that carry it.
    pub const fn ether_type(self) -> EtherType {
        match self {
            Self::V4 => EtherType::IPV4,
            Self::V6 => EtherType::IPV6,
        }
    }

    /// The number of bits in an address.
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The addresses that never leave a host, as a text that every engine takes.
    pub const fn loopback(self) -> &'static str {
        match self {
            Self::V4 => "127.0.0.0/8",
            Self::V6 => "::1",
        }
    }

    /// The family's own control protocol: ICMP or ICMPv6.
    pub const fn icmp(self) -> Protocol {
        match self {
            Self::V4 => Protocol::ICMP,
            Self::V6 => Protocol::ICMPV6,
        }
    }
}

impl FromStr for Family {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "ipv4" => Ok(Self::V4),
            "ipv6" => Ok(Self::V6),
            _ => Err(ValueError::new("family", text, "ipv4 or ipv6")),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        })
    }
}

serde_as_text!(Family);

/// The way a packet goes, from the guest's point of view, as in nwfilter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To the guest; a security group calls it ingress.
    In,
    /// From the guest; a security group calls it egress.
    Out,
}

impl Direction {
    /// Both directions.
    pub const BOTH: [Self; 2] = [Self::In, Self::Out];
}

impl FromStr for Direction {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "in" => Ok(Self::In),
            "out" => Ok(Self::Out),
            _ => Err(ValueError::new("direction", text, "in or out")),
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::In => "in",
            Self::Out => "out",
        })
    }
}

serde_as_text!(Direction);

/// Reads `10.0.0.0/8`, `fd00::/8` or a bare address, which is a network of one.
///
/// Bits beyond the prefix are an error: `10.0.0.1/8` is more often a slip for
/// `10.0.0.1` than for `10.0.0.0/8`, and guessing would open a network.
pub fn parse_net(text: &str) -> Result<IpNet, ValueError> {
    let error = || {
        ValueError::new(
            "network",
            text,
            "an address or a CIDR such as 10.0.0.0/8 or fd00::/8, with no bits set beyond its prefix",
        )
    };
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(host_net(address));
    }
    let net: IpNet = text.parse().map_err(|_| error())?;
    (net.trunc() == net).then_some(net).ok_or_else(error)
}

/// The network that holds just this address.
pub fn host_net(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_address_is_a_network_of_one() {
        assert_eq!(parse_net("10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        assert_eq!(parse_net("fd00::1").unwrap().to_string(), "fd00::1/128");
    }

    #[test]
    fn a_network_with_host_bits_is_refused() {
        for text in ["10.0.0.1/8", "fd00::1/8", "10.0.0.0/33", "10.0.0/8", "any", ""] {
            assert!(parse_net(text).is_err(), "{text:?} was accepted");
        }
    }
}
