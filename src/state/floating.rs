//! What must outlive a reboot of floating IPs: those associated by command, and the
//! addresses that were put on this host's interfaces for any.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{read, set};
use crate::facts::policy::{Announce, GuestMatcher};
use crate::net::IfName;

/// A floating IP associated by command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Association {
    /// The address.
    pub address: IpAddr,
    /// The one guest.
    pub guest: GuestMatcher,
    /// The guest's own address that it leads to.
    pub fixed: Option<IpAddr>,
    /// The interface on which it is reached.
    pub interface: Option<IfName>,
}

/// An address that was put on an interface of this host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PutAddress {
    /// The address.
    pub address: IpAddr,
    /// Where.
    pub interface: IfName,
    /// How.
    pub announce: Announce,
    /// Through which bridge its guest is reached.
    pub bridge: Option<IfName>,
}

/// The records of both.
#[derive(Debug, Clone)]
pub struct FloatingRecords {
    associations: PathBuf,
    put: PathBuf,
}

impl FloatingRecords {
    /// The records below `<root>/var/lib/virt-guard`.
    pub fn new(root: &Path) -> Self {
        let folder = root.join("var/lib/virt-guard");
        Self { associations: folder.join("floating.json"), put: folder.join("addresses.json") }
    }

    /// The file of associations, as the operator knows it.
    pub const FILE: &'static str = "/var/lib/virt-guard/floating.json";

    /// What was associated by command.
    ///
    /// # Errors
    /// The file is there and cannot be read: to take it for none would cut what it
    /// associates.
    pub fn associations(&self) -> io::Result<Vec<Association>> {
        match std::fs::read(&self.associations) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
            Ok(text) => Ok(serde_json::from_slice(&text)?),
        }
    }

    /// Remembers just these.
    ///
    /// # Errors
    /// The file cannot be written or removed.
    pub fn set_associations(&self, all: &[Association]) -> io::Result<()> {
        set(&self.associations, (!all.is_empty()).then_some(&all))
    }

    /// The addresses that were put on interfaces.
    pub fn put(&self) -> Vec<PutAddress> {
        read(&self.put).unwrap_or_default()
    }

    /// Remembers just these.
    ///
    /// # Errors
    /// The file cannot be written or removed.
    pub fn set_put(&self, all: &[PutAddress]) -> io::Result<()> {
        set(&self.put, (!all.is_empty()).then_some(&all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn associations_that_cannot_be_read_are_not_none() {
        let root = tempfile::tempdir().unwrap();
        let records = FloatingRecords::new(root.path());
        assert_eq!(records.associations().unwrap(), []);
        let one = Association {
            address: "203.0.113.10".parse().unwrap(),
            guest: "web1".parse().unwrap(),
            fixed: None,
            interface: None,
        };
        records.set_associations(std::slice::from_ref(&one)).unwrap();
        assert_eq!(records.associations().unwrap(), [one]);
        std::fs::write(root.path().join("var/lib/virt-guard/floating.json"), "[{").unwrap();
        assert!(records.associations().is_err());
    }
}
