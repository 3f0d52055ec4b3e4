//! Which packets belong to one connection, as conntrack of Linux 6.1 to 6.18 sees
//! it: the part of it that the tests need to know the state of their packets.

use std::collections::HashMap;
use std::net::IpAddr;

use virt_guard::model::ConnState;
use virt_guard::net::{Family, Protocol};

use super::frame::{ACK, INIT, Ip, L4, SYN};

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tuple {
    protocol: Protocol,
    source: IpAddr,
    destination: IpAddr,
    /// Ports, or identifier and type of an echo.
    parts: [u16; 2],
}

/// The direction in which `ip` goes, if it can belong to a connection.
pub fn tuple(ip: &Ip) -> Option<Tuple> {
    let parts = match &ip.transport {
        L4::Tcp(source, destination, ..) | L4::Udp(source, destination) | L4::Sctp(source, destination, ..) => {
            [*source, *destination]
        }
        // The code counts as well, but replies repeat it.
        L4::Icmp(number, _, rest, _) => {
            answer(ip.family(), *number)?;
            [u16::from_be_bytes([rest[0], rest[1]]), u16::from(*number)]
        }
        L4::Other(_) => [0, 0],
    };
    Some(Tuple { protocol: ip.protocol(), source: ip.source, destination: ip.destination, parts })
}

/// The types of a query and of its answer.
fn pairs(family: Family) -> &'static [(u8, u8)] {
    match family {
        Family::V4 => &[(8, 0), (13, 14), (15, 16), (17, 18)],
        Family::V6 => &[(128, 129), (139, 140)],
    }
}

/// The type that answers a query of this type, or the other way round.
fn answer(family: Family, number: u8) -> Option<u8> {
    let (query, reply) = pairs(family).iter().find(|(query, reply)| *query == number || *reply == number)?;
    Some(if *query == number { *reply } else { *query })
}

fn is_query(family: Family, number: u8) -> bool {
    pairs(family).iter().any(|(query, _)| *query == number)
}

impl Tuple {
    /// The direction of the replies.
    pub fn reversed(self) -> Self {
        let [first, second] = self.parts;
        let parts = match (self.protocol, u8::try_from(second)) {
            (Protocol::ICMP | Protocol::ICMPV6, Ok(number)) => {
                let reply = answer(Family::of(self.source), number);
                [first, reply.map_or(second, u16::from)]
            }
            _ => [second, first],
        };
        Self { source: self.destination, destination: self.source, parts, ..self }
    }
}

/// ICMPv6 that conntrack leaves alone: listener and neighbour discovery, but no
/// redirect (`noct_valid_new` in nf_conntrack_proto_icmpv6.c).
const LEFT_ALONE: [u8; 8] = [130, 131, 132, 133, 134, 135, 136, 143];

/// The state of a packet whose connection nobody has seen.
pub fn first_state(ip: &Ip) -> ConnState {
    match &ip.transport {
        L4::Icmp(number, ..) if ip.family() == Family::V6 && LEFT_ALONE.contains(number) => ConnState::Untracked,
        L4::Icmp(number, ..) if is_query(ip.family(), *number) => ConnState::New,
        L4::Icmp(..) => ConnState::Invalid,
        // A lone ACK counts as one of a connection that began earlier
        // (nf_conntrack_tcp_loose).
        L4::Tcp(_, _, SYN | ACK, _) | L4::Sctp(_, _, 0, INIT) | L4::Udp(..) | L4::Other(_) => ConnState::New,
        L4::Tcp(..) | L4::Sctp(..) => ConnState::Invalid,
    }
}

/// The connections that were seen, by either direction.
#[derive(Debug, Default)]
pub struct Flows {
    /// How often a direction was used, and whether anything was let through.
    seen: HashMap<Tuple, (usize, bool)>,
}

impl Flows {
    /// Whether the direction is used and its reverse is not: a packet there is
    /// the first of a connection, or as good as that.
    pub fn is_free(&self, tuple: Tuple) -> bool {
        !self.seen.contains_key(&tuple.reversed())
    }

    /// Whether the direction was used before.
    pub fn is_used(&self, tuple: Tuple) -> bool {
        self.seen.contains_key(&tuple)
    }

    /// Whether the direction was used once.
    pub fn is_single(&self, tuple: Tuple) -> bool {
        self.seen.get(&tuple).is_some_and(|(times, _)| *times == 1)
    }

    /// Notes a first packet.
    pub fn note(&mut self, tuple: Tuple, passed: bool) {
        let (times, any) = self.seen.entry(tuple).or_default();
        *times += 1;
        *any |= passed;
    }

    /// The state of a packet that answers one of direction `tuple` (with an
    /// answer of its own kind, or with the error that `error` is).
    pub fn state_of_answer(&self, tuple: Tuple, error: bool, alone: ConnState) -> ConnState {
        match (self.seen.get(&tuple).map(|(_, passed)| *passed), error) {
            (Some(true), false) => ConnState::Established,
            (Some(true), true) => ConnState::Related,
            _ => alone,
        }
    }
}
