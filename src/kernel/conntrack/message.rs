//! Flows as messages of ctnetlink (linux/netfilter/nfnetlink_conntrack.h).
//!
//! Addresses, ports and numbers are big-endian in there, but for the bits of a
//! filter.

use std::net::IpAddr;

use super::End;
use crate::kernel::netlink::{Request, attribute};
use crate::net::{Detail, Family, Flow, Protocol, Tuple};

/// `NFNL_SUBSYS_CTNETLINK` in the upper byte of a message's type.
const SUBSYSTEM: u16 = 1 << 8;
const NEW: u16 = SUBSYSTEM;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;
/// `struct nfgenmsg`
const GENERIC: usize = 4;
/// linux/netfilter.h
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;

const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const STATUS: u16 = 3;
const ID: u16 = 12;
const TUPLE_MASTER: u16 = 14;
const ZONE: u16 = 18;
const FILTER: u16 = 25;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const TUPLE_ZONE: u16 = 3;
const V4_SOURCE: u16 = 1;
const V4_DESTINATION: u16 = 2;
const V6_SOURCE: u16 = 3;
const V6_DESTINATION: u16 = 4;
const NUMBER: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;
/// Identifier, type and code of ICMP and of ICMPv6.
const ICMP: [u16; 3] = [4, 5, 6];
const ICMPV6: [u16; 3] = [7, 8, 9];
/// `IPS_SEEN_REPLY` (linux/netfilter/nf_conntrack_common.h)
const SEEN_REPLY: u32 = 1 << 1;
const FILTER_ORIGINAL: u16 = 1;
const FILTER_REPLY: u16 = 2;
/// `CTA_FILTER_F_CTA_IP_SRC`, `CTA_FILTER_F_CTA_IP_DST` (net/netfilter/nf_internals.h)
const BY_SOURCE: u32 = 1 << 0;
const BY_DESTINATION: u32 = 1 << 1;

/// By which of its tuples a connection is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Original,
    Reply,
}

/// Asks for all connections of a family.
pub(super) fn list(family: Family) -> Request {
    request(GET, family)
}

/// Asks for the connections with this end. Not for IPv6: see [`super::Conntrack::with_any`].
pub(super) fn list_of(end: End) -> Request {
    let (tuple, bit) = match end {
        End::OriginalSource(_) => (TUPLE_ORIGINAL, BY_SOURCE),
        End::OriginalDestination(_) => (TUPLE_ORIGINAL, BY_DESTINATION),
        End::ReplySource(_) => (TUPLE_REPLY, BY_SOURCE),
        End::ReplyDestination(_) => (TUPLE_REPLY, BY_DESTINATION),
    };
    let (source, destination) = address_kinds(end.address());
    let kind = if bit == BY_SOURCE { source } else { destination };
    let bits = |of| if of == tuple { bit } else { 0 };
    list(Family::of(end.address()))
        .nested(tuple, |tuple| tuple.nested(TUPLE_IP, |ip| address(ip, kind, end.address())))
        .nested(FILTER, |filter| {
            filter
                .raw(FILTER_ORIGINAL, &bits(TUPLE_ORIGINAL).to_ne_bytes())
                .raw(FILTER_REPLY, &bits(TUPLE_REPLY).to_ne_bytes())
        })
}

/// Has one connection deleted: that with this tuple, zone and number.
///
/// This is the only maker of such requests, and every one has a tuple: without one
/// the kernel would delete all connections.
pub(super) fn delete(flow: &Flow, way: Way) -> Request {
    let (kind, tuple) = match way {
        Way::Original => (TUPLE_ORIGINAL, &flow.original),
        Way::Reply => (TUPLE_REPLY, &flow.reply),
    };
    let named = request(DELETE, tuple.family()).nested(kind, |request| tuple_attributes(request, tuple));
    let named = named.raw(ID, &flow.id.to_be_bytes());
    // A kernel without zones refuses their attribute, whatever is in it.
    if flow.zone == 0 { named } else { named.raw(ZONE, &flow.zone.to_be_bytes()) }
}

