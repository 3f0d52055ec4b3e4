//! Would the rules of today let a connection begin: the question by which flows
//! are cut or left alone.
//!
//! A connection is judged by its first packet, as that packet is seen at the port of
//! each guest that it has to do with: `evaluate` decides, as for any packet.

use std::net::IpAddr;

use super::evaluate::{Decision, Members, evaluate_walls};
use super::packet::{ConnState, Head, IcmpMessage, IpPacket, Packet, Payload, Transport};
use super::rule::Wall;
use crate::net::{Detail, Direction, Flow, Mac, Tuple};

/// The sender's MAC address where nobody knows it: one of no station in particular.
const SOME_STATION: Mac = Mac::new([0x02, 0, 0, 0, 0, 0x01]);

/// A guest at one end of a flow.
#[derive(Debug, Clone, Copy)]
pub struct FlowEnd<'a> {
    /// Whether the flow begins there or leads there.
    pub direction: Direction,
    /// The guest's MAC address.
    pub mac: Mac,
    /// Its walls; and the host's, if the flow leads from it to the host.
    pub walls: &'a [Wall],
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

/// What the walls at `end` say of a connection that begins with `first`.
pub fn admission(end: &FlowEnd<'_>, members: &Members, first: &Tuple) -> Decision {
    let (source_mac, destination_mac) = match end.direction {
        Direction::Out => (end.mac, SOME_STATION),
        Direction::In => (SOME_STATION, end.mac),
    };
    let packet = Packet {
        source_mac,
        destination_mac,
        payload: Payload::Ip(ip(first)),
        state: ConnState::New,
        is_reply: false,
        connections: 1,
    };
    evaluate_walls(end.walls.iter().filter(|wall| wall.direction == end.direction), members, &packet)
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

    #[test]
    fn an_echo_that_was_translated_is_still_a_request() {
        let echo = |number| Detail::Icmp { number, code: 0, id: 9 };
        let flow = flow([echo(8), echo(0)], Protocol::ICMP);
        let first = received(&flow, SourceSeen::Translated);
        assert_eq!(first.to_string(), "icmp 198.51.100.7 > 10.0.0.5 type 8/0 id 9");
    }
}
