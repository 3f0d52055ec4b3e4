//! What is said about files that mean nothing: where, what, and what would be right.

use super::*;

/// Holds each text against the whole error that it must give.
pub(super) fn assert_errors(read: impl Fn(&str) -> Result<Policy, FactError>, table: &[(&str, &str)]) {
    for (text, expected) in table {
        match read(text) {
            Ok(_) => panic!("accepted:\n{text}"),
            Err(error) => assert_eq!(error.to_string(), *expected, "of:\n{text}"),
        }
    }
}

#[test]
fn mistakes_in_the_settings_say_where_and_what_would_be_right() {
    let table = [
        ("engine = 'iptable'", "f:1:10: invalid engine \"iptable\", expected auto, nftables or iptables"),
        ("engine = 1", "f:1:10: invalid type: integer `1`, expected a string"),
        (
            "enigne = 'auto'",
            "f:1:1: unknown key `enigne`, expected one of `engine`, `mark`, `deadline-seconds`, `bridges`, `host`, \
             `guests`, `daemon`, `nat`, `group`, `guest`, `preserve`, `floating-ip`, `forward`; did you mean \"engine\"?",
        ),
        ("mark = 0xf", "f:1:8: invalid mark 0x0000000f, expected five adjacent bits of 32, such as 0x1f000000"),
        ("mark = -1", "f:1:8: invalid mark -1, expected five adjacent bits of 32, such as 0x1f000000"),
        ("mark = 'x'", "f:1:8: invalid type: string \"x\", expected an integer"),
        ("deadline-seconds = 0", "f:1:20: invalid deadline-seconds 0, expected 1 to 300"),
        ("[daemon]\ncheck-seconds = 0", "f:2:17: invalid check-seconds 0, expected 1 to 3600"),
        ("[daemon]\nservices-seconds = -1", "f:2:20: invalid services-seconds -1, expected 1 to 3600, or 0 for never"),
        (
            "[daemon]\nservices-seconds = 3601",
            "f:2:20: invalid services-seconds 3601, expected 1 to 3600, or 0 for never",
        ),
        (
            "[daemon]\nmetrics = 'x.prom'",
            "f:2:11: invalid metrics \"x.prom\", expected an absolute path that ends in .prom",
        ),
        ("deadline-seconds = 301", "f:1:20: invalid deadline-seconds 301, expected 1 to 300"),
        ("[bridges]", "f:1:1: [bridges] names no bridge, so none would be guarded; leave it out for br100 and virbr*"),
        ("[bridges.br100]\n[bridges.br100]", "f:2:10: duplicate key"),
        (
            "[bridges]\nbr100 = 1",
            "f:2:9: invalid type: integer `1`, expected a table for one bridge, [bridges.\"br100\"]",
        ),
        (
            "[bridges.'br[0]']",
            "f:1:10: invalid bridge \"br[0]\", expected a bridge name, with at most one '*' at its end, such as \
             br100 or virbr*",
        ),
        (
            "[bridges.br0]\nuplink = ['eth0']",
            "f:2:1: unknown key `uplink`, expected `uplinks` or `unknown-ports`; did you mean \"uplinks\"?",
        ),
        (
            "[bridges.br0]\nuplinks = [\n  'eth0',\n  'eth*' ]",
            "f:4:3: invalid interface name \"eth*\", expected 1 to 15 letters, digits, '.', '_' or '-', the first \
             no '-' or '.'",
        ),
        ("[bridges.br0]\nunknown-ports = 'pass'", "f:2:17: invalid unknown-ports \"pass\", expected drop or accept"),
        ("host = 1", "f:1:8: invalid type: integer `1`, expected a table"),
        (
            "[host]\nallow = ['dns', 'ssh']",
            "f:2:17: invalid host service \"ssh\", expected dhcp, dns, icmp or ports of tcp, udp or sctp such as \
             tcp/3260 or tcp/8000-8010",
        ),
        (
            "[guests]\nanti-spoofing = ['mac', 'ipv4']",
            "f:2:25: invalid anti-spoofing \"ipv4\", expected mac, arp or ip",
        ),
        ("[guests]\ngroups = ['web']", "f:2:11: unknown group web, no group is defined"),
        ("[guests]\nreject = 'x'", "f:2:10: invalid reject \"x\", expected refuse or drop"),
        ("[guests]\nrouter-advertisements = true", "f:2:25: invalid type: boolean `true`, expected a string"),
        ("[guests]\ndhcp-server = 'yes'", "f:2:15: invalid choice \"yes\", expected drop or accept"),
        ("[guests]\nethertypes = 'all'", "f:2:14: invalid ethertypes \"all\", expected \"any\" or a list"),
        (
            "[guests]\nethertypes = ['any']",
            "f:2:15: invalid ethertype \"any\", expected arp, rarp, ipv4, ipv6 or a number from 0x600 to 0xffff",
        ),
        (
            "[guests]\nethertypes = ['ipv4', 'vlan']",
            "f:2:23: ethertype vlan is a VLAN tag, and tagged frames are never passed; leave it out",
        ),
        (
            "[guests]\nethertypes = [0x88a8]",
            "f:2:15: ethertype 0x88a8 is a VLAN tag, and tagged frames are never passed; leave it out",
        ),
        (
            "[guests]\nethertypes = ['0x9100']",
            "f:2:15: ethertype 0x9100 is a VLAN tag, and tagged frames are never passed; leave it out",
        ),
        (
            "[guests]\nethertypes = [-1]",
            "f:2:15: invalid ethertype \"-1\", expected arp, rarp, ipv4, ipv6 or a number from 0x600 to 0xffff",
        ),
        ("[guests]\nethertypes = [1.5]", "f:2:15: invalid type: floating point `1.5`, expected a string or an integer"),
        ("[guests]\nmetadata-groups = 'x'", "f:2:19: invalid metadata-groups \"x\", expected ignore or restrict"),
        ("[guests]\nmid-stream = 'x'", "f:2:14: invalid mid-stream \"x\", expected drop or accept"),
        ("[guests]\nunguardable = 'x'", "f:2:15: invalid unguardable \"x\", expected refuse or allow"),
    ];
    assert_errors(settings, &table);
}

