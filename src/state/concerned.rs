//! Flows that are yet to be looked at, because rules or translations by which they
//! began are being taken away. Written before that, so that whoever comes after a
//! crash looks at them.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{State, read, set};
use crate::model::Translations;

/// Which flows are to be looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Concerned {
    /// All of all guests.
    pub everything: bool,
    /// Those of these addresses: some may still be admitted.
    pub judged: BTreeSet<IpAddr>,
    /// Those of these addresses, none of which may live: the guest that had them is
    /// gone, or the one that has them now has just come.
    pub ended: BTreeSet<IpAddr>,
    /// Those by these translations, which do not stand any more.
    pub revoked: Translations,
}

impl Concerned {
    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what `other` concerns.
    pub fn add(&mut self, other: Self) {
        self.everything |= other.everything;
        self.judged.extend(other.judged);
        self.ended.extend(other.ended);
        self.revoked.floating.extend(other.revoked.floating);
        self.revoked.forwards.extend(other.revoked.forwards);
    }
}

impl State {
    /// What is yet to be looked at.
    pub fn concerned(&self) -> Concerned {
        read(&self.dir.join("concerned.json")).unwrap_or_default()
    }

    /// Remembers it; nothing is not remembered.
    ///
    /// # Errors
    /// The file cannot be written or removed.
    pub fn set_concerned(&self, concerned: &Concerned) -> io::Result<()> {
        set(&self.dir.join("concerned.json"), (!concerned.is_empty()).then_some(concerned))
    }
}
