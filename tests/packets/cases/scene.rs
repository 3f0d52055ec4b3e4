//! The world of the cases: every guest is in a group that lets in tcp/80 and
//! udp/5000, and speaks to whom it likes.

use std::cell::Cell;
use std::net::IpAddr;
use std::time::Duration;

use virt_guard::facts::Domain;
use virt_guard::net::{EtherType, Family, Mac};
use virt_guard::reconcile::Arrival;

use crate::bytes::{self, ETHERNET};
use crate::engines::Engine;
use crate::frame::{Arp, Body, Extension, Frame, Ip, L4};
use crate::generate::{self, PolicyText};
use crate::station::{End, GUESTS, UPLINK};
use crate::world::{Way, World, slowness};

/// How long a frame may take.
pub const PATIENCE: Duration = Duration::from_millis(400);
/// How long to look for a frame that must not arrive.
pub const SILENCE: Duration = Duration::from_millis(20);

/// A guest of the cases, for which see [`GUESTS`].
pub const ALPHA: End = End::Guest(0);
/// Another one.
pub const BETA: End = End::Guest(1);
/// A third one.
pub const GAMMA: End = End::Guest(2);

/// A world in which a case happens.
pub struct Scene {
    /// The world.
    pub world: World,
    next: Cell<u32>,
}

impl Scene {
    /// The world under the cases' policy and these words more: keys of the
    /// bridge, and whole tables of a file of policy.
    pub fn new(engine: &Engine, bridge: &str, more: &str) -> Self {
        let settings = format!("[bridges.br100]\nuplinks = [\"{UPLINK}\"]\n{bridge}\n");
        let mut policy = "[[group]]\nname = \"web\"\ningress = [{ protocol = \"tcp\", ports = 80 }, \
                          { protocol = \"udp\", ports = 5000 }]\n"
            .to_owned();
        for guest in &GUESTS {
            policy.push_str(&format!(
                "[[guest]]\nmatch = \"{}\"\ngroups = [\"web\"]\naddresses = [\"{}\", \"{}\"]\n",
                guest.name, guest.v4, guest.v6
            ));
        }
        let world = World::new(engine);
        world.write(&PolicyText { settings, policy: policy + more });
        Self { world, next: Cell::new(1) }
    }

    /// The same with all three guests guarded.
    pub fn guarded(engine: &Engine, bridge: &str, more: &str) -> Self {
        let scene = Self::new(engine, bridge, more);
        scene.start(&[ALPHA, BETA, GAMMA]);
        scene
    }

    /// Guards those at these ports, as guests.
    pub fn start(&self, ends: &[End]) {
        let domains: Vec<_> = ends.iter().map(|end| domain(*end)).collect();
        let mut host = self.world.guard();
        match domains.as_slice() {
            [one] => drop(host.guard(one, Arrival::Fresh).expect("the guest is guarded")),
            all => drop(self.world.bring(all, Way::AllAtOnce).expect("the guests are guarded")),
        }
    }

    /// Takes a guest's rules away, as when it has stopped.
    pub fn release(&self, end: End) {
        self.world.guard().release(&domain(end).uuid).expect("the guest is released");
    }

    /// Asserts that what `from` sends gets to `to`.
    pub fn passes(&self, from: End, to: End, body: &Body) {
        assert!(self.arrives(from, to, body, PATIENCE), "did not arrive at {to} from {from}: {body:?}");
    }

    /// Asserts that what `from` sends does not get to `to`.
    pub fn stops(&self, from: End, to: End, body: &Body) {
        assert!(!self.arrives(from, to, body, SILENCE), "arrived at {to} from {from}: {body:?}");
    }

    fn arrives(&self, from: End, to: End, body: &Body, time: Duration) -> bool {
        let id = self.next.replace(self.next.get() + 1);
        let group = matches!(body, Body::Ip(ip) if ip.destination.is_multicast() || is_broadcast(ip.destination));
        let mac = if group { Mac::BROADCAST } else { to.station().mac };
        let frame = Frame { to: mac, from: from.station().mac, body: body.clone() };
        let whole = bytes::frame(&frame, id);
        match (from, frame.ip()) {
            (End::Host, Some(ip)) => self.world.host.send(ip, id),
            _ => self.world.wire(from).send(&whole),
        }
        match (to, frame.ip()) {
            (End::Host, Some(ip)) => self.heard(ip, &whole, time * slowness()),
            _ => {
                let same = |got: &[u8]| bytes::untagged(got) == bytes::untagged(&whole);
                self.world.wire(to).receive_within(time * slowness(), same).is_some()
            }
        }
    }

    /// Whether the host hears the packet of this frame.
    fn heard(&self, ip: &Ip, whole: &[u8], time: Duration) -> bool {
        let offset = if ip.family() == Family::V4 { 0 } else { bytes::transport_offset(ip) };
        let wanted = (ip.family(), whole[ETHERNET + offset..].to_vec());
        let end = std::time::Instant::now() + time;
        loop {
            while let Some(packet) = self.world.host.receive() {
                if packet == wanted {
                    return true;
                }
            }
            let left = end.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return false;
            }
            self.world.wait(left.min(Duration::from_millis(5)));
        }
    }
}

fn is_broadcast(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.is_broadcast())
}

/// Whoever is at this port, as a guest.
pub fn domain(end: End) -> Domain {
    Domain::parse(generate::xml(end.station(), "", ""), "domain XML").expect("a domain")
}

/// From one's address to another's, in `family`.
pub fn ip(family: Family, from: End, to: End, transport: L4) -> Body {
    let (source, destination) = (from.station().address(family), to.station().address(family));
    packet(source, destination, transport)
}

/// From address to address.
pub fn packet(source: impl Into<IpAddr>, destination: impl Into<IpAddr>, transport: L4) -> Body {
    let (source, destination) = (source.into(), destination.into());
    Body::Ip(Ip { source, destination, extension: Extension::None, transport })
}

/// What `from` asks by ARP to find `to`.
pub fn who_has(from: End, to: End) -> Body {
    let (own, other) = (from.station(), to.station());
    Body::Arp(EtherType::ARP, Arp { operation: 1, sender_mac: own.mac, sender_ip: own.v4, target_ip: other.v4 })
}