#[test]
fn mistakes_in_groups_and_guests_say_where_and_what_would_be_right() {
    let table = [
        (
            "[host]",
            "f:1:2: unknown key `host`, expected one of `group`, `guest`, `preserve`, `floating-ip`, `forward`; it \
             belongs in virt-guard.toml",
        ),
        (
            "groups = []",
            "f:1:1: unknown key `groups`, expected one of `group`, `guest`, `preserve`, `floating-ip`, `forward`; did \
             you mean \"group\"?",
        ),
        (
            "[[gruop]]",
            "f:1:3: unknown key `gruop`, expected one of `group`, `guest`, `preserve`, `floating-ip`, `forward`; did \
             you mean \"group\"?",
        ),
        ("[group]\nname = 'a'", "f:1:1: invalid type: table, expected a list, such as [[group]] for [group]"),
        ("[[group]]\n", "f:1:1: missing key `name`"),
        (
            "[[group]]\nname = 'a b'",
            "f:2:8: invalid group name \"a b\", expected 1 to 64 letters, digits, '.', '_' or '-', the first a \
             letter or digit",
        ),
        ("[[group]]\nname = 'a'\n[[group]]\nname = 'a'", "f:4:8: group a is defined already at f:2:8"),
        ("[[group]]\nname = 'a'\nin = []", "f:3:1: unknown key `in`, expected one of `name`, `ingress`, `egress`"),
        (
            "[[group]]\nname = 'a'\ningress = ['tcp']",
            "f:3:12: invalid type: string \"tcp\", expected a table such as { protocol = \"tcp\" }",
        ),
        ("[[group]]\nname = 'a'\ningress = [{ from-group = 'b' }]", "f:3:27: unknown group b, expected one of a"),
        (
            "[[group]]\nname = 'web'\n[[guest]]\nmatch = '*'\ngroups = ['web', 'wbe']",
            "f:5:18: unknown group wbe, expected one of web; did you mean \"web\"?",
        ),
        (
            "[[group]]\nname = 'web'\n[[guest]]\nmatch = '*'\ngroups = ['database']",
            "f:5:11: unknown group database, expected one of web",
        ),
        (
            "[[group]]\nname = 'a'\negress = [{ from = 'any' }]",
            "f:3:20: an egress rule has no from; its peer is to or to-group",
        ),
        (
            "[[group]]\nname = 'a'\negress = [{ from-group = 'a' }]",
            "f:3:26: an egress rule has no from-group; its peer is to or to-group",
        ),
        (
            "[[group]]\nname = 'a'\ningress = [{ to-group = 'a' }]",
            "f:3:25: an ingress rule has no to-group; its peer is from or from-group",
        ),
        (
            "[[group]]\nname = 'a'\negress = [{ to = '10.0.0.0/8', to-group = 'a' }]",
            "f:3:43: both to and to-group; write a rule for each",
        ),
        ("[[guest]]\nmac = '52:54:00:00:00:01'", "f:1:1: missing key `match`"),
        (
            "[[guest]]\nmatch = 'web[12]'",
            "f:2:9: invalid match \"web[12]\", expected a UUID or a domain name, in which * stands for any text \
             and ? for one character; [ ] { } \\ / are written as ?",
        ),
        (
            "[[guest]]\nmatch = 'a'\nmac = '01:00:5e:00:00:01'",
            "f:3:7: 01:00:5e:00:00:01 is a multicast address, which no interface has as its own",
        ),
        (
            "[[guest]]\nmatch = 'a'\nmac = '52:54'",
            "f:3:7: invalid MAC address \"52:54\", expected six hex bytes such as 52:54:00:12:34:56",
        ),
        (
            "[[guest]]\nmatch = 'a'\naddresses = ['10.0.0.1/24']",
            "f:3:14: invalid address \"10.0.0.1/24\", expected an address without a prefix length: one \
             address, not a network",
        ),
        (
            "[[guest]]\nmatch = 'a'\naddresses = ['host']",
            "f:3:14: invalid address \"host\", expected an address such as 10.100.0.11 or fd00::11",
        ),
        ("[[guest]]\nmatch = 'a'\naddresses = [\n'10.0.0.1',\n'10.0.0.1']", "f:5:1: address 10.0.0.1 is listed twice"),
        ("[[guest]]\nmatch = 'a'\naddresses = ['fd00::1', 'fd00:0::1']", "f:3:25: address fd00::1 is listed twice"),
        (
            "[[guest]]\nmatch = 'a'\naddresses = ['0.0.0.0']",
            "f:3:14: 0.0.0.0 is the unspecified address, which no guest has as its own",
        ),
        (
            "[[guest]]\nmatch = 'a'\naddresses = ['::1']",
            "f:3:14: ::1 is a loopback address, which no guest has as its own",
        ),
        (
            "[[guest]]\nmatch = 'a'\naddresses = ['ff02::1']",
            "f:3:14: ff02::1 is a multicast address, which no guest has as its own",
        ),
        (
            "[[guest]]\nmatch = 'a'\naddresses = ['255.255.255.255']",
            "f:3:14: 255.255.255.255 is the broadcast address, which no guest has as its own",
        ),
        (
            "[[guest]]\nmatch = 'a'\naddresses = ['::ffff:10.0.0.1']",
            "f:3:14: ::ffff:10.0.0.1 is an IPv4-mapped address, which no guest has as its own",
        ),
    ];
    assert_errors(folder, &table);
}

