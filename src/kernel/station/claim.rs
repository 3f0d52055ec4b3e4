//! An IPv4 address that nobody at a bridge has: asked by ARP before it is used.
//!
//! In: addresses to choose from. Out: the first that nobody answers for, and that nobody
//! else is asking for at the same time (RFC 5227, section 2.1.1), only quicker: whoever is
//! asked is on this machine or beside it.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{LinkAddr, MsgFlags, bind, recv, sendto};

use super::socket::packet_socket;
use crate::kernel::addresses::{destination, mac};
use crate::net::{EtherType, Mac};

/// So many are asked for together.
const AT_ONCE: usize = 32;
/// How often, and how long an answer is waited for.
const TIMES: usize = 2;
const WAIT: Duration = Duration::from_millis(250);
/// A request of ARP from Ethernet for IPv4, up to the sender's addresses (RFC 826).
const REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];
/// An ARP packet for IPv4 over Ethernet.
const LENGTH: usize = 28;

/// The first of `candidates` that is free, asked by the interface `name`.
pub(super) fn free(name: &str, candidates: &[Ipv4Addr]) -> io::Result<Option<Ipv4Addr>> {
    let index = if_nametoindex(name)?;
    let no_ethernet = || io::Error::new(io::ErrorKind::Unsupported, format!("{name} is no Ethernet"));
    let mac = mac(index)?.ok_or_else(no_ethernet)?;
    let socket = packet_socket()?;
    bind(socket.as_raw_fd(), &destination(index, EtherType::ARP, Mac::BROADCAST)?)?;
    let everybody = destination(index, EtherType::ARP, Mac::BROADCAST)?;
    for some in candidates.chunks(AT_ONCE) {
        let mut taken = BTreeSet::new();
        for _ in 0..TIMES {
            ask(&socket, &everybody, mac, some.iter().filter(|address| !taken.contains(*address)))?;
            hear(&socket, mac, &mut taken)?;
        }
        if let Some(free) = some.iter().find(|address| !taken.contains(*address)) {
            return Ok(Some(*free));
        }
    }
    Ok(None)
}

fn ask<'a>(
    socket: &OwnedFd,
    everybody: &LinkAddr,
    own: Mac,
    addresses: impl Iterator<Item = &'a Ipv4Addr>,
) -> io::Result<()> {
    for address in addresses {
        // Who has not the address yet says nothing of its own (RFC 5227, "ARP Probe").
        let sender = [&own.bytes()[..], &[0; 4]].concat();
        let packet = [&REQUEST[..], &sender, &[0; 6], &address.octets()].concat();
        match sendto(socket.as_raw_fd(), &packet, everybody, MsgFlags::empty()) {
            // Nobody is at a bridge that is down, or that has no ports.
            Err(Errno::ENETDOWN | Errno::ENOBUFS) => {}
            sent => drop(sent?),
        }
    }
    Ok(())
}

/// Listens for a while, and adds the addresses that others have or ask for.
fn hear(socket: &OwnedFd, mac: Mac, taken: &mut BTreeSet<Ipv4Addr>) -> io::Result<()> {
    let end = Instant::now() + WAIT;
    let mut packet = [0; 64];
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut ready = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, timeout) {
            Ok(0) | Err(Errno::EINTR) => continue,
            polled => polled?,
        };
        match recv(socket.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => taken.extend(claimed(&packet[..length], mac)),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The address that an ARP packet of somebody else claims.
fn claimed(packet: &[u8], mac: Mac) -> Option<Ipv4Addr> {
    let packet = packet.get(..LENGTH)?;
    let address = |at: usize| packet.get(at..)?.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes));
    if packet[8..14] == mac.bytes() || packet[..6] != REQUEST[..6] {
        return None;
    }
    // One that is nobody's yet is what the packet asks for.
    address(14).filter(|sender| !sender.is_unspecified()).or_else(|| address(24))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: [u8; 6] = [0x52, 0x54, 0, 9, 9, 9];
    const OWN: Mac = Mac::new([0x52, 0x54, 0, 1, 1, 1]);

    fn packet(sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
        [&REQUEST[..], &OTHER, &sender, &[0; 6], &target].concat()
    }

    #[test]
    fn who_has_an_address_or_asks_for_it_claims_it() {
        let has = packet([10, 0, 0, 7], [10, 0, 0, 1]);
        assert_eq!(claimed(&has, OWN), Some(Ipv4Addr::new(10, 0, 0, 7)));
        let asks = packet([0; 4], [10, 0, 0, 8]);
        assert_eq!(claimed(&asks, OWN), Some(Ipv4Addr::new(10, 0, 0, 8)));
        assert_eq!(claimed(&asks, Mac::new(OTHER)), None, "what was sent here");
        assert_eq!(claimed(&asks[..27], OWN), None, "a part of a packet");
        let mut other = has;
        other[3] = 6;
        assert_eq!(claimed(&other, OWN), None, "not of IPv4");
    }
}
