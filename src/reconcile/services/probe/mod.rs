//! Proof from the guest's side: which of the host's services answer at a bridge's port.
//!
//! In: the guest-facing bridges, who listens, the addresses of this host. Out: what became
//! of a packet to each service by each address, and how that agrees with the policy. The
//! port is guarded as a guest's is and gone afterwards; packets are for this host alone.

mod dress;
mod judge;
mod outcome;
mod post;
mod question;
mod round;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use crate::facts::with_source;
use crate::kernel::{Listener, Netlink, Owner, owners};
use crate::net::{Family, IfName, Mac, Protocol};
use crate::state::ProbeRecord;

use super::reach::Bridge;
use super::{Error, Host, Scene};
use dress::{Choice, Dress, promised};
use post::{Post, around, names};
use round::Round;
use target::targets;

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
    /// The families that were tried.
    pub families: Vec<Family>,
    /// The host's own addresses there at which nobody was found, so that nothing of their
    /// family gets to the host.
    pub silent: Vec<IpAddr>,
    /// What does not apply there, and why.
    pub notes: Vec<String>,
    /// What should have been tried and could not be, or was left behind, and why: nothing
    /// is proven of it.
    pub lacks: Vec<String>,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Whether the walls stood around the probe's port; `None` where nothing was applied
    /// and there are none, whatever was asked for.
    pub walls: Option<Walls>,
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

/// How far a probe has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The bridge at which it is.
    pub bridge: &'a IfName,
    /// So many ports of addresses were tried there.
    pub over: usize,
    /// Of so many.
    pub all: usize,
}

