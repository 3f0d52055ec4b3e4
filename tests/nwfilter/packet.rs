//! Frames as the model sees them.

use virt_guard::model::{self, Head, IcmpMessage, IpPacket, Packet, Payload, Tcp, Transport, Vlan};
use virt_guard::net::{EtherType, Protocol};

use super::frame::{Arp, Body, Bpdu, Frame, Ip, L4};
use super::tracker::Place;

/// The frame as rules see it, at its place in its connection.
pub fn packet(frame: &Frame, place: Place) -> Packet {
    let payload = match frame.vlan {
        Some(id) => Payload::Vlan(Vlan { id, encapsulated: encapsulated(&frame.body) }),
        None => payload(&frame.body),
    };
    let Place { state, is_reply, connections } = place;
    Packet { source_mac: frame.from, destination_mac: frame.to, payload, state, is_reply, connections }
}

fn payload(body: &Body) -> Payload {
    match body {
        Body::Arp(arp) => Payload::Arp(self::arp(arp)),
        Body::Rarp(arp) => Payload::Rarp(self::arp(arp)),
        Body::Stp(bpdu) => Payload::Stp(self::bpdu(bpdu)),
        Body::Ip(ip) => Payload::Ip(self::ip(ip)),
        Body::Other(kind) => Payload::Other(*kind),
    }
}

/// What stands behind a tag: a type, or the length of a BPDU.
fn encapsulated(body: &Body) -> u16 {
    match body {
        Body::Arp(_) => EtherType::ARP.number(),
        Body::Rarp(_) => EtherType::RARP.number(),
        Body::Stp(bpdu) => {
            if bpdu.kind == 0 {
                38
            } else {
                7
            }
        }
        Body::Ip(ip) => ip.family().ether_type().number(),
        Body::Other(kind) => kind.number(),
    }
}

fn arp(arp: &Arp) -> model::Arp {
    let addresses = model::ArpAddresses {
        sender_mac: arp.sender.0,
        sender_ip: arp.sender.1,
        target_mac: arp.target.0,
        target_ip: arp.target.1,
    };
    let is_ethernet = arp.hardware == 1 && arp.protocol == EtherType::IPV4.number();
    model::Arp {
        hardware: arp.hardware,
        protocol: arp.protocol,
        operation: arp.operation,
        addresses: is_ethernet.then_some(addresses),
    }
}

/// The BPDU as rules see it.
pub fn bpdu(bpdu: &Bpdu) -> model::Bpdu {
    let Bpdu { kind, flags, root, cost, sender, port, times } = *bpdu;
    model::Bpdu { kind, flags, root, root_cost: cost, sender, port, times }
}

fn ip(ip: &Ip) -> IpPacket {
    IpPacket {
        source: ip.source,
        destination: ip.destination,
        transport: transport(&ip.transport),
        dscp: ip.dscp,
        extension_headers: false,
    }
}

fn transport(l4: &L4) -> Transport {
    let ports =
        |protocol, [source, destination]: [u16; 2], head| Transport::Ports { protocol, source, destination, head };
    match l4 {
        L4::Tcp(both, flags, option) => ports(Protocol::TCP, *both, Head::Tcp(Tcp { flags: *flags, option: *option })),
        L4::Udp(protocol, both) if *protocol == Protocol::UDP => ports(*protocol, *both, Head::Plain),
        L4::Udp(protocol, _) => Transport::Other(*protocol),
        L4::Sctp(both, chunk) => ports(Protocol::SCTP, *both, Head::Sctp(*chunk)),
        L4::Icmp(number, code, _) => Transport::Icmp(IcmpMessage { number: *number, code: *code, target: None }),
        L4::Neighbour(number, target) => {
            Transport::Icmp(IcmpMessage { number: *number, code: 0, target: Some(*target) })
        }
        L4::Other(protocol) => Transport::Other(*protocol),
    }
}
