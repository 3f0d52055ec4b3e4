//! Chains of somebody else, as they stood while they were whole.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::{State, read, set};
use crate::facts::domain::Uuid;
use crate::facts::policy::XtTable;
use crate::net::{Family, IfName};

const FILE: &str = "preserved.json";

/// The chains of each table that were found whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preserved {
    /// Each table of each family once.
    pub tables: Vec<PreservedTable>,
}

/// The chains of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreservedTable {
    /// Of iptables or ip6tables.
    pub family: Family,
    /// The table.
    pub table: XtTable,
    /// The chains by name.
    pub chains: BTreeMap<String, PreservedChain>,
}

/// A chain, and what leads to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreservedChain {
    /// Its rules as the save program prints them, without `-A CHAIN`.
    pub rules: Vec<String>,
    /// The rules that lead to it.
    pub jumps: Vec<Jump>,
    /// The guests that it is about; none if it is about the host.
    pub owners: Vec<Owner>,
    /// Since when all of them are gone and the chain with them, in seconds since
    /// 1970.
    pub absent_since: Option<u64>,
}

/// A rule that leads to a chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Jump {
    /// The chain in which it stands.
    pub from: String,
    /// Where in that chain, from 1.
    pub position: usize,
    /// Its words, without `-A CHAIN`.
    pub rule: String,
}

/// A guest's port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// The guest, if it was told of.
    pub guest: Option<Uuid>,
    /// The port.
    pub tap: IfName,
}

impl State {
    /// The chains of others that are to outlive a flush.
    pub fn preserved(&self) -> Option<Preserved> {
        read(&self.dir.join(FILE))
    }

    /// Remembers them, or forgets them.
    ///
    /// # Errors
    /// The file cannot be written or removed.
    pub fn set_preserved(&self, record: Option<&Preserved>) -> io::Result<()> {
        set(&self.dir.join(FILE), record)
    }
}