/// What is told of the progress to.
pub type Tell<'a> = &'a (dyn Fn(Progress<'_>) + Sync);

/// What holds at every bridge.
struct Ground {
    scene: Scene,
    listeners: Vec<Listener>,
    promised: BTreeSet<Ipv4Addr>,
    walls: Option<Walls>,
}

impl Host {
    /// Tries this host's services from its guest-facing bridges.
    ///
    /// # Errors
    /// The policy is broken, a bridge is none that guests are at, or no probe can be put
    /// there. What was put there is gone.
    pub fn probe(&mut self, request: &ProbeRequest) -> Result<Probed, Error> {
        self.probe_telling(request, &|_| {})
    }

    /// The same, telling how far it is.
    ///
    /// # Errors
    /// As of [`Host::probe`].
    pub fn probe_telling(&mut self, request: &ProbeRequest, tell: Tell<'_>) -> Result<Probed, Error> {
        let ground = self.ground(request)?;
        let inodes = ground.listeners.iter().map(|listener| listener.inode).collect();
        let owners = owners(&inodes).map_err(Error::io("the processes of this host cannot be listed"))?;
        let (mut stands, mut attempts) = (Vec::new(), Vec::new());
        for bridge in ground.scene.chosen(&request.bridges)? {
            let (stand, tried) = self.probe_at(bridge, &ground, tell)?;
            stands.push(stand);
            attempts.extend(tried);
        }
        attempts.retain(|attempt| request.only.is_empty() || request.only.contains(&attempt.listener));
        ground.scene.find(&mut attempts);
        attempts.sort_by_key(|attempt| {
            let Listener { protocol, port, address, .. } = attempt.listener;
            (attempt.bridge.clone(), protocol, port, address, attempt.address)
        });
        Ok(Probed { walls: ground.walls, breach: ground.scene.breach, stands, attempts, owners })
    }

    fn ground(&mut self, request: &ProbeRequest) -> Result<Ground, Error> {
        let policy = self.policy()?;
        let listeners = Netlink.listeners().map_err(Error::io("the sockets of this host cannot be listed"))?;
        let walls = self.state.base().map(|_| request.walls);
        let promised = promised(&policy, &self.surroundings);
        Ok(Ground { scene: self.scene_as_it_stands()?, listeners, promised, walls })
    }

    /// Tries everything from one bridge, and leaves nothing there.
    fn probe_at(&mut self, bridge: &Bridge, ground: &Ground, tell: Tell<'_>) -> Result<(Stand, Vec<Attempt>), Error> {
        let (port, mac) = names()?;
        let around = around(ground.walls)?;
        let (dress, record) = self
            .dress(bridge, ground, |addresses| ProbeRecord::of_this_process(port.clone(), around.clone(), addresses))?;
        let post = self.take_post(&bridge.name, &record, mac).inspect_err(|_| {
            let _ = self.state.forget_probe(&port);
        })?;
        let tried = self.try_from(&post, dress, bridge, &Trial { ground, tell });
        let left = self.leave_post(post);
        let (mut stand, attempts) = tried?;
        stand.lacks.extend(left.err().map(|error| with_source(&error)));
        Ok((stand, attempts))
    }

    /// Chooses addresses that no other probe uses. Each records its own before it looks at
    /// those of others, so that of two at least one sees the other.
    fn dress(
        &self,
        bridge: &Bridge,
        ground: &Ground,
        record: impl Fn(Vec<IpAddr>) -> io::Result<ProbeRecord>,
    ) -> Result<(Dress, ProbeRecord), Error> {
        let cannot = || Error::io("the probe cannot be recorded");
        let mut promised = ground.promised.clone();
        loop {
            promised.extend(self.state.probes().iter().flat_map(|probe| &probe.addresses).filter_map(v4));
            let choice = Choice { bridge, addresses: &ground.scene.addresses, promised: &promised };
            let dress = choice.dress().map_err(Error::io(format!("no address is to be had at {}", bridge.name)))?;
            let record = record(dress.addresses()).map_err(cannot())?;
            self.state.note_probe(&record).map_err(cannot())?;
            let others = self.state.probes().into_iter().filter(|other| other.port != record.port);
            let taken: BTreeSet<_> = others.flat_map(|other| other.addresses).collect();
            if record.addresses.iter().all(|address| !taken.contains(address)) || self.deadline.has_passed() {
                return Ok((dress, record));
            }
            self.state.forget_probe(&record.port).map_err(cannot())?;
        }
    }

    fn try_from(
        &self,
        post: &Post,
        dress: Dress,
        bridge: &Bridge,
        trial: &Trial<'_>,
    ) -> Result<(Stand, Vec<Attempt>), Error> {
        let cannot = || Error::io(format!("this host cannot be tried from {}", bridge.name));
        let (station, ground) = (&post.station, trial.ground);
        let mut stand = dress.put_on(station, bridge, self.deadline).map_err(cannot())?;
        stand.tell_of_silence(ground.walls);
        let targets = targets(&ground.listeners, bridge, &ground.scene.addresses);
        let busy = ground.listeners.iter().filter(|listener| listener.protocol != Protocol::TCP);
        let busy = busy.map(|listener| listener.port).collect();
        let round = Round { station, stand: &stand, targets: &targets, busy: &busy, deadline: self.deadline };
        let all = targets.len();
        let tell = |over| (trial.tell)(Progress { bridge: &bridge.name, over, all });
        let attempts = round.go(&tell).map_err(cannot())?;
        Ok((stand, attempts))
    }
}

/// What is tried at a bridge, and who hears of it.
struct Trial<'a> {
    ground: &'a Ground,
    tell: Tell<'a>,
}

fn v4(address: &IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    }
}

impl Stand {
    /// Behind walls a host that is not found is what a guest finds; without, nothing is
    /// proven by it.
    fn tell_of_silence(&mut self, walls: Option<Walls>) {
        let told = if walls == Some(Walls::Standing) { &mut self.notes } else { &mut self.lacks };
        for gateway in &self.silent {
            let family = Family::of(*gateway);
            told.push(format!("{gateway} is not found from there: nothing gets to this host by {family}"));
        }
    }
}

impl Scene {
    /// The bridges with these names; all if there are none.
    fn chosen(&self, names: &[IfName]) -> Result<Vec<&Bridge>, Error> {
        if let Some(unknown) = names.iter().find(|name| !self.bridges.iter().any(|bridge| bridge.name == **name)) {
            let there: Vec<_> = self.bridges.iter().map(|bridge| bridge.name.to_string()).collect();
            let choices = if there.is_empty() { "none is there".to_owned() } else { there.join(", ") };
            let message = format!("{unknown}: no bridge of this host that guests are at, expected one of: {choices}");
            return Err(Error::Unguardable(message));
        }
        Ok(self.bridges.iter().filter(|bridge| names.is_empty() || names.contains(&bridge.name)).collect())
    }
}
