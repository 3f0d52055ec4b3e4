//! What others on this host know, beside the policy: libvirt's filters, and the
//! addresses that its networks give to guests.

use std::path::Path;

use super::leases::Leases;
use super::nwfilter::Library;

/// What others on this host know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The filters that an interface may refer to.
    pub filters: Library,
    /// The addresses that guests have from this host.
    pub leases: Leases,
}

impl Surroundings {
    /// Those below `root`, which is `/` but for tests. Files are read when asked for.
    pub fn new(root: &Path) -> Self {
        Self { filters: Library::new(root), leases: Leases::new(root) }
    }
}
