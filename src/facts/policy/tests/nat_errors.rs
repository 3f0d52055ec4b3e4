//! What is said about floating IPs and forwards that mean nothing by themselves.

use super::errors::assert_errors;
use super::*;

#[test]
fn mistakes_in_nat_say_where_and_what_would_be_right() {
    let table = [
        ("nat = 1", "f:1:7: invalid type: integer `1`, expected a table"),
        ("[nat]\nannounce = 'arp'", "f:2:12: invalid announce \"arp\", expected address, proxy or none"),
        (
            "[nat]\ninterface = 'eth*'",
            "f:2:13: invalid interface name \"eth*\", expected 1 to 15 letters, digits, '.', '_' or '-', the first no \
             '-' or '.'",
        ),
        (
            "[nat]\ninterfaces = 'eth0'",
            "f:2:1: unknown key `interfaces`, expected `interface` or `announce`; did you mean \"interface\"?",
        ),
    ];
    assert_errors(settings, &table);
    let message = folder("[nat]").unwrap_err().message;
    assert!(message.ends_with("; it belongs in virt-guard.toml"), "{message}");
}

#[test]
fn mistakes_in_a_floating_ip_say_where_and_what_would_be_right() {
    let table = [
        ("guest = 'a'", "f:1:1: missing key `address`"),
        ("address = '203.0.113.10'", "f:1:1: missing key `guest`"),
        (
            "guest = 'a'\naddres = '203.0.113.10'",
            "f:3:1: unknown key `addres`, expected one of `address`, `guest`, `fixed`, `interface`; did you mean \
             \"address\"?",
        ),
        (
            "guest = 'web*'\naddress = '203.0.113.10'",
            "f:2:9: invalid guest \"web*\", expected the name or the UUID of one guest, without wildcards; one whose \
             name has * ? [ ] { } \\ / is named by its UUID",
        ),
        (
            "guest = 'web[1]'\naddress = '203.0.113.10'",
            "f:2:9: invalid guest \"web[1]\", expected the name or the UUID of one guest, without wildcards; one whose \
             name has * ? [ ] { } \\ / is named by its UUID",
        ),
        (
            "guest = 'a'\naddress = '203.0.113.0/24'",
            "f:3:11: invalid address \"203.0.113.0/24\", expected an address without a prefix length: one address, \
             not a network",
        ),
        (
            "guest = 'a'\naddress = 'ff02::1'",
            "f:3:11: ff02::1 is a multicast address, which cannot be a floating IP; expected one such as 203.0.113.10",
        ),
        (
            "guest = 'a'\naddress = 'fe80::1'",
            "f:3:11: fe80::1 is a link-local address, which cannot be a floating IP; expected one such as 203.0.113.10",
        ),
        (
            "guest = 'a'\naddress = '203.0.113.10'\nfixed = '127.0.0.1'",
            "f:4:9: 127.0.0.1 is a loopback address, to which nothing is forwarded; expected one that the guest has",
        ),
        (
            "guest = 'a'\naddress = '203.0.113.10'\nfixed = 'fd00::1'",
            "f:4:9: the ipv6 address fd00::1 contradicts the ipv4 floating IP 203.0.113.10; expected an ipv4 address",
        ),
        (
            "guest = 'a'\naddress = '203.0.113.10'\nfixed = '203.0.113.10'",
            "f:4:9: floating IP 203.0.113.10 cannot lead to itself; fixed is the address that the guest has",
        ),
        (
            "guest = 'a'\naddress = '203.0.113.10'\ninterface = '-x'",
            "f:4:13: invalid interface name \"-x\", expected 1 to 15 letters, digits, '.', '_' or '-', the first no \
             '-' or '.'",
        ),
    ];
    assert_errors(|keys| folder(&format!("[[floating-ip]]\n{keys}")), &table);
}

#[test]
fn mistakes_in_the_ports_of_a_forward_say_where_and_what_would_be_right() {
    let table = [
        ("", "f:1:1: missing key `ports`"),
        (
            "ports = 80\nport = 80",
            "f:4:1: unknown key `port`, expected one of `guest`, `protocol`, `ports`, `to-ports`, \
             `address`, `family`, `fixed`; did you mean \"ports\"?",
        ),
        ("ports = 80\nprotocol = 'sctp'", "f:4:12: invalid protocol \"sctp\", expected tcp or udp"),
        ("ports = [80]", "f:3:9: invalid type: sequence, expected a string or an integer"),
        (
            "ports = 0",
            "f:3:9: invalid ports \"0\", expected a port from 1 to 65535 or one range such as 8000-8010; \
             write an entry for each range",
        ),
        (
            "ports = '80,443'",
            "f:3:9: invalid ports \"80,443\", expected a port from 1 to 65535 or one range such as \
             8000-8010; write an entry for each range",
        ),
        (
            "ports = '90-80'",
            "f:3:9: invalid ports \"90-80\", expected a port from 1 to 65535 or one range such as \
             8000-8010; write an entry for each range",
        ),
        (
            "ports = 80\nto-ports = '0-0'",
            "f:4:12: invalid to-ports \"0-0\", expected a port from 1 to 65535 or one \
             range such as 8000-8010; write an entry for each range",
        ),
        ("ports = '1-65535'", "f:3:9: ports 1-65535 are 65535 ports, expected at most 1024"),
        (
            "ports = '80-89'\nto-ports = '8000-8010'",
            "f:4:12: to-ports 8000-8010 are 11 and ports 80-89 are 10, \
             expected as many",
        ),
    ];
    assert_errors(|keys| folder(&format!("[[forward]]\nguest = 'a'\n{keys}")), &table);
}

#[test]
fn mistakes_in_the_addresses_of_a_forward_say_where_and_what_would_be_right() {
    let table = [
        (
            "guest = '?'",
            "f:3:9: invalid guest \"?\", expected the name or the UUID of one guest, without wildcards; \
             one whose name has * ? [ ] { } \\ / is named by its UUID",
        ),
        (
            "guest = 'a'\naddress = '0.0.0.0'",
            "f:4:11: 0.0.0.0 is the unspecified address, on which nothing is \
             forwarded; expected one of this host's",
        ),
        (
            "guest = 'a'\nfixed = 'fe80::1'",
            "f:4:9: fe80::1 is a link-local address, to which nothing is forwarded; \
             expected one that the guest has",
        ),
        (
            "guest = 'a'\nfamily = 'ipv6'\naddress = '192.0.2.1'",
            "f:5:11: the ipv4 address 192.0.2.1 contradicts \
             family ipv6; expected an ipv6 address",
        ),
        (
            "guest = 'a'\nfamily = 'ipv4'\nfixed = 'fd00::1'",
            "f:5:9: the ipv6 address fd00::1 contradicts family ipv4; \
             expected an ipv4 address",
        ),
        (
            "guest = 'a'\nfixed = 'fd00::1'\naddress = '192.0.2.1'",
            "f:4:9: the ipv6 address fd00::1 contradicts the \
             ipv4 address 192.0.2.1; expected an ipv4 address",
        ),
        ("guest = 'a'\nfamily = 'ip'", "f:4:10: invalid family \"ip\", expected ipv4 or ipv6"),
    ];
    assert_errors(|keys| folder(&format!("[[forward]]\nports = 80\n{keys}")), &table);
}
