//! The operator's policy: `virt-guard.toml` and `policy.d/*.toml`.
//!
//! In: the files under `/etc/virt-guard`. Out: one [`Policy`], in which every
//! name is known, no rule contradicts itself and every value has its place.
//! Nothing here looks at a guest or decides about a packet.
//!
//! ```text
//! load    files       → Source    (size, UTF-8, the name the operator knows)
//! raw     Source      → Raw…      (keys and types, by serde)
//! check   Raw…        → Policy    (values, contradictions, references)
//! uses    Policy      → mistakes  (addresses and ports that are two things)
//! ```

mod address;
mod check;
mod explain;
mod group;
mod guest;
mod keyword;
mod load;
mod nat;
mod preserve;
mod raw;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::{FactError, Place, Placed};
use crate::net::IfName;

pub use group::{Group, GroupName, GroupRule, Peer};
pub use guest::{Glob, GuestEntry, GuestMatcher};
pub use keyword::{
    Announce, AntiSpoofing, EngineChoice, Guard, MetadataGroups, MidStream, Reject, Unguardable, UnknownPorts,
};
pub use nat::{FloatingIp, Forward, NatError, NatPolicy};
pub use preserve::{ChainGlob, Preserve, XtTable};
pub use settings::{
    BridgePolicy, DaemonPolicy, EtherTypes, GuestDefaults, HostAllow, HostPolicy, HostService, Marks, Uplinks,
};

/// Everything the operator's files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The engine that is to hold the rules.
    pub engine: EngineChoice,
    /// The bits of the packet mark that are virt-guard's.
    pub marks: Marks,
    /// How long one run of the hook may take, the wait for the lock included.
    pub deadline: Duration,
    /// The guest-facing bridges, the most specific pattern first.
    pub bridges: Vec<BridgePolicy>,
    /// What guests may reach on the host.
    pub host: HostPolicy,
    /// What holds for every guest interface.
    pub guests: GuestDefaults,
    /// How the daemon watches.
    pub daemon: DaemonPolicy,
    /// The security groups by name.
    pub groups: BTreeMap<GroupName, Group>,
    /// What is said about single guests, in the order of the files and within them.
    pub entries: Vec<GuestEntry>,
    /// Chains of others that are put back when they are lost.
    pub preserve: Vec<Preserve>,
    /// What holds for every address that leads to a guest.
    pub nat: NatPolicy,
    /// The floating IPs; no address is there twice, nor is it a guest's own. One that is
    /// made by command comes by [`Policy::add_floating`].
    pub floating: Vec<FloatingIp>,
    /// The forwarded ports; no two overlap.
    pub forwards: Vec<Forward>,
    /// Ports of probes that no walls are around while they last; no file says any.
    pub probes: BTreeSet<IfName>,
}

impl Policy {
    /// Reads `etc/virt-guard/virt-guard.toml` and `etc/virt-guard/policy.d/*.toml`
    /// below `root`, which is `/` but for tests. Each of them may be missing; in
    /// the folder, names that begin with `.` or do not end in `.toml` are not read.
    ///
    /// # Errors
    /// The first file that cannot be read, else the first mistake in any of them.
    pub fn load(root: &Path) -> Result<Self, PolicyError> {
        let files = load::files(root)?;
        Ok(check::policy(&files)?)
    }
}

impl Default for Policy {
    /// What holds when there is no file at all.
    fn default() -> Self {
        Self {
            engine: EngineChoice::Auto,
            marks: Marks::default(),
            deadline: Duration::from_secs(20),
            bridges: settings::default_bridges(),
            host: HostPolicy::default(),
            guests: GuestDefaults::default(),
            daemon: DaemonPolicy::default(),
            groups: BTreeMap::new(),
            entries: Vec::new(),
            preserve: Vec::new(),
            nat: NatPolicy::default(),
            floating: Vec::new(),
            forwards: Vec::new(),
            probes: BTreeSet::new(),
        }
    }
}

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A file says something that is not as it must be.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// A file that is there cannot be read.
    #[error("{path}: cannot be read")]
    Io {
        /// The file or folder as the operator knows it.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}
