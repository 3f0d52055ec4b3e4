//! What was cut stays cut: packets in the middle of a connection that nobody knows.
//!
//! To forget a connection does not end it. The next packet of it is the first that
//! conntrack sees, be it in the middle; it is taken for the beginning of a new one,
//! and if the guest sent it, the rules for what the guest may begin let it pass
//! (`nf_conntrack_tcp_loose`, Linux' nf_conntrack-sysctl.rst). An SCTP heartbeat does
//! the same.

use crate::facts::policy::{MidStream, Policy};
use crate::net::{Direction, Family, Protocol};

use super::field::{Field, Match, SetName};
use super::rule::{Layer, Origin, Rule, Scope, Verdict, Wall};

/// The protocols whose connections have a beginning that can be told.
pub const MID_STREAM: [Protocol; 2] = [Protocol::TCP, Protocol::SCTP];

/// The wall before what this host routes or sends to a guest. A guest's own walls
/// stand behind it, where conntrack has noted the packet already: the guest's next
/// one would be taken for the answer.
///
/// It is about guests alone, by their addresses: other stations of the bridge are none
/// of its business.
pub fn routed_wall(policy: &Policy) -> Wall {
    let [mut wall, _] = walls();
    wall.rules.retain(|_| policy.guests.mid_stream == MidStream::Drop);
    for rule in &mut wall.rules {
        if let Scope::Ip(family) = rule.scope {
            rule.matches.push(Match::is(Field::DestinationIn(SetName::connected(family))));
        }
    }
    wall
}

/// The two walls against packets that belong to no connection and begin none.
pub(super) fn walls() -> [Wall; 2] {
    Direction::BOTH.map(|direction| Wall {
        layer: Layer::Connection,
        direction,
        rules: mid_stream_rules().collect(),
        branches: Vec::new(),
        otherwise: Verdict::Accept,
        otherwise_origin: Origin::built_in("begins a connection, or belongs to one"),
    })
}

/// The rules of such a wall.
pub(super) fn mid_stream_rules() -> impl Iterator<Item = Rule> {
    let rules = Family::BOTH.into_iter().flat_map(|family| MID_STREAM.map(|protocol| (family, protocol)));
    rules.map(|(family, protocol)| {
        let origin = Origin::built_in("begins no connection and belongs to none");
        Rule::new(Scope::Ip(family), [Field::MidStream(protocol)], Verdict::Drop, &origin)
    })
}
