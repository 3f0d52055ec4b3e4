//! A frame in the making: every field has a value, and attributes of a filter's
//! element may change it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use virt_guard::net::{EtherType, Family, Mac, Protocol};

use super::corpus::Aim;
use super::frame::{Arp, Body, Bpdu, Frame, INIT, Ip, L4, SYN};
use super::rng::Rng;

/// The fields of a frame, whatever it will carry.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Source and destination MAC address.
    pub macs: [Mac; 2],
    /// Source and destination address of both families.
    pub v4: [Ipv4Addr; 2],
    /// The same of IPv6.
    pub v6: [Ipv6Addr; 2],
    /// Source and destination port.
    pub ports: [u16; 2],
    /// VLAN of a tag.
    pub vlan: Option<u16>,
    /// EtherType behind a tag.
    pub ether_type: u16,
    /// Protocol number of IP.
    pub protocol: u8,
    /// Type and code.
    pub kind: [u8; 2],
    /// Identifier of an ICMP message.
    pub identifier: u16,
    /// DSCP.
    pub dscp: u8,
    /// TCP flags and option.
    pub tcp: (u8, Option<u8>),
    /// An ARP packet.
    pub arp: Arp,
    /// A BPDU.
    pub bpdu: Bpdu,
    /// Whether to send it in two fragments.
    pub in_fragments: bool,
}

/// What comes first and last of a range that an element names.
const RANGES: [(&str, &str); 4] =
    [("srcportstart", "srcportend"), ("dstportstart", "dstportend"), ("type", "typeend"), ("code", "codeend")];

impl Draft {
    /// Makes it fit the element, or most of it.
    pub fn aim(&mut self, rng: &mut Rng, aim: &Aim) {
        self.become_protocol(rng, &aim.protocol);
        for (name, values) in &aim.attributes {
            let attribute = Attribute { aim, name, value: rng.pick_or(values, String::new()) };
            if rng.chance(90) {
                self.set(rng, &attribute);
            }
        }
    }

    /// Makes it what an element of this name is about.
    pub fn become_protocol(&mut self, rng: &mut Rng, name: &str) {
        let base = name.strip_suffix("-ipv6").unwrap_or(name);
        let is_v6 = base != name || name.starts_with("icmpv6") || name == "ipv6";
        if let Some(number) = protocol(base) {
            self.protocol = number;
        }
        self.ether_type = match name {
            "mac" | "vlan" => self.ether_type,
            "arp" | "rarp" => protocol_id(name),
            "stp" => 0,
            _ if is_v6 => protocol_id("ipv6"),
            _ => protocol_id("ipv4"),
        };
        if name == "vlan" {
            self.vlan = Some(rng.word() & 0xfff);
        } else if name == "stp" {
            self.macs[1] = Mac::new([0x01, 0x80, 0xc2, 0, 0, 0]);
        }
    }

    fn set(&mut self, rng: &mut Rng, attribute: &Attribute) {
        let near = |rng: &mut Rng| attribute.near(rng);
        match attribute.name {
            "srcmacaddr" => self.macs[0] = attribute.mac(rng).unwrap_or(self.macs[0]),
            "dstmacaddr" => self.macs[1] = attribute.mac(rng).unwrap_or(self.macs[1]),
            "srcipaddr" | "srcipfrom" | "srcipto" => self.set_address(rng, 0, attribute),
            "dstipaddr" | "dstipfrom" | "dstipto" => self.set_address(rng, 1, attribute),
            "srcportstart" | "srcportend" => self.ports[0] = near(rng) as u16,
            "dstportstart" | "dstportend" => self.ports[1] = near(rng) as u16,
            "protocolid" | "encap-protocol" => self.ether_type = protocol_id(&attribute.value),
            "vlanid" => self.vlan = Some(near(rng) as u16 & 0xfff),
            "protocol" => self.protocol = protocol(&attribute.value).unwrap_or(near(rng) as u8),
            "type" | "typeend" if attribute.aim.protocol == "stp" => self.bpdu.kind = near(rng) as u8 & 0x80,
            "type" | "typeend" => self.kind[0] = near(rng) as u8,
            "code" | "codeend" => self.kind[1] = near(rng) as u8,
            "dscp" => self.dscp = if rng.chance(20) { near(rng) >> 2 } else { near(rng) } as u8 & 0x3f,
            "flags" if attribute.aim.protocol == "stp" => self.bpdu.flags = near(rng) as u8,
            "flags" => self.tcp.0 = flags(rng, &attribute.value),
            "option" => self.tcp.1 = Some(near(rng) as u8),
            name if name.contains('-') || name == "port" || name == "age" => self.set_bpdu(rng, attribute),
            _ => self.set_arp(rng, attribute),
        }
    }

    fn set_address(&mut self, rng: &mut Rng, end: usize, attribute: &Attribute) {
        match attribute.address(rng) {
            Some(IpAddr::V4(address)) => self.v4[end] = address,
            Some(IpAddr::V6(address)) => self.v6[end] = address,
            None => {}
        }
    }

