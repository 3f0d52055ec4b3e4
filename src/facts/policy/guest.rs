//! Entries about single guests, and how an entry names its guests.
//!
//! Out: typed entries. Merging the entries that meet one guest is the model's.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{AntiSpoofing, GroupName, Guard, Place, Placed};
use crate::net::{Mac, ValueError, serde_as_text};

/// What the policy says about the interfaces of some guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestEntry {
    /// The guests it is about.
    pub matcher: GuestMatcher,
    /// Only the interface with this address; every interface if `None`.
    pub mac: Option<Mac>,
    /// The groups its interfaces are in.
    pub groups: Vec<Placed<GroupName>>,
    /// The addresses its interfaces may use; each is there once.
    pub addresses: Vec<Placed<IpAddr>>,
    /// The nwfilters of its interfaces.
    pub filters: Vec<Placed<String>>,
    /// Instead of the default of all guests.
    pub anti_spoofing: Option<BTreeSet<AntiSpoofing>>,
    /// Instead of the default of all guests.
    pub router_advertisements: Option<Guard>,
    /// Instead of the default of all guests.
    pub dhcp_server: Option<Guard>,
    /// Where the guests are named.
    pub place: Place,
}

/// Which guests an entry is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestMatcher {
    /// Those whose domain name looks like this.
    Name(Glob),
    /// The one with this UUID, in lower case and with its four dashes.
    Uuid(String),
}

impl GuestMatcher {
    /// The one guest that a text names.
    ///
    /// # Errors
    /// What means several guests, or what no matcher is written as.
    pub fn one(text: &str) -> Result<Self, ValueError> {
        text.parse().ok().filter(Self::names_one).ok_or_else(|| Self::not_one(text))
    }

    /// Whether it can only mean one guest: libvirt has no two of a name.
    pub fn names_one(&self) -> bool {
        match self {
            Self::Name(glob) => !glob.0.contains(['*', '?']),
            Self::Uuid(_) => true,
        }
    }

    /// What is said of a text that does not name one guest.
    pub(super) fn not_one(text: &str) -> ValueError {
        let expected = "the name or the UUID of one guest, without wildcards; one whose name has * ? [ ] { } \\ / is \
                        named by its UUID";
        ValueError::new("guest", text, expected)
    }

    /// Whether the domain with this name and UUID is meant.
    pub fn matches(&self, name: &str, uuid: &str) -> bool {
        match self {
            Self::Name(glob) => glob.matches(name),
            Self::Uuid(own) => own.eq_ignore_ascii_case(uuid),
        }
    }
}

impl FromStr for GuestMatcher {
    type Err = ValueError;

    /// A text in the form of a UUID is one, even if a domain should have it as its name.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if is_uuid(text) { Ok(Self::Uuid(text.to_ascii_lowercase())) } else { text.parse().map(Self::Name) }
    }
}

impl fmt::Display for GuestMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(glob) => glob.fmt(f),
            Self::Uuid(uuid) => f.pad(uuid),
        }
    }
}

serde_as_text!(GuestMatcher);

/// Whether `text` has the form 8-4-4-4-12 of RFC 9562.
fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// A pattern over domain names: `*` stands for any text, `?` for one character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Whether the whole of `name` is as the pattern says.
    ///
    /// Only the last `*` met is ever tried again: what an earlier one could
    /// take more, this one can take as well. So the time is at most the product
    /// of both lengths, whatever a tenant calls a domain.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name): (Vec<char>, Vec<char>) = (self.0.chars().collect(), name.chars().collect());
        let (mut at, mut seen) = (0, 0);
        let mut star = None;
        while let Some(letter) = name.get(seen) {
            match pattern.get(at) {
                Some('*') => {
                    star = Some((at, seen));
                    at += 1;
                }
                Some(wanted) if *wanted == '?' || wanted == letter => {
                    at += 1;
                    seen += 1;
                }
                _ => {
                    let Some((place, taken)) = star.as_mut() else { return false };
                    *taken += 1;
                    (at, seen) = (*place + 1, *taken);
                }
            }
        }
        pattern[at..].iter().all(|wanted| *wanted == '*')
    }
}

impl FromStr for Glob {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        // Brackets and backslashes would be wildcards elsewhere and are letters
        // to libvirt: whoever writes one is not left to believe that it matches.
        let doubtful = |letter: char| letter.is_control() || matches!(letter, '[' | ']' | '{' | '}' | '\\' | '/');
        let expected = "a UUID or a domain name, in which * stands for any text and ? for one character; [ ] { } \\ / \
                        are written as ?";
        let valid = !text.is_empty() && !text.contains(doubtful);
        valid.then(|| Self(text.to_owned())).ok_or_else(|| ValueError::new("match", text, expected))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "6f3a1f2e-0c1b-4d8e-9a3b-0123456789ab";

    fn matches(pattern: &str, name: &str) -> bool {
        pattern.parse::<GuestMatcher>().unwrap().matches(name, UUID)
    }

    #[test]
    fn a_glob_matches_the_whole_name() {
        for (pattern, name) in [
            ("web", "web"),
            ("web*", "web"),
            ("*", ""),
            ("w?b", "wéb"),
            ("*a*b*", "xaxbx"),
            ("a*b", "abab"),
            ("**", "x"),
        ] {
            assert!(matches(pattern, name), "{pattern} does not match {name:?}");
        }
        for (pattern, name) in
            [("web", "web1"), ("web", "aweb"), ("web?", "web"), ("a*b", "abc"), ("?", ""), ("W*", "w")]
        {
            assert!(!matches(pattern, name), "{pattern} matches {name:?}");
        }
    }

    #[test]
    fn a_star_in_a_name_is_a_letter() {
        assert!(matches("a?c", "a*c"));
        assert!(!matches("abc", "a*c"));
        assert!(matches("*c", "*bc"));
    }

    #[test]
    fn a_hostile_name_costs_no_more_than_the_product_of_the_lengths() {
        let pattern = "a*".repeat(200) + "b";
        assert!(!matches(&pattern, &"a".repeat(5000)));
    }

    #[test]
    fn a_uuid_is_kept_in_lower_case_and_matches_no_name() {
        let matcher: GuestMatcher = UUID.to_uppercase().parse().unwrap();
        assert_eq!(matcher, GuestMatcher::Uuid(UUID.to_owned()));
        assert!(matcher.matches("web1", &UUID.to_uppercase()));
        assert!(!matcher.matches(UUID, "00000000-0000-0000-0000-000000000000"));
    }

    #[test]
    fn only_a_name_without_wildcards_or_a_uuid_is_one_guest() {
        for text in ["web1", "a b", UUID] {
            assert!(GuestMatcher::one(text).unwrap().names_one(), "{text:?} was refused");
        }
        for text in ["web*", "web?", "*", "", "web[1]", "a/b"] {
            assert!(GuestMatcher::one(text).is_err(), "{text:?} was accepted");
        }
        assert!(!"web?".parse::<GuestMatcher>().unwrap().names_one());
    }

    #[test]
    fn other_wildcards_are_refused() {
        for text in ["", "web[12]", "{a,b}", "a\\*", "a/b", "a\nb"] {
            assert!(text.parse::<GuestMatcher>().is_err(), "{text:?} was accepted");
        }
    }
}
