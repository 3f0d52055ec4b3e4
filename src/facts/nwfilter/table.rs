//! Which protocol's element takes which attributes, and of which kind.
//!
//! The facts are those of libvirt's formatnwfilter, "Supported protocols", and of
//! the tables in its `nwfilter_conf.c`. One is mended: there the last address of
//! a range of IPv6 destinations is read as IPv4.

use super::attribute::Attribute as A;
use super::protocol::FilterProtocol;
use super::value::Kind as K;
use crate::net::Family;

type Row = (A, K);

const COMMENT: &[Row] = &[(A::Comment, K::Text)];

const SRC_MAC: &[Row] = &[(A::SrcMacAddr, K::Mac)];

const MACS: &[Row] =
    &[(A::SrcMacAddr, K::Mac), (A::SrcMacMask, K::MacMask), (A::DstMacAddr, K::Mac), (A::DstMacMask, K::MacMask)];

const MAC: &[Row] = &[(A::ProtocolId, K::EtherType)];

const VLAN: &[Row] = &[(A::VlanId, K::VlanId), (A::EncapProtocol, K::EncapProtocol)];

const STP: &[Row] = &[
    (A::SrcMacAddr, K::Mac),
    (A::SrcMacMask, K::MacMask),
    (A::Type, K::U8),
    (A::StpFlags, K::U8),
    (A::RootPriority, K::U16),
    (A::RootPriorityHi, K::U16),
    (A::RootAddress, K::Mac),
    (A::RootAddressMask, K::MacMask),
    (A::RootCost, K::U32),
    (A::RootCostHi, K::U32),
    (A::SenderPriority, K::U16),
    (A::SenderPriorityHi, K::U16),
    (A::SenderAddress, K::Mac),
    (A::SenderAddressMask, K::MacMask),
    (A::Port, K::U16),
    (A::PortHi, K::U16),
    (A::Age, K::U16),
    (A::AgeHi, K::U16),
    (A::MaxAge, K::U16),
    (A::MaxAgeHi, K::U16),
    (A::HelloTime, K::U16),
    (A::HelloTimeHi, K::U16),
    (A::ForwardDelay, K::U16),
    (A::ForwardDelayHi, K::U16),
];

const ARP: &[Row] = &[
    (A::HwType, K::U16),
    (A::ProtocolType, K::U16),
    (A::Opcode, K::ArpOperation),
    (A::ArpSrcMacAddr, K::Mac),
    (A::ArpDstMacAddr, K::Mac),
    (A::ArpSrcIpAddr, K::Ipv4),
    (A::ArpSrcIpMask, K::Ipv4Mask),
    (A::ArpDstIpAddr, K::Ipv4),
    (A::ArpDstIpMask, K::Ipv4Mask),
    (A::Gratuitous, K::Bool),
];

const ADDRESSES_V4: &[Row] = &addresses(K::Ipv4, K::Ipv4Mask);
const ADDRESSES_V6: &[Row] = &addresses(K::Ipv6, K::Ipv6Mask);

const fn addresses(address: K, mask: K) -> [Row; 4] {
    [(A::SrcIpAddr, address), (A::SrcIpMask, mask), (A::DstIpAddr, address), (A::DstIpMask, mask)]
}

const RANGES_V4: &[Row] = &ranges(K::Ipv4);
const RANGES_V6: &[Row] = &ranges(K::Ipv6);

const fn ranges(address: K) -> [Row; 4] {
    [(A::SrcIpFrom, address), (A::SrcIpTo, address), (A::DstIpFrom, address), (A::DstIpTo, address)]
}

const IP_PROTOCOL: &[Row] = &[(A::Protocol, K::IpProtocol)];

const PORTS: &[Row] =
    &[(A::SrcPortStart, K::U16), (A::SrcPortEnd, K::U16), (A::DstPortStart, K::U16), (A::DstPortEnd, K::U16)];

const DSCP: &[Row] = &[(A::Dscp, K::Dscp)];

const TRACKED: &[Row] =
    &[(A::ConnLimitAbove, K::U16), (A::State, K::States), (A::IpSet, K::SetName), (A::IpSetFlags, K::SetFlags)];

const ICMP: &[Row] = &[(A::IcmpType, K::U8), (A::IcmpCode, K::U8)];

const ICMP_ENDS: &[Row] = &[(A::IcmpTypeEnd, K::U8), (A::IcmpCodeEnd, K::U8)];

const TCP_OPTION: &[Row] = &[(A::TcpOption, K::U8)];

const TCP_FLAGS: &[Row] = &[(A::TcpFlags, K::TcpFlags)];

/// The parts of a protocol's table.
type Parts = &'static [&'static [Row]];

/// What all protocols of the IP layer take.
const fn ip_layer(family: Family) -> Parts {
    match family {
        Family::V4 => &[SRC_MAC, ADDRESSES_V4, RANGES_V4, DSCP, TRACKED, COMMENT],
        Family::V6 => &[SRC_MAC, ADDRESSES_V6, RANGES_V6, DSCP, TRACKED, COMMENT],
    }
}

/// What a protocol takes: in the IP layer that of its family, and its own.
const fn parts(protocol: FilterProtocol) -> (Parts, Parts) {
    use FilterProtocol as P;
    match protocol {
        P::None => (&[], &[]),
        P::Mac => (&[MACS, COMMENT], &[MAC]),
        P::Vlan => (&[MACS, COMMENT], &[VLAN]),
        P::Stp => (&[COMMENT], &[STP]),
        P::Arp | P::Rarp => (&[MACS, COMMENT], &[ARP]),
        P::Ip => (&[MACS, COMMENT], &[ADDRESSES_V4, IP_PROTOCOL, PORTS, DSCP]),
        P::Ipv6 => (&[MACS, COMMENT], &[ADDRESSES_V6, IP_PROTOCOL, PORTS, ICMP, ICMP_ENDS]),
        P::Tcp(Family::V4) => (ip_layer(Family::V4), &[PORTS, TCP_OPTION, TCP_FLAGS]),
        P::Tcp(Family::V6) => (ip_layer(Family::V6), &[PORTS, TCP_OPTION]),
        P::Udp(family) | P::Sctp(family) => (ip_layer(family), &[PORTS]),
        P::Icmp(family) => (ip_layer(family), &[ICMP]),
        P::Igmp => (ip_layer(Family::V4), &[]),
        P::UdpLite(family) | P::Esp(family) | P::Ah(family) | P::All(family) => (ip_layer(family), &[]),
    }
}

impl FilterProtocol {
    /// The kind of value that `attribute` has in this protocol's element, if the
    /// element takes it.
    pub fn kind_of(self, attribute: A) -> Option<K> {
        self.rows().find(|(known, _)| *known == attribute).map(|(_, kind)| kind)
    }

    /// The attribute that this protocol's element spells `name`, and its kind.
    pub(super) fn attribute(self, name: &str) -> Option<Row> {
        self.rows().find(|(known, _)| known.to_string() == name)
    }

    /// Every attribute of this protocol's element, and its kind.
    pub(super) fn rows(self) -> impl Iterator<Item = Row> {
        let (shared, own) = parts(self);
        shared.iter().chain(own).flat_map(|part| part.iter().copied())
    }
}
