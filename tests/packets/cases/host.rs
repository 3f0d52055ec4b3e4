//! What guests and the network get from the host, with services that really
//! listen there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use virt_guard::net::{Family, Mac};

use super::scene::{ALPHA, Scene, ip, packet};
use crate::bytes::{self, ETHERNET};
use crate::engines::Engine;
use crate::frame::{Body, Frame, L4};
use crate::station::End;
use crate::support::lab::BRIDGE;
use crate::world::slowness;

const PATIENCE: Duration = Duration::from_millis(500);
const SILENCE: Duration = Duration::from_millis(50);

/// Whether the host says SYN and ACK to this SYN.
fn is_answered(scene: &Scene, from: End, syn: &Body, time: Duration) -> bool {
    let Body::Ip(ip) = syn else { panic!("a SYN is IP") };
    let L4::Tcp(source, destination, ..) = ip.transport else { panic!("a SYN is TCP") };
    let frame = Frame { to: End::Host.station().mac, from: from.station().mac, body: syn.clone() };
    scene.world.wire(from).send(&bytes::frame(&frame, 0));
    let start = ETHERNET + bytes::transport_offset(ip);
    let ports = [destination.to_be_bytes(), source.to_be_bytes()].concat();
    let answers = |got: &[u8]| {
        got.get(start..start + 4) == Some(&ports) && got.get(start + 13).is_some_and(|flags| *flags == 0x12)
    };
    scene.world.wire(from).receive_within(time * slowness(), answers).is_some()
}

fn assert_only_lan_is_answered(scene: &Scene, address: IpAddr, port: u16) {
    let syn = |from: End| packet(from.station().address(Family::of(address)), address, L4::syn(port, 22));
    assert!(is_answered(scene, End::Lan, &syn(End::Lan), PATIENCE), "the network cannot reach {address}");
    assert!(!is_answered(scene, ALPHA, &syn(ALPHA), SILENCE), "a guest reaches {address}");
}

/// `-i br100` in INPUT would cut off an operator who comes through the bridge.
pub fn answers_lan_not_guests(engine: &Engine) {
    let scene = Scene::guarded(engine, "", "");
    let _sshd = TcpListener::bind("[::]:22").expect("tcp/22 of the host");
    for (family, port) in [(Family::V4, 40000), (Family::V6, 40001)] {
        assert_only_lan_is_answered(&scene, End::Host.station().address(family), port);
    }
}

/// Linux answers for any of its addresses on any interface.
pub fn no_address_is_a_way_round(engine: &Engine) {
    let scene = Scene::guarded(engine, "", "");
    let words = [
        "link add br200 type bridge",
        "link set br200 up",
        "address add 10.200.0.1/24 dev br200",
        "address add 10.100.1.1/24 dev br100",
    ];
    scene.world.lab.ip(&words.map(str::to_owned));
    let _sshd = TcpListener::bind("[::]:22").expect("tcp/22 of the host");
    let addresses: [IpAddr; 3] =
        [[10, 200, 0, 1].into(), [10, 100, 1, 1].into(), End::Host.station().mac.link_local().into()];
    for (port, address) in (40000..).zip(addresses) {
        assert_only_lan_is_answered(&scene, address, port);
    }
}

fn service(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind(("0.0.0.0", port)).expect("a port of the host");
    socket.set_read_timeout(Some(PATIENCE * slowness())).expect("a timeout");
    socket
}

fn asks(scene: &Scene, body: &Body, to: Mac, server: &UdpSocket) -> SocketAddr {
    let frame = Frame { to, from: ALPHA.station().mac, body: body.clone() };
    scene.world.wire(ALPHA).send(&bytes::frame(&frame, 0));
    server.recv_from(&mut [0; 100]).expect("a question at the host").1
}

/// Whether the guest gets a datagram that ends in this text.
fn hears(scene: &Scene, text: &[u8], time: Duration) -> bool {
    scene.world.wire(ALPHA).receive_within(time * slowness(), |frame| frame.ends_with(text)).is_some()
}

/// From nobody to everybody, and back to everybody or to the address on offer.
pub fn guest_gets_dhcp(engine: &Engine) {
    let scene = Scene::guarded(engine, "", "");
    let server = service(67);
    server.set_broadcast(true).expect("broadcasts");
    setsockopt(&server.as_fd(), sockopt::BindToDevice, &BRIDGE.into()).expect("a socket of the bridge");
    let discover = packet(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, L4::Udp(68, 67));
    asks(&scene, &discover, Mac::BROADCAST, &server);
    server.send_to(b"offer to all", ("255.255.255.255", 68)).expect("an offer");
    assert!(hears(&scene, b"offer to all", PATIENCE), "the broadcast offer did not arrive");
    server.send_to(b"offer to one", (ALPHA.station().v4, 68)).expect("an offer");
    assert!(hears(&scene, b"offer to one", PATIENCE), "the offer to the address did not arrive");
    // Nobody but a server's port is let in so.
    let other = service(69);
    other.send_to(b"no offer", (ALPHA.station().v4, 68)).expect("a datagram");
    assert!(!hears(&scene, b"no offer", SILENCE), "a datagram from another port arrived");
}

/// A question, and its answer as a reply.
pub fn guest_gets_dns(engine: &Engine) {
    let scene = Scene::guarded(engine, "", "");
    let server = service(53);
    let question = ip(Family::V4, ALPHA, End::Host, L4::Udp(40000, 53));
    let asker = asks(&scene, &question, End::Host.station().mac, &server);
    assert_eq!(asker, SocketAddr::from((ALPHA.station().v4, 40000)));
    server.send_to(b"answer", asker).expect("an answer");
    assert!(hears(&scene, b"answer", PATIENCE), "the answer did not arrive");
    server.send_to(b"more", (ALPHA.station().v4, 40001)).expect("a datagram");
    assert!(!hears(&scene, b"more", SILENCE), "what nobody asked for arrived");
}

/// Ordinary sockets of the host are subject to the group like everybody else.
pub fn host_reaches_what_is_let_in(engine: &Engine) {
    let scene = Scene::guarded(engine, "", "");
    for family in Family::BOTH {
        let address = ALPHA.station().address(family);
        assert!(syn_arrives(&scene, address, 80, PATIENCE), "tcp/80 of {address} is not reached");
        assert!(!syn_arrives(&scene, address, 22, SILENCE), "tcp/22 of {address} is reached");
        scene.passes(End::Host, ALPHA, &ip(family, End::Host, ALPHA, L4::Udp(40000, 5000)));
        scene.stops(End::Host, ALPHA, &ip(family, End::Host, ALPHA, L4::Udp(40000, 5001)));
        scene.stops(End::Host, ALPHA, &ip(family, End::Host, ALPHA, L4::echo(family, 7)));
    }
}

fn syn_arrives(scene: &Scene, address: IpAddr, port: u16, time: Duration) -> bool {
    let to = SocketAddr::from((address, port));
    // In this thread's namespace, as every thread that it starts.
    thread::spawn(move || drop(TcpStream::connect_timeout(&to, Duration::from_millis(300))));
    let offset = ETHERNET + if address.is_ipv4() { 20 } else { 40 };
    let syn = |frame: &[u8]| {
        frame.get(offset + 2..offset + 4) == Some(&port.to_be_bytes()) && frame.get(offset + 13) == Some(&2)
    };
    scene.world.wire(ALPHA).receive_within(time * slowness(), syn).is_some()
}
