//! What a rule is about: the element within `<rule>`.

use std::fmt;
use std::str::FromStr;

use crate::net::{Family, ValueError};

/// The protocol of a rule (libvirt's formatnwfilter, "Supported protocols").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FilterProtocol {
    /// The rule has no element: every frame of its chain.
    None,
    /// Any Ethernet frame.
    Mac,
    /// A tagged frame.
    Vlan,
    /// A frame of the spanning tree protocol.
    Stp,
    /// ARP.
    Arp,
    /// Reverse ARP.
    Rarp,
    /// IPv4 in the Ethernet layer.
    Ip,
    /// IPv6 in the Ethernet layer.
    Ipv6,
    /// TCP.
    Tcp(Family),
    /// UDP.
    Udp(Family),
    /// UDP-Lite.
    UdpLite(Family),
    /// SCTP.
    Sctp(Family),
    /// ICMP, or ICMPv6 in the family of IPv6.
    Icmp(Family),
    /// IGMP, which there is over IPv4 only.
    Igmp,
    /// Encapsulated security payload.
    Esp(Family),
    /// Authentication header.
    Ah(Family),
    /// Every packet of the family in the IP layer.
    All(Family),
}

/// The elements and what they are about.
pub(super) const NAMES: [(&str, FilterProtocol); 24] = [
    ("mac", FilterProtocol::Mac),
    ("vlan", FilterProtocol::Vlan),
    ("stp", FilterProtocol::Stp),
    ("arp", FilterProtocol::Arp),
    ("rarp", FilterProtocol::Rarp),
    ("ip", FilterProtocol::Ip),
    ("ipv6", FilterProtocol::Ipv6),
    ("tcp", FilterProtocol::Tcp(Family::V4)),
    ("udp", FilterProtocol::Udp(Family::V4)),
    ("udplite", FilterProtocol::UdpLite(Family::V4)),
    ("sctp", FilterProtocol::Sctp(Family::V4)),
    ("icmp", FilterProtocol::Icmp(Family::V4)),
    ("igmp", FilterProtocol::Igmp),
    ("esp", FilterProtocol::Esp(Family::V4)),
    ("ah", FilterProtocol::Ah(Family::V4)),
    ("all", FilterProtocol::All(Family::V4)),
    ("tcp-ipv6", FilterProtocol::Tcp(Family::V6)),
    ("udp-ipv6", FilterProtocol::Udp(Family::V6)),
    ("udplite-ipv6", FilterProtocol::UdpLite(Family::V6)),
    ("sctp-ipv6", FilterProtocol::Sctp(Family::V6)),
    ("icmpv6", FilterProtocol::Icmp(Family::V6)),
    ("esp-ipv6", FilterProtocol::Esp(Family::V6)),
    ("ah-ipv6", FilterProtocol::Ah(Family::V6)),
    ("all-ipv6", FilterProtocol::All(Family::V6)),
];

impl FilterProtocol {
    /// Whether its rules stand in the Ethernet layer; all others are in the IP layer.
    pub const fn is_ethernet(self) -> bool {
        matches!(self, Self::None | Self::Mac | Self::Vlan | Self::Stp | Self::Arp | Self::Rarp | Self::Ip | Self::Ipv6)
    }
}

impl FromStr for FilterProtocol {
    type Err = ValueError;

    /// Reads the name of an element.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expected = "mac, vlan, stp, arp, rarp, ip, ipv6, tcp, udp, udplite, sctp, icmp, igmp, esp, ah, all, \
                        tcp-ipv6, udp-ipv6, udplite-ipv6, sctp-ipv6, icmpv6, esp-ipv6, ah-ipv6 or all-ipv6";
        let known = NAMES.iter().find(|(name, _)| *name == text);
        known.map(|(_, protocol)| *protocol).ok_or_else(|| ValueError::new("protocol", text, expected))
    }
}

impl fmt::Display for FilterProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(NAMES.iter().find(|(_, protocol)| protocol == self).map_or("none", |(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_has_one_name_and_the_error_lists_them_all() {
        let error = "none".parse::<FilterProtocol>().unwrap_err().to_string();
        for (name, protocol) in NAMES {
            assert_eq!(name.parse(), Ok(protocol));
            assert_eq!(protocol.to_string(), name);
            assert!(error.contains(name), "{error}");
        }
        assert_eq!(FilterProtocol::None.to_string(), "none");
    }

    #[test]
    fn the_first_seven_are_of_the_ethernet_layer() {
        let ethernet: Vec<_> =
            NAMES.iter().filter(|(_, protocol)| protocol.is_ethernet()).map(|(name, _)| *name).collect();
        assert_eq!(ethernet, ["mac", "vlan", "stp", "arp", "rarp", "ip", "ipv6"]);
        assert!(FilterProtocol::None.is_ethernet());
    }
}
