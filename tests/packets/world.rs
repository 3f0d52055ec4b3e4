//! A host with three guests under a policy: the real files, the real `Host`, the
//! real kernel.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tempfile::TempDir;
use virt_guard::facts::Domain;
use virt_guard::facts::policy::Policy;
use virt_guard::kernel::Deadline;
use virt_guard::model::{Guarding, Members, Wall, host_wall, resolve};
use virt_guard::reconcile::{self, Host};

use super::engines::Engine;
use super::generate::{self, PolicyText};
use super::host::HostSockets;
use super::station::{End, GUESTS, Station};
use super::support::Wire;
use super::support::lab::{BRIDGE, Lab};

/// Emulated machines are slower by about this factor.
pub fn slowness() -> u32 {
    std::env::var("LAB_SLOW").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// The bridge and everybody at it.
pub struct World {
    /// The lab, for what a case wants beside this.
    pub lab: Lab,
    /// The host's sockets.
    pub host: HostSockets,
    wires: BTreeMap<End, Wire>,
    root: TempDir,
    engine: Engine,
}

/// What the model says of this world.
pub struct Model {
    /// The policy.
    pub policy: Policy,
    /// The walls around each guest.
    pub walls: Vec<Vec<Wall>>,
    /// The wall before the host.
    pub host: Wall,
    /// Who is in which group.
    pub members: Members,
}

/// How rules come into the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Guest by guest, as a hook has it.
    OneByOne,
    /// All guests in one go, as after a boot.
    AllAtOnce,
}

impl World {
    /// Everybody is at the bridge, and there are no rules.
    pub fn new(engine: &Engine) -> Self {
        let lab = Lab::new();
        let ends = || End::ALL.into_iter().filter(|end| *end != End::Host);
        let ports: Vec<_> = ends().map(End::station).map(|station| (station.port, Some(station.mac))).collect();
        let wires = ends().zip(lab.ports(&ports)).collect();
        let host = HostSockets::open();
        lab.ip(&still_host());
        lab.bridge(&still_bridge());
        let root = TempDir::new().expect("a directory for files");
        Self { lab, host, wires, root, engine: engine.clone() }
    }

    /// Puts the policy's files in place.
    pub fn write(&self, text: &PolicyText) {
        let folder = self.root.path().join("etc/virt-guard");
        for below in ["policy.d", "nwfilter"] {
            fs::create_dir_all(folder.join(below)).expect("the folder of the policy");
        }
        for (name, xml) in generate::FILTERS {
            fs::write(folder.join("nwfilter").join(format!("{name}.xml")), xml).expect("a filter");
        }
        let settings = format!("engine = \"{}\"\n{}", self.engine.kind, text.settings);
        fs::write(folder.join("virt-guard.toml"), settings).expect("the settings");
        fs::write(folder.join("policy.d/generated.toml"), &text.policy).expect("the policy");
    }

    /// The program under test, with time enough.
    pub fn guard(&self) -> Host {
        let host = Host::new(self.root.path(), Deadline::after(Duration::from_secs(30) * slowness()));
        host.state().set_capabilities(&self.engine.found).expect("what is known of this kernel");
        host
    }

    /// Guards these guests.
    ///
    /// # Errors
    /// What the program says.
    pub fn bring(&self, domains: &[Domain], way: Way) -> Result<Model, reconcile::Error> {
        let mut host = self.guard();
        match way {
            Way::OneByOne => {
                domains.iter().try_for_each(|domain| host.guard(domain, reconcile::Arrival::Fresh).map(drop))?
            }
            Way::AllAtOnce => {
                let outcome = host.apply_all(domains)?;
                assert!(outcome.problems.is_empty(), "{:?}", outcome.problems);
                // They came as if they ran, and would keep what they have for a while.
                let settling = self.root.path().join("run/virt-guard/settling");
                if settling.exists() {
                    fs::remove_dir_all(settling).expect("nobody settles");
                    host.apply_all(&[])?;
                }
            }
        }
        Model::new(&host, domains)
    }

    /// The far end of somebody's cable.
    pub fn wire(&self, end: End) -> &Wire {
        &self.wires[&end]
    }

    /// All cables.
    pub fn wires(&self) -> impl Iterator<Item = (End, &Wire)> {
        self.wires.iter().map(|(end, wire)| (*end, wire))
    }

    /// Waits until something has arrived somewhere, or the time is over.
    pub fn wait(&self, time: Duration) -> bool {
        let wires = self.wires.values().map(AsFd::as_fd);
        let mut all: Vec<_> = wires.chain(self.host.fds()).map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
        poll(&mut all, timeout).expect("waiting for packets") > 0
    }
}

impl Model {
    fn new(host: &Host, domains: &[Domain]) -> Result<Self, reconcile::Error> {
        let policy = host.policy()?;
        let mut members = Members::default();
        let mut walls = vec![Vec::new(); GUESTS.len()];
        for domain in domains {
            let number = GUESTS.iter().position(|guest| guest.name == domain.name).expect("a guest of this world");
            for interface in resolve(&policy, host.surroundings(), domain)?.interfaces {
                let Guarding::Walls(found) = interface.guarding else { panic!("a guest without walls") };
                walls[number] = found;
                interface.members.into_iter().for_each(|(set, address)| members.insert(set, address));
            }
        }
        Ok(Self { host: host_wall(&policy), policy, walls, members })
    }
}

fn others() -> impl Iterator<Item = &'static Station> {
    End::ALL.into_iter().filter(|end| *end != End::Host).map(End::station)
}

/// The host knows everybody, so that it never has to ask.
fn still_host() -> Vec<String> {
    let add = |address: IpAddr, station: &Station| {
        format!("neigh add {address} lladdr {} dev {BRIDGE} nud permanent", station.mac)
    };
    let addresses =
        |station: &Station| -> [IpAddr; 3] { [station.v4.into(), station.v6.into(), station.mac.link_local().into()] };
    others().flat_map(|station| addresses(station).map(|address| add(address, station))).collect()
}

/// Who is where is fixed: spoofed addresses would move it otherwise.
fn still_bridge() -> Vec<String> {
    others()
        .flat_map(|Station { port, mac, .. }| {
            [format!("link set dev {port} learning off"), format!("fdb add {mac} dev {port} master static")]
        })
        .collect()
}
