//! The one path by which rules reach the kernel: load, resolve, plan, apply, read
//! back, record. Hook and command line are thin shells over it.
//!
//! In: an operation on a guest, or on all. Out: the kernel as the policy has it,
//! or an error after which every port concerned is closed or as it was.

mod all;
mod base;
mod check;
mod desired;
mod ends;
mod floating;
mod flows;
mod foreign;
mod fragments;
mod guest;
mod heal;
mod nat;
mod pending;
mod port;
mod query;
mod services;
mod settle;
mod tried;
mod verify;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use crate::engine::{Engine, EngineKind, Inexpressible, Iptables, Nftables};
use crate::facts::policy::{EngineChoice, Policy, PolicyError};
use crate::facts::{FactError, Surroundings};
use crate::kernel::saved::{Saved, save};
use crate::kernel::{
    Addresses, Capabilities, Deadline, Links, Listing, Netlink, Probe, Programs, RunError, Runner, generation, probe,
    read_all,
};
use crate::net::Family;
use crate::pins::PinError;
use crate::plan::PlanError;
use crate::state::{Concerned, FloatingRecords, State};

pub use all::Outcome;
pub use desired::{Desired, DesiredPort};
pub use ends::Arrival;
pub use floating::{Disassociated, FloatingView};
pub use flows::{FlowView, Judgement, Revocation, Selection};
pub use foreign::{Kept, Loss, Lost};
pub use guest::Fallback;
pub use heal::Healed;
pub use pending::WATCH;
pub use services::{
    Attempt, Bound, Changed, Confirmation, Danger, Exposure, Exposures, FileChange, Finding, Near, PINS, PinPlan,
    PinTo, Pinnable, Pinned, ProbeOutcome, ProbeRequest, Probed, Progress, Service, ServiceWatch, Services, Stand,
    Unpinned, Walls,
};
pub use tried::POLICY;
pub use verify::Drift;

