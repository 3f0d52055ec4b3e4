//! What a service is asked, so that it answers.
//!
//! In: protocol and port. Out: the bytes of a question that changes nothing, and that nobody
//! has to pass on to be able to answer it.

use std::ops::Range;
use std::time::Duration;

use crate::net::{Family, Mac, Protocol};

/// Within one machine an answer comes in far less. Long enough that a connection's first
/// packet is sent twice.
const PATIENCE: Duration = Duration::from_millis(1500);
/// A DHCP server first asks whether somebody has the address that it is about to offer:
/// dnsmasq for 3 s.
const DHCP_PATIENCE: Duration = Duration::from_millis(6500);

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// The datagram; nothing where a connection is asked for.
    pub content: Vec<u8>,
    /// The bytes of it that an answer repeats.
    pub repeated: Range<usize>,
    /// The port that it has to come from, if it has to.
    pub from: Option<u16>,
    /// How long an answer may take.
    pub patience: Duration,
}

/// Who asks: an address, and a number that tells its questions from others'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asker {
    pub mac: Mac,
    pub number: u32,
}

/// The question for a service of `protocol` at `port`.
pub(super) fn question(protocol: Protocol, port: u16, family: Family, asker: Asker) -> Question {
    let plain = |content: Vec<u8>| Question { content, repeated: 0..0, from: None, patience: PATIENCE };
    let number = asker.number.to_be_bytes();
    if !matches!(protocol, Protocol::UDP | Protocol::UDPLITE) {
        return plain(Vec::new());
    }
    match (port, family) {
        (53, _) => Question { repeated: 0..2, ..plain(dns(number)) },
        (67, Family::V4) => dhcp(asker),
        (547, Family::V6) => dhcpv6(asker),
        // A file that is not there, as netascii (RFC 1350): an error is an answer.
        (69, _) => plain(b"\x00\x01virt-guard-probe\x00netascii\x00".to_vec()),
        // A client of version 4 (RFC 5905).
        (123, _) => plain([&[0x23][..], &[0; 47]].concat()),
        (137, _) => plain(netbios(number)),
        (161, _) => plain(SNMP.to_vec()),
        (1900, _) => plain(SSDP.to_vec()),
        (5353, _) => plain(mdns()),
        // The frame of a datagram, and a word (memcached's doc/protocol.txt).
        (11211, _) => plain(b"\x00\x01\x00\x00\x00\x01\x00\x00version\r\n".to_vec()),
        // Every service of this kind says at least that it has no such program.
        _ => plain(rpc(number)),
    }
}

