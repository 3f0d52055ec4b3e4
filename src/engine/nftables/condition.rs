//! One condition of a line as nft says it.
//!
//! Fields for which nft 1.0.6 has no word are read from the raw packet, as offset
//! and length in bits behind the link-layer header (`@nh`) or the network header
//! (`@th`).

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use crate::model::{CtState, CtWay, Field, Match, Scope, Sense, State, StpAddress, StpNumber};
use crate::net::{EtherType, Family, IcmpRange, IcmpType, Mac, MacPattern, NumberRange, PortRange, Protocol};
use crate::plan::{Line, Name};

/// Hardware Ethernet, protocol IPv4, their lengths: the first six bytes, which
/// say what stands where in the rest (RFC 826). RARP has the same layout, but
/// nft's `arp` words would demand the EtherType of ARP.
const ETHERNET_IPV4_ARP: &str = "@nh,0,48 0x000108000604";
/// A length in place of a type, for no tag stands before a BPDU; LLC of the spanning
/// tree protocol, protocol 0, version 0 (IEEE 802.1D).
const SPANNING_TREE: &str = "ether type < 0x0600 @nh,0,48 0x424203000000";

/// What must be so for the offsets of the line's conditions to mean what they say.
pub(super) fn layout(line: &Line) -> Option<&'static str> {
    let has = |part: fn(&Field) -> bool| line.matches.iter().any(|condition| part(&condition.field));
    if has(Field::is_arp_address) {
        return Some(ETHERNET_IPV4_ARP);
    }
    has(Field::is_stp).then_some(SPANNING_TREE)
}

/// The words of a condition.
///
/// # Errors
/// What it is about, if nft cannot say it exactly.
pub(super) fn print(condition: &Match, scope: Scope) -> Result<String, &'static str> {
    let is = match condition.sense {
        Sense::Is => "",
        Sense::IsNot => "!= ",
    };
    let ip = if scope == Scope::Ip(Family::V6) { "ip6" } else { "ip" };
    Ok(match &condition.field {
        Field::SourceMac(pattern) => mac("saddr", *pattern, is),
        Field::DestinationMac(pattern) => mac("daddr", *pattern, is),
        Field::EtherType(kind) => format!("ether type {is}{}", ether_type(*kind)),
        Field::VlanId(id) => format!("vlan id {is}{id}"),
        Field::Encapsulated(kind) => format!("vlan type {is}{kind:#06x}"),
        Field::StpNumber(number, range) => format!("{} {is}{}", stp(*number), numbers(*range)),
        Field::StpAddress(address, pattern) => stp_address(*address, *pattern, is),
        Field::Source(net) => format!("{ip} saddr {is}{}", net_text(*net)),
        Field::Destination(net) => format!("{ip} daddr {is}{}", net_text(*net)),
        Field::SourceRange(range) => format!("{ip} saddr {is}{range}"),
        Field::DestinationRange(range) => format!("{ip} daddr {is}{range}"),
        Field::Dscp(dscp) => format!("{ip} dscp {is}{dscp:#04x}"),
        Field::SourceIn(set) => format!("{ip} saddr {is}@{}", Name::set(set)),
        Field::DestinationIn(set) => format!("{ip} daddr {is}@{}", Name::set(set)),
        Field::Protocol(protocol) => format!("meta l4proto {is}{}", protocol.0),
        Field::SourcePort(range) => format!("th sport {is}{}", ports(*range)),
        Field::DestinationPort(range) => format!("th dport {is}{}", ports(*range)),
        Field::Icmp(kind) => icmp(*kind, scope, is),
        Field::IcmpRange(range) => icmp_range(*range, is)?,
        Field::TcpFlags { mask, set } => tcp_flags(*mask, *set, condition.sense),
        Field::TcpOption(kind) => tcp_option(*kind, condition.sense),
        // nft 1.0.6 has no word for the target; it follows 8 bytes of header.
        Field::NeighbourTarget(address) => {
            format!("ip6 nexthdr 58 @th,64,128 {is}{:#034x}", u128::from(*address))
        }
        Field::State(State::Established) => format!("ct state {is}established,related"),
        Field::State(State::Invalid) => format!("ct state {is}invalid"),
        Field::CtState(states) => format!("ct state {is}{}", ct_states(states)),
        Field::CtWay(CtWay::Original) => format!("ct direction {is}original"),
        Field::CtWay(CtWay::Reply) => format!("ct direction {is}reply"),
        Field::MidStream(protocol) if condition.sense == Sense::Is => mid_stream(*protocol).to_owned(),
        Field::MidStream(_) => return Err("a negated mid-stream packet"),
        Field::NotBefore(time) if condition.sense == Sense::Is => format!("meta time >= {time}"),
        Field::NotBefore(_) => return Err("a negated time"),
        Field::ConnectionsAbove(_) => return Err("connlimit-above in a rule about no family"),
        Field::IpSet(..) => return Err("a set of ipset"),
        arp => return arp_field(arp, is),
    })
}

/// nft 1.0.6 knows chunks of SCTP, but kernels before 5.14 do not: the type of the
/// first one follows 12 bytes of header.
fn mid_stream(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::SCTP => "ct state new meta l4proto sctp @th,96,8 != 1",
        _ => "ct state new tcp flags & (fin | syn | rst | ack) != syn",
    }
}

