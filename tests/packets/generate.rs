//! Random policies, as an operator would write them, and the guests' XML.
//!
//! Out: text, which goes the way of all text from there. The addresses and ports
//! are few, so that rules and packets meet.

use virt_guard::net::{Direction, Family};

use super::rng::Rng;
use super::station::{GUESTS, Station, UPLINK};

/// The names of the groups, one of them too long for a chain.
const GROUPS: [&str; 4] = ["web", "db", "a-group-with-a-long-name.1", "bastion"];
const NETS_V4: [&str; 9] = [
    "any",
    "0.0.0.0/0",
    "10.100.0.0/24",
    "10.100.0.8/29",
    "10.100.0.12",
    "10.100.0.200/32",
    "10.100.0.0/25",
    "192.0.2.0/24",
    "128.0.0.0/1",
];
const NETS_V6: [&str; 7] =
    ["any", "::/0", "fd00:100::/64", "fd00:100::8/126", "fd00:100::c", "fe80::/10", "2001:db8::/33"];
const PORTS: [&str; 10] =
    ["80", "80,443", "22", "53", "8000-8010", "0", "65535", "1024-65535", "0-1023", "67-68,546-547"];
const TYPES_V4: [&str; 6] =
    ["\"echo-request\"", "\"8/3\"", "[\"8/1\", \"3/1\"]", "[13, \"destination-unreachable\"]", "\"8/0\"", "\"0\""];
const TYPES_V6: [&str; 6] =
    ["\"echo-request\"", "\"128/3\"", "[\"128/1\", \"1/4\"]", "[\"nd-neighbor-solicit\", 139]", "\"128/0\"", "134"];

/// Filters of libvirt's kind that a guest may refer to: chains with jumps, returns
/// and accepts, states, and rules of both directions.
pub const FILTERS: [(&str, &str); 3] = [
    (
        "pinned",
        "<filter name='pinned' chain='root'><filterref filter='pinned-arp'/>\
         <rule action='drop' direction='out' priority='100'>\
         <ip match='no' srcipaddr='$IP'/></rule>\
         <rule action='accept' direction='in' priority='200'><tcp dstportstart='80' dstportend='443'/></rule>\
         <rule action='accept' direction='inout' priority='300'><icmp/></rule>\
         <rule action='accept' direction='out' priority='400'><all/></rule>\
         <rule action='drop' direction='inout' priority='1000'><all/></rule></filter>",
    ),
    (
        "pinned-arp",
        "<filter name='pinned-arp' chain='arp-pin' priority='-500'>\
         <rule action='return' direction='out'><arp opcode='Request' arpsrcipaddr='$IP'/></rule>\
         <rule action='accept' direction='out'><arp opcode='Reply' arpsrcipaddr='$IP'/></rule>\
         <rule action='drop' direction='out' priority='1000'/></filter>",
    ),
    (
        "six",
        "<filter name='six' chain='ipv6'><rule action='return' direction='inout'>\
         <ipv6 srcipaddr='fd00:100::' srcipmask='64'/></rule>\
         <rule action='accept' direction='in'><ipv6 protocol='icmpv6' type='128' typeend='137'/></rule>\
         <rule action='drop' direction='inout' priority='600'><ipv6 protocol='tcp' dstportstart='22'/></rule>\
         <rule action='accept' direction='out' priority='700'><tcp-ipv6 srcportstart='1024' srcportend='65535'/></rule>\
         <rule action='drop' direction='in' priority='800'><tcp-ipv6/></rule></filter>",
    ),
];

/// `virt-guard.toml` and a file of `policy.d`.
#[derive(Debug, Clone)]
pub struct PolicyText {
    /// The settings, but for the engine.
    pub settings: String,
    /// Groups and guests.
    pub policy: String,
}

/// A policy.
pub fn policy(rng: &mut Rng) -> PolicyText {
    let mut policy: String = GROUPS.map(|name| group(rng, name)).concat();
    for guest in &GUESTS {
        policy.push_str(&entry(rng, guest));
    }
    PolicyText { settings: settings(rng), policy }
}

fn settings(rng: &mut Rng) -> String {
    let unknown = rng.pick(&["drop", "drop", "accept"]);
    let mut text = format!("[bridges.br100]\nuplinks = [\"{UPLINK}\"]\nunknown-ports = \"{unknown}\"\n");
    if rng.chance(70) {
        let services =
            ["dhcp", "dns", "icmp", "tcp/3260", "udp/123", "tcp/8000-8010", "sctp/80", "tcp/22", "udp/0-1023"];
        text.push_str(&format!("[host]\nallow = {:?}\n", rng.some(&services, 40)));
    }
    text.push_str("[guests]\n");
    if rng.chance(40) {
        text.push_str(&format!("anti-spoofing = {:?}\n", rng.some(&["mac", "arp", "ip"], 60)));
    }
    if rng.chance(30) {
        text.push_str(&format!("groups = {:?}\n", rng.some(&GROUPS, 30)));
    }
    if rng.chance(30) {
        let types = [
            "[\"ipv4\", \"arp\"]",
            "\"any\"",
            "[\"ipv6\", \"0x88b5\"]",
            "[\"arp\", \"rarp\", \"ipv4\", \"ipv6\", \"0x88b5\"]",
        ];
        text.push_str(&format!("ethertypes = {}\n", rng.pick(&types)));
    }
    text.push_str(&guards(rng, 20));
    if rng.chance(40) {
        text.push_str("metadata-groups = \"restrict\"\n");
    }
    text
}