#[test]
fn contradictions_in_a_rule_say_where_and_what_would_be_right() {
    let in_group = |rule: &str| folder(&format!("group = [{{ name = 'g', ingress = [\n{rule}\n] }}]"));
    let table = [
        (
            "{ protocol = 'tpc' }",
            "f:2:14: invalid protocol \"tpc\", expected any, tcp, udp, sctp, icmp, icmpv6, igmp, gre, esp, ah, \
             udplite or a number from 0 to 255",
        ),
        (
            "{ protocol = 256 }",
            "f:2:14: invalid protocol \"256\", expected any, tcp, udp, sctp, icmp, icmpv6, igmp, gre, esp, ah, \
             udplite or a number from 0 to 255",
        ),
        ("{ protocol = true }", "f:2:14: invalid type: boolean `true`, expected a string or an integer"),
        (
            "{ port = 80 }",
            "f:2:3: unknown key `port`, expected one of `protocol`, `ports`, `icmp-type`, `family`, `from`, `to`, \
             `from-group`, `to-group`; did you mean \"ports\"?",
        ),
        ("{ ports = 80 }", "f:2:11: protocol any has no ports; ports need protocol tcp, udp or sctp"),
        ("{ protocol = 'gre', ports = 80 }", "f:2:29: protocol gre has no ports; ports need protocol tcp, udp or sctp"),
        (
            "{ protocol = 'icmp', ports = 80 }",
            "f:2:30: protocol icmp has no ports; ports need protocol tcp, udp or sctp",
        ),
        ("{ protocol = 'tcp', ports = [] }", "f:2:29: ports is an empty list; leave the key out to allow all"),
        (
            "{ protocol = 'tcp', ports = '' }",
            "f:2:29: invalid port \"\", expected a port from 0 to 65535 or a range such as 8000-8080",
        ),
        (
            "{ protocol = 'tcp', ports = [80, '90-80'] }",
            "f:2:34: invalid port \"90-80\", expected a port from 0 to 65535 or a range such as 8000-8080",
        ),
        (
            "{ protocol = 'tcp', ports = 65536 }",
            "f:2:29: invalid port \"65536\", expected a port from 0 to 65535 or a range such as 8000-8080",
        ),
        (
            "{ protocol = 'tcp', ports = '80,,443' }",
            "f:2:29: invalid port \"\", expected a port from 0 to 65535 or a range such as 8000-8080",
        ),
        (
            "{ protocol = 'tcp', icmp-type = 8 }",
            "f:2:33: protocol tcp has no icmp-type; it needs protocol icmp or icmpv6",
        ),
        ("{ icmp-type = 8 }", "f:2:15: protocol any has no icmp-type; it needs protocol icmp or icmpv6"),
        ("{ protocol = 'icmp', icmp-type = [] }", "f:2:34: icmp-type is an empty list; leave the key out to allow all"),
        (
            "{ protocol = 'icmp', icmp-type = 'echo-reqest' }",
            "f:2:34: invalid icmp-type \"echo-reqest\", expected a number from 0 to 255, type/code such as 3/4, or \
             one of echo-reply, destination-unreachable, source-quench, redirect, echo-request, \
             router-advertisement, router-solicitation, time-exceeded, parameter-problem, timestamp-request, \
             timestamp-reply, info-request, info-reply, address-mask-request, address-mask-reply; did you mean \
             \"echo-request\"?",
        ),
        (
            "{ protocol = 'icmp', from = 'fd00::/8' }",
            "f:2:29: the ipv6 network fd00::/8 contradicts protocol icmp; for ipv6 it is icmpv6",
        ),
        (
            "{ protocol = 'icmp', family = 'ipv6' }",
            "f:2:31: family ipv6 contradicts protocol icmp; for ipv6 it is icmpv6",
        ),
        (
            "{ protocol = 58, from = '10.0.0.0/8' }",
            "f:2:25: the ipv4 network 10.0.0.0/8 contradicts protocol icmpv6; for ipv4 it is icmp",
        ),
        (
            "{ family = 'ipv4', from = 'fd00::/8' }",
            "f:2:27: the ipv6 network fd00::/8 contradicts family ipv4; leave family out or name an ipv4 network",
        ),
        ("{ family = 'ip4' }", "f:2:12: invalid family \"ip4\", expected ipv4 or ipv6"),
        (
            "{ from = '10.0.0.1/8' }",
            "f:2:10: invalid network \"10.0.0.1/8\", expected an address or a CIDR such as 10.0.0.0/8 or fd00::/8, \
             with no bits set beyond its prefix",
        ),
        (
            "{ from = 'web' }",
            "f:2:10: invalid network \"web\", expected an address or a CIDR such as 10.0.0.0/8 or fd00::/8, with \
             no bits set beyond its prefix",
        ),
        ("{ from = 'any', from-group = 'g' }", "f:2:30: both from and from-group; write a rule for each"),
        ("{ from-group = 'h' }", "f:2:16: unknown group h, expected one of g"),
        ("{ to = 'any' }", "f:2:8: an ingress rule has no to; its peer is from or from-group"),
    ];
    assert_errors(in_group, &table);
}

