//! The kernel and the programs that talk to it: the only room that spawns a
//! process, opens a netlink socket or writes below /proc.
//!
//! In: an engine's steps. Out: what the kernel holds afterwards, as it says
//! itself. Nothing here decides what ought to be there.

mod addresses;
mod clock;
mod conntrack;
mod files;
pub mod inspect;
mod instance;
mod links;
mod listing;
mod netlink;
mod nftables;
mod notices;
mod processes;
mod programs;
mod readback;
pub mod saved;
mod session;
mod sockets;
mod station;
mod support;

pub use addresses::{
    Addresses, HostAddress, announce, enable_forwarding, forwarding, put_address, routes_loopback, take_address,
};
pub use clock::Moment;
pub use conntrack::{Conntrack, End};
pub use files::{Concern, FileNews, FileWatch};
pub use instance::{Needs, read_instances};
pub use links::{Link, LinkKind, Links, Netlink};
pub use listing::{Container, Listing};
pub use nftables::generation;
pub use notices::{Author, LinkWatch, RuleChange, RuleWatch};
pub use processes::{Process, ancestors, process_began, processes};
pub use programs::{Command, Deadline, Programs, RunError, Runner};
pub use readback::{apply, apply_unseen, read_all, read_chains};
pub use session::{Session, ssh_session};
pub use sockets::{Intake, Listener, Owner, holder, intakes, owners};
pub use station::{Call, Fate, Station, leads_by};
pub use support::{
    CALLS as BRIDGE_NETFILTER, Capabilities, Probe, Xtables, bridge_netfilter_stands, enable_bridge_netfilter, probe,
};

#[cfg(test)]
pub(crate) mod fake;
