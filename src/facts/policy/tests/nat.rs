//! Floating IPs and forwards: what they are read as, and what no two may say.

use std::net::IpAddr;

use super::errors::assert_errors;
use super::*;

/// A floating IP of a command, with the guest's address as `fixed` unless it is empty.
fn associated(address: &str, guest: &str, fixed: &str) -> FloatingIp {
    let place = Place { file: "command".to_owned(), line: 1, column: 1 };
    FloatingIp {
        address: Placed { value: address.parse().unwrap(), place },
        guest: guest.parse().unwrap(),
        fixed: fixed.parse().ok(),
        interface: None,
    }
}

/// The only forward of a file, of these keys beside its guest.
fn forward(keys: &str) -> Result<Forward, FactError> {
    folder(&format!("[[forward]]\nguest = 'a'\n{keys}")).map(|mut policy| policy.forwards.remove(0))
}

#[test]
fn every_key_of_a_floating_ip_is_read() {
    let policy = settings(
        r#"
        [nat]
        interface = "eth0"
        announce = "proxy"
        [[floating-ip]]
        address = "203.0.113.10"
        guest = "web1"
        fixed = "10.100.0.11"
        interface = "eth1"
        [[floating-ip]]
        address = "2001:db8::10"
        guest = "6F3A1F2E-0c1b-4d8e-9a3b-0123456789ab"
        "#,
    )
    .unwrap();
    let name = |text: &str| Some(text.parse().unwrap());
    assert_eq!(policy.nat, NatPolicy { interface: name("eth0"), announce: Announce::Proxy });
    let [v4, v6] = policy.floating.try_into().unwrap();
    assert_eq!((v4.address.value.to_string(), v4.guest.to_string()), ("203.0.113.10".into(), "web1".into()));
    assert_eq!((v4.address.place.to_string(), v4.interface), ("f:6:19".into(), name("eth1")));
    assert_eq!(v4.fixed, Some("10.100.0.11".parse().unwrap()));
    assert_eq!(v6.guest, GuestMatcher::Uuid("6f3a1f2e-0c1b-4d8e-9a3b-0123456789ab".to_owned()));
    assert_eq!((v6.fixed, v6.interface), (None, None));
}

#[test]
fn without_a_word_floating_ips_are_announced_by_their_address() {
    for text in ["", "[nat]"] {
        let nat = settings(text).unwrap().nat;
        assert_eq!(nat, NatPolicy { interface: None, announce: Announce::Address }, "{text:?}");
    }
}

#[test]
fn every_key_of_a_forward_is_read() {
    let keys = "protocol = 'udp'\nports = '8000-8010'\nto-ports = '80-90'\naddress = '192.0.2.1'\n\
                family = 'ipv4'\nfixed = '10.100.0.11'";
    let read = forward(keys).unwrap();
    assert_eq!((read.guest.to_string(), read.protocol, read.family), ("a".into(), Protocol::UDP, Some(Family::V4)));
    assert_eq!((read.ports, read.to_ports), ("8000-8010".parse().unwrap(), "80-90".parse().unwrap()));
    let address = |text: &str| text.parse::<IpAddr>().ok();
    assert_eq!((read.address, read.fixed), (address("192.0.2.1"), address("10.100.0.11")));
    assert_eq!(read.place.to_string(), "f:4:9");
}

#[test]
fn a_forward_of_a_port_alone_is_tcp_to_the_same_port_of_both_families() {
    let read = forward("ports = 8080").unwrap();
    assert_eq!((read.protocol, read.address, read.family, read.fixed), (Protocol::TCP, None, None, None));
    assert_eq!((read.ports, read.to_ports), (PortRange::single(8080), PortRange::single(8080)));
}

#[test]
fn the_family_of_a_forward_is_filled_in_where_an_address_implies_it() {
    for keys in ["address = 'fd00::1'", "fixed = 'fd00::2'", "family = 'ipv6'"] {
        assert_eq!(forward(&format!("ports = 80\n{keys}")).unwrap().family, Some(Family::V6), "{keys}");
    }
}

#[test]
fn a_forward_has_at_most_1024_ports() {
    assert_eq!(forward("ports = '1-1024'").unwrap().ports.count(), 1024);
    assert!(forward("ports = '1-1025'").is_err());
}