    fn set_arp(&mut self, rng: &mut Rng, attribute: &Attribute) {
        let v4 = |rng: &mut Rng, old| match attribute.address(rng) {
            Some(IpAddr::V4(address)) => address,
            _ => old,
        };
        let arp = &mut self.arp;
        match attribute.name {
            "hwtype" => arp.hardware = attribute.near(rng) as u16,
            "protocoltype" => arp.protocol = attribute.near(rng) as u16,
            "opcode" => arp.operation = attribute.near(rng) as u16,
            "arpsrcmacaddr" => arp.sender.0 = attribute.mac(rng).unwrap_or(arp.sender.0),
            "arpdstmacaddr" => arp.target.0 = attribute.mac(rng).unwrap_or(arp.target.0),
            "arpsrcipaddr" => arp.sender.1 = v4(rng, arp.sender.1),
            "arpdstipaddr" => arp.target.1 = v4(rng, arp.target.1),
            "gratuitous" => arp.target.1 = arp.sender.1,
            _ => {}
        }
    }

    fn set_bpdu(&mut self, rng: &mut Rng, attribute: &Attribute) {
        let bpdu = &mut self.bpdu;
        bpdu.kind = 0;
        let near = attribute.near(rng);
        match attribute.name.trim_end_matches("-hi") {
            "root-priority" => bpdu.root.0 = near as u16,
            "root-address" => bpdu.root.1 = attribute.mac(rng).unwrap_or(bpdu.root.1),
            "root-cost" => bpdu.cost = near,
            "sender-priority" => bpdu.sender.0 = near as u16,
            "sender-address" => bpdu.sender.1 = attribute.mac(rng).unwrap_or(bpdu.sender.1),
            "port" => bpdu.port = near as u16,
            "age" => bpdu.times[0] = near as u16,
            "max-age" => bpdu.times[1] = near as u16,
            "hello-time" => bpdu.times[2] = near as u16,
            "forward-delay" => bpdu.times[3] = near as u16,
            _ => {}
        }
    }

    /// The other way round: source for destination.
    pub fn turn(&mut self) {
        self.macs.swap(0, 1);
        self.v4.swap(0, 1);
        self.v6.swap(0, 1);
        self.ports.swap(0, 1);
        std::mem::swap(&mut self.arp.sender, &mut self.arp.target);
    }

    /// The frame.
    pub fn frame(&self) -> Frame {
        let body = match self.ether_type {
            0 => Body::Stp(self.bpdu),
            0x0806 => Body::Arp(self.arp),
            0x8035 => Body::Rarp(self.arp),
            0x0800 => Body::Ip(self.ip(Family::V4)),
            0x86dd => Body::Ip(self.ip(Family::V6)),
            other => Body::Other(EtherType::new(other).unwrap_or(EtherType::QINQ)),
        };
        Frame { to: self.macs[1], from: self.macs[0], vlan: self.vlan, body }
    }

    fn ip(&self, family: Family) -> Ip {
        let [source, destination]: [IpAddr; 2] = match family {
            Family::V4 => self.v4.map(IpAddr::V4),
            Family::V6 => self.v6.map(IpAddr::V6),
        };
        let transport = self.transport(family);
        let whole = family == Family::V6 || matches!(transport, L4::Sctp(..));
        Ip { source, destination, dscp: self.dscp, in_fragments: self.in_fragments && !whole, transport }
    }

    fn transport(&self, family: Family) -> L4 {
        let protocol = Protocol(self.protocol);
        match protocol {
            Protocol::TCP => L4::Tcp(self.ports, self.tcp.0, self.tcp.1),
            Protocol::UDP | Protocol::UDPLITE => L4::Udp(protocol, self.ports),
            Protocol::SCTP => L4::Sctp(self.ports, INIT),
            Protocol::ICMPV6 if family == Family::V6 && matches!(self.kind[0], 135 | 136) => {
                L4::Neighbour(self.kind[0], self.v6[1])
            }
            _ if protocol == family.icmp() => L4::Icmp(self.kind[0], self.kind[1], self.identifier),
            // What belongs to the other family only says nothing here; 0, 43, 44
            // and 60 are headers that would have to be right.
            Protocol(0 | 1 | 43 | 44 | 47 | 58 | 60) => L4::Other(Protocol(253)),
            other => L4::Other(other),
        }
    }
}

/// An attribute and one of its values.
struct Attribute<'a> {
    aim: &'a Aim,
    name: &'a str,
    value: String,
}

