//! Records as packets: what is around one in UDP, in an echo and in SCTP where the
//! kernel has none.
//!
//! SCTP (RFC 9260) is as much of it as connection tracking looks at: the four
//! chunks that open an association, and data that nobody acknowledges. A tag is
//! the session's number, so neither end has anything to remember.

use virt_guard::net::{Family, Protocol};

use super::record::{LENGTH, Record, Side};
use crate::support::sums::{checksum, crc32c};

/// What goes over a socket of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrap {
    /// Nothing but the record: the kernel adds the rest.
    Udp,
    /// A raw socket of this family's ICMP.
    Echo(Family),
    /// A raw socket of SCTP; the packets that arrive have an IP header in IPv4.
    Sctp(Family),
}

/// Chunks of SCTP.
const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;

/// What a packet is to its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A record.
    Said(Record),
    /// A step towards an association, which this chunk answers.
    Asked(Record, Step),
    /// The association stands; the record tells which.
    Opened(Record),
}

/// A packet that is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step(u8);

/// The first packet of an association.
pub const FIRST: Step = Step(INIT);

/// What tells sessions between two addresses apart.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// The near end's port, or the identifier of its echoes.
    pub near: u16,
    /// The port as the sender knows it at the far end.
    pub far: u16,
}

impl Wrap {
    /// What sockets of `protocol` carry.
    pub fn of(protocol: Protocol, family: Family) -> Self {
        match protocol {
            Protocol::UDP => Self::Udp,
            Protocol::SCTP => Self::Sctp(family),
            _ => Self::Echo(family),
        }
    }

    /// A record as a packet.
    pub fn record(self, record: Record, ports: Ports) -> Vec<u8> {
        match self {
            Self::Udp => record.bytes().to_vec(),
            Self::Echo(family) => echo(family, record, ports.near),
            Self::Sctp(_) => {
                let number = record.number.to_be_bytes();
                let body = [&number[..], &[0; 8], &record.bytes()].concat();
                packet(DATA, record, ports, &body)
            }
        }
    }

    /// A step towards an association, to the end that `record` is for.
    pub fn step(self, Step(kind): Step, record: Record, ports: Ports) -> Vec<u8> {
        let mine = tag(Record { to: turned(record.to), ..record });
        let body = match kind {
            INIT => [&mine[..], &[0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]].concat(),
            // With a state cookie (7), which comes back in the next step.
            INIT_ACK => [&mine[..], &[0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 7, 0, 12], &record.bytes()].concat(),
            COOKIE_ECHO => record.bytes().to_vec(),
            _ => Vec::new(),
        };
        packet(kind, record, ports, &body)
    }

    /// What a packet says, and the ports it has if it is of SCTP.
    pub fn meaning(self, bytes: &[u8]) -> Option<Meaning> {
        match self {
            Self::Udp => Record::parse(bytes).map(Meaning::Said),
            Self::Echo(family) => {
                let bytes = without_ip(family, bytes)?;
                let request = echo_types(family)[0] == *bytes.first()?;
                let known = echo_types(family).contains(bytes.first()?);
                let record = Record::parse(bytes.get(8..)?)?;
                (known && request == (record.to == Side::Far)).then_some(Meaning::Said(record))
            }
            Self::Sctp(family) => chunk(without_ip(family, bytes)?),
        }
    }

    /// The source port of a packet that came through a raw socket of SCTP.
    pub fn source_port(self, bytes: &[u8]) -> Option<u16> {
        let Self::Sctp(family) = self else { return None };
        let bytes = without_ip(family, bytes)?;
        Some(u16::from_be_bytes(bytes.get(..2)?.try_into().ok()?))
    }
}

fn turned(side: Side) -> Side {
    match side {
        Side::Near => Side::Far,
        Side::Far => Side::Near,
    }
}

/// Raw sockets of IPv4 give the IP header, too: raw(7).
fn without_ip(family: Family, bytes: &[u8]) -> Option<&[u8]> {
    match family {
        Family::V4 => bytes.get(usize::from(bytes.first()? & 15) * 4..),
        Family::V6 => Some(bytes),
    }
}

/// Request and reply.
const fn echo_types(family: Family) -> [u8; 2] {
    match family {
        Family::V4 => [8, 0],
        Family::V6 => [128, 129],
    }
}

fn echo(family: Family, record: Record, id: u16) -> Vec<u8> {
    let kind = echo_types(family)[usize::from(record.to == Side::Near)];
    let sequence = record.number as u16;
    let mut bytes = [&[kind, 0, 0, 0][..], &id.to_be_bytes(), &sequence.to_be_bytes(), &record.bytes()].concat();
    if family == Family::V4 {
        // Of ICMPv6 the kernel makes it.
        let sum = checksum(&bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    bytes
}

/// The tag of packets to the end that `record` is for.
fn tag(record: Record) -> [u8; 4] {
    let [.., a, b, c, d] = Record { number: 0, ..record }.bytes()[..4] else { unreachable!("a record is longer") };
    [a | 0x10, b, c, d]
}

fn packet(kind: u8, record: Record, ports: Ports, body: &[u8]) -> Vec<u8> {
    let (source, destination) = match record.to {
        Side::Far => (ports.near, ports.far),
        Side::Near => (ports.far, ports.near),
    };
    let tag = if kind == INIT { [0; 4] } else { tag(record) };
    let flags = if kind == DATA { 3 } else { 0 };
    let length = (4 + body.len() as u16).to_be_bytes();
    let mut bytes = [&source.to_be_bytes()[..], &destination.to_be_bytes(), &tag, &[0; 4]].concat();
    bytes.extend([kind, flags]);
    bytes.extend(length);
    bytes.extend(body);
    let sum = crc32c(&bytes);
    bytes[8..12].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn chunk(bytes: &[u8]) -> Option<Meaning> {
    let (kind, body) = (*bytes.get(12)?, bytes.get(16..)?);
    // Of INIT the tag is in the body, and the sender's.
    let [a, b, c, d] = if kind == INIT { body } else { &bytes[4..] }.get(..4)?.try_into().ok()?;
    let mut tagged = [0; LENGTH];
    tagged[..4].copy_from_slice(&[a & !0x10, b, c, d]);
    let mut record = Record::parse(&tagged)?;
    match kind {
        DATA => Record::parse(body.get(12..)?).map(Meaning::Said),
        INIT => {
            record.to = turned(record.to);
            Some(Meaning::Asked(record, Step(INIT_ACK)))
        }
        INIT_ACK => Some(Meaning::Asked(record, Step(COOKIE_ECHO))),
        COOKIE_ECHO => Some(Meaning::Asked(record, Step(COOKIE_ACK))),
        COOKIE_ACK => Some(Meaning::Opened(record)),
        _ => None,
    }
}
