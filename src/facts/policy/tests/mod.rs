//! Whole files: what they mean, and that no text makes the parser fall.

mod errors;
mod nat;
mod nat_errors;
mod shipped;

use std::time::Duration;

use proptest::prelude::*;

use super::load::Files;
use super::source::Source;
use super::*;
use crate::net::{Family, IcmpType, PortRange, Protocol};

/// The policy of a `virt-guard.toml` with this text.
fn settings(text: &str) -> Result<Policy, FactError> {
    check::policy(&Files { settings: Some(Source::new("f", text.to_owned())), folder: Vec::new() })
}

/// The policy of a file in `policy.d` with this text.
fn folder(text: &str) -> Result<Policy, FactError> {
    check::policy(&Files { settings: None, folder: vec![Source::new("f", text.to_owned())] })
}

/// The only rule of a group with this one rule, on ingress.
fn ingress(rule: &str) -> Result<GroupRule, FactError> {
    let text = format!("group = [{{ name = 'g', ingress = [ {rule} ] }}]");
    folder(&text).map(|policy| policy.groups.into_values().next().unwrap().ingress.remove(0))
}

const DESIGN_SETTINGS: &str = r#"
engine = "auto"                      # auto | nftables | iptables
[bridges."br100"]                    # a guest-facing bridge; globs allowed; default: br100 and virbr*
uplinks = ["eth1"]                   # ports that are no guests; default: detected
unknown-ports = "drop"               # drop | accept
[host]
allow = ["dhcp", "dns", "icmp"]      # what guests may reach on this host; also "tcp/3260", "udp/123"
[guests]                             # defaults of every interface
anti-spoofing = ["mac", "arp", "ip"] # ip and arp only where the addresses are known
groups = []
filters = []                         # nwfilters for interfaces whose XML names none
"#;

const DESIGN_WEB: &str = r#"
[[group]]
name = "web"
ingress = [ { protocol = "tcp", ports = "80,443", from = "0.0.0.0/0" },
            { protocol = "tcp", ports = "22", from-group = "bastion" } ]
egress  = [ { protocol = "any", to = "any" } ]
[[guest]]
match = "web*"                       # domain name (glob) or UUID
groups = ["web"]
addresses = ["10.100.0.11"]
"#;

fn design() -> Policy {
    let settings = Some(Source::new("/etc/virt-guard/virt-guard.toml", DESIGN_SETTINGS.to_owned()));
    let bastion = Source::new("/etc/virt-guard/policy.d/bastion.toml", "group = [{ name = 'bastion' }]".to_owned());
    let web = Source::new("/etc/virt-guard/policy.d/web.toml", DESIGN_WEB.to_owned());
    check::policy(&Files { settings, folder: vec![bastion, web] }).unwrap()
}

#[test]
fn the_settings_of_the_design_are_the_defaults_but_for_the_bridges() {
    let mut policy = design();
    assert_eq!(policy.bridges.len(), 1);
    let bridge = policy.bridges.remove(0);
    assert_eq!(bridge.pattern.to_string(), "br100");
    assert_eq!(bridge.uplinks, Uplinks::Listed(vec!["eth1".parse().unwrap()]));
    assert_eq!(bridge.place.unwrap().to_string(), "/etc/virt-guard/virt-guard.toml:3:10");
    let default = Policy::default();
    assert_eq!((policy.engine, policy.marks, policy.deadline), (default.engine, default.marks, default.deadline));
    assert_eq!(policy.guests, default.guests);
    let services = |host: &HostPolicy| host.allow.iter().map(|allow| allow.service).collect::<Vec<_>>();
    assert_eq!(services(&policy.host), services(&default.host));
}

#[test]
fn the_group_of_the_design_has_its_rules_with_their_places() {
    let mut policy = design();
    let web = policy.groups.remove(&"web".parse().unwrap()).unwrap();
    assert_eq!(web.place.short(), "web.toml:3");
    let [http, ssh] = web.ingress.try_into().unwrap();
    assert_eq!(http.protocol, Some(Protocol::TCP));
    assert_eq!(http.ports, [PortRange::single(80), PortRange::single(443)]);
    assert_eq!((http.peer, http.family), (Peer::Net("0.0.0.0/0".parse().unwrap()), Some(Family::V4)));
    assert_eq!(http.place.to_string(), "/etc/virt-guard/policy.d/web.toml:4:13");
    assert_eq!((ssh.peer, ssh.family), (Peer::Group("bastion".parse().unwrap()), None));
    assert_eq!(ssh.place.short(), "web.toml:5");
    let [out] = web.egress.unwrap().try_into().unwrap();
    assert_eq!((out.protocol, out.family, out.ports, out.peer), (None, None, vec![], Peer::Any));
}