fn guards(rng: &mut Rng, percent: usize) -> String {
    let keys = rng.some(&["router-advertisements", "dhcp-server"], percent);
    keys.iter().map(|key| format!("{key} = \"{}\"\n", rng.pick(&["accept", "drop"]))).collect()
}

fn group(rng: &mut Rng, name: &str) -> String {
    let mut text = format!("[[group]]\nname = \"{name}\"\n");
    let ingress = rules(rng, Direction::In, 5);
    text.push_str(&format!("ingress = [{ingress}]\n"));
    if rng.chance(60) {
        let egress = rules(rng, Direction::Out, 4);
        text.push_str(&format!("egress = [{egress}]\n"));
    }
    text
}

fn rules(rng: &mut Rng, direction: Direction, most: usize) -> String {
    let number = rng.below(most + 1);
    let rules: Vec<String> = (0..number).map(|_| rule(rng, direction)).collect();
    rules.join(",\n  ")
}

fn rule(rng: &mut Rng, direction: Direction) -> String {
    let protocols =
        ["tcp", "tcp", "udp", "udp", "sctp", "icmp", "icmp", "icmpv6", "icmpv6", "any", "gre", "esp", "igmp", "99"];
    let protocol = rng.pick(&protocols);
    let family = match protocol {
        "icmp" => Family::V4,
        "icmpv6" => Family::V6,
        _ => rng.pick(&Family::BOTH),
    };
    let mut keys = vec![format!("protocol = \"{protocol}\"")];
    if matches!(protocol, "tcp" | "udp" | "sctp") && rng.chance(80) {
        keys.push(ports(rng));
    }
    if matches!(protocol, "icmp" | "icmpv6") && rng.chance(70) {
        let types = if family == Family::V4 { TYPES_V4 } else { TYPES_V6 };
        keys.push(format!("icmp-type = {}", rng.pick(&types)));
    }
    if rng.chance(20) {
        keys.push(format!("family = \"{family}\""));
    }
    keys.extend(peer(rng, direction, family));
    format!("{{ {} }}", keys.join(", "))
}

fn ports(rng: &mut Rng) -> String {
    if rng.chance(70) {
        return format!("ports = \"{}\"", rng.pick(&PORTS));
    }
    let (one, other) = (rng.word(), rng.word());
    format!("ports = \"{}-{}\"", one.min(other), one.max(other))
}

fn peer(rng: &mut Rng, direction: Direction, family: Family) -> Option<String> {
    let word = if direction == Direction::In { "from" } else { "to" };
    if rng.chance(20) {
        return None;
    }
    if rng.chance(30) {
        return Some(format!("{word}-group = \"{}\"", rng.pick(&GROUPS)));
    }
    let net = if family == Family::V4 { rng.pick(&NETS_V4) } else { rng.pick(&NETS_V6) };
    Some(format!("{word} = \"{net}\""))
}

fn entry(rng: &mut Rng, guest: &Station) -> String {
    if rng.chance(10) {
        return String::new();
    }
    let mut text = format!("[[guest]]\nmatch = \"{}\"\ngroups = {:?}\n", guest.name, rng.some(&GROUPS, 35));
    let mut addresses = Vec::new();
    if rng.chance(70) {
        addresses.push(guest.v4.to_string());
    }
    if rng.chance(60) {
        addresses.push(guest.v6.to_string());
    }
    addresses.extend(rng.some(&["10.100.0.77", "fd00:100::77"], 15).into_iter().map(str::to_owned));
    if rng.chance(80) {
        text.push_str(&format!("addresses = {addresses:?}\n"));
    }
    if rng.chance(20) {
        text.push_str(&format!("anti-spoofing = {:?}\n", rng.some(&["mac", "arp", "ip"], 60)));
    }
    text.push_str(&guards(rng, 15));
    text
}

/// What libvirt says of a guest.
pub fn domain(rng: &mut Rng, guest: &Station) -> String {
    let metadata: String = if rng.chance(40) {
        let groups = rng.some(&GROUPS, 35);
        groups.iter().map(|name| format!("<vg:group name='{name}'/>")).collect()
    } else {
        String::new()
    };
    let filter = if rng.chance(50) {
        let name = rng.pick(&FILTERS).0;
        format!("<filterref filter='{name}'><parameter name='IP' value='{}'/></filterref>", guest.v4)
    } else {
        String::new()
    };
    xml(guest, &metadata, &filter)
}

/// A domain with one interface, which has this metadata and filter.
pub fn xml(guest: &Station, metadata: &str, filter: &str) -> String {
    let last = guest.mac.bytes()[5];
    format!(
        "<domain type='kvm'><name>{}</name><uuid>5a1e0000-0000-4000-8000-0000000000{last:02x}</uuid>\n\
         <metadata><vg:guard xmlns:vg='urn:virt-guard:domain:1'>{metadata}</vg:guard></metadata>\n\
         <devices><interface type='bridge'><mac address='{}'/><source bridge='br100'/>\n\
         <target dev='{}'/>{filter}</interface></devices></domain>",
        guest.name, guest.mac, guest.port
    )
}
