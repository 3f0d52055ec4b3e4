//! A probe's port at a bridge: put there on the one path by which guests' ports are
//! guarded, and taken away on it.
//!
//! In: a bridge, and whether the walls are to stand around the port. Out: a station whose
//! port is as a guest's. Nothing is applied on a host where nothing was applied yet. What a
//! probe leaves that was killed is swept as what a guest leaves that has gone.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use crate::facts::domain::{Interface, InterfaceKind, Uuid};
use crate::facts::policy::{GuestEntry, GuestMatcher, Policy};
use crate::facts::{Domain, Place, Placed};
use crate::kernel::Station;
use crate::net::{IfName, Mac};
use crate::state::{Around, ProbeRecord};

use super::super::super::{Arrival, Error, Host};
use super::Walls;

/// Where a new identity is to be had (random(4)).
const UUIDS: &str = "/proc/sys/kernel/random/uuid";
/// What the names of ports begin with.
const PREFIX: &str = "vgprobe";

/// A port at its bridge.
pub(super) struct Post {
    pub station: Station,
    around: Around,
}

impl Host {
    /// Adds to the policy what holds for the probes that are at work: a port without walls
    /// counts as an uplink, and a guest has the addresses that it uses.
    pub(in crate::reconcile) fn add_probes(&self, policy: &mut Policy) {
        for probe in self.state.probes() {
            match probe.around {
                Around::Nothing => {}
                Around::NoWalls => drop(policy.probes.insert(probe.port)),
                Around::Guest(uuid) => policy.entries.push(entry(uuid, &probe.addresses)),
            }
        }
    }

    /// Puts a port at `bridge`, for a station with these addresses.
    pub(super) fn take_post(&mut self, bridge: &IfName, probe: &ProbeRecord, mac: Mac) -> Result<Post, Error> {
        let station = Station::open(&probe.port, mac, bridge);
        let station = station.map_err(Error::io(format!("no probe can be put at {bridge}")))?;
        let post = Post { station, around: probe.around.clone() };
        match self.guard_post(&post, bridge) {
            Ok(()) => Ok(post),
            Err(error) => {
                // The first error is the one to tell; a sweep finds what is left.
                let _ = self.leave_post(post);
                Err(error)
            }
        }
    }

    fn guard_post(&mut self, post: &Post, bridge: &IfName) -> Result<(), Error> {
        post.station.plug(bridge).map_err(Error::io(format!("no probe can be put at {bridge}")))?;
        match post.around {
            Around::Nothing => Ok(()),
            Around::NoWalls => self.apply_all(&[]).map(drop),
            Around::Guest(uuid) => self.guard(&guest(uuid, post, bridge), Arrival::Fresh).map(drop),
        }
    }

    /// Takes the port away and what was kept of it.
    ///
    /// # Errors
    /// Something could not be taken away; the rest was.
    pub(super) fn leave_post(&mut self, post: Post) -> Result<(), Error> {
        let port = post.station.port().clone();
        let unplugged = post.station.unplug().map_err(Error::io(format!("{port} cannot be taken away")));
        let released = match post.around {
            Around::Guest(uuid) => self.release(&uuid),
            Around::Nothing | Around::NoWalls => Ok(()),
        };
        let forgotten = self.state.forget_probe(&port).map_err(Error::io("the probe cannot be forgotten"));
        let applied = match post.around {
            Around::NoWalls => self.apply_all(&[]).map(drop),
            Around::Nothing | Around::Guest(_) => Ok(()),
        };
        unplugged.and(released).and(forgotten).and(applied)
    }
}

/// What is said of a guest whose addresses are known, in the policy's words.
fn entry(uuid: Uuid, addresses: &[IpAddr]) -> GuestEntry {
    let place = || Place { file: "virt-guard services probe".to_owned(), line: 1, column: 1 };
    GuestEntry {
        matcher: GuestMatcher::Uuid(uuid.to_string()),
        mac: None,
        groups: Vec::new(),
        addresses: addresses.iter().map(|address| Placed { value: *address, place: place() }).collect(),
        filters: Vec::new(),
        anti_spoofing: None,
        router_advertisements: None,
        dhcp_server: None,
        place: place(),
    }
}

/// What is around a probe's port on a host with these walls.
pub(super) fn around(walls: Option<Walls>) -> Result<Around, Error> {
    Ok(match walls {
        None => Around::Nothing,
        Some(Walls::Aside) => Around::NoWalls,
        Some(Walls::Standing) => Around::Guest(identity().map_err(Error::io("a probe has no identity"))?),
    })
}

/// A name that no other probe has, and a MAC address of the kind that libvirt gives.
pub(super) fn names() -> Result<(IfName, Mac), Error> {
    let [_, a, b, c, d, ..] = random().to_be_bytes();
    let name = format!("{PREFIX}{a:02x}{b:02x}{c:02x}{d:02x}");
    let port = name.parse().map_err(|error| Error::Unguardable(format!("{error}")))?;
    Ok((port, Mac::new([0x52, 0x54, 0x00, b, c, d])))
}

/// A number that nobody else comes upon: the standard library's hash maps begin with one.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn identity() -> std::io::Result<Uuid> {
    let text = fs::read_to_string(UUIDS)?;
    text.trim().parse().map_err(|error| std::io::Error::other(format!("{UUIDS}: {error}")))
}

/// A guest as libvirt tells of one that has an interface at the bridge and nothing else.
fn guest(uuid: Uuid, post: &Post, bridge: &IfName) -> Domain {
    let port = post.station.port();
    let name = format!("virt-guard services probe, {port}");
    let interface = Interface {
        kind: InterfaceKind::Bridge,
        mac: post.station.mac(),
        target: Some(port.clone()),
        bridge: Some(bridge.clone()),
        network: None,
        virtualport: None,
        vlan: None,
        filterref: None,
        place: Place { file: name.clone(), line: 1, column: 1 },
    };
    Domain { name, uuid, interfaces: vec![interface], metadata_groups: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_has_a_name_and_an_address_of_its_own() {
        let ((one, mac), (two, _)) = (names().unwrap(), names().unwrap());
        assert_ne!(one, two);
        assert!(one.as_str().len() <= 15 && one.as_str().starts_with(PREFIX));
        assert_eq!(mac.bytes()[..3], [0x52, 0x54, 0]);
        assert_ne!(identity().unwrap(), identity().unwrap());
    }
}
