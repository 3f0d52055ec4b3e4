//! The names of ICMP and ICMPv6 message types.
//!
//! In: a name or number and its protocol. Out: the type. The names are those
//! of nft(8), "ICMP TYPE" and "ICMPV6 TYPE"; the numbers are IANA's.

use super::super::explain::did_you_mean;
use crate::net::{IcmpType, Protocol};

const V4: [(&str, u8); 15] = [
    ("echo-reply", 0),
    ("destination-unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
    ("info-request", 15),
    ("info-reply", 16),
    ("address-mask-request", 17),
    ("address-mask-reply", 18),
];

const V6: [(&str, u8); 18] = [
    ("destination-unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("echo-reply", 129),
    ("mld-listener-query", 130),
    ("mld-listener-report", 131),
    ("mld-listener-done", 132),
    ("nd-router-solicit", 133),
    ("nd-router-advert", 134),
    ("nd-neighbor-solicit", 135),
    ("nd-neighbor-advert", 136),
    ("nd-redirect", 137),
    ("router-renumbering", 138),
    ("ind-neighbor-solicit", 141),
    ("ind-neighbor-advert", 142),
    ("mld2-listener-report", 143),
];

/// The names of the types of `protocol`; `None` if it is neither ICMP nor ICMPv6.
pub fn names(protocol: Protocol) -> Option<&'static [(&'static str, u8)]> {
    match protocol {
        Protocol::ICMP => Some(&V4),
        Protocol::ICMPV6 => Some(&V6),
        _ => None,
    }
}

/// The type that `text` spells: a number, type/code, or one of `names`.
///
/// # Errors
/// A message with the choices.
pub fn read(text: &str, names: &[(&str, u8)]) -> Result<IcmpType, String> {
    if let Some((_, number)) = names.iter().find(|(name, _)| *name == text) {
        return Ok(IcmpType::any_code(*number));
    }
    text.parse().map_err(|_| {
        let words = || names.iter().map(|(name, _)| *name);
        let choices = words().collect::<Vec<_>>().join(", ");
        let short: String = text.chars().take(80).collect();
        let hint = did_you_mean(&short, words());
        let numbers = "a number from 0 to 255, type/code such as 3/4";
        format!("invalid icmp-type {short:?}, expected {numbers}, or one of {choices}{hint}")
    })
}
