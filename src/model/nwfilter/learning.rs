//! What passes while a guest's address is not known: DHCP and nothing else.

use std::net::IpAddr;

use crate::model::field::{Field, Match};
use crate::model::guards::{dhcp_ports, udp};
use crate::model::rule::{Layer, Origin, Rule, Scope, Verdict, Wall};
use crate::net::{Direction, Family, Mac, host_net};

/// The walls of both directions. Answers are taken from `servers` only, if any.
pub(super) fn walls(mac: Mac, servers: &[IpAddr]) -> Vec<Wall> {
    Direction::BOTH.map(|direction| wall(direction, rules(direction, mac, servers))).into()
}

fn wall(direction: Direction, rules: Vec<Rule>) -> Wall {
    let otherwise_origin = Origin::built_in("nwfilter: only DHCP until the guest's address is known");
    let (branches, otherwise) = (Vec::new(), Verdict::Drop);
    Wall { layer: Layer::Ethernet, direction, rules, branches, otherwise, otherwise_origin }
}

fn rules(direction: Direction, mac: Mac, servers: &[IpAddr]) -> Vec<Rule> {
    let (server, client) = dhcp_ports(Family::V4);
    match direction {
        Direction::Out => vec![rule(udp(client, server), [Field::SourceMac(mac.into())])],
        Direction::In if servers.is_empty() => vec![rule(udp(server, client), [])],
        Direction::In => {
            let v4 = servers.iter().filter(|address| address.is_ipv4());
            v4.map(|address| rule(udp(server, client), [Field::Source(host_net(*address))])).collect()
        }
    }
}

fn rule<const N: usize>(udp: [Field; 3], more: [Field; N]) -> Rule {
    let matches = more.into_iter().chain(udp).map(Match::is).collect();
    let origin = Origin::built_in("nwfilter: DHCP until the guest's address is known");
    Rule { scope: Scope::Ip(Family::V4), matches, target: Verdict::Accept.into(), origin }
}
