//! The attributes of a rule as fields of a packet, as written or with source and
//! destination swapped.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::facts::nwfilter::{self, Attribute as A, Datum, FilterProtocol as P};
use crate::model::field::{Field, Match, Sense, SetEnd, StpAddress};
use crate::model::rule::Scope;
use crate::net::{
    AddressRange, EtherType, Family, IcmpRange, IcmpType, Mac, MacPattern, NumberRange, PortRange, Protocol,
};

use super::stp;
use super::variables::Concrete;

/// Which way a rule is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Source is source.
    AsWritten,
    /// Source is destination and the other way round.
    Reversed,
}

/// The frames that rules of `protocol` are about.
pub(super) fn scope(protocol: P) -> Scope {
    match protocol {
        P::None | P::Mac | P::Stp => Scope::Any,
        P::Vlan => Scope::Ether(EtherType::VLAN),
        P::Arp => Scope::Ether(EtherType::ARP),
        P::Rarp => Scope::Ether(EtherType::RARP),
        P::Ip | P::Igmp => Scope::Ip(Family::V4),
        P::Ipv6 => Scope::Ip(Family::V6),
        P::Tcp(family)
        | P::Udp(family)
        | P::UdpLite(family)
        | P::Sctp(family)
        | P::Icmp(family)
        | P::Esp(family)
        | P::Ah(family)
        | P::All(family) => Scope::Ip(family),
    }
}

/// The IP protocol that a rule of the IP layer is about.
fn payload(protocol: P) -> Option<Protocol> {
    Some(match protocol {
        P::Tcp(_) => Protocol::TCP,
        P::Udp(_) => Protocol::UDP,
        P::UdpLite(_) => Protocol::UDPLITE,
        P::Sctp(_) => Protocol::SCTP,
        P::Icmp(family) => family.icmp(),
        P::Igmp => Protocol(2),
        P::Esp(_) => Protocol(50),
        P::Ah(_) => Protocol(51),
        _ => return None,
    })
}

/// What must hold for a rule of `protocol` with these attributes.
///
/// # Errors
/// What cannot be, in words.
pub(super) fn matches(protocol: P, attributes: &[Concrete], reading: Reading) -> Result<Vec<Match>, String> {
    let reader = Reader { protocol, attributes, reading };
    reader.is_no_extension_header()?;
    let mut all = Vec::new();
    all.extend(payload(protocol).map(|payload| Match::is(Field::Protocol(payload))));
    if protocol == P::Stp {
        all.extend(stp::frame(attributes, reading)?);
    }
    // The protocol first: ports and message types mean nothing without.
    let (first, rest): (Vec<_>, Vec<_>) = attributes.iter().partition(|one| one.attribute == A::Protocol);
    for one in first.into_iter().chain(rest) {
        let sense = if one.negated { Sense::IsNot } else { Sense::Is };
        all.extend(reader.field(one)?.map(|field| Match { sense, field }));
    }
    Ok(all)
}

struct Reader<'a> {
    protocol: P,
    attributes: &'a [Concrete],
    reading: Reading,
}

