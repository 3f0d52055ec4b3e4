//! How a service is kept from listening where guests are.
//!
//! In: the files of a service as they are, and where it is to listen. Out: what
//! these files are to be, how the service checks them itself, and what makes it obey.
//! Nothing here reads or changes the host.

mod address;
mod dnsmasq;
mod draft;
mod libvirt;
mod memcached;
mod mysql;
mod name;
mod nfs;
mod openstack;
mod options;
mod places;
mod postgresql;
mod rabbitmq;
mod recipe;
mod redis;
mod rpcbind;
mod settings;
mod socket;
mod sshd;
#[cfg(test)]
mod tests;
mod text;
mod unit;
mod wall;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::net::IfName;

pub use name::Name;
pub use recipe::recipe;

/// Where a service is to listen from now on, and whom it is kept from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The host's addresses that it may listen at; at least one.
    pub addresses: Vec<IpAddr>,
    /// The interface that it is bound to, if one was named; it bears the addresses.
    pub interface: Option<IfName>,
    /// The guest-facing bridges.
    pub bridges: Vec<IfName>,
    /// The networks that guests are in.
    pub guests: Vec<IpNet>,
}

/// Whether this host's systemd can keep a unit from an interface
/// (`RestrictNetworkInterfaces=`, systemd.resource-control(5)): it says so by
/// `+BPF_FRAMEWORK`, and silently ignores the setting where it cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framework {
    /// It can.
    Present,
    /// It ignores the setting; `IPAddressDeny=` works all the same.
    Absent,
}

/// A file as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The file, from the root on.
    pub path: PathBuf,
    /// All that is to be in it.
    pub text: String,
}

/// A program that says whether the service takes its files as they are now: it ends
/// with 0 if so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub program: String,
    /// What it is told.
    pub arguments: Vec<String>,
}

/// What makes a service obey its files; systemd itself reads its own anew first.
///
/// A unit that is not active stays so: a recipe names every unit that it wrote for,
/// also such as nobody uses on this host, and to start them would open what was shut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// The unit is restarted.
    Restart(String),
    /// The unit is reloaded, which is enough.
    Reload(String),
    /// The socket unit is restarted; its service, if it runs, is stopped for that.
    Socket {
        /// The socket unit.
        socket: String,
        /// What it starts.
        service: String,
    },
}

/// How a service is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The files that change; none that is as it should be already.
    pub edits: Vec<Edit>,
    /// The service's own word about its files.
    pub checks: Vec<Check>,
    /// What makes it obey, in this order.
    pub activations: Vec<Activation>,
    /// What the operator has to know besides.
    pub notes: Vec<String>,
}

/// Why a service cannot be pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// A file is not what its service could read.
    #[error("{}:{line}: {what}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What was found and what was expected.
        what: String,
    },
    /// It can be done, but not as it was asked for.
    #[error("{0}")]
    Refused(String),
    /// A file cannot be read.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The files of the host, or of a tree that stands for it.
pub trait Files: fmt::Debug {
    /// The text of a file; nothing if it is not there.
    ///
    /// # Errors
    /// It cannot be read, or is no text.
    fn read(&self, path: &Path) -> io::Result<Option<String>>;

    /// The files in a directory, sorted by name; none if it is not there.
    ///
    /// # Errors
    /// It cannot be read.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;
}
