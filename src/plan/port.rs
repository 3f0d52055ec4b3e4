//! One port's chains.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::name::Name;
use crate::model::{Layer, Rule, Scope, SetName, Verdict, Wall};
use crate::net::{Direction, IfName};

/// One wall as a chain: its rules, the last of which decides about the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The chain's name.
    pub name: Name,
    /// The layer it is of.
    pub layer: Layer,
    /// The direction it is about.
    pub direction: Direction,
    /// Its rules. What reaches the end is accepted by this wall.
    pub rules: Vec<Rule>,
}

impl Chain {
    pub(super) fn new(name: Name, wall: &Wall) -> Self {
        let mut rules = wall.rules.clone();
        if wall.otherwise == Verdict::Drop {
            rules.push(Rule::new(Scope::Any, [], Verdict::Drop, &wall.otherwise_origin));
        }
        Self { name, layer: wall.layer, direction: wall.direction, rules }
    }
}

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
        let chain = |wall: &Wall| Chain::new(Name::wall(&ifname, wall.layer, wall.direction), wall);
        let mut chains: Vec<Chain> = walls.iter().map(chain).collect();
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

    /// The names of all chains of the port, entries included.
    pub fn chain_names(&self) -> Vec<Name> {
        let entries = Direction::BOTH.map(|direction| self.entry(direction));
        entries.into_iter().chain(self.chains.iter().map(|chain| chain.name.clone())).collect()
    }
}