impl Reader<'_> {
    fn get(&self, attribute: A) -> Option<&Datum> {
        self.attributes.iter().find(|one| one.attribute == attribute).map(|one| &one.value)
    }

    /// Source and destination, swapped if the rule is read that way.
    fn pick<T>(&self, source: T, destination: T) -> T {
        if self.reading == Reading::AsWritten { source } else { destination }
    }

    /// The field of the end that is meant, with this value.
    fn one_of<T>(&self, source: fn(T) -> Field, destination: fn(T) -> Field, value: T) -> Field {
        self.pick(source, destination)(value)
    }

    /// The field that an attribute asks about; none for one that only completes
    /// another.
    fn field(&self, one: &Concrete) -> Result<Option<Field>, String> {
        Ok(Some(match (one.attribute, &one.value) {
            (A::SrcMacAddr, Datum::Mac(mac)) => self.source_mac(self.pattern(*mac, A::SrcMacMask)),
            (A::DstMacAddr, Datum::Mac(mac)) => self.destination_mac(self.pattern(*mac, A::DstMacMask)),
            (A::ProtocolId, Datum::Number(number)) => Field::EtherType(ether_type(*number)?),
            (A::VlanId, Datum::Number(number)) => Field::VlanId(short(*number)),
            (A::EncapProtocol, Datum::Number(number)) => Field::Encapsulated(short(*number)),
            (A::HwType, Datum::Number(number)) => Field::ArpHardware(short(*number)),
            (A::ProtocolType, Datum::Number(number)) => Field::ArpProtocol(short(*number)),
            (A::Opcode, Datum::Number(number)) => Field::ArpOperation(short(*number)),
            (A::ArpSrcMacAddr, Datum::Mac(mac)) => self.one_of(Field::ArpSenderMac, Field::ArpTargetMac, *mac),
            (A::ArpDstMacAddr, Datum::Mac(mac)) => self.one_of(Field::ArpTargetMac, Field::ArpSenderMac, *mac),
            (A::ArpSrcIpAddr, Datum::Ip(IpAddr::V4(ip))) => {
                self.one_of(Field::ArpSenderIp, Field::ArpTargetIp, self.arp_net(*ip, A::ArpSrcIpMask)?)
            }
            (A::ArpDstIpAddr, Datum::Ip(IpAddr::V4(ip))) => {
                self.one_of(Field::ArpTargetIp, Field::ArpSenderIp, self.arp_net(*ip, A::ArpDstIpMask)?)
            }
            (A::Gratuitous, Datum::Bool(true)) => Field::ArpGratuitous,
            (A::SrcIpAddr, Datum::Ip(ip)) => {
                self.one_of(Field::Source, Field::Destination, self.net(*ip, A::SrcIpMask)?)
            }
            (A::DstIpAddr, Datum::Ip(ip)) => {
                self.one_of(Field::Destination, Field::Source, self.net(*ip, A::DstIpMask)?)
            }
            (A::SrcIpFrom, Datum::Ip(ip)) => {
                self.one_of(Field::SourceRange, Field::DestinationRange, self.addresses(*ip, A::SrcIpTo)?)
            }
            (A::DstIpFrom, Datum::Ip(ip)) => {
                self.one_of(Field::DestinationRange, Field::SourceRange, self.addresses(*ip, A::DstIpTo)?)
            }
            (A::SrcPortStart, Datum::Number(port)) => {
                self.one_of(Field::SourcePort, Field::DestinationPort, self.ports(*port, A::SrcPortEnd)?)
            }
            (A::DstPortStart, Datum::Number(port)) => {
                self.one_of(Field::DestinationPort, Field::SourcePort, self.ports(*port, A::DstPortEnd)?)
            }
            _ => return self.other(one),
        }))
    }

    /// Fields that have no direction.
    fn other(&self, one: &Concrete) -> Result<Option<Field>, String> {
        Ok(Some(match (one.attribute, &one.value) {
            (A::Protocol, Datum::Number(number)) => Field::Protocol(Protocol(byte(*number))),
            (A::Dscp, Datum::Number(number)) => Field::Dscp(byte(*number)),
            (A::IcmpType, Datum::Number(number)) => self.icmp(*number)?,
            (A::TcpFlags, Datum::Flags { mask: 0, .. }) => {
                return Err("TCP flags of which none is looked at".to_owned());
            }
            (A::TcpFlags, Datum::Flags { mask, flags }) => Field::TcpFlags { mask: *mask, set: *flags },
            (A::TcpOption, Datum::Number(number)) => Field::TcpOption(byte(*number)),
            (A::IpSet, Datum::Set(name)) => Field::IpSet(name.clone(), self.set_ends()),
            (A::ConnLimitAbove, Datum::Number(limit)) => Field::ConnectionsAbove(*limit),
            (attribute, Datum::Number(number)) => match stp::number(attribute) {
                Some((field, end)) => Field::StpNumber(field, self.numbers(*number, end)?),
                None => return Ok(None),
            },
            (A::RootAddress, Datum::Mac(mac)) => {
                Field::StpAddress(StpAddress::Root, self.pattern(*mac, A::RootAddressMask))
            }
            (A::SenderAddress, Datum::Mac(mac)) => {
                Field::StpAddress(StpAddress::Sender, self.pattern(*mac, A::SenderAddressMask))
            }
            _ => return Ok(None),
        }))
    }

    fn source_mac(&self, pattern: MacPattern) -> Field {
        self.one_of(Field::SourceMac, Field::DestinationMac, pattern)
    }

    fn destination_mac(&self, pattern: MacPattern) -> Field {
        self.one_of(Field::DestinationMac, Field::SourceMac, pattern)
    }

    fn pattern(&self, mac: Mac, mask: A) -> MacPattern {
        match self.get(mask) {
            Some(Datum::Mac(mask)) => MacPattern::new(mac, *mask),
            _ => mac.into(),
        }
    }

    fn arp_net(&self, ip: Ipv4Addr, mask: A) -> Result<Ipv4Net, String> {
        self.layout_is_known()?;
        let net = Ipv4Net::new(ip, self.prefix(mask).unwrap_or(32)).map_err(|error| error.to_string())?;
        Ok(net.trunc())
    }

    /// The place of an address is known in Ethernet/IPv4 ARP only.
    fn layout_is_known(&self) -> Result<(), String> {
        let known = |one: &Concrete| match (one.attribute, &one.value) {
            (A::HwType, Datum::Number(hardware)) => *hardware == 1 && !one.negated,
            (A::ProtocolType, Datum::Number(protocol)) => *protocol == 0x0800 && !one.negated,
            _ => true,
        };
        if self.attributes.iter().all(known) {
            return Ok(());
        }
        Err("an address in ARP of other hardware or another protocol, whose place is not known".to_owned())
    }

    fn net(&self, ip: IpAddr, mask: A) -> Result<IpNet, String> {
        let whole = Family::of(ip).bits();
        let net = IpNet::new(ip, self.prefix(mask).unwrap_or(whole)).map_err(|error| error.to_string())?;
        Ok(net.trunc())
    }

    fn prefix(&self, mask: A) -> Option<u8> {
        match self.get(mask) {
            Some(Datum::Prefix(prefix)) => Some(*prefix),
            _ => None,
        }
    }

    fn addresses(&self, first: IpAddr, end: A) -> Result<AddressRange, String> {
        let last = match self.get(end) {
            Some(Datum::Ip(last)) => *last,
            _ => first,
        };
        AddressRange::new(first, last).ok_or_else(|| format!("{end} before its beginning, expected a range"))
    }

    fn numbers(&self, first: u32, end: A) -> Result<NumberRange, String> {
        let last = match self.get(end) {
            Some(Datum::Number(last)) => *last,
            _ => first,
        };
        NumberRange::new(first, last).ok_or_else(|| format!("{end} before its beginning, expected a range"))
    }

    fn ports(&self, first: u32, end: A) -> Result<PortRange, String> {
        let last = match self.get(end) {
            Some(Datum::Number(last)) => *last,
            _ => first,
        };
        PortRange::new(short(first), short(last)).ok_or_else(|| format!("{end} before its beginning, expected a range"))
    }

    fn icmp(&self, number: u32) -> Result<Field, String> {
        let code = match self.get(A::IcmpCode) {
            Some(Datum::Number(code)) => Some(*code),
            _ => None,
        };
        if self.protocol != P::Ipv6 {
            return Ok(Field::Icmp(IcmpType { number: byte(number), code: code.map(byte) }));
        }
        let types = self.numbers(number, A::IcmpTypeEnd)?;
        let codes = code.map(|code| self.numbers(code, A::IcmpCodeEnd)).transpose()?;
        Ok(Field::IcmpRange(IcmpRange { types, codes }))
    }

    /// The ends that a set is looked up with; the source alone if none are said.
    fn set_ends(&self) -> Vec<SetEnd> {
        let Some(Datum::SetEnds(ends)) = self.get(A::IpSetFlags) else {
            return vec![self.pick(SetEnd::Src, SetEnd::Dst)];
        };
        let end = |end: &nwfilter::SetEnd| match end {
            nwfilter::SetEnd::Source => self.pick(SetEnd::Src, SetEnd::Dst),
            nwfilter::SetEnd::Destination => self.pick(SetEnd::Dst, SetEnd::Src),
        };
        ends.iter().map(end).collect()
    }

    /// Linux passes over an authentication header of IPv6 to what is behind it, so
    /// that no rule about its protocol would ever match (`ipv6_find_hdr`).
    fn is_no_extension_header(&self) -> Result<(), String> {
        let by_name = self.protocol == P::Ah(Family::V6);
        if by_name || self.protocol == P::Ipv6 && self.get(A::Protocol) == Some(&Datum::Number(51)) {
            return Err("an authentication header of IPv6, which the kernel looks behind".to_owned());
        }
        Ok(())
    }
}

fn ether_type(number: u32) -> Result<EtherType, String> {
    EtherType::new(short(number)).ok_or_else(|| format!("{number:#x} is no EtherType"))
}

/// The parser has seen to it that the number fits.
fn short(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn byte(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
