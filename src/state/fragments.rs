//! The operator's own rules at each port, as they were applied.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{State, names, read, set};
use crate::facts::domain::Uuid;
use crate::net::IfName;
use crate::plan::FragmentChain;

const FOLDER: &str = "fragments";

/// What of the fragments stands at a port, or is being applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FragmentRecord {
    /// Whose port it is.
    pub guest: Uuid,
    /// Its chains.
    pub chains: Vec<FragmentChain>,
    /// What the kernel showed of each; nothing until they are seen to stand.
    pub lines: Vec<Vec<String>>,
    /// What was applied before and may still stand.
    pub stale: Vec<FragmentChain>,
}

impl State {
    /// The ports that have rules of fragments.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn fragment_ports(&self) -> io::Result<BTreeSet<IfName>> {
        let names = names(&self.dir.join(FOLDER))?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect())
    }

    /// What was applied at a port.
    pub fn fragments(&self, name: &IfName) -> Option<FragmentRecord> {
        read(&self.fragment_file(name))
    }

    /// Remembers what is applied at a port, or forgets it.
    ///
    /// # Errors
    /// The file cannot be written or removed.
    pub fn set_fragments(&self, name: &IfName, record: Option<&FragmentRecord>) -> io::Result<()> {
        set(&self.fragment_file(name), record)
    }

    fn fragment_file(&self, name: &IfName) -> PathBuf {
        self.dir.join(FOLDER).join(format!("{name}.json"))
    }
}