/// Why rules could not be brought into the kernel.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The policy cannot be read.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The guest's policy cannot be resolved.
    #[error(transparent)]
    Resolve(#[from] FactError),
    /// Two guests' rules would stand in each other's way.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The engine cannot say a rule exactly.
    #[error(transparent)]
    Engine(#[from] Inexpressible),
    /// The engine that the configuration asks for cannot work here.
    #[error("engine = \"{wanted}\" cannot work here: {lacks}")]
    Unsupported {
        /// The engine.
        wanted: EngineKind,
        /// What is missing.
        lacks: String,
    },
    /// A program failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file or the kernel's list of interfaces cannot be read or written.
    #[error("{what}")]
    Io {
        /// What was to be done.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// What was applied is not what stands.
    #[error("the kernel does not hold what was applied: {0}")]
    NotApplied(String),
    /// A service cannot be pinned as it was asked for.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A service was not pinned, or not given back.
    #[error("{0}")]
    NotPinned(String),
    /// An interface that has to be guarded cannot be.
    #[error("{0}")]
    Unguardable(String),
    /// What was asked for cannot be done as things are.
    #[error("{0}")]
    NotNow(String),
}

impl Error {
    /// Whether the operator's files or words are at fault, not the machine.
    pub fn is_configuration(&self) -> bool {
        if let Self::Pin(error) = self {
            return !matches!(error, PinError::Io { .. });
        }
        matches!(
            self,
            Self::Policy(_)
                | Self::Resolve(_)
                | Self::Plan(_)
                | Self::Engine(_)
                | Self::Unguardable(_)
                | Self::NotNow(_)
        )
    }

    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// Where the interfaces of this host are asked for.
pub trait Interfaces {
    /// The interfaces as they are now.
    ///
    /// # Errors
    /// They cannot be asked for.
    fn links(&self) -> io::Result<Links>;

    /// The addresses of this host as they are now.
    ///
    /// # Errors
    /// They cannot be asked for.
    fn addresses(&self) -> io::Result<Addresses>;
}

impl Interfaces for Netlink {
    fn links(&self) -> io::Result<Links> {
        Netlink::links(*self)
    }

    fn addresses(&self) -> io::Result<Addresses> {
        Netlink::addresses(*self)
    }
}

/// This host: its files below a root, its programs, its interfaces.
pub struct Host {
    root: std::path::PathBuf,
    surroundings: Surroundings,
    state: State,
    runner: Box<dyn Runner>,
    interfaces: Box<dyn Interfaces>,
    deadline: Deadline,
    floating_records: FloatingRecords,
    /// The number of the last change of rules before everything was last read.
    seen: Option<u32>,
    /// Flows that are to be looked at once the rules stand.
    concerned: Concerned,
    /// What was cut, and what went wrong beside the rules, until somebody asks.
    revocations: Vec<Revocation>,
    problems: Vec<String>,
}

impl Host {
    /// The host whose files are below `root`; everything is over by `deadline`.
    pub fn new(root: &Path, deadline: Deadline) -> Self {
        let programs = Programs::noted_in(State::new(root).authors_file());
        Self::with(root, deadline, Box::new(programs), Box::new(Netlink))
    }

    /// The same with other programs and interfaces.
    pub fn with(root: &Path, deadline: Deadline, runner: Box<dyn Runner>, interfaces: Box<dyn Interfaces>) -> Self {
        Self {
            root: root.to_owned(),
            surroundings: Surroundings::new(root),
            state: State::new(root),
            runner,
            interfaces,
            deadline,
            floating_records: FloatingRecords::new(root),
            seen: None,
            concerned: Concerned::default(),
            revocations: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// What is remembered of this host.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The policy as the files have it now, with what was associated by command.
    ///
    /// # Errors
    /// A file is not as it must be.
    pub fn policy(&self) -> Result<Policy, Error> {
        let mut policy = Policy::load(&self.root)?;
        self.add_associations(&mut policy)?;
        self.add_probes(&mut policy);
        Ok(policy)
    }

    /// What others on this host know: filters and leases.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The interfaces as they are now.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn links(&self) -> Result<Links, Error> {
        self.interfaces.links().map_err(Error::io("the interfaces of this host cannot be listed"))
    }

    /// The addresses of this host as they are now.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn addresses(&self) -> Result<Addresses, Error> {
        self.interfaces.addresses().map_err(Error::io("the addresses of this host cannot be listed"))
    }

    /// What the kernel can do: remembered, or found now. A reboot empties /run, so
    /// nothing outlives the kernel it was found of.
    pub fn capabilities(&mut self) -> Capabilities {
        match self.state.capabilities() {
            Some(known) => known,
            None => self.probe_kernel(),
        }
    }

    /// Looks anew at what the kernel can do, and remembers what is certain: a
    /// package or a module may have come.
    pub(super) fn probe_kernel(&mut self) -> Capabilities {
        match probe(self.runner.as_mut(), self.deadline) {
            Probe::Certain(found) => {
                // To look again next time costs a few milliseconds and nothing else.
                let _ = self.state.set_capabilities(&found);
                found
            }
            Probe::Uncertain(found) => found,
        }
    }

    /// The number of the last change of rules that everything was last read
    /// after: what the kernel tells of changes up to it is known already.
    pub fn seen(&self) -> Option<u32> {
        self.seen
    }

    fn read_all(&mut self, engine: EngineKind) -> Result<Listing, Error> {
        self.seen = generation().ok();
        let xtables = self.capabilities().xtables;
        Ok(read_all(self.runner.as_mut(), engine, xtables, self.deadline)?)
    }

    /// What iptables and ip6tables hold in these families; `what` is in there.
    ///
    /// # Errors
    /// A program fails, or its tables cannot be read.
    fn saved(&mut self, families: &BTreeSet<Family>, what: &str) -> Result<BTreeMap<Family, Saved>, Error> {
        let mut standing = BTreeMap::new();
        for family in families {
            let saved = save(self.runner.as_mut(), *family, self.deadline)?;
            if let Some(reason) = &saved.unreadable {
                return Err(Error::NotApplied(format!("{what} of {family} cannot be read: {reason}")));
            }
            standing.insert(*family, saved);
        }
        Ok(standing)
    }

    /// The engine that the configuration and this kernel agree on.
    ///
    /// # Errors
    /// The configuration insists on one that cannot work here.
    pub fn engine(&mut self, choice: EngineChoice) -> Result<Box<dyn Engine>, Error> {
        let found = self.capabilities();
        let iptables = || -> Box<dyn Engine> { Box::new(Iptables { bridge_names: found.bridge_names }) };
        Ok(match (choice, &found.nftables_lacks) {
            (EngineChoice::Iptables, _) | (EngineChoice::Auto, Some(_)) => iptables(),
            (EngineChoice::Nftables, Some(lacks)) => {
                return Err(Error::Unsupported { wanted: EngineKind::Nftables, lacks: lacks.clone() });
            }
            (EngineChoice::Auto | EngineChoice::Nftables, None) => Box::new(Nftables),
        })
    }

    /// The engine of this kind, to read or to take away what it once applied.
    fn engine_of(&mut self, kind: EngineKind) -> Box<dyn Engine> {
        match kind {
            EngineKind::Nftables => Box::new(Nftables),
            EngineKind::Iptables => Box::new(Iptables { bridge_names: self.capabilities().bridge_names }),
        }
    }
}