/// For the server's own version: nobody else has to be asked for that, and no recursion is
/// wanted (RFC 4892).
fn dns([.., high, low]: [u8; 4]) -> Vec<u8> {
    let head = [high, low, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    [&head[..], b"\x07version\x04bind\x00", &[0, 16, 0, 3]].concat()
}

/// For the kinds of services there are (RFC 6763, section 9), answered to the asker alone.
fn mdns() -> Vec<u8> {
    let head = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    [&head[..], b"\x09_services\x07_dns-sd\x04_udp\x05local\x00", &[0, 12, 0x80, 1]].concat()
}

/// For a node's status: the name is `*`, half a byte to a letter (RFC 1002, section 4.2.17).
fn netbios([.., high, low]: [u8; 4]) -> Vec<u8> {
    let head = [high, low, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 32];
    [&head[..], b"CK", &[b'A'; 30], &[0, 0, 0x21, 0, 1]].concat()
}

/// For sysDescr.0 of community "public", version 2c (RFC 3416).
const SNMP: [u8; 43] = [
    0x30, 41, 2, 1, 1, 4, 6, b'p', b'u', b'b', b'l', b'i', b'c', 0xa0, 28, 2, 4, 0x11, 0x22, 0x33, 0x44, 2, 1, 0, 2, 1,
    0, 0x30, 14, 0x30, 12, 6, 8, 0x2b, 6, 1, 2, 1, 1, 1, 0, 5, 0,
];

/// For whatever is there (UPnP Device Architecture, section 1.3.2).
const SSDP: &[u8] =
    b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n";

/// A call of procedure 0 of rpcbind, version 2, by nobody (RFC 5531, RFC 1833).
fn rpc(number: [u8; 4]) -> Vec<u8> {
    let words = [0, 2, 100_000, 2, 0, 0, 0, 0, 0_u32].map(u32::to_be_bytes).concat();
    [&number[..], &words].concat()
}

/// A DISCOVER that is to be answered to all: the asker has no address yet (RFC 2131).
fn dhcp(asker: Asker) -> Question {
    // Asked by Ethernet; a bit says that the answer is to be broadcast.
    let mut content = vec![1, 1, 6, 0];
    content.extend(asker.number.to_be_bytes());
    content.extend([0, 0, 0x80, 0]);
    content.extend([0; 16]);
    content.extend(asker.mac.bytes());
    // The rest of the address, a name and a file, which are not said; then the options.
    content.resize(236, 0);
    content.extend([99, 130, 83, 99, 53, 1, 1, 55, 3, 1, 3, 6, 255]);
    content.resize(300, 0);
    Question { content, repeated: 4..8, from: Some(68), patience: DHCP_PATIENCE }
}

/// A SOLICIT for one address (RFC 8415).
fn dhcpv6(asker: Asker) -> Question {
    let [_, number @ ..] = asker.number.to_be_bytes();
    let mut content = [&[1][..], &number].concat();
    // Who asks: a DUID of a link-layer address, Ethernet's.
    content.extend([0, 1, 0, 10, 0, 3, 0, 1]);
    content.extend(asker.mac.bytes());
    // Since when: now.
    content.extend([0, 8, 0, 2, 0, 0]);
    // An address that may change (IA_NA), at any time.
    content.extend([0, 3, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    Question { content, repeated: 1..4, from: Some(546), patience: DHCP_PATIENCE }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKER: Asker = Asker { mac: Mac::new([0x52, 0x54, 0, 1, 2, 3]), number: 0x0102_0304 };

    fn udp(port: u16, family: Family) -> Question {
        question(Protocol::UDP, port, family, ASKER)
    }

    #[test]
    fn a_connection_says_nothing() {
        assert!(question(Protocol::TCP, 53, Family::V4, ASKER).content.is_empty());
        assert!(question(Protocol::SCTP, 67, Family::V4, ASKER).content.is_empty());
    }

    #[test]
    fn a_question_has_its_number_where_the_answer_repeats_it() {
        for (port, family, bytes) in
            [(53, Family::V4, &[3, 4][..]), (67, Family::V4, &[1, 2, 3, 4]), (547, Family::V6, &[2, 3, 4])]
        {
            let question = udp(port, family);
            assert_eq!(question.content[question.repeated.clone()], *bytes, "{port}");
        }
    }

    #[test]
    fn lengths_within_a_question_are_true() {
        assert_eq!(usize::from(SNMP[1]) + 2, SNMP.len());
        assert_eq!(usize::from(SNMP[14]) + 15, SNMP.len());
        assert_eq!(udp(67, Family::V4).content.len(), 300);
        assert_eq!(udp(67, Family::V4).content[236..240], [99, 130, 83, 99]);
        assert_eq!(udp(7, Family::V6).content.len(), 40);
        assert_eq!(udp(53, Family::V6).content.len(), 12 + 14 + 4);
        assert_eq!(udp(123, Family::V4).content.len(), 48);
    }

    #[test]
    fn dhcp_is_of_a_family() {
        assert_eq!(udp(67, Family::V6).from, None);
        assert_eq!(udp(547, Family::V4).from, None);
        assert_eq!((udp(67, Family::V4).from, udp(547, Family::V6).from), (Some(68), Some(546)));
    }
}
