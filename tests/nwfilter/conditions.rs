//! What the elements of a rule ask of a packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};
use virt_guard::facts::xml::Element;
use virt_guard::model::{Field, Match, Scope, StpAddress, StpNumber};
use virt_guard::net::{
    AddressRange, EtherType, Family, IcmpRange, IcmpType, Mac, MacPattern, NumberRange, PortRange, Protocol,
};

use super::draft::{number, protocol, protocol_id, tcp_flags};

/// What must hold.
pub struct Conditions {
    /// The frames it is about.
    pub scope: Scope,
    /// All that must hold.
    pub matches: Vec<Match>,
    /// Whether the element asked for a source MAC address and for nothing that is
    /// left the other way round.
    pub is_lost: bool,
}

/// The numbers of a BPDU by the names of attributes.
const STP: [(&str, StpNumber); 10] = [
    ("type", StpNumber::Type),
    ("flags", StpNumber::Flags),
    ("root-priority", StpNumber::RootPriority),
    ("root-cost", StpNumber::RootCost),
    ("sender-priority", StpNumber::SenderPriority),
    ("port", StpNumber::Port),
    ("age", StpNumber::Age),
    ("max-age", StpNumber::MaxAge),
    ("hello-time", StpNumber::HelloTime),
    ("forward-delay", StpNumber::ForwardDelay),
];

/// What the elements ask for, all of it; the other way round if `is_turned`.
pub fn conditions(elements: &[Element], is_turned: bool) -> Conditions {
    let mut all = Conditions { scope: Scope::Any, matches: Vec::new(), is_lost: false };
    for element in elements {
        let reader = Reader { element, is_turned, is_frame: is_frame(&element.name) };
        let (scope, mut matches) = kind(&element.name);
        all.scope = scope;
        let read: Vec<_> = element.attributes.iter().filter_map(|(name, _)| reader.field(name)).collect();
        all.is_lost |= reader.drops_mac() && read.is_empty();
        let sense = if element.attribute("match") == Some("no") { Match::is_not } else { Match::is };
        matches.extend(read.into_iter().map(sense));
        all.matches.extend(matches);
    }
    all
}

fn is_frame(name: &str) -> bool {
    ["mac", "vlan", "stp", "arp", "rarp", "ip", "ipv6"].contains(&name)
}

/// What the element's name alone asks for.
fn kind(name: &str) -> (Scope, Vec<Match>) {
    let plain = match name {
        "mac" => Some(Scope::Any),
        "vlan" => Some(Scope::Ether(EtherType::VLAN)),
        "arp" => Some(Scope::Ether(EtherType::ARP)),
        "rarp" => Some(Scope::Ether(EtherType::RARP)),
        "ip" | "all" => Some(Scope::Ip(Family::V4)),
        "ipv6" | "all-ipv6" => Some(Scope::Ip(Family::V6)),
        _ => None,
    };
    if let Some(scope) = plain {
        return (scope, Vec::new());
    }
    if name == "stp" {
        return (Scope::Any, vec![Match::is(any_bpdu())]);
    }
    let base = name.strip_suffix("-ipv6").unwrap_or(name);
    let family = if base != name || name == "icmpv6" { Family::V6 } else { Family::V4 };
    let number = protocol(base).unwrap_or_else(|| panic!("an element {name}"));
    (Scope::Ip(family), vec![Match::is(Field::Protocol(Protocol(number)))])
}

struct Reader<'a> {
    element: &'a Element,
    is_turned: bool,
    is_frame: bool,
}