impl Attribute<'_> {
    fn other(&self, name: &str) -> Option<&String> {
        self.aim.attributes.iter().find(|(known, _)| known == name).and_then(|(_, values)| values.first())
    }

    /// The number, or one beside it, or one within the range.
    fn near(&self, rng: &mut Rng) -> u32 {
        let own = number(&self.value);
        let last = RANGES.iter().find(|(first, _)| *first == self.name).map(|(_, last)| (*last).to_owned());
        let end = self.other(&last.unwrap_or_else(|| format!("{}-hi", self.name))).map_or(own, |text| number(text));
        match rng.below(8) {
            0 => own.wrapping_sub(1),
            1 => end.wrapping_add(1),
            2 => end,
            3 => own + (end.saturating_sub(own)) / 2,
            _ => own,
        }
    }

    /// The address, or one that fits its mask.
    fn mac(&self, rng: &mut Rng) -> Option<Mac> {
        let own: Mac = self.value.parse().ok()?;
        let mask =
            self.other(&self.name.replace("addr", "mask")).or_else(|| self.other(&format!("{}-mask", self.name)));
        let mask: Mac = mask.and_then(|text| text.parse().ok()).unwrap_or(Mac::BROADCAST);
        let mut bytes = own.bytes();
        for (byte, mask) in bytes.iter_mut().zip(mask.bytes()) {
            *byte ^= rng.byte() & !mask;
        }
        bytes[5] ^= u8::from(rng.chance(8));
        Some(Mac::new(bytes))
    }

    /// The address, one beside it, or one that fits its mask.
    fn address(&self, rng: &mut Rng) -> Option<IpAddr> {
        let own: IpAddr = self.value.parse().ok()?;
        let mask = self.other(&self.name.replace("addr", "mask"));
        let beside = [0, 0, 0, 0, 0, 0, 1, u32::MAX][rng.below(8)];
        Some(match own {
            IpAddr::V4(own) => {
                let noise = (u32::from(rng.word()) << 16 | u32::from(rng.word())) & !mask_v4(mask);
                Ipv4Addr::from_bits((own.to_bits() ^ noise).wrapping_add(beside)).into()
            }
            IpAddr::V6(own) => {
                let free = mask.map_or(0, |text| 128 - prefix_v6(text));
                let noise = if free == 0 { 0 } else { u128::from(rng.word()) << free.saturating_sub(16) };
                Ipv6Addr::from_bits((own.to_bits() ^ noise).wrapping_add(u128::from(beside & 1))).into()
            }
        })
    }
}

fn mask_v4(text: Option<&String>) -> u32 {
    match text.map(|text| (text.parse::<Ipv4Addr>(), text.parse::<u32>())) {
        Some((Ok(mask), _)) => mask.to_bits(),
        Some((_, Ok(prefix))) => u32::MAX.checked_shl(32 - prefix).unwrap_or(0),
        _ => u32::MAX,
    }
}

fn prefix_v6(text: &str) -> u32 {
    text.parse::<Ipv6Addr>().map(|mask| mask.to_bits().leading_ones()).or(text.parse()).unwrap_or(128)
}

/// The number or name of a number; of another name nothing.
pub fn number(text: &str) -> u32 {
    let names = ["", "Request", "Reply", "Request_Reverse", "Reply_Reverse", "DRARP_Request", "DRARP_Reply"];
    let named = names.iter().position(|name| *name == text).map(|at| at as u32);
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    parsed.or(named).unwrap_or(0)
}

/// The EtherType of this name or number.
pub fn protocol_id(text: &str) -> u16 {
    match text {
        "arp" => 0x0806,
        "rarp" => 0x8035,
        "ipv4" => 0x0800,
        "ipv6" => 0x86dd,
        "vlan" => 0x8100,
        other => number(other) as u16,
    }
}

/// The number of the protocol of this name.
pub fn protocol(text: &str) -> Option<u8> {
    let names = [("tcp", 6), ("udp", 17), ("udplite", 136), ("sctp", 132), ("icmp", 1), ("icmpv6", 58), ("igmp", 2)];
    let more = [("esp", 50), ("ah", 51)];
    let mut all = names.into_iter().chain(more);
    all.find(|(name, _)| *name == text).map(|(_, number)| number)
}

/// The flags of `mask/set`: those looked at, those that are set.
pub fn tcp_flags(text: &str) -> (u8, u8) {
    let names = [("FIN", 1), ("SYN", 2), ("RST", 4), ("PSH", 8), ("ACK", 16), ("URG", 32), ("ALL", 63)];
    let bits = |words: &str| {
        let bits = words.split(',').filter_map(|word| names.iter().find(|(name, _)| *name == word)).map(|(_, bit)| bit);
        bits.fold(0, |all, bit| all | bit)
    };
    let (mask, set) = text.split_once('/').unwrap_or((text, text));
    (bits(mask), bits(set))
}

/// The flags of `mask/set` that are set, or others.
fn flags(rng: &mut Rng, text: &str) -> u8 {
    let (_, exact) = tcp_flags(text);
    match rng.below(4) {
        0 => SYN,
        1 => exact ^ (1 << rng.below(6)),
        _ => exact,
    }
}
