//! Walls as chains: what is to stand in the kernel, whatever the engine.
//!
//! In: the walls of each port, and the base that all ports share. Out: a
//! [`Plan`] of named chains in the order in which packets meet them. Only this
//! room knows that order and makes names; it knows no program and no syntax.

mod base;
mod chain;
mod dispatch;
mod fragment;
mod name;
mod nat;
mod port;

use std::collections::BTreeSet;

use crate::model::NatTable;
use crate::net::IfName;

pub use base::{Base, GuardedBridge};
pub use chain::{Act, Chain, Line};
pub use dispatch::{Branch, Node, PathChange, nodes, path_change};
pub use fragment::{FragmentChain, fragment_chains};
pub use name::{Name, NameError};
pub use nat::{NatChain, NatMap};
pub use port::PortPlan;

/// Everything that is to stand in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What all ports share.
    pub base: Base,
    /// The guests' ports.
    ports: Vec<PortPlan>,
    /// Which addresses of the host's side lead to guests.
    pub nat: NatTable,
}

/// Two ports that would need the same chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(String);

impl Plan {
    /// A plan for these ports.
    ///
    /// # Errors
    /// Two ports of one interface name, or two chains of one name: either would
    /// put one guest behind another's rules.
    pub fn new(base: Base, ports: Vec<PortPlan>) -> Result<Self, PlanError> {
        let mut interfaces = BTreeSet::new();
        let mut chains = BTreeSet::new();
        for port in &ports {
            if !interfaces.insert(&port.ifname) {
                return Err(PlanError(format!("two guests claim the port {}", port.ifname)));
            }
            for name in port.chain_names() {
                if !chains.insert(name.clone()) {
                    return Err(PlanError(format!("two chains would be named {name}")));
                }
            }
        }
        Ok(Self { base, ports, nat: NatTable::default() })
    }

    /// The guests' ports.
    pub fn ports(&self) -> &[PortPlan] {
        &self.ports
    }

    /// The same, with nothing that leads to guests.
    pub fn without_translations(&self) -> Self {
        Self { nat: NatTable::default(), ..self.clone() }
    }

    /// The names of all ports.
    pub fn port_names(&self) -> BTreeSet<IfName> {
        self.ports.iter().map(|port| port.ifname.clone()).collect()
    }
}
