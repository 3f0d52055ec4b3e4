//! The identity of a domain.

use std::fmt;
use std::str::FromStr;

use crate::net::{ValueError, serde_as_text};

/// Where the hyphens stand in the canonical text (RFC 9562, section 4).
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
/// The length of the canonical text.
const LENGTH: usize = 36;

/// A UUID, printed as `c7a5fdbd-edaf-9455-926a-d65c16db1809`.
///
/// Unlike the name of a domain, no tenant chooses what it looks like: its text
/// is hex digits and hyphens, and serves as the name of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(u128);

impl FromStr for Uuid {
    type Err = ValueError;

    /// Reads the hyphenated text, in either case.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = || ValueError::new("UUID", text, "hex digits such as c7a5fdbd-edaf-9455-926a-d65c16db1809");
        let in_place = |(index, byte): (usize, u8)| {
            if HYPHENS.contains(&index) { byte == b'-' } else { byte.is_ascii_hexdigit() }
        };
        if text.len() != LENGTH || !text.bytes().enumerate().all(in_place) {
            return Err(error());
        }
        u128::from_str_radix(&text.replace('-', ""), 16).map(Self).map_err(|_| error())
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", self.0);
        let (first, second, third) = (&digits[..8], &digits[8..12], &digits[12..16]);
        f.pad(&format!("{first}-{second}-{third}-{}-{}", &digits[16..20], &digits[20..]))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(Uuid);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_in_one_spelling() {
        for text in ["c7a5fdbd-edaf-9455-926a-d65c16db1809", "00000000-0000-0000-0000-00000000000a"] {
            assert_eq!(text.to_uppercase().parse::<Uuid>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_uuid_never_names_a_file() {
        for text in [
            "",
            "c7a5fdbdedaf9455926ad65c16db1809",
            "c7a5fdbd-edaf-9455-926a-d65c16db180",
            "c7a5fdbd-edaf-9455-926a-d65c16db18090",
            "c7a5fdb-dedaf-9455-926a-d65c16db1809",
            "+7a5fdbd-edaf-9455-926a-d65c16db1809",
            "../../../../../../etc/cron.d/xxxxxxxx",
            "c7a5fdbd-edaf-9455-926a-d65c16db180é",
            " c7a5fdbd-edaf-9455-926a-d65c16db1809",
        ] {
            assert!(text.parse::<Uuid>().is_err(), "{text:?} was accepted");
        }
    }
}