#[test]
fn an_address_that_is_two_things_is_refused_with_both_places() {
    let rest = |text: &str| folder(&format!("[[floating-ip]]\naddress = '203.0.113.10'\nguest = 'a'\n{text}"));
    let table = [
        (
            "[[floating-ip]]\naddress = '203.0.113.10'\nguest = 'a'",
            "f:5:11: floating IP 203.0.113.10 is declared already at f:2:11",
        ),
        (
            "[[guest]]\nmatch = 'b'\naddresses = ['203.0.113.10']",
            "f:2:11: floating IP 203.0.113.10 is a guest's own address at f:6:14; it cannot be both",
        ),
        (
            "[[forward]]\nguest = 'b'\nports = 80\naddress = '203.0.113.10'",
            "f:2:11: floating IP 203.0.113.10 is what the forward at f:6:9 listens on, but all its connections go to \
             the floating IP's guest",
        ),
        (
            "[[forward]]\nguest = 'b'\nports = 80\nfixed = '203.0.113.10'",
            "f:2:11: floating IP 203.0.113.10 is the address that the entry at f:6:9 leads to",
        ),
        (
            "[[floating-ip]]\naddress = '203.0.113.11'\nguest = 'b'\nfixed = '203.0.113.10'",
            "f:5:11: floating IP 203.0.113.11 leads to the floating IP 203.0.113.10, declared at f:2:11; expected an \
             address that the guest has",
        ),
        (
            "fixed = '10.0.0.1'\n[[floating-ip]]\naddress = '10.0.0.1'\nguest = 'b'",
            "f:6:11: floating IP 10.0.0.1 is the address that the entry at f:2:11 leads to",
        ),
    ];
    assert_errors(rest, &table);
}

#[test]
fn a_contradiction_between_two_files_names_both() {
    let file = |name: &str| Source::new(name, "[[floating-ip]]\naddress = '203.0.113.10'\nguest = 'a'".to_owned());
    let error = check::policy(&Files { settings: Some(file("s")), folder: vec![file("d")] }).unwrap_err();
    assert_eq!(error.to_string(), "d:2:11: floating IP 203.0.113.10 is declared already at s:2:11");
}

#[test]
fn a_guest_may_have_several_floating_ips_that_lead_to_its_own_address() {
    let policy = folder(
        "[[guest]]\nmatch = 'a'\naddresses = ['10.0.0.1']\n\
         [[floating-ip]]\naddress = '203.0.113.10'\nguest = 'a'\nfixed = '10.0.0.1'\n\
         [[floating-ip]]\naddress = '203.0.113.11'\nguest = 'a'\nfixed = '10.0.0.1'\n\
         [[forward]]\nports = 80\nguest = 'a'\nfixed = '10.0.0.1'",
    );
    assert_eq!(policy.unwrap().floating.len(), 2);
}

#[test]
fn forwards_that_overlap_are_refused_with_both_places() {
    let rest = |text: &str| folder(&format!("[[forward]]\nguest = 'a'\n{text}"));
    let second = "[[forward]]\nguest = 'b'\nports = '80-90'";
    let message = "tcp ports 80-90 are forwarded already by the entry at f:3:9 (ports 85-100); expected other ports, \
                   or another address in both";
    let first = format!("ports = '85-100'\n{second}");
    assert_errors(rest, &[(&first, &format!("f:6:9: {message}"))]);
    for (first, second) in [
        ("address = '192.0.2.1'", ""),
        ("", "address = '192.0.2.1'"),
        ("address = '192.0.2.1'", "address = '192.0.2.1'"),
        ("address = '192.0.2.1'", "family = 'ipv4'"),
        ("family = 'ipv6'", ""),
        ("to-ports = '5-20'", "fixed = '10.0.0.1'"),
    ] {
        let text = format!("ports = '85-100'\n{first}\n[[forward]]\nguest = 'b'\nports = '80-90'\n{second}");
        let error = rest(&text).expect_err(&text);
        assert_eq!(error.message, message, "{text}");
    }
}

#[test]
fn forwards_that_no_packet_could_take_both_of_are_read() {
    for (first, second) in [
        ("ports = 80", "ports = 81"),
        ("ports = '80-89'", "ports = '90-99'"),
        ("ports = 80", "ports = 80\nprotocol = 'udp'"),
        ("ports = 80\naddress = '192.0.2.1'", "ports = 80\naddress = '192.0.2.2'"),
        ("ports = 80\nfamily = 'ipv4'", "ports = 80\nfamily = 'ipv6'"),
        ("ports = 80\naddress = '192.0.2.1'", "ports = 80\nfamily = 'ipv6'"),
        ("ports = 80\nfixed = '10.0.0.1'", "ports = 80\nfixed = 'fd00::1'"),
    ] {
        let text = format!("[[forward]]\nguest = 'a'\n{first}\n[[forward]]\nguest = 'a'\n{second}");
        assert_eq!(folder(&text).map(|policy| policy.forwards.len()), Ok(2), "{text}");
    }
}