fn arp_field(field: &Field, is: &str) -> Result<String, &'static str> {
    Ok(match field {
        Field::ArpHardware(hardware) => format!("@nh,0,16 {is}{hardware}"),
        Field::ArpProtocol(protocol) => format!("@nh,16,16 {is}{protocol}"),
        Field::ArpOperation(operation) => format!("@nh,48,16 {is}{operation}"),
        Field::ArpSenderMac(mac) => format!("@nh,64,48 {is}{}", hex(*mac)),
        Field::ArpSenderIp(net) => raw_net(112, *net, is),
        Field::ArpTargetMac(mac) => format!("@nh,144,48 {is}{}", hex(*mac)),
        Field::ArpTargetIp(net) => raw_net(192, *net, is),
        _ => return Err("a gratuitous ARP packet, whose two addresses would have to be compared"),
    })
}

/// An EtherType in the word that nft lists it by.
pub(super) fn ether_type(kind: EtherType) -> String {
    match kind {
        EtherType::IPV4 => "ip".to_owned(),
        EtherType::IPV6 => "ip6".to_owned(),
        EtherType::ARP => "arp".to_owned(),
        kind => format!("{:#06x}", kind.number()),
    }
}

fn mac(word: &str, pattern: MacPattern, is: &str) -> String {
    if pattern.is_whole() {
        return format!("ether {word} {is}{}", pattern.address());
    }
    let is = if is.is_empty() { "== " } else { is };
    format!("ether {word} & {} {is}{}", pattern.mask(), pattern.address())
}

/// Where a number stands in a BPDU behind 3 bytes of LLC (IEEE 802.1D, clause 9.3.1).
fn stp(number: StpNumber) -> &'static str {
    match number {
        StpNumber::Type => "@nh,48,8",
        StpNumber::Flags => "@nh,56,8",
        StpNumber::RootPriority => "@nh,64,16",
        StpNumber::RootCost => "@nh,128,32",
        StpNumber::SenderPriority => "@nh,160,16",
        StpNumber::Port => "@nh,224,16",
        StpNumber::Age => "@nh,240,16",
        StpNumber::MaxAge => "@nh,256,16",
        StpNumber::HelloTime => "@nh,272,16",
        StpNumber::ForwardDelay => "@nh,288,16",
    }
}

fn stp_address(address: StpAddress, pattern: MacPattern, is: &str) -> String {
    let field = match address {
        StpAddress::Root => "@nh,80,48",
        StpAddress::Sender => "@nh,176,48",
    };
    if pattern.is_whole() {
        return format!("{field} {is}{}", hex(pattern.address()));
    }
    let is = if is.is_empty() { "== " } else { is };
    format!("{field} & {} {is}{}", hex(pattern.mask()), hex(pattern.address()))
}

fn numbers(range: NumberRange) -> String {
    range.with_separator('-')
}

fn hex(mac: Mac) -> String {
    mac.bytes().iter().fold("0x".to_owned(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn raw_net(offset: u32, net: Ipv4Net, is: &str) -> String {
    let number = |address: Ipv4Addr| format!("{:#010x}", u32::from(address));
    let (mask, address) = (net.netmask(), number(net.network()));
    if net.prefix_len() == net.max_prefix_len() {
        return format!("@nh,{offset},32 {is}{address}");
    }
    let is = if is.is_empty() { "== " } else { is };
    format!("@nh,{offset},32 & {} {is}{address}", number(mask))
}

/// An address alone for a network of one: the way nft lists it.
fn net_text(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

fn ports(range: PortRange) -> String {
    range.with_separator('-')
}

/// Type and code are one value if they are not to be both so: two words would
/// each have to differ.
fn icmp(kind: IcmpType, scope: Scope, is: &str) -> String {
    let word = if scope == Scope::Ip(Family::V6) { "icmpv6" } else { "icmp" };
    match kind.code {
        Some(code) if !is.is_empty() => both(kind.number.into(), code.into(), is),
        Some(code) => format!("{word} type {} {word} code {code}", kind.number),
        None => format!("{word} type {is}{}", kind.number),
    }
}

fn both(kind: u32, code: u32, is: &str) -> String {
    format!("@th,0,16 {is}{:#06x}", kind << 8 | code)
}

fn icmp_range(range: IcmpRange, is: &str) -> Result<String, &'static str> {
    let types = numbers(range.types);
    match range.codes {
        None => Ok(format!("icmpv6 type {is}{types}")),
        Some(codes) if is.is_empty() => Ok(format!("icmpv6 type {types} icmpv6 code {}", numbers(codes))),
        Some(codes) => match (range.types.only(), codes.only()) {
            (Some(kind), Some(code)) => Ok(both(kind, code, is)),
            _ => Err("a negated range of ICMPv6 types with codes"),
        },
    }
}

fn tcp_flags(mask: u8, set: u8, sense: Sense) -> String {
    let is = if sense == Sense::Is { "==" } else { "!=" };
    format!("tcp flags & {mask:#04x} {is} {set:#04x}")
}

fn tcp_option(kind: u8, sense: Sense) -> String {
    let word = if sense == Sense::Is { "exists" } else { "missing" };
    format!("tcp option {kind} {word}")
}

fn ct_states(states: &[CtState]) -> String {
    let word = |state: &CtState| match state {
        CtState::New => "new",
        CtState::Established => "established",
        CtState::Related => "related",
        CtState::Invalid => "invalid",
    };
    states.iter().map(word).collect::<Vec<_>>().join(",")
}
