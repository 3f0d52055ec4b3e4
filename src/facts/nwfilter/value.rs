//! The values of attributes: text in, typed value out.
//!
//! In: a text from a filter, or from the parameter that stands for a variable.
//! Out: a [`Datum`] of the kind that the attribute asks for. Which attribute asks
//! for which kind is the table's business.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::words::{self, SetEnd, StateName};
use crate::net::{Mac, ValueError};

/// The longest name of a set (libvirt's `MAX_IPSET_NAME_LENGTH` less its end).
const LONGEST_SET: usize = 31;
/// The most ends that a set is looked up with.
const MOST_ENDS: usize = 6;
/// The characters of a remark that are kept (libvirt's `MAX_COMMENT_LENGTH`).
const LONGEST_TEXT: usize = 256;

/// A datatype of an attribute (libvirt's formatnwfilter, "Supported protocols").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A number of 8 bits, decimal or with `0x`.
    U8,
    /// A number of 16 bits, decimal or with `0x`.
    U16,
    /// A number of 32 bits, decimal or with `0x`.
    U32,
    /// An EtherType by name or number, from 0x600.
    EtherType,
    /// A VLAN from 0 to 4095.
    VlanId,
    /// What a tag encloses: an EtherType by name, or a number from 0x3c.
    EncapProtocol,
    /// An IP protocol by name or number.
    IpProtocol,
    /// An operation of ARP by name or number.
    ArpOperation,
    /// A MAC address.
    Mac,
    /// A MAC mask, all of whose ones come first.
    MacMask,
    /// An IPv4 address.
    Ipv4,
    /// An IPv4 mask: the number of its ones, or as an address.
    Ipv4Mask,
    /// An IPv6 address.
    Ipv6,
    /// An IPv6 mask: the number of its ones, or as an address.
    Ipv6Mask,
    /// A code point from 0 to 63.
    Dscp,
    /// TCP flags: those looked at, `/`, those of them that are set.
    TcpFlags,
    /// The name of a set.
    SetName,
    /// The ends that a set is looked up with.
    SetFlags,
    /// States of a connection.
    States,
    /// Yes or no.
    Bool,
    /// Any text.
    Text,
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datum {
    /// A number, also one that was named.
    Number(u32),
    /// A MAC address or mask.
    Mac(Mac),
    /// An IP address.
    Ip(IpAddr),
    /// The number of a mask's ones.
    Prefix(u8),
    /// TCP flags, as bits of the header's octet: FIN is 1, URG is 32.
    Flags {
        /// Those looked at.
        mask: u8,
        /// Those of them that are set; all others of the mask are not.
        flags: u8,
    },
    /// The name of a set.
    Set(String),
    /// The ends that a set is looked up with, in order; 1 to 6.
    SetEnds(Vec<SetEnd>),
    /// States of a connection; none at all is `NONE`, the connection is not looked at.
    States(BTreeSet<StateName>),
    /// Yes or no.
    Bool(bool),
    /// A text of at most 256 characters.
    Text(String),
}

impl Kind {
    /// Reads a value of this kind.
    ///
    /// # Errors
    /// What is none, with what would have been one.
    pub fn parse(self, text: &str) -> Result<Datum, ValueError> {
        self.read(text).ok_or_else(|| {
            let (what, expected) = self.described();
            ValueError::new(what, text, expected)
        })
    }

    fn read(self, text: &str) -> Option<Datum> {
        match self {
            Self::U8 => number(text, 0..=0xff),
            Self::U16 => number(text, 0..=0xffff),
            Self::U32 => number(text, 0..=u32::MAX),
            Self::EtherType => named(text, &words::ETHER_TYPES).or_else(|| number(text, 0x600..=0xffff)),
            Self::VlanId => number(text, 0..=4095),
            Self::EncapProtocol => named(text, &words::ETHER_TYPES).or_else(|| number(text, 0x3c..=0xffff)),
            Self::IpProtocol => named(text, &words::IP_PROTOCOLS).or_else(|| number(text, 0..=0xff)),
            Self::ArpOperation => named(text, &words::ARP_OPERATIONS).or_else(|| number(text, 0..=0xffff)),
            Self::Mac => text.parse().ok().map(Datum::Mac),
            Self::MacMask => text.parse().ok().filter(|mask| is_mac_mask(*mask)).map(Datum::Mac),
            Self::Ipv4 => text.parse().ok().map(|address| Datum::Ip(IpAddr::V4(address))),
            Self::Ipv4Mask => prefix(text, 32, |text| ones(u128::from(text.parse::<Ipv4Addr>().ok()?.to_bits()) << 96)),
            Self::Ipv6 => text.parse().ok().map(|address| Datum::Ip(IpAddr::V6(address))),
            Self::Ipv6Mask => prefix(text, 128, |text| ones(text.parse::<Ipv6Addr>().ok()?.to_bits())),
            Self::Dscp => number(text, 0..=63),
            Self::TcpFlags => tcp_flags(text),
            Self::SetName => is_set_name(text).then(|| Datum::Set(text.to_owned())),
            Self::SetFlags => words::list(text).filter(|ends| ends.len() <= MOST_ENDS).map(Datum::SetEnds),
            Self::States => states(text),
            Self::Bool => boolean(text).map(Datum::Bool),
            Self::Text => Some(Datum::Text(text.chars().take(LONGEST_TEXT).collect())),
        }
    }

