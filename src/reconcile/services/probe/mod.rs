//! Proof from the guest's side: which of the host's services answer at a bridge's port.
//!
//! In: the guest-facing bridges, who listens, the addresses of this host. Out: what became
//! of a packet to each service by each address, and how that agrees with the policy. The
//! port is guarded as a guest's is and gone afterwards; packets are for this host alone.

mod outcome;

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::kernel::{Listener, Owner};
use crate::net::{IfName, Mac};

pub use outcome::{Finding, Outcome};

/// Whether the walls around guests stand around the probe's port, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walls {
    /// As around a guest's: what is proven is what a guest gets.
    Standing,
    /// Not around this one port: what is proven is what a service does by itself.
    Aside,
}

/// What is to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRequest {
    /// At these bridges; at all that are guest-facing if empty.
    pub bridges: Vec<IfName>,
    /// Behind the walls or without.
    pub walls: Walls,
    /// These services; all that listen if empty.
    pub only: Vec<Listener>,
}

/// One packet's fate: a service, asked by one address from one bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Where the guest was.
    pub bridge: IfName,
    /// Who was asked.
    pub listener: Listener,
    /// By which address; one for many is a broadcast or multicast address.
    pub address: IpAddr,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether that is as the policy has it.
    pub finding: Finding,
}

/// Where a probe stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// The bridge.
    pub bridge: IfName,
    /// The probe's own MAC address there.
    pub mac: Mac,
    /// Its own addresses there, those of a link included.
    pub addresses: Vec<IpAddr>,
    /// What could not be tried from there, and why.
    pub lacks: Vec<String>,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Whether the walls stood around the probe's port; where nothing was applied there
    /// are none, whatever was asked for.
    pub walls: Walls,
    /// Why the walls are not known to stand as the policy has them.
    pub breach: Option<String>,
    /// The bridges at which there was a probe.
    pub stands: Vec<Stand>,
    /// All that was tried, by bridge, then by service, then by address.
    pub attempts: Vec<Attempt>,
    /// The processes that hold the sockets, by the sockets' inodes.
    pub owners: BTreeMap<u32, Vec<Owner>>,
}

impl Probed {
    /// Whether one of the services was reached by one of the addresses.
    pub fn reaches(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.outcome.reaches())
    }

    /// What is not as the policy has it.
    pub fn wrong(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|attempt| attempt.finding != Finding::Fine)
    }
}
