//! Who may speak at all: unknown ports, released ports, flushed rules, tags, and
//! members of groups that come and go.

use std::net::Ipv4Addr;
use std::process::Command;

use virt_guard::engine::EngineKind;
use virt_guard::net::{EtherType, Family};

use super::scene::{ALPHA, BETA, GAMMA, Scene, ip, packet, who_has};
use crate::engines::Engine;
use crate::frame::{Body, L4};
use crate::station::End;

/// A tap that was plugged in beside libvirt, or before its rules stand.
pub fn unknown_port_is_closed(engine: &Engine) {
    let scene = Scene::guarded(engine, "", "");
    for family in Family::BOTH {
        scene.stops(End::Unknown, End::Lan, &ip(family, End::Unknown, End::Lan, L4::syn(40000, 80)));
        scene.stops(End::Unknown, ALPHA, &ip(family, End::Unknown, ALPHA, L4::syn(40000, 80)));
        scene.stops(End::Unknown, End::Host, &ip(family, End::Unknown, End::Host, L4::Udp(40000, 53)));
        scene.stops(End::Lan, End::Unknown, &ip(family, End::Lan, End::Unknown, L4::syn(40000, 80)));
        scene.stops(End::Host, End::Unknown, &ip(family, End::Host, End::Unknown, L4::syn(40000, 80)));
    }
    scene.stops(End::Unknown, End::Lan, &who_has(End::Unknown, End::Lan));
    scene.stops(End::Lan, End::Unknown, &who_has(End::Lan, End::Unknown));
    scene.start(&[End::Unknown]);
    scene.passes(End::Unknown, End::Lan, &who_has(End::Unknown, End::Lan));
    scene.passes(End::Lan, End::Unknown, &who_has(End::Lan, End::Unknown));
    scene.passes(End::Unknown, End::Lan, &ip(Family::V4, End::Unknown, End::Lan, L4::syn(40001, 80)));
}

/// The operator lets others use the bridge; the host's services stay closed.
pub fn accepted_port_gets_no_services(engine: &Engine) {
    let scene = Scene::guarded(engine, "unknown-ports = \"accept\"", "");
    scene.passes(End::Unknown, End::Lan, &who_has(End::Unknown, End::Lan));
    for family in Family::BOTH {
        scene.passes(End::Unknown, End::Lan, &ip(family, End::Unknown, End::Lan, L4::syn(40000, 22)));
        scene.passes(End::Lan, End::Unknown, &ip(family, End::Lan, End::Unknown, L4::syn(40001, 22)));
        scene.passes(End::Unknown, End::Host, &ip(family, End::Unknown, End::Host, L4::Udp(40000, 53)));
        scene.stops(End::Unknown, End::Host, &ip(family, End::Unknown, End::Host, L4::syn(40000, 22)));
        scene.stops(End::Unknown, ALPHA, &ip(family, End::Unknown, ALPHA, L4::syn(40000, 22)));
    }
}

/// libvirt's rules about ARP and IP do not see what is behind a tag.
pub fn tagged_frame_is_no_way_round(engine: &Engine) {
    let scene = Scene::guarded(engine, "", "");
    let tag = |kind, body: &Body| Body::Tagged(kind, Box::new(body.clone()));
    for (from, to) in [(ALPHA, End::Lan), (End::Lan, ALPHA), (ALPHA, BETA)] {
        let plain = [
            who_has(from, to),
            ip(Family::V4, from, to, L4::syn(40000, 80)),
            ip(Family::V6, from, to, L4::syn(40000, 80)),
        ];
        for body in &plain {
            scene.passes(from, to, body);
            scene.stops(from, to, &tag(EtherType::VLAN, body));
            scene.stops(from, to, &tag(EtherType::QINQ, body));
            scene.stops(from, to, &tag(EtherType::QINQ, &tag(EtherType::VLAN, body)));
        }
    }
}

