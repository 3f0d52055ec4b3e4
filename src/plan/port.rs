//! One port's chains.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::chain::{Chain, Line};
use super::name::Name;
use crate::model::{Field, Layer, Match, SetName, Wall};
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

    /// The same, with connections that nobody saw begin let go on until `time`, in
    /// seconds since 1970.
    pub fn picking_up_until(mut self, time: u64) -> Self {
        self.each_of_connections(|line| line.matches.insert(0, Match::is(Field::NotBefore(time))));
        self
    }

    /// The same, with none of them let go on.
    pub fn picking_up_nothing(mut self) -> Self {
        self.each_of_connections(|line| line.matches.retain(|part| !matches!(part.field, Field::NotBefore(_))));
        self
    }

    fn each_of_connections(&mut self, change: impl FnMut(&mut Line)) {
        let chains = self.chains.iter_mut().filter(|chain| chain.layer == Layer::Connection);
        chains.flat_map(|chain| &mut chain.lines).for_each(change);
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