impl Reader<'_> {
    fn drops_mac(&self) -> bool {
        self.is_turned && !self.is_frame && self.element.attribute("srcmacaddr").is_some()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.element.attribute(name)
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.text(name).map(number)
    }

    /// Whether an end that is named the source is one.
    fn is_source(&self, name: &str) -> bool {
        name.contains("src") != self.is_turned
    }

    /// The field an attribute asks for; `None` for one that says more about another.
    fn field(&self, name: &str) -> Option<Field> {
        let kind = self.element.name.as_str();
        Some(match name {
            "srcmacaddr" if self.drops_mac() => return None,
            "srcmacaddr" | "dstmacaddr" => {
                let pattern = self.mac(name, &name.replace("addr", "mask"));
                if self.is_source(name) { Field::SourceMac(pattern) } else { Field::DestinationMac(pattern) }
            }
            "srcipaddr" | "dstipaddr" => self.net(name),
            "srcipfrom" | "dstipfrom" => self.addresses(name),
            "srcportstart" | "dstportstart" => self.ports(name),
            "protocolid" => Field::EtherType(EtherType::new(protocol_id(self.text(name)?))?),
            "encap-protocol" => Field::Encapsulated(EtherType::new(protocol_id(self.text(name)?))?),
            "vlanid" => Field::VlanId(self.number(name)? as u16),
            "protocol" => Field::Protocol(Protocol(protocol(self.text(name)?).unwrap_or(self.number(name)? as u8))),
            "dscp" => Field::Dscp(self.number(name)? as u8),
            "option" => Field::TcpOption(self.number(name)? as u8),
            "flags" if kind == "tcp" || kind == "tcp-ipv6" => {
                let (mask, set) = tcp_flags(self.text(name)?);
                Field::TcpFlags { mask, set }
            }
            "connlimit-above" => Field::ConnectionsAbove(self.number(name)?),
            "type" if kind != "stp" => self.icmp(),
            "root-address" => Field::StpAddress(StpAddress::Root, self.mac(name, "root-address-mask")),
            "sender-address" => Field::StpAddress(StpAddress::Sender, self.mac(name, "sender-address-mask")),
            _ if kind == "stp" => self.stp(name)?,
            _ => return self.arp(name),
        })
    }

    fn mac(&self, name: &str, mask: &str) -> MacPattern {
        let mac = |text: &str| text.parse::<Mac>().expect("a MAC address");
        MacPattern::new(mac(self.text(name).expect("an attribute")), self.text(mask).map_or(Mac::BROADCAST, mac))
    }

    fn net(&self, name: &str) -> Field {
        let address: IpAddr = self.text(name).and_then(|text| text.parse().ok()).expect("an address");
        let prefix = self.text(&name.replace("addr", "mask")).map(prefix);
        let net = IpNet::new(address, prefix.unwrap_or(if address.is_ipv4() { 32 } else { 128 })).expect("a prefix");
        if self.is_source(name) { Field::Source(net.trunc()) } else { Field::Destination(net.trunc()) }
    }

    fn addresses(&self, name: &str) -> Field {
        let address = |name: &str| self.text(name).and_then(|text| text.parse().ok());
        let first = address(name).expect("an address");
        let last = address(&name.replace("from", "to")).unwrap_or(first);
        let range = AddressRange::new(first, last).expect("a range");
        if self.is_source(name) { Field::SourceRange(range) } else { Field::DestinationRange(range) }
    }

    fn ports(&self, name: &str) -> Field {
        let first = self.number(name).expect("a port");
        let last = self.number(&name.replace("start", "end")).unwrap_or(first);
        let range = PortRange::new(first as u16, last as u16).expect("a range of ports");
        if self.is_source(name) { Field::SourcePort(range) } else { Field::DestinationPort(range) }
    }

    fn range(&self, name: &str, last: &str) -> Option<NumberRange> {
        let first = self.number(name)?;
        NumberRange::new(first, self.number(last).unwrap_or(first))
    }

    fn icmp(&self) -> Field {
        if self.is_frame {
            let types = self.range("type", "typeend").expect("a range of types");
            return Field::IcmpRange(IcmpRange { types, codes: self.range("code", "codeend") });
        }
        let number = self.number("type").expect("a type") as u8;
        Field::Icmp(IcmpType { number, code: self.number("code").map(|code| code as u8) })
    }

    fn stp(&self, name: &str) -> Option<Field> {
        let (_, number) = STP.iter().find(|(known, _)| *known == name)?;
        Some(Field::StpNumber(*number, self.range(name, &format!("{name}-hi"))?))
    }

    fn arp(&self, name: &str) -> Option<Field> {
        let net = |name: &str| -> Ipv4Net {
            let address: Ipv4Addr = self.text(name).and_then(|text| text.parse().ok()).expect("an address");
            Ipv4Net::new(address, self.text(&name.replace("addr", "mask")).map_or(32, prefix))
                .expect("a prefix")
                .trunc()
        };
        let mac = |name: &str| self.text(name).and_then(|text| text.parse().ok()).expect("a MAC address");
        Some(match name {
            "hwtype" => Field::ArpHardware(self.number(name)? as u16),
            "protocoltype" => Field::ArpProtocol(self.number(name)? as u16),
            "opcode" => Field::ArpOperation(self.number(name)? as u16),
            "arpsrcmacaddr" | "arpdstmacaddr" if self.is_source(name) => Field::ArpSenderMac(mac(name)),
            "arpsrcmacaddr" | "arpdstmacaddr" => Field::ArpTargetMac(mac(name)),
            "arpsrcipaddr" | "arpdstipaddr" if self.is_source(name) => Field::ArpSenderIp(net(name)),
            "arpsrcipaddr" | "arpdstipaddr" => Field::ArpTargetIp(net(name)),
            "gratuitous" => Field::ArpGratuitous,
            _ => return None,
        })
    }
}

fn prefix(text: &str) -> u8 {
    let ones = |bits: u128| bits.leading_ones() as u8;
    let v4 = text.parse::<Ipv4Addr>().map(|mask| ones(u128::from(mask.to_bits()) << 96));
    let v6 = || text.parse::<Ipv6Addr>().map(|mask| ones(mask.to_bits()));
    text.parse().or_else(|_| v4.or_else(|_| v6())).expect("a mask")
}

/// A BPDU of whatever type.
fn any_bpdu() -> Field {
    Field::StpNumber(StpNumber::Type, NumberRange::new(0, 0xff).expect("a range"))
}
