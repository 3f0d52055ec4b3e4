//! Where translations stand: the chains and maps that both engines hold them in.

use super::name::Name;
use crate::net::Family;

/// The chains of translations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatChain {
    /// Where connections from outside are led to guests.
    Lead,
    /// Where guests get their name outside.
    Leave,
    /// What comes in, for engines whose chains cannot be shared by hooks.
    Incoming,
    /// What the host itself begins, likewise.
    Own,
    /// What is let through to where it is led, for engines that share the table of
    /// those who forbid it.
    Forward,
}

impl NatChain {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Lead, Self::Leave, Self::Incoming, Self::Own, Self::Forward];

    /// The chain's name.
    pub fn name(self) -> Name {
        Name::base(match self {
            Self::Lead => "dnat",
            Self::Leave => "snat",
            Self::Incoming => "nat_in",
            Self::Own => "nat_own",
            Self::Forward => "forward",
        })
    }

    /// Whether a chain of this name is one of these.
    pub fn is_named(name: &str) -> bool {
        Self::ALL.iter().any(|chain| chain.name().as_str() == name)
    }
}

/// The maps and the set of translations, for engines that look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NatMap {
    /// Floating IP to the guest's own address.
    Floating,
    /// Uplink and the guest's own address to the floating IP.
    KnownAs,
    /// The host's address, protocol and port to the guest's address and port.
    Port,
    /// Protocol and port of any address of the host to the guest's address and port.
    LocalPort,
    /// The guests' own addresses that something leads to: a set.
    Fixed,
}

impl NatMap {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Floating, Self::KnownAs, Self::Port, Self::LocalPort, Self::Fixed];

    /// Its name for addresses of `family`.
    pub fn name(self, family: Family) -> Name {
        let word = match self {
            Self::Floating => "floating",
            Self::KnownAs => "known_as",
            Self::Port => "port",
            Self::LocalPort => "local_port",
            Self::Fixed => "fixed",
        };
        Name::base(&format!("{word}_{family}"))
    }

    /// The one of this name, and its family.
    pub fn named(name: &str) -> Option<(Self, Family)> {
        let all = Self::ALL.into_iter().flat_map(|map| Family::BOTH.map(|family| (map, family)));
        all.into_iter().find(|(map, family)| map.name(*family).as_str() == name)
    }
}
