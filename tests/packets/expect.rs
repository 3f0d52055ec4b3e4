//! What the model says of a frame: who gets it, and the rule that decided.

use std::net::IpAddr;

use virt_guard::facts::policy::{UnknownPorts, Uplinks};
use virt_guard::model::{Decision, Origin, Packet, Verdict, evaluate, evaluate_walls};
use virt_guard::net::Direction;

use super::frame::Frame;
use super::host;
use super::station::End;
use super::world::Model;

/// Those who must or must not get the frame from `from`. The host is among them
/// only if its own stack would hand it on.
pub fn receivers(frame: &Frame, from: End) -> Vec<End> {
    let all = End::ALL.into_iter().filter(|end| *end != from);
    all.filter(|end| frame.to.is_multicast() || frame.to == end.station().mac)
        .filter(|end| *end != End::Host || host_hears(frame))
        .collect()
}

fn host_hears(frame: &Frame) -> bool {
    let station = End::Host.station();
    let addresses: [IpAddr; 3] = [station.v4.into(), station.v6.into(), station.mac.link_local().into()];
    frame.ip().is_some_and(|ip| host::hears(ip, frame.to.is_multicast(), &addresses))
}

/// What becomes of `packet` on its way.
pub fn decision(model: &Model, from: End, to: End, packet: &Packet) -> Decision {
    let mut decision = leave(model, from, packet);
    if decision.verdict == Verdict::Accept {
        decision = arrive(model, from, to, packet);
    }
    decision
}

fn leave(model: &Model, from: End, packet: &Packet) -> Decision {
    match from {
        End::Guest(number) => evaluate(&model.walls[number], &model.members, Direction::Out, packet),
        End::Unknown => unknown_port(model),
        End::Lan | End::Host => open("nothing stands there"),
    }
}

fn arrive(model: &Model, from: End, to: End, packet: &Packet) -> Decision {
    match to {
        End::Guest(number) => evaluate(&model.walls[number], &model.members, Direction::In, packet),
        End::Unknown => unknown_port(model),
        End::Host if from != End::Lan => evaluate_walls([&model.host], &model.members, packet),
        End::Host | End::Lan => open("nothing stands there"),
    }
}

fn unknown_port(model: &Model) -> Decision {
    let bridge = model.policy.bridges.first().expect("the policy's bridge");
    assert!(matches!(bridge.uplinks, Uplinks::Listed(_)), "the uplink is a veth and must be named");
    match bridge.unknown_ports {
        UnknownPorts::Accept => open("unknown ports may speak"),
        UnknownPorts::Drop => {
            Decision { verdict: Verdict::Drop, layer: None, origin: Origin::built_in("unknown port") }
        }
    }
}

fn open(reason: &str) -> Decision {
    Decision { verdict: Verdict::Accept, layer: None, origin: Origin::built_in(reason) }
}
