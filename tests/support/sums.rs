//! The sums over what a packet carries.

use std::net::IpAddr;

use virt_guard::net::Protocol;

/// CRC-32C, the sum of SCTP (RFC 9260, appendix A).
pub fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum: u32, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 })
    })
}

/// `bytes` of `protocol` with the sum over them at `at`; over the addresses of both
/// ends and the protocol as well, except for ICMP.
///
/// # Panics
/// The ends are of two families.
pub fn summed((source, destination): (IpAddr, IpAddr), protocol: Protocol, mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    let mut covered = match (source, destination) {
        _ if protocol == Protocol::ICMP => Vec::new(),
        (IpAddr::V4(source), IpAddr::V4(destination)) => [source.octets(), destination.octets()].concat(),
        (IpAddr::V6(source), IpAddr::V6(destination)) => [source.octets(), destination.octets()].concat(),
        ends => panic!("a packet of two families: {ends:?}"),
    };
    if !covered.is_empty() {
        covered.extend([0, protocol.0]);
        covered.extend((bytes.len() as u16).to_be_bytes());
    }
    covered.extend(&bytes);
    let sum = match checksum(&covered) {
        // Where no sum at all is a 0, a sum of 0 is the other one.
        0 if matches!(protocol, Protocol::UDP | Protocol::UDPLITE) => 0xffff,
        sum => sum,
    };
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// The sum of RFC 1071.
pub fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