fn request(kind: u16, family: Family) -> Request {
    let family = match family {
        Family::V4 => NFPROTO_IPV4,
        Family::V6 => NFPROTO_IPV6,
    };
    Request::new(kind, &[family, 0, 0, 0])
}

fn tuple_attributes(request: Request, tuple: &Tuple) -> Request {
    let (source, destination) = address_kinds(tuple.source);
    let ip = |ip| address(address(ip, source, tuple.source), destination, tuple.destination);
    request.nested(TUPLE_IP, ip).nested(TUPLE_PROTOCOL, |request| {
        let request = request.raw(NUMBER, &[tuple.protocol.0]);
        match tuple.detail {
            Detail::Ports { source, destination } => {
                request.raw(SOURCE_PORT, &source.to_be_bytes()).raw(DESTINATION_PORT, &destination.to_be_bytes())
            }
            Detail::Icmp { number, code, id } => {
                let [of_id, of_number, of_code] = if tuple.protocol == Protocol::ICMPV6 { ICMPV6 } else { ICMP };
                request.raw(of_id, &id.to_be_bytes()).raw(of_number, &[number]).raw(of_code, &[code])
            }
            Detail::Nothing => request,
        }
    })
}

fn address(request: Request, kind: u16, address: IpAddr) -> Request {
    match address {
        IpAddr::V4(address) => request.raw(kind, &address.octets()),
        IpAddr::V6(address) => request.raw(kind, &address.octets()),
    }
}

const fn address_kinds(address: IpAddr) -> (u16, u16) {
    match address {
        IpAddr::V4(_) => (V4_SOURCE, V4_DESTINATION),
        IpAddr::V6(_) => (V6_SOURCE, V6_DESTINATION),
    }
}

/// Whether the address stands anywhere in this body; attributes begin at multiples of four.
pub(super) fn mentions(body: &[u8], address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => stands_in(body, &address.octets()),
        IpAddr::V6(address) => stands_in(body, &address.octets()),
    }
}

fn stands_in<const N: usize>(body: &[u8], octets: &[u8; N]) -> bool {
    body.windows(N).step_by(4).any(|found| found == octets)
}

/// The connection that a message of this type and body tells; `None` if it tells
/// none, or not all that there is to one.
pub(super) fn flow(kind: u16, body: &[u8]) -> Option<Flow> {
    let body = body.get(GENERIC..).filter(|_| kind == NEW)?;
    let (original, reply) = (attribute(body, TUPLE_ORIGINAL)?, attribute(body, TUPLE_REPLY)?);
    let zones = [attribute(body, ZONE), attribute(original, TUPLE_ZONE), attribute(reply, TUPLE_ZONE)];
    let master = match attribute(body, TUPLE_MASTER) {
        Some(bytes) => Some(tuple(bytes)?),
        None => None,
    };
    Some(Flow {
        zone: zones.into_iter().flatten().next().map_or(Some(0), u16_of)?,
        id: u32::from_be_bytes(attribute(body, ID)?.try_into().ok()?),
        original: tuple(original)?,
        reply: tuple(reply)?,
        master,
        answered: attribute(body, STATUS).and_then(|bytes| Some(u32::from_be_bytes(bytes.try_into().ok()?)))?
            & SEEN_REPLY
            != 0,
    })
}

fn tuple(bytes: &[u8]) -> Option<Tuple> {
    let (ip, transport) = (attribute(bytes, TUPLE_IP)?, attribute(bytes, TUPLE_PROTOCOL)?);
    let (source, destination) = match attribute(ip, V4_SOURCE) {
        Some(source) => (v4(source)?, v4(attribute(ip, V4_DESTINATION)?)?),
        None => (v6(attribute(ip, V6_SOURCE)?)?, v6(attribute(ip, V6_DESTINATION)?)?),
    };
    let protocol = Protocol(u8_of(attribute(transport, NUMBER)?)?);
    Some(Tuple { source, destination, protocol, detail: detail(transport)? })
}