#[test]
fn the_guest_of_the_design_is_found_by_its_name() {
    let policy = design();
    let [entry] = policy.entries.try_into().unwrap();
    assert!(entry.matcher.matches("web1", "") && !entry.matcher.matches("db1", ""));
    assert_eq!(entry.place.to_string(), "/etc/virt-guard/policy.d/web.toml:8:9");
    assert_eq!(entry.groups[0].value.as_str(), "web");
    assert_eq!(entry.addresses[0].value.to_string(), "10.100.0.11");
    assert_eq!(entry.addresses[0].place.short(), "web.toml:10");
    assert_eq!((entry.mac, entry.anti_spoofing, entry.dhcp_server), (None, None, None));
}

#[test]
fn every_setting_is_read() {
    let policy = settings(
        r#"
        engine = "iptables"
        mark = 0x1f0
        deadline-seconds = 300
        [bridges]
        "b*" = { unknown-ports = "accept" }
        br0 = { uplinks = [] }
        [host]
        allow = ["tcp/8000-8010"]
        [guests]
        anti-spoofing = ["mac"]
        router-advertisements = "accept"
        dhcp-server = "accept"
        ethertypes = ["ipv4", 0x88cc, "0x0806"]
        metadata-groups = "restrict"
        unguardable = "allow"
        mid-stream = "accept"
        "#,
    )
    .unwrap();
    assert_eq!((policy.engine, policy.deadline), (EngineChoice::Iptables, Duration::from_secs(300)));
    assert_eq!(policy.marks.guest(), 0x10);
    let bridges: Vec<_> =
        policy.bridges.iter().map(|b| (b.pattern.to_string(), b.uplinks.clone(), b.unknown_ports)).collect();
    let exact = ("br0".to_owned(), Uplinks::Listed(vec![]), UnknownPorts::Drop);
    assert_eq!(bridges, [exact, ("b*".to_owned(), Uplinks::Detected, UnknownPorts::Accept)]);
    assert_eq!(policy.host.allow.len(), 1);
    assert_eq!(policy.host.allow[0].place.as_ref().unwrap().line, 9);
    let guests = policy.guests;
    assert_eq!(guests.anti_spoofing, [AntiSpoofing::Mac].into());
    assert_eq!((guests.router_advertisements, guests.dhcp_server), (Guard::Accept, Guard::Accept));
    let EtherTypes::Only(types) = guests.ethertypes else { panic!("not a list") };
    assert_eq!(types.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ipv4", "arp", "0x88cc"]);
    assert_eq!((guests.metadata_groups, guests.unguardable), (MetadataGroups::Restrict, Unguardable::Allow));
    assert_eq!((guests.mid_stream, GuestDefaults::default().mid_stream), (MidStream::Accept, MidStream::Drop));
}

#[test]
fn a_table_with_one_key_leaves_the_other_keys_at_their_defaults() {
    let policy = settings("[guests]\nethertypes = 'any'\n[host]").unwrap();
    assert_eq!(policy.guests, GuestDefaults { ethertypes: EtherTypes::Any, ..GuestDefaults::default() });
    assert_eq!(policy.host, HostPolicy::default());
}

#[test]
fn a_group_without_rules_lets_nothing_in_and_everything_out() {
    let policy = folder("[[group]]\nname = 'a'\n[[group]]\nname = 'b'\negress = []").unwrap();
    let groups: Vec<_> = policy.groups.into_values().map(|group| (group.ingress, group.egress)).collect();
    assert_eq!(groups, [(vec![], None), (vec![], Some(vec![]))]);
}

#[test]
fn ports_are_a_text_a_number_or_a_list_of_both() {
    let ports = |text: &str| {
        let rule = ingress(&format!("{{ protocol = 'udp', ports = {text} }}")).unwrap();
        rule.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ports("53"), "53");
    assert_eq!(ports("'80, 443'"), "80 443");
    assert_eq!(ports("'8000-8080'"), "8000-8080");
    assert_eq!(ports("[22, '80,443', '8000:8080', '22']"), "22 80 443 8000-8080 22");
}

#[test]
fn icmp_types_are_named_as_their_protocol_names_them() {
    let types = |text: &str| ingress(text).unwrap().icmp_types;
    assert_eq!(types("{ protocol = 'icmp', icmp-type = 'echo-request' }"), [IcmpType::any_code(8)]);
    assert_eq!(types("{ protocol = 'icmpv6', icmp-type = 'echo-request' }"), [IcmpType::any_code(128)]);
    let listed = types("{ protocol = 1, icmp-type = [8, '3/4', '11'] }");
    assert_eq!(listed, [IcmpType::any_code(8), IcmpType { number: 3, code: Some(4) }, IcmpType::any_code(11)]);
}

#[test]
fn the_family_is_filled_in_where_the_rule_implies_it() {
    for (rule, family) in [
        ("{ }", None),
        ("{ from = 'any' }", None),
        ("{ protocol = 'tcp' }", None),
        ("{ family = 'ipv6' }", Some(Family::V6)),
        ("{ protocol = 'icmp' }", Some(Family::V4)),
        ("{ protocol = 1 }", Some(Family::V4)),
        ("{ protocol = '58' }", Some(Family::V6)),
        ("{ from = '0.0.0.0/0' }", Some(Family::V4)),
        ("{ from = 'fd00::1' }", Some(Family::V6)),
        ("{ from = '::/0', protocol = 'icmpv6', family = 'ipv6' }", Some(Family::V6)),
    ] {
        assert_eq!(ingress(rule).unwrap().family, family, "{rule}");
    }
}

#[test]
fn every_key_of_a_guest_is_read() {
    let text = r#"
        guest = [{ match = "6F3A1F2E-0c1b-4d8e-9a3b-0123456789ab", mac = "52:54:00:00:00:01", anti-spoofing = [],
                   addresses = ["10.0.0.1", "fe80::1"], router-advertisements = "drop", dhcp-server = "accept" }]"#;
    let entry = folder(text).unwrap().entries.remove(0);
    assert_eq!(entry.matcher.to_string(), "6f3a1f2e-0c1b-4d8e-9a3b-0123456789ab");
    assert_eq!(entry.mac, Some("52:54:00:00:00:01".parse().unwrap()));
    assert_eq!(entry.anti_spoofing, Some([].into()));
    assert_eq!(entry.addresses.len(), 2);
    assert_eq!((entry.router_advertisements, entry.dhcp_server), (Some(Guard::Drop), Some(Guard::Accept)));
}

#[test]
fn nesting_without_end_is_refused_and_not_followed() {
    for text in
        ["[".repeat(500_000), "a=".to_owned() + &"[".repeat(500_000), "a".to_owned() + &".a".repeat(250_000) + "=1"]
    {
        assert!(folder(&text).is_err());
    }
    assert!(folder(&("a=".to_owned() + &"{a=".repeat(200_000))).is_err());
    assert!(folder(&("[a".to_owned() + &".a".repeat(250_000) + "]")).is_err());
}

/// Pieces of policy files, so that random texts get past the first key.
const PIECES: &str = "[[group]]\n|name = |'web'|ingress = [|egress = [|{|}|]|[|, |\n|protocol = |'icmp'|'tcp'|ports = |\
                      '80,443-'|icmp-type = |from = |from-group = |to = |'::/0'|family = |[[guest]]\n|match = |'a*'|\
                      addresses = |mac = |mark = |0xf|-1|[bridges.|\"br*\"|[host]\n|[guests]\n|allow = |\
                      ethertypes = |[nat]\n|[[floating-ip]]\n|address = '192.0.2.1'\n|guest = 'a'\n|fixed = |\
                      [[forward]]\n|to-ports = |80|\u{e4}|\u{0}|\"|'|9e99";

fn piece() -> impl Strategy<Value = String> {
    let pieces: Vec<&str> = PIECES.split('|').collect();
    let known = proptest::sample::select(pieces).prop_map(str::to_owned);
    prop_oneof![8 => known, 1 => any::<char>().prop_map(String::from)]
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>(), pieces in proptest::collection::vec(piece(), 0..40)) {
        let _ = (settings(&text), folder(&text));
        let text = pieces.concat();
        let _ = (settings(&text), folder(&text));
    }
}