#[test]
fn a_type_of_the_other_icmp_is_refused() {
    let error = |rule: &str| ingress(rule).unwrap_err().message;
    let message = error("{ protocol = 'icmp', icmp-type = 'packet-too-big' }");
    assert!(message.starts_with(r#"invalid icmp-type "packet-too-big", expected a number from 0 to 255"#), "{message}");
    let message = error("{ protocol = 'icmpv6', icmp-type = [128, 300] }");
    assert!(message.starts_with(r#"invalid icmp-type "300", expected a number"#), "{message}");
}

#[test]
fn a_missing_key_is_reported_at_the_table_that_lacks_it() {
    let error = folder("[[guest]]\nmatch = 'a'\n\n[[guest]]\ngroups = []").unwrap_err();
    assert_eq!(error.to_string(), "f:4:1: missing key `match`");
}

#[test]
fn every_setting_in_a_file_of_the_folder_is_sent_to_its_own_file() {
    let message = settings("x = 1").unwrap_err().message;
    let keys: Vec<&str> = message
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|key| !["x", "group", "guest", "preserve", "floating-ip", "forward"].contains(key))
        .collect();
    assert!(keys.contains(&"engine") && keys.contains(&"bridges"), "{message}");
    for key in keys {
        let message = folder(&format!("{key} = 1")).unwrap_err().message;
        assert!(message.ends_with("; it belongs in virt-guard.toml"), "{message}");
    }
}
