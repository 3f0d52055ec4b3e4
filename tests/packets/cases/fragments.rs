//! Datagrams that their sender has cut: only the first piece says which port they
//! are for, and a rule that looks at pieces lets the others through or none.

use std::net::UdpSocket;
use std::time::Duration;

use virt_guard::net::Family;

use super::pieces::{Pieces, senders};
use super::scene::{ALPHA, BETA, PATIENCE, SILENCE, Scene, ip};
use crate::engines::Engine;
use crate::frame::{Body, L4};
use crate::station::End;
use crate::world::slowness;

/// What the datagram carries: more than one frame, less than two.
const CONTENT: usize = 2000;

/// A datagram to this port.
fn datagram(family: Family, from: End, to: End, port: u16) -> Pieces {
    match ip(family, from, to, L4::Udp(port ^ 0x8000, port)) {
        Body::Ip(ip) => Pieces::of(&ip, CONTENT, 1400),
        _ => panic!("a datagram is IP"),
    }
}

/// Both pieces, in either order.
pub fn allowed_pass(engine: &Engine) {
    let scene = Scene::guarded(engine, "", "");
    for (family, from) in senders() {
        let pieces = datagram(family, from, ALPHA, 5000);
        pieces.send(&scene, from, ALPHA);
        assert_eq!(pieces.arrived(&scene, ALPHA, PATIENCE), pieces.length(), "{family} from {from}");
        pieces.frames(from, ALPHA).iter().rev().for_each(|piece| scene.world.wire(from).send(piece));
        assert_eq!(pieces.arrived(&scene, ALPHA, PATIENCE), pieces.length(), "{family} from {from}, backwards");
    }
    let server = service(53);
    datagram(Family::V4, ALPHA, End::Host, 53).send(&scene, ALPHA, End::Host);
    assert_eq!(server.recv(&mut [0; 4000]).expect("a datagram at the host"), CONTENT);
}

/// No piece of what is not let in.
pub fn no_way_round(engine: &Engine) {
    let scene = Scene::guarded(engine, "", "");
    for (family, from) in senders() {
        let pieces = datagram(family, from, ALPHA, 5001);
        pieces.send(&scene, from, ALPHA);
        assert_eq!(pieces.arrived(&scene, ALPHA, SILENCE), 0, "{family} from {from}");
        pieces.frames(from, ALPHA).iter().rev().for_each(|piece| scene.world.wire(from).send(piece));
        assert_eq!(pieces.arrived(&scene, ALPHA, SILENCE), 0, "{family} from {from}, backwards");
    }
    for family in Family::BOTH {
        // The last piece alone, of a datagram whose first never comes.
        let pieces = datagram(family, BETA, ALPHA, 5002);
        scene.world.wire(BETA).send(&pieces.frames(BETA, ALPHA)[1]);
        assert_eq!(pieces.arrived(&scene, ALPHA, SILENCE), 0, "{family}: a piece alone");
    }
    let server = service(5001);
    datagram(Family::V4, ALPHA, End::Host, 5001).send(&scene, ALPHA, End::Host);
    assert!(server.recv(&mut [0; 4000]).is_err(), "a guest reaches udp/5001 of the host in pieces");
}

fn service(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind(("0.0.0.0", port)).expect("a port of the host");
    socket.set_read_timeout(Some(Duration::from_millis(100) * slowness())).expect("a timeout");
    socket
}
