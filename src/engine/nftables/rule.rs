//! One rule as nft says it.

use std::fmt::Write as _;

use ipnet::IpNet;

use crate::engine::text::{comment, join};
use crate::model::{Field, Match, Rule, Scope, Sense, State, Verdict};
use crate::net::{EtherType, Family, IcmpType, Mac, PortRange};
use crate::plan::Name;

/// Where the rule stands: a bridge table sees frames, an inet table packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Bridge,
    Inet,
}

/// The rule without the words that add it. One rule is always one rule of nft.
pub(super) fn print(rule: &Rule, place: Place) -> String {
    let scope = scope(rule.scope, place);
    let matches = rule.matches.iter().map(|condition| condition_text(condition, rule.scope));
    let verdict = match rule.verdict {
        // Each wall is a chain of its own: to return is to pass this wall only.
        Verdict::Accept => "return".to_owned(),
        Verdict::Drop => "counter drop".to_owned(),
    };
    let comment = format!("comment \"{}\"", comment(&rule.origin));
    join([scope].into_iter().chain(matches).chain([verdict, comment]))
}

fn scope(scope: Scope, place: Place) -> String {
    match (scope, place) {
        (Scope::Any, _) => String::new(),
        (Scope::Ip(Family::V4), Place::Inet) => "meta nfproto ipv4".to_owned(),
        (Scope::Ip(Family::V6), Place::Inet) => "meta nfproto ipv6".to_owned(),
        // `ether type` looks at the tag of a tagged frame, `meta protocol` would
        // look behind it.
        (Scope::Ip(family), Place::Bridge) => format!("ether type {}", ether_type(family.ether_type())),
        (Scope::Ether(kind), _) => format!("ether type {}", ether_type(kind)),
    }
}

fn ether_type(kind: EtherType) -> String {
    match kind {
        EtherType::IPV4 => "ip".to_owned(),
        EtherType::IPV6 => "ip6".to_owned(),
        EtherType::ARP => "arp".to_owned(),
        kind => format!("{:#06x}", kind.number()),
    }
}

fn condition_text(condition: &Match, scope: Scope) -> String {
    let is = match condition.sense {
        Sense::Is => "",
        Sense::IsNot => "!= ",
    };
    let ip = if scope == Scope::Ip(Family::V6) { "ip6" } else { "ip" };
    match &condition.field {
        Field::SourceMac(mac) => format!("ether saddr {is}{mac}"),
        Field::ArpOperation(operation) => format!("@nh,48,16 {is}{operation}"),
        Field::ArpSenderMac(mac) => format!("{} @nh,64,48 {is}{}", ethernet_ipv4_arp(), hex(*mac)),
        Field::ArpSenderIp(address) => format!("arp saddr ip {is}{address}"),
        Field::Source(net) => format!("{ip} saddr {is}{}", net_text(*net)),
        Field::Destination(net) => format!("{ip} daddr {is}{}", net_text(*net)),
        Field::SourceIn(set) => format!("{ip} saddr {is}@{}", Name::set(set)),
        Field::DestinationIn(set) => format!("{ip} daddr {is}@{}", Name::set(set)),
        Field::Protocol(protocol) => format!("meta l4proto {is}{}", protocol.0),
        Field::SourcePort(range) => format!("th sport {is}{}", ports(*range)),
        Field::DestinationPort(range) => format!("th dport {is}{}", ports(*range)),
        Field::Icmp(kind) => icmp(*kind, scope, is),
        // nft 1.0.6 has no word for the target; it follows 8 bytes of header.
        Field::NeighbourTarget(address) => {
            format!("ip6 nexthdr 58 @th,64,128 {is}{:#034x}", u128::from(*address))
        }
        Field::State(State::Established) => format!("ct state {is}established,related"),
        Field::State(State::Invalid) => format!("ct state {is}invalid"),
    }
}

/// Hardware Ethernet, protocol IPv4, their lengths: the first six bytes, which
/// say what stands where in the rest (RFC 826). RARP has the same layout, but
/// nft's `arp` words would demand the EtherType of ARP.
fn ethernet_ipv4_arp() -> &'static str {
    "@nh,0,48 0x000108000604"
}

fn hex(mac: Mac) -> String {
    mac.bytes().iter().fold("0x".to_owned(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An address alone for a network of one: the way nft lists it.
fn net_text(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

fn ports(range: PortRange) -> String {
    range.with_separator('-')
}

fn icmp(kind: IcmpType, scope: Scope, is: &str) -> String {
    let word = if scope == Scope::Ip(Family::V6) { "icmpv6" } else { "icmp" };
    let code = kind.code.map(|code| format!("{word} code {code}")).unwrap_or_default();
    join([format!("{word} type {is}{}", kind.number), code])
}
