//! A probe's port at a bridge: put there on the one path by which guests' ports are
//! guarded, and taken away on it.
//!
//! In: a bridge, and whether the walls are to stand around the port. Out: a station whose
//! port is as a guest's. Nothing is applied on a host where nothing was applied yet. What a
//! probe leaves that was killed is swept as what a guest leaves that has gone.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};

use crate::facts::domain::{Interface, InterfaceKind, Uuid};
use crate::facts::{Domain, Place};
use crate::kernel::Station;
use crate::net::{IfName, Mac};

use super::super::super::{Arrival, Error, Host};
use super::Walls;

/// Where a new identity is to be had (random(4)).
const UUIDS: &str = "/proc/sys/kernel/random/uuid";
/// What the names of ports begin with.
const PREFIX: &str = "vgprobe";

/// A port at its bridge.
pub(super) struct Post {
    pub station: Station,
    kept: Kept,
}

/// What is kept of a port while it is there.
enum Kept {
    /// Nothing: no walls are on this host.
    Nothing,
    /// The guest that it is said to be.
    Guest(Uuid),
    /// That no walls are around it.
    Probe,
}

impl Host {
    /// Puts a port at `bridge`.
    pub(super) fn take_post(&mut self, bridge: &IfName, walls: Option<Walls>) -> Result<Post, Error> {
        let (port, mac) = names()?;
        let cannot = || Error::io(format!("no probe can be put at {bridge}"));
        let station = Station::open(&port, mac, bridge).map_err(cannot())?;
        let kept = match walls {
            None => Kept::Nothing,
            Some(Walls::Aside) => Kept::Probe,
            Some(Walls::Standing) => Kept::Guest(identity().map_err(cannot())?),
        };
        let post = Post { station, kept };
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
        let port = post.station.port();
        if matches!(post.kept, Kept::Probe) {
            self.state.note_probe(port).map_err(Error::io("the probe cannot be recorded"))?;
        }
        post.station.plug(bridge).map_err(Error::io(format!("no probe can be put at {bridge}")))?;
        match post.kept {
            Kept::Nothing => Ok(()),
            Kept::Guest(uuid) => self.guard(&guest(uuid, post, bridge), Arrival::Fresh).map(drop),
            Kept::Probe => self.apply_all(&[]).map(drop),
        }
    }

    /// Takes the port away and what was kept of it.
    ///
    /// # Errors
    /// Something could not be taken away; the rest was.
    pub(super) fn leave_post(&mut self, post: Post) -> Result<(), Error> {
        let port = post.station.port().clone();
        let unplugged = post.station.unplug().map_err(Error::io(format!("{port} cannot be taken away")));
        let forgotten = match post.kept {
            Kept::Nothing => Ok(()),
            Kept::Guest(uuid) => self.release(&uuid),
            Kept::Probe => {
                let forgotten = self.state.forget_probe(&port).map_err(Error::io("the probe cannot be forgotten"));
                forgotten.and_then(|()| self.apply_all(&[]).map(drop))
            }
        };
        unplugged.and(forgotten)
    }
}

/// A name that no other probe has, and a MAC address of the kind that libvirt gives.
fn names() -> Result<(IfName, Mac), Error> {
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