/// The keys of GRE are told as ports, too. Of what has no attributes of its own the
/// kernel tells connections apart by nothing but the protocol.
fn detail(bytes: &[u8]) -> Option<Detail> {
    if let Some(source) = attribute(bytes, SOURCE_PORT) {
        let destination = attribute(bytes, DESTINATION_PORT)?;
        return Some(Detail::Ports { source: u16_of(source)?, destination: u16_of(destination)? });
    }
    for [of_id, of_number, of_code] in [ICMP, ICMPV6] {
        if let Some(id) = attribute(bytes, of_id) {
            let (number, code) = (attribute(bytes, of_number)?, attribute(bytes, of_code)?);
            return Some(Detail::Icmp { number: u8_of(number)?, code: u8_of(code)?, id: u16_of(id)? });
        }
    }
    Some(Detail::Nothing)
}

fn v4(bytes: &[u8]) -> Option<IpAddr> {
    Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?))
}

fn v6(bytes: &[u8]) -> Option<IpAddr> {
    Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?))
}

fn u16_of(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

fn u8_of(bytes: &[u8]) -> Option<u8> {
    <[u8; 1]>::try_from(bytes).ok().map(|[byte]| byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow_of(source: &str, destination: &str, (protocol, detail): (Protocol, Detail)) -> Flow {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        let original = Tuple { source, destination, protocol, detail };
        let reply = Tuple { source: destination, destination: source, ..original };
        Flow { zone: 7, id: 0x0102_0304, original, reply, master: Some(original), answered: true }
    }

    fn samples() -> Vec<Flow> {
        let ports = Detail::Ports { source: 40000, destination: 80 };
        let echo = |number| Detail::Icmp { number, code: 0, id: 0x1234 };
        vec![
            flow_of("192.0.2.7", "10.0.0.1", (Protocol::TCP, ports)),
            flow_of("192.0.2.7", "10.0.0.1", (Protocol::ICMP, echo(8))),
            flow_of("fd00::7", "fd00::1", (Protocol::ICMPV6, echo(128))),
            flow_of("fd00::7", "fd00::1", (Protocol(50), Detail::Nothing)),
        ]
    }

    fn told(flow: &Flow) -> Request {
        let request = request(NEW, flow.original.family());
        let request = request.nested(TUPLE_ORIGINAL, |request| tuple_attributes(request, &flow.original));
        let request = request.nested(TUPLE_REPLY, |request| tuple_attributes(request, &flow.reply));
        let request = request.raw(ID, &flow.id.to_be_bytes()).raw(ZONE, &flow.zone.to_be_bytes());
        let request = request.raw(STATUS, &SEEN_REPLY.to_be_bytes());
        request.nested(TUPLE_MASTER, |request| tuple_attributes(request, &flow.original))
    }

    #[test]
    fn what_is_written_is_read() {
        for sample in samples() {
            assert_eq!(flow(NEW, told(&sample).body()), Some(sample));
            assert_eq!(flow(DELETE, told(&sample).body()), None);
        }
    }

    #[test]
    fn an_address_that_a_flow_has_stands_in_its_message() {
        for sample in samples() {
            let request = told(&sample);
            for address in [sample.original.source, sample.original.destination] {
                assert!(mentions(request.body(), address), "{address}");
            }
            for other in ["192.0.2.8", "10.0.0.2", "fd00::8", "fd00::2"] {
                assert!(!mentions(request.body(), other.parse().unwrap()), "{other}");
            }
        }
    }

    #[test]
    fn half_a_message_is_no_flow() {
        let whole = told(&samples()[0]);
        let reply = whole.body().len() / 2;
        for length in 0..reply {
            assert_eq!(flow(NEW, &whole.body()[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn whatever_is_deleted_is_named_by_a_whole_tuple_and_a_number() {
        for sample in samples() {
            for (way, kind) in [(Way::Original, TUPLE_ORIGINAL), (Way::Reply, TUPLE_REPLY)] {
                let request = delete(&sample, way);
                let attributes = &request.body()[GENERIC..];
                let expected = if way == Way::Original { sample.original } else { sample.reply };
                assert_eq!(attribute(attributes, kind).and_then(tuple), Some(expected));
                assert_eq!(attribute(attributes, ID), Some(&[1, 2, 3, 4][..]));
                assert_eq!(attribute(attributes, ZONE), Some(&[0, 7][..]));
            }
        }
    }
}
