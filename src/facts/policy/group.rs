//! Security groups as written: names, rules and their peers.
//!
//! Out: typed rules without contradictions. Which guests are in a group, and
//! what a rule does to a packet, is the model's.

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;

use super::Place;
use crate::net::{Family, IcmpType, PortRange, Protocol, ValueError, serde_as_text};

/// The longest name of a group.
const LONGEST: usize = 64;

/// The name of a security group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);

impl GroupName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let letters = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        let start = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        let expected = "1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit";
        (letters && start && text.len() <= LONGEST)
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| ValueError::new("group name", text, expected))
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

serde_as_text!(GroupName);

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// Where the name is defined.
    pub place: Place,
    /// What may come to a member; nothing else may, but for replies.
    pub ingress: Vec<GroupRule>,
    /// What may go from a member. `None`, the key left out, is everything, as
    /// in Neutron's default; an empty list is nothing.
    pub egress: Option<Vec<GroupRule>>,
}

/// One thing that a group allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRule {
    /// The protocol; any if `None`.
    pub protocol: Option<Protocol>,
    /// The family, stated or implied by the protocol or the network; both if `None`.
    pub family: Option<Family>,
    /// The destination ports; all if empty, which is the key left out.
    pub ports: Vec<PortRange>,
    /// The types of ICMP or ICMPv6 messages, whichever the protocol is; all if empty,
    /// which is the key left out.
    pub icmp_types: Vec<IcmpType>,
    /// The other end.
    pub peer: Peer,
    /// Where the rule begins.
    pub place: Place,
}

/// The other end of a rule: the source on ingress, the destination on egress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Anybody.
    Any,
    /// The addresses of a network.
    Net(IpNet),
    /// The members of a group, which is defined.
    Group(GroupName),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_names_are_plain_words() {
        let longest = "g".repeat(64);
        for text in ["web", "0", "a.b_c-d", longest.as_str()] {
            assert_eq!(text.parse::<GroupName>().unwrap().as_str(), text);
        }
        let too_long = "g".repeat(65);
        for text in ["", "-web", ".web", "a b", "a/b", "wéb", too_long.as_str()] {
            assert!(text.parse::<GroupName>().is_err(), "{text:?} was accepted");
        }
    }
}
