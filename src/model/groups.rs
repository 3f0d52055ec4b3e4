//! Security groups, as Nova and Neutron mean them, as walls.
//!
//! What no rule lets in is dropped; replies pass; what goes out passes unless a
//! group states its egress. What a guest needs to have an address at all (DHCP,
//! neighbour discovery) is not for a group to forget.

use crate::facts::policy::{Group, GroupRule, Peer};
use crate::net::{Direction, Family};

use super::field::{Field, Match, SetName, State};
use super::guards::{dhcp_ports, icmpv6, udp};
use super::rule::{Layer, Origin, Rule, Scope, Verdict, Wall};

/// ICMPv6 that a guest must hear: listener query, router and neighbour discovery.
const HEARD: [u8; 4] = [130, 134, 135, 136];
/// ICMPv6 that a guest must say: listener reports, solicitations, advertisement.
const SAID: [u8; 6] = [131, 132, 133, 135, 136, 143];

/// The two walls that `groups` together are: a packet passes if one of them lets it.
pub(super) fn walls(layer: Layer, groups: &[&Group]) -> [Wall; 2] {
    Direction::BOTH.map(|direction| wall(layer, direction, groups))
}

fn wall(layer: Layer, direction: Direction, groups: &[&Group]) -> Wall {
    let mut rules: Vec<Rule> = Family::BOTH.into_iter().flat_map(state_rules).collect();
    rules.extend(indispensable(direction));
    for group in groups {
        rules.extend(group_rules(group, direction));
    }
    let nothing = Origin::built_in(match direction {
        Direction::In => "no group lets this in",
        Direction::Out => "no group lets this out",
    });
    // Not the wall's own verdict: that would drop ARP as well.
    rules.extend(Family::BOTH.map(|family| Rule::new(Scope::Ip(family), [], Verdict::Drop, &nothing)));
    let otherwise_origin = Origin::built_in("groups are about IP only");
    Wall { layer, direction, rules, branches: Vec::new(), otherwise: Verdict::Accept, otherwise_origin }
}

/// Replies pass, and what conntrack cannot place does not.
pub(super) fn state_rules(family: Family) -> [Rule; 2] {
    let rule =
        |state, verdict, label| Rule::new(Scope::Ip(family), [Field::State(state)], verdict, &Origin::built_in(label));
    [
        rule(State::Established, Verdict::Accept, "established connection"),
        rule(State::Invalid, Verdict::Drop, "invalid connection state"),
    ]
}

fn indispensable(direction: Direction) -> Vec<Rule> {
    let discovery = Origin::built_in("neighbour discovery");
    let messages: &[u8] = match direction {
        Direction::In => &HEARD,
        Direction::Out => &SAID,
    };
    let mut rules: Vec<Rule> = messages.iter().map(|kind| icmpv6(*kind, [], Verdict::Accept, &discovery)).collect();
    rules.extend(Family::BOTH.map(|family| {
        let (server, client) = dhcp_ports(family);
        let fields = match direction {
            Direction::In => udp(server, client),
            Direction::Out => udp(client, server),
        };
        Rule::new(Scope::Ip(family), fields, Verdict::Accept, &Origin::built_in("dhcp client"))
    }));
    rules
}

fn group_rules(group: &Group, direction: Direction) -> Vec<Rule> {
    let rules = match direction {
        Direction::In => Some(&group.ingress),
        Direction::Out => group.egress.as_ref(),
    };
    match rules {
        Some(rules) => {
            let word = if direction == Direction::In { "ingress" } else { "egress" };
            let label = format!("group {} {word}", group.name);
            rules.iter().flat_map(|rule| expand(rule, direction, &label)).collect()
        }
        None => {
            let origin = Origin::placed(format!("group {} egress, open as none is stated", group.name), &group.place);
            Family::BOTH.map(|family| Rule::new(Scope::Ip(family), [], Verdict::Accept, &origin)).into()
        }
    }
}

/// One rule of a group as rules of single families, ports and types. Several
/// ports are several rules: a set per guest costs the kernel far more.
fn expand(rule: &GroupRule, direction: Direction, label: &str) -> Vec<Rule> {
    let origin = Origin::placed(label, &rule.place);
    let families = Family::BOTH.into_iter().filter(|family| rule.family.is_none_or(|only| only == *family));
    families
        .flat_map(|family| {
            let origin = origin.clone();
            let peer = peer(&rule.peer, family, direction);
            details(rule).into_iter().map(move |detail| {
                let fields = peer.iter().cloned().chain(detail);
                let matches = fields.map(Match::is).collect();
                Rule { scope: Scope::Ip(family), matches, target: Verdict::Accept.into(), origin: origin.clone() }
            })
        })
        .collect()
}

fn peer(peer: &Peer, family: Family, direction: Direction) -> Option<Field> {
    let set = |group: &_| SetName { group: Some(Clone::clone(group)), family };
    match (peer, direction) {
        (Peer::Any, _) => None,
        // A whole family needs no comparison of addresses.
        (Peer::Net(net), _) if net.prefix_len() == 0 => None,
        (Peer::Net(net), Direction::In) => Some(Field::Source(*net)),
        (Peer::Net(net), Direction::Out) => Some(Field::Destination(*net)),
        (Peer::Group(group), Direction::In) => Some(Field::SourceIn(set(group))),
        (Peer::Group(group), Direction::Out) => Some(Field::DestinationIn(set(group))),
    }
}

/// What a rule says beside its peer, one list of fields for each port or type.
fn details(rule: &GroupRule) -> Vec<Vec<Field>> {
    let Some(protocol) = rule.protocol else { return vec![Vec::new()] };
    let one = Field::Protocol(protocol);
    let ports = rule.ports.iter().map(|ports| Field::DestinationPort(*ports));
    let types = rule.icmp_types.iter().map(|kind| Field::Icmp(*kind));
    let all: Vec<Vec<Field>> = ports.chain(types).map(|field| vec![one.clone(), field]).collect();
    if all.is_empty() { vec![vec![one]] } else { all }
}
