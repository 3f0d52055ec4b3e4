//! Messages as the kernel lays them out (linux/inet_diag.h), made by hand.

use super::*;

fn padded(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
    bytes.resize(length, 0);
    bytes
}

fn address_bytes(text: &str) -> Vec<u8> {
    match text.parse().unwrap() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// A message about a socket of port 53, of user 7 and inode 4711, with attributes.
fn message(family: u8, state: u8, address: &str, attributes: &[(u16, Vec<u8>)]) -> Message {
    let mut header = vec![family, state, 0, 0, 0, 53, 0, 0];
    header.extend(padded(address_bytes(address), 16));
    header.resize(64, 0);
    header.extend(7_u32.to_ne_bytes());
    header.extend(4711_u32.to_ne_bytes());
    let request = Request::new(SOCK_DIAG_BY_FAMILY, &header);
    let request = attributes.iter().fold(request, |request, (kind, value)| request.raw(*kind, value));
    Message { kind: SOCK_DIAG_BY_FAMILY, body: request.body().to_vec() }
}

fn read(message: &Message) -> Vec<Listener> {
    sockets(message, Protocol::TCP, TCP_LISTEN, &mut Names::default())
}

#[test]
fn a_socket_is_read_with_all_that_is_told() {
    let v6 = |v6only| Listener {
        protocol: Protocol::TCP,
        address: "::".parse().unwrap(),
        port: 53,
        v6only,
        interface: None,
        inode: 4711,
        uid: 7,
    };
    assert_eq!(read(&message(10, TCP_LISTEN, "::", &[(INET_DIAG_SKV6ONLY, vec![1])])), [v6(true)]);
    assert_eq!(read(&message(10, TCP_LISTEN, "::", &[(INET_DIAG_SKV6ONLY, vec![0])])), [v6(false)]);
    assert_eq!(read(&message(10, TCP_LISTEN, "::", &[])), [v6(false)], "a kernel that does not say");
    let v4 = || [Listener { address: "10.0.0.1".parse().unwrap(), ..v6(false) }];
    assert_eq!(read(&message(2, TCP_LISTEN, "10.0.0.1", &[])), v4());
    assert_eq!(read(&message(10, TCP_LISTEN, "::ffff:10.0.0.1", &[])), v4(), "IPv4 in IPv6");
}

#[test]
fn a_socket_of_several_addresses_is_one_listener_for_each() {
    let v4 = padded([&2_u16.to_ne_bytes()[..], &[0, 53], &address_bytes("10.0.0.1")].concat(), SOCKET_ADDRESS);
    let v6 = [&10_u16.to_ne_bytes()[..], &[0, 53, 0, 0, 0, 0], &address_bytes("fd00::1")].concat();
    let value = [v4, padded(v6, SOCKET_ADDRESS)].concat();
    let found = read(&message(10, TCP_LISTEN, "fd00::1", &[(INET_DIAG_LOCALS, value)]));
    let addresses: Vec<_> = found.iter().map(|listener| listener.address.to_string()).collect();
    assert_eq!(addresses, ["10.0.0.1", "fd00::1"]);
}

#[test]
fn what_does_not_wait_for_others_is_no_listener() {
    assert_eq!(read(&message(2, TCP_CLOSE, "0.0.0.0", &[])), []);
    let mut without_port = message(2, TCP_LISTEN, "0.0.0.0", &[]);
    without_port.body[5] = 0;
    assert_eq!(read(&without_port), []);
    assert_eq!(read(&message(1, TCP_LISTEN, "0.0.0.0", &[])), [], "of another family");
}

#[test]
fn truncated_messages_are_not_read_past_their_end() {
    let whole = message(10, TCP_LISTEN, "::", &[]);
    for length in 0..whole.body.len() {
        let body = whole.body[..length].to_vec();
        assert_eq!(read(&Message { body, ..whole.clone() }), [], "{length} bytes");
    }
}

#[test]
fn a_request_is_as_long_as_the_kernel_wants_it() {
    let request = request(Protocol::UDP, Family::V6, TCP_CLOSE);
    assert_eq!(request.body().len(), 56);
    assert_eq!(request.body()[..4], [10, 17, 0x20, 0]);
    assert_eq!(u32_at(request.body(), 4), Some(0x80));
}

#[test]
fn only_a_protocol_that_the_kernel_does_not_have_is_unknown() {
    assert!(!is_unknown("TCP"));
    assert!(is_unknown("no such protocol"));
}