/// `nft flush ruleset`, `iptables -F`: open until the next start, then as before.
pub fn rules_come_back(engine: &Engine) {
    let scene = Scene::guarded(engine, "", "");
    let denied = |port| ip(Family::V4, End::Lan, ALPHA, L4::syn(port, 22));
    let foreign = who_has(BETA, End::Lan);
    scene.stops(End::Lan, ALPHA, &denied(40000));
    flush(engine.kind);
    scene.passes(End::Lan, ALPHA, &denied(40001));
    scene.start(&[ALPHA]);
    scene.stops(End::Lan, ALPHA, &denied(40002));
    scene.stops(ALPHA, End::Lan, &foreign);
    scene.passes(End::Lan, ALPHA, &ip(Family::V4, End::Lan, ALPHA, L4::syn(40003, 80)));
    scene.stops(End::Lan, BETA, &ip(Family::V4, End::Lan, BETA, L4::syn(40004, 22)));
    scene.stops(End::Unknown, End::Lan, &who_has(End::Unknown, End::Lan));
}

fn flush(engine: EngineKind) {
    let mut commands = vec!["nft flush ruleset"];
    if engine == EngineKind::Iptables {
        // For the old kind, whose tables nft does not see.
        commands.extend([
            "iptables -t mangle -F",
            "ip6tables -t mangle -F",
            "iptables -F",
            "ip6tables -F",
            "ebtables -t nat -F",
        ]);
    }
    for command in commands {
        let mut words = command.split(' ');
        let program = words.next().expect("a program");
        let status = Command::new(program).args(words).status().expect(program);
        assert!(status.success(), "{command}: {status}");
    }
}

/// What is gone is unknown again.
pub fn released_port_is_closed(engine: &Engine) {
    let scene = Scene::guarded(engine, "", "");
    let allowed = |port| ip(Family::V4, End::Lan, ALPHA, L4::syn(port, 80));
    scene.passes(End::Lan, ALPHA, &allowed(40000));
    scene.passes(ALPHA, End::Lan, &who_has(ALPHA, End::Lan));
    scene.release(ALPHA);
    scene.stops(End::Lan, ALPHA, &allowed(40001));
    scene.stops(ALPHA, End::Lan, &who_has(ALPHA, End::Lan));
    scene.stops(ALPHA, End::Host, &ip(Family::V4, ALPHA, End::Host, L4::Udp(40000, 53)));
    scene.passes(End::Lan, BETA, &ip(Family::V4, End::Lan, BETA, L4::syn(40000, 80)));
}

/// Two members with one address (a pair with a shared one): it goes with the last.
pub fn shared_address_stays(engine: &Engine) {
    let pair = "[[group]]\nname = \"pair\"\n[[group]]\nname = \"served\"\n\
                ingress = [{ protocol = \"tcp\", ports = 5432, from-group = \"pair\" }]\n\
                [[guest]]\nmatch = \"alpha\"\ngroups = [\"pair\"]\naddresses = [\"10.100.0.77\"]\n\
                [[guest]]\nmatch = \"beta\"\ngroups = [\"pair\"]\naddresses = [\"10.100.0.77\"]\n\
                [[guest]]\nmatch = \"gamma\"\ngroups = [\"served\"]\n";
    let scene = Scene::guarded(engine, "", pair);
    let shared = Ipv4Addr::new(10, 100, 0, 77);
    let query = |port, from| packet(from, GAMMA.station().v4, L4::syn(port, 5432));
    scene.passes(End::Lan, GAMMA, &query(40000, shared));
    scene.release(ALPHA);
    scene.passes(End::Lan, GAMMA, &query(40001, shared));
    scene.passes(End::Lan, GAMMA, &query(40002, BETA.station().v4));
    scene.stops(End::Lan, GAMMA, &query(40003, ALPHA.station().v4));
    scene.release(BETA);
    scene.stops(End::Lan, GAMMA, &query(40004, shared));
    scene.stops(End::Lan, GAMMA, &query(40005, BETA.station().v4));
}
