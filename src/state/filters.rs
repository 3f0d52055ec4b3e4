//! The filters in libvirt that were made from definitions, to take those away
//! that no definition is left for.
//!
//! A record that is lost or cannot be read is an empty one: then nothing in
//! libvirt is known to be ours, and nothing is ever taken away.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::{read, write};

/// The record of these filters.
#[derive(Debug, Clone)]
pub struct MadeFilters {
    path: PathBuf,
}

impl MadeFilters {
    /// The record below `<root>/var/lib/virt-guard`.
    pub fn new(root: &Path) -> Self {
        Self { path: root.join("var/lib/virt-guard/nwfilter.json") }
    }

    /// Their names.
    pub fn names(&self) -> BTreeSet<String> {
        read(&self.path).unwrap_or_default()
    }

    /// Remembers just these.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_names(&self, names: &BTreeSet<String>) -> io::Result<()> {
        write(&self.path, names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_nobodys() {
        let root = tempfile::tempdir().unwrap();
        let made = MadeFilters::new(root.path());
        assert!(made.names().is_empty());
        made.set_names(&["web".to_owned()].into()).unwrap();
        assert_eq!(made.names(), ["web".to_owned()].into());
        std::fs::write(root.path().join("var/lib/virt-guard/nwfilter.json"), "[\"we").unwrap();
        assert!(made.names().is_empty());
    }
}
