//! Which port adds which address to which set. An address leaves a set only with
//! the last port that brought it: two guests may share one.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use super::{State, names, unless_absent};
use crate::model::SetName;
use crate::net::IfName;
use crate::plan::Name;

impl State {
    /// Notes that `port` adds `address` to `set`.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn claim(&self, set: &SetName, address: IpAddr, port: &IfName) -> io::Result<()> {
        let dir = self.set_dir(set).join(address.to_string());
        fs::create_dir_all(&dir)?;
        fs::write(dir.join(port.as_str()), "")
    }

    /// Notes that `port` does not add `address` to `set` any more.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn release(&self, set: &SetName, address: IpAddr, port: &IfName) -> io::Result<()> {
        let dir = self.set_dir(set).join(address.to_string());
        unless_absent(fs::remove_file(dir.join(port.as_str())))?;
        match fs::remove_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            result => unless_absent(result),
        }
    }

    /// The addresses that some port adds to `set`.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn members(&self, set: &SetName) -> io::Result<BTreeSet<IpAddr>> {
        Ok(names(&self.set_dir(set))?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Whether some port adds `address` to `set`.
    pub fn is_member(&self, set: &SetName, address: IpAddr) -> bool {
        self.set_dir(set).join(address.to_string()).is_dir()
    }

    /// Forgets all claims, before they are noted anew.
    ///
    /// # Errors
    /// The directory cannot be removed.
    pub fn forget_members(&self) -> io::Result<()> {
        unless_absent(fs::remove_dir_all(self.dir.join("members")))
    }

    fn set_dir(&self, set: &SetName) -> PathBuf {
        self.dir.join("members").join(Name::set(set).as_str())
    }
}
