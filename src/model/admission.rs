//! Would the rules of today let a connection begin: the question by which flows
//! are cut or left alone.
//!
//! A connection is judged by its first packet, as that packet is seen at the port of
//! each guest that it has to do with: `evaluate` decides, as for any packet.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::evaluate::{Decision, Members, evaluate_walls};
use super::field::Field;
use super::packet::{ConnState, Head, IcmpMessage, IpPacket, Packet, Payload, Transport};
use super::rule::{Verdict, Wall};
use crate::net::{Detail, Direction, Flow, Mac, Tuple};

/// The sender's MAC address where nobody knows it: one of no station in particular.
const SOME_STATION: Mac = Mac::new([0x02, 0, 0, 0, 0, 0x01]);

/// A guest at one end of a flow.
#[derive(Debug, Clone)]
pub struct FlowEnd<'a> {
    /// Whether the flow begins there or leads there.
    pub direction: Direction,
    /// The guest's MAC address.
    pub mac: Mac,
    /// Its walls; and the host's, if the flow leads from it to the host.
    pub walls: Vec<&'a Wall>,
}

/// Whether packets that a bridge forwards have their source translated before or
/// after they meet the walls in front of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceSeen {
    /// As it was sent.
    Original,
    /// As it is answered.
    Translated,
}

/// The first packet of `flow` as a guest sends it.
pub fn sent(flow: &Flow) -> Tuple {
    flow.original
}

/// The first packet of `flow` as it comes to the guest that it leads to.
pub fn received(flow: &Flow, seen: SourceSeen) -> Tuple {
    let turned = turned(&flow.reply);
    match seen {
        SourceSeen::Translated => turned,
        SourceSeen::Original => Tuple { source: flow.original.source, ..turned },
    }
}

/// What the walls at `end` say of a connection that begins with `first`; nothing if they
/// would drop it and look at what conntrack does not keep of it.
///
/// The other station's MAC address is not kept either: any will do of those that a rule
/// asks for.
pub fn admission(end: &FlowEnd<'_>, members: &Members, first: &Tuple) -> Option<Decision> {
    let walls = || end.walls.iter().copied().filter(|wall| wall.direction == end.direction);
    let decide = |other| evaluate_walls(walls(), members, &packet(end, other, first));
    let mut decision = decide(SOME_STATION);
    for station in stations(walls(), end.direction) {
        if decision.verdict == Verdict::Accept {
            break;
        }
        decision = decide(station);
    }
    let is_unknown =
        || fields(walls()).any(|field| matches!(field, Field::IpSet(..) | Field::Dscp(_) | Field::TcpOption(_)));
    (decision.verdict == Verdict::Accept || !is_unknown()).then_some(decision)
}

fn packet(end: &FlowEnd<'_>, other: Mac, first: &Tuple) -> Packet {
    let (source_mac, destination_mac) = match end.direction {
        Direction::Out => (end.mac, other),
        Direction::In => (other, end.mac),
    };
    Packet {
        source_mac,
        destination_mac,
        payload: Payload::Ip(ip(first)),
        state: ConnState::New,
        is_reply: false,
        connections: 1,
    }
}

/// The MAC addresses of others that the rules ask for.
fn stations<'a>(walls: impl Iterator<Item = &'a Wall>, direction: Direction) -> BTreeSet<Mac> {
    let asked = fields(walls).filter_map(|field| match (field, direction) {
        (Field::SourceMac(pattern), Direction::In) | (Field::DestinationMac(pattern), Direction::Out) => {
            Some(pattern.address())
        }
        _ => None,
    });
    asked.collect()
}

fn fields<'a>(walls: impl Iterator<Item = &'a Wall>) -> impl Iterator<Item = &'a Field> {
    let rules = walls.flat_map(|wall| wall.rules.iter().chain(wall.branches.iter().flat_map(|branch| &branch.rules)));
    rules.flat_map(|rule| &rule.matches).map(|condition| &condition.field)
}

fn ip(tuple: &Tuple) -> IpPacket {
    let Tuple { source, destination, .. } = *tuple;
    IpPacket { source, destination, transport: transport(tuple), dscp: 0, extension_headers: false }
}

fn transport(tuple: &Tuple) -> Transport {
    let protocol = tuple.protocol;
    match tuple.detail {
        // Rules see ports of the others only.
        Detail::Ports { source, destination } if protocol.has_ports() => {
            Transport::Ports { protocol, source, destination, head: Head::opening(protocol) }
        }
        Detail::Icmp { number, code, .. } => Transport::Icmp(IcmpMessage { number, code, target: None }),
        Detail::Ports { .. } | Detail::Nothing => Transport::Other(protocol),
    }
}

