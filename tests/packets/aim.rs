//! Packets aimed at one rule of a group: they fit it, or miss it by one.

use std::net::IpAddr;

use virt_guard::facts::policy::{GroupRule, Peer, Policy};
use virt_guard::net::{Direction, Family, Protocol};

use super::frame::{Extension, INIT, Ip, L4};
use super::rng::Rng;
use super::station::{End, GUESTS};
use super::values::{Values, edges, ends};

/// A rule that holds for a guest.
#[derive(Debug, Clone)]
pub struct Target {
    guest: End,
    direction: Direction,
    rule: GroupRule,
}

/// The rules of each guest's groups, as far as the policy names them.
pub fn targets(policy: &Policy) -> Vec<Target> {
    let mut targets = Vec::new();
    for (number, guest) in GUESTS.iter().enumerate() {
        let entries = policy.entries.iter().filter(|entry| entry.matcher.matches(guest.name, ""));
        let named = entries.flat_map(|entry| &entry.groups).chain(&policy.guests.groups);
        for group in named.filter_map(|name| policy.groups.get(&name.value)) {
            let mut add = |direction, rules: &[GroupRule]| {
                let target = |rule: &GroupRule| Target { guest: End::Guest(number), direction, rule: rule.clone() };
                targets.extend(rules.iter().map(target));
            };
            add(Direction::In, &group.ingress);
            add(Direction::Out, group.egress.as_deref().unwrap_or_default());
        }
    }
    targets
}

/// A packet for one of the targets, who sends it and to whom.
pub fn shoot(rng: &mut Rng, values: &Values) -> Option<(End, End, Ip)> {
    let target = rng.pick_or(&values.targets.iter().map(Some).collect::<Vec<_>>(), None)?;
    let family = target.rule.family.unwrap_or_else(|| rng.pick(&Family::BOTH));
    let other = if rng.chance(60) { End::Lan } else { rng.pick(&End::ALL) };
    if other == target.guest || (other == End::Host && target.direction == Direction::In) {
        return None;
    }
    let own = target.guest.station().address(family);
    let peer = peer(rng, &target.rule, family, other);
    let transport = transport(rng, values, &target.rule, family);
    let (from, to, source, destination) = match target.direction {
        Direction::In => (other, target.guest, peer, own),
        Direction::Out => (target.guest, other, own, peer),
    };
    if peer.is_multicast() || peer.is_unspecified() {
        return None;
    }
    Some((from, to, Ip { source, destination, extension: Extension::None, transport }))
}

/// The address of the other end: its own, or one at the edge of the rule's network.
fn peer(rng: &mut Rng, rule: &GroupRule, family: Family, other: End) -> IpAddr {
    let own = other.station().address(family);
    match rule.peer {
        Peer::Net(net) if other != End::Host && rng.chance(60) => {
            let inside = GUESTS.each_ref().map(|guest| guest.address(family));
            let all: Vec<_> = edges(net).into_iter().chain(inside).filter(|edge| Family::of(*edge) == family).collect();
            rng.pick_or(&all, own)
        }
        Peer::Group(_) if other != End::Host && rng.chance(60) => {
            rng.pick(&GUESTS.each_ref().map(|guest| guest.address(family)))
        }
        _ => own,
    }
}

fn transport(rng: &mut Rng, values: &Values, rule: &GroupRule, family: Family) -> L4 {
    let any = rng.word() | 0x8000;
    let ports: Vec<u16> = rule.ports.iter().flat_map(|range| ends(*range)).collect();
    let known = values.port(rng);
    let port = rng.pick_or(&ports, known);
    match rule.protocol {
        Some(Protocol::TCP) => L4::syn(any, port),
        Some(Protocol::UDP) | None => L4::Udp(any, port),
        Some(Protocol::SCTP) => L4::Sctp(any, port, 0, INIT),
        Some(Protocol::ICMP | Protocol::ICMPV6) => echo_or_other(rng, values, rule, family),
        Some(other) => L4::Other(other),
    }
}

fn echo_or_other(rng: &mut Rng, values: &Values, rule: &GroupRule, family: Family) -> L4 {
    let types: Vec<_> = rule.icmp_types.iter().map(|kind| (kind.number, kind.code.unwrap_or(0))).collect();
    let known = values.icmp(rng, family);
    let (number, code) = rng.pick_or(&types, known);
    let (code, word) = (code.wrapping_add(u8::from(rng.chance(20))), rng.word().to_be_bytes());
    L4::Icmp(number, code, [word[0], word[1], 0, 1], Vec::new())
}
