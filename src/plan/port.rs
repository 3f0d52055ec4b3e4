//! One port's chains.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::chain::Chain;
use super::name::Name;
use crate::model::{SetName, Wall};
use crate::net::{Direction, IfName};

/// What is to stand around one port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortPlan {
    /// The port: the host's end of a guest's interface.
    pub ifname: IfName,
    /// Its walls, in the order in which a packet meets them.
    chains: Vec<Chain>,
    /// What the port's guest adds to the sets that all share.
    pub members: Vec<(SetName, IpAddr)>,
}

impl PortPlan {
    /// The chains of these walls, in the order of their layers.
    pub fn new(ifname: IfName, walls: &[Wall], members: Vec<(SetName, IpAddr)>) -> Self {
        let mut chains: Vec<Chain> = walls.iter().map(|wall| Chain::of_port(&ifname, wall)).collect();
        chains.sort_by_key(|chain| (chain.layer, chain.direction));
        Self { ifname, chains, members }
    }

    /// The chain through which packets of `direction` enter.
    pub fn entry(&self, direction: Direction) -> Name {
        Self::entry_of(&self.ifname, direction)
    }

    /// The chain through which packets of `direction` enter at port `ifname`.
    pub fn entry_of(ifname: &IfName, direction: Direction) -> Name {
        Name::entry(ifname, direction)
    }

    /// The walls of one direction, in the order in which a packet meets them.
    pub fn walls(&self, direction: Direction) -> impl Iterator<Item = &Chain> {
        self.chains.iter().filter(move |chain| chain.direction == direction)
    }

    /// The walls of both directions.
    pub fn all_walls(&self) -> impl Iterator<Item = &Chain> {
        self.chains.iter()
    }

    /// The names of all chains of the port, entries included.
    pub fn chain_names(&self) -> Vec<Name> {
        let entries = Direction::BOTH.map(|direction| self.entry(direction));
        let walls = self.chains.iter().flat_map(Chain::all).map(|chain| chain.name.clone());
        entries.into_iter().chain(walls).collect()
    }
}