    /// What a value of this kind is called, and what would be one.
    const fn described(self) -> (&'static str, &'static str) {
        match self {
            Self::U8 => ("number", "a number from 0 to 255, decimal or with 0x"),
            Self::U16 => ("number", "a number from 0 to 65535, decimal or with 0x"),
            Self::U32 => ("number", "a number from 0 to 4294967295, decimal or with 0x"),
            Self::EtherType => ("ethertype", "arp, rarp, ipv4, ipv6, vlan or a number from 0x600 to 0xffff"),
            Self::VlanId => ("VLAN", "a number from 0 to 4095, decimal or with 0x"),
            Self::EncapProtocol => ("ethertype", "arp, rarp, ipv4, ipv6, vlan or a number from 0x3c to 0xffff"),
            Self::IpProtocol => {
                ("IP protocol", "tcp, udp, udplite, esp, ah, icmp, igmp, sctp, icmpv6 or a number from 0 to 255")
            }
            Self::ArpOperation => (
                "ARP operation",
                "Request, Reply, Request_Reverse, Reply_Reverse, DRARP_Request, DRARP_Reply, DRARP_Error, \
                 InARP_Request, ARP_NAK or a number from 0 to 65535",
            ),
            Self::Mac => ("MAC address", "six hex bytes such as 52:54:00:12:34:56"),
            Self::MacMask => ("MAC mask", "six hex bytes, all ones before all zeros, such as ff:ff:ff:00:00:00"),
            Self::Ipv4 => ("IPv4 address", "an address such as 10.0.0.1"),
            Self::Ipv4Mask => ("IPv4 mask", "a number from 0 to 32, or a mask such as 255.255.255.0"),
            Self::Ipv6 => ("IPv6 address", "an address such as fe80::1"),
            Self::Ipv6Mask => ("IPv6 mask", "a number from 0 to 128, or a mask such as ffff:ffff::"),
            Self::Dscp => ("DSCP", "a number from 0 to 63, decimal or with 0x"),
            Self::TcpFlags => (
                "TCP flags",
                "flags looked at, '/', and those of them that are set, each a list of SYN, ACK, URG, PSH, FIN and \
                 RST, or ALL or NONE, such as SYN,ACK/SYN",
            ),
            Self::SetName => ("name of a set", "1 to 31 letters, digits, '_', '.', ':', '-' or '+', the first no '-'"),
            Self::SetFlags => ("ends of a set", "one to six of src and dst, with commas between"),
            Self::States => ("state", "a list of NEW, ESTABLISHED, RELATED and INVALID, or NONE"),
            Self::Bool => ("boolean", "true, 1 or yes, or false, 0 or no"),
            Self::Text => ("text", "any text"),
        }
    }
}

/// A number, decimal or with `0x`, of nothing but digits.
fn number(text: &str, range: RangeInclusive<u32>) -> Option<Datum> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // from_str_radix alone would take "+f".
    let valid = digits.chars().all(|digit| digit.is_digit(radix));
    let number = u32::from_str_radix(digits, radix).ok().filter(|number| valid && range.contains(number));
    number.map(Datum::Number)
}

/// A number by its name, in any case.
fn named(text: &str, names: &[(&str, u32)]) -> Option<Datum> {
    names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, number)| Datum::Number(*number))
}

fn is_mac_mask(mask: Mac) -> bool {
    let [a, b, c, d, e, f] = mask.bytes();
    let bits = u64::from_be_bytes([a, b, c, d, e, f, 0, 0]);
    bits.count_ones() == bits.leading_ones()
}

/// The number of a mask's ones, given as such or found by `of_mask`.
fn prefix(text: &str, most: u32, of_mask: impl FnOnce(&str) -> Option<u8>) -> Option<Datum> {
    match number(text, 0..=most) {
        Some(Datum::Number(prefix)) => u8::try_from(prefix).ok().map(Datum::Prefix),
        _ => of_mask(text).map(Datum::Prefix),
    }
}

/// The number of ones, if all of them come first.
fn ones(mask: u128) -> Option<u8> {
    u8::try_from(mask.leading_ones()).ok().filter(|ones| mask.count_ones() == u32::from(*ones))
}

/// Flags that are set outside of the mask no packet could ever have.
fn tcp_flags(text: &str) -> Option<Datum> {
    let (mask, flags) = text.split_once('/')?;
    let (mask, flags) = (words::tcp_flags(mask)?, words::tcp_flags(flags)?);
    (mask & flags == flags).then_some(Datum::Flags { mask, flags })
}

fn is_set_name(text: &str) -> bool {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-' | b'+');
    (1..=LONGEST_SET).contains(&text.len()) && text.bytes().all(valid) && !text.starts_with('-')
}

fn states(text: &str) -> Option<Datum> {
    if text.trim().eq_ignore_ascii_case("none") {
        return Some(Datum::States(BTreeSet::new()));
    }
    words::list::<StateName>(text).map(|states| Datum::States(states.into_iter().collect()))
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}
