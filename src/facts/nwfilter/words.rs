//! The words that values are made of, and lists of them.
//!
//! Libvirt reads all of these in any case (`nwfilter_conf.c`, its value maps).

use std::fmt;
use std::str::FromStr;

use crate::net::{EtherType, Protocol, ValueError};

/// The EtherTypes that have a name.
pub(super) const ETHER_TYPES: [(&str, u32); 5] = [
    ("arp", EtherType::ARP.number() as u32),
    ("rarp", EtherType::RARP.number() as u32),
    ("ipv4", EtherType::IPV4.number() as u32),
    ("ipv6", EtherType::IPV6.number() as u32),
    ("vlan", EtherType::VLAN.number() as u32),
];

/// The IP protocols that have a name (IANA "Assigned Internet Protocol Numbers").
pub(super) const IP_PROTOCOLS: [(&str, u32); 9] = [
    ("tcp", Protocol::TCP.0 as u32),
    ("udp", Protocol::UDP.0 as u32),
    ("udplite", Protocol::UDPLITE.0 as u32),
    ("esp", 50),
    ("ah", 51),
    ("icmp", Protocol::ICMP.0 as u32),
    ("igmp", 2),
    ("sctp", Protocol::SCTP.0 as u32),
    ("icmpv6", Protocol::ICMPV6.0 as u32),
];

/// The operations of ARP, as ebtables names them (IANA "ARP Operation Codes").
pub(super) const ARP_OPERATIONS: [(&str, u32); 9] = [
    ("Request", 1),
    ("Reply", 2),
    ("Request_Reverse", 3),
    ("Reply_Reverse", 4),
    ("DRARP_Request", 5),
    ("DRARP_Reply", 6),
    ("DRARP_Error", 7),
    ("InARP_Request", 8),
    // Number 9 answers InARP; the name for 10 stuck to it in ebtables.
    ("ARP_NAK", 9),
];

/// Words for bits of the octet of flags in a TCP header (RFC 9293, section 3.1).
const TCP_FLAGS: [(&str, u8); 8] = [
    ("FIN", 0x01),
    ("SYN", 0x02),
    ("RST", 0x04),
    ("PSH", 0x08),
    ("ACK", 0x10),
    ("URG", 0x20),
    ("ALL", 0x3f),
    ("NONE", 0x00),
];

/// A state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateName {
    /// It begins with this packet.
    New,
    /// It is known.
    Established,
    /// It begins, and a known one announced it.
    Related,
    /// It is none.
    Invalid,
}

const STATES: [(&str, StateName); 4] = [
    ("NEW", StateName::New),
    ("ESTABLISHED", StateName::Established),
    ("RELATED", StateName::Related),
    ("INVALID", StateName::Invalid),
];

impl FromStr for StateName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        find(text, &STATES).ok_or_else(|| ValueError::new("state", text, "NEW, ESTABLISHED, RELATED or INVALID"))
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::New => "NEW",
            Self::Established => "ESTABLISHED",
            Self::Related => "RELATED",
            Self::Invalid => "INVALID",
        })
    }
}

/// An end of a packet that a set is looked up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetEnd {
    /// Where it comes from: `src`.
    Source,
    /// Where it goes to: `dst`.
    Destination,
}

impl FromStr for SetEnd {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let ends = [("src", Self::Source), ("dst", Self::Destination)];
        find(text, &ends).ok_or_else(|| ValueError::new("end of a set", text, "src or dst"))
    }
}

impl fmt::Display for SetEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Source => "src",
            Self::Destination => "dst",
        })
    }
}

/// The words of `text`, with commas and perhaps spaces between them; at least one.
pub(super) fn list<T: FromStr>(text: &str) -> Option<Vec<T>> {
    text.split(',').map(|word| word.trim().parse().ok()).collect()
}

/// The bits of a list of TCP flags.
pub(super) fn tcp_flags(text: &str) -> Option<u8> {
    text.split(',').try_fold(0, |flags, word| Some(flags | find(word.trim(), &TCP_FLAGS)?))
}

/// What `word` stands for, in any case.
fn find<T: Copy>(word: &str, words: &[(&str, T)]) -> Option<T> {
    words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, value)| *value)
}