/// The way back. Of an echo conntrack keeps the answer's type, of which the request
/// has another: it is one more or less (RFC 792; RFC 4443).
fn turned(reply: &Tuple) -> Tuple {
    let turned = reply.turned();
    match turned.detail {
        Detail::Icmp { number, code, id } => {
            Tuple { detail: Detail::Icmp { number: asked(reply.source, number), code, id }, ..turned }
        }
        _ => turned,
    }
}

/// The query that a message of this type answers, as conntrack pairs them
/// (`invmap` in nf_conntrack_proto_icmp.c and nf_conntrack_proto_icmpv6.c).
fn asked(family_of: IpAddr, answer: u8) -> u8 {
    const PAIRS: [&[(u8, u8)]; 2] = [&[(8, 0), (13, 14), (15, 16), (17, 18)], &[(128, 129), (139, 140)]];
    let pairs = PAIRS[usize::from(family_of.is_ipv6())];
    let query = pairs.iter().find(|(_, reply)| *reply == answer).map(|(query, _)| *query);
    // Whoever begins with an answer is answered by the query.
    let reply = pairs.iter().find(|(query, _)| *query == answer).map(|(_, reply)| *reply);
    query.or(reply).unwrap_or(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rule::{Layer, Origin, Rule, Scope};
    use crate::net::Protocol;

    fn flow(detail: [Detail; 2], protocol: Protocol) -> Flow {
        let [client, floating, fixed] = ["198.51.100.7", "203.0.113.10", "10.0.0.5"].map(|text| text.parse().unwrap());
        let original = Tuple { source: client, destination: floating, protocol, detail: detail[0] };
        let reply = Tuple { source: fixed, destination: client, protocol, detail: detail[1] };
        Flow { zone: 0, id: 1, original, reply, master: None, answered: true }
    }

    #[test]
    fn a_guest_receives_what_was_translated_for_it() {
        let ports = |source, destination| Detail::Ports { source, destination };
        let flow = flow([ports(40000, 8080), ports(80, 40000)], Protocol::TCP);
        let first = received(&flow, SourceSeen::Translated);
        assert_eq!(first.to_string(), "tcp 198.51.100.7:40000 > 10.0.0.5:80");
        assert_eq!(received(&flow, SourceSeen::Original), first);
    }

    fn decided(asked: Field) -> Option<Verdict> {
        let origin = Origin::built_in("a filter");
        let wall = Wall {
            layer: Layer::Ethernet,
            direction: Direction::Out,
            rules: vec![Rule::new(Scope::Any, [asked], Verdict::Accept, &origin)],
            branches: Vec::new(),
            otherwise: Verdict::Drop,
            otherwise_origin: origin,
        };
        let end = FlowEnd { direction: Direction::Out, mac: Mac::new([2, 0, 0, 0, 0, 9]), walls: vec![&wall] };
        let first = flow([Detail::Nothing; 2], Protocol(47)).original;
        admission(&end, &Members::default(), &first).map(|decision| decision.verdict)
    }

    #[test]
    fn a_filter_that_lets_its_gateway_alone_in_and_out_cuts_nothing() {
        let gateway = Mac::new([2, 0, 0, 0, 0, 0xfe]);
        assert_eq!(decided(Field::DestinationMac(gateway.into())), Some(Verdict::Accept));
        assert_eq!(decided(Field::SourceMac(gateway.into())), Some(Verdict::Drop));
    }

    #[test]
    fn what_conntrack_does_not_keep_is_not_judged_by() {
        assert_eq!(decided(Field::Dscp(46)), None);
        assert_eq!(decided(Field::IpSet("few".to_owned(), Vec::new())), None);
        assert_eq!(decided(Field::Protocol(Protocol::TCP)), Some(Verdict::Drop));
    }

    #[test]
    fn an_echo_that_was_translated_is_still_a_request() {
        let echo = |number| Detail::Icmp { number, code: 0, id: 9 };
        let flow = flow([echo(8), echo(0)], Protocol::ICMP);
        let first = received(&flow, SourceSeen::Translated);
        assert_eq!(first.to_string(), "icmp 198.51.100.7 > 10.0.0.5 type 8/0 id 9");
    }
}