#[test]
fn a_floating_ip_of_a_command_is_held_to_what_a_files_is() {
    let mut policy = folder(
        "[[floating-ip]]\naddress = '203.0.113.10'\nguest = 'a'\nfixed = '10.0.0.9'\n\
         [[guest]]\nmatch = 'a'\naddresses = ['10.0.0.1']\n\
         [[forward]]\nguest = 'a'\nports = 80\naddress = '192.0.2.1'",
    )
    .unwrap();
    let before = policy.clone();
    for (address, guest, fixed, expected) in [
        ("203.0.113.10", "b", "", "floating IP 203.0.113.10 is declared already at f:2:11"),
        ("10.0.0.1", "b", "", "floating IP 10.0.0.1 is a guest's own address at f:7:14"),
        ("192.0.2.1", "b", "", "floating IP 192.0.2.1 is what the forward at f:10:9 listens on"),
        ("10.0.0.9", "b", "", "floating IP 10.0.0.9 is the address that the entry at f:2:11 leads to"),
        ("203.0.113.11", "b", "203.0.113.10", "floating IP 203.0.113.11 leads to the floating IP 203.0.113.10"),
        ("203.0.113.11", "b*", "", "invalid guest \"b*\", expected the name or the UUID of one guest"),
        ("203.0.113.11", "b", "fd00::1", "the ipv6 address fd00::1 contradicts the ipv4 floating IP"),
        ("fe80::1", "b", "", "fe80::1 is a link-local address"),
    ] {
        let error = policy.add_floating(associated(address, guest, fixed)).unwrap_err();
        assert!(error.message.starts_with(expected), "{error}");
        assert_eq!(error.place.file, "command");
    }
    assert_eq!(policy, before, "a refused one changed the policy");
    policy.add_floating(associated("203.0.113.11", "b", "10.0.0.9")).unwrap();
    assert_eq!(policy.floating.last().map(|last| last.guest.to_string()).as_deref(), Some("b"));
    assert!(policy.add_floating(associated("203.0.113.11", "c", "")).is_err(), "a command's own was taken twice");
}

/// A forward of any kind, in few enough values that two often meet.
fn any_forward() -> impl Strategy<Value = Forward> {
    let address = proptest::sample::select(vec![None, Some("192.0.2.1"), Some("192.0.2.2"), Some("fd00::1")]);
    let family = proptest::sample::select(vec![None, Some(Family::V4), Some(Family::V6)]);
    let protocol = proptest::sample::select(vec![Protocol::TCP, Protocol::UDP]);
    (address, family, protocol, 1..6_u16, 0..3_u16).prop_map(|(address, family, protocol, first, more)| {
        let address = address.map(|text| text.parse().unwrap());
        let ports = PortRange::new(first, first + more).unwrap();
        Forward {
            guest: "a".parse().unwrap(),
            address,
            family: address.map(Family::of).or(family),
            protocol,
            ports,
            to_ports: ports,
            fixed: None,
            place: Place { file: "f".to_owned(), line: 1, column: 1 },
        }
    })
}

/// Whether a forward takes a packet to this address and port.
fn takes(forward: &Forward, to: IpAddr, protocol: Protocol, port: u16) -> bool {
    forward.protocol == protocol
        && forward.ports.contains(port)
        && forward.family.is_none_or(|family| family == Family::of(to))
        && forward.address.is_none_or(|address| address == to)
}

proptest! {
    #[test]
    fn forwards_overlap_if_and_only_if_there_is_a_packet_that_both_take(one in any_forward(), two in any_forward()) {
        let hosts: [IpAddr; 5] =
            ["192.0.2.1", "192.0.2.2", "192.0.2.3", "fd00::1", "fd00::2"].map(|text| text.parse().unwrap());
        let both = |to, protocol, port| takes(&one, to, protocol, port) && takes(&two, to, protocol, port);
        let found = hosts.into_iter().any(|to| {
            [Protocol::TCP, Protocol::UDP].into_iter().any(|protocol| (1..9).any(|port| both(to, protocol, port)))
        });
        prop_assert_eq!(one.overlaps(&two), found);
        prop_assert_eq!(two.overlaps(&one), found);
    }
}
