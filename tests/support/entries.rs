//! Entries in the kernel's table of connections, made without any packet, in the
//! network namespace of the calling thread.
//!
//! In: flows, as `virt_guard::kernel::Conntrack` would list them; their numbers do
//! not matter, the kernel gives new ones. Written apart from that code on purpose:
//! what both get wrong in the same way would not be seen.

use std::fs;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket};
use virt_guard::net::{Detail, Flow, Protocol, Tuple};

/// How many go to the kernel at once; only the last is acknowledged.
const AT_ONCE: usize = 200;
/// How long they live, in seconds: longer than any test.
const TIMEOUT: u32 = 3600;
/// `IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED` (linux/netfilter/nf_conntrack_common.h)
const STATUS: u32 = 0xe;
/// `TCP_CONNTRACK_ESTABLISHED` (linux/netfilter/nf_conntrack_tcp.h)
const ESTABLISHED: u8 = 3;
/// How many connections there may be.
const MOST: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// For which packets an entry's zone counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneFor {
    /// Those of both ways, as usual.
    Both,
    /// Those that go the original way.
    Original,
    /// Those that answer.
    Reply,
}

/// Makes these entries.
///
/// # Panics
/// Without root, or if the kernel refuses one of them.
pub fn add(flows: &[Flow]) {
    add_in_zone(flows, ZoneFor::Both);
}

/// Makes these entries, with zones that count for these packets.
///
/// # Panics
/// As [`add`].
pub fn add_in_zone(flows: &[Flow], zone: ZoneFor) {
    let flags = SockFlag::SOCK_CLOEXEC;
    let protocol = SockProtocol::NetlinkNetFilter;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol).expect("a netlink socket");
    for some in flows.chunks(AT_ONCE) {
        let last = some.len() - 1;
        let bytes: Vec<_> = some.iter().enumerate().flat_map(|(at, flow)| message(flow, zone, at == last)).collect();
        sendto(socket.as_raw_fd(), &bytes, &NetlinkAddr::new(0, 0), MsgFlags::empty()).expect("entries are sent");
        acknowledged(&socket, some);
    }
}

/// The one answer to a batch is that of its last message, with error 0.
fn acknowledged(socket: &OwnedFd, flows: &[Flow]) {
    let mut buffer = [0; 4096];
    let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()).expect("an acknowledgement");
    let error = i32::from_ne_bytes(buffer[16..20].try_into().expect("four bytes"));
    let which = u32::from_ne_bytes(buffer[28..32].try_into().expect("four bytes"));
    assert!(
        length >= 36 && error == 0,
        "error {error} for one of {} entries like {} ({which})",
        flows.len(),
        flows[0].original
    );
}

/// `IPCTNL_MSG_CT_NEW`, which must not be there yet.
fn message(flow: &Flow, zone: ZoneFor, last: bool) -> Vec<u8> {
    const REQUEST: u16 = 0x1;
    const ACK: u16 = 0x4;
    const CREATE_NEW: u16 = 0x600;
    let family = if flow.original.source.is_ipv4() { 2 } else { 10 };
    let in_tuple = |way| if zone == way { attribute(3, &flow.zone.to_be_bytes()) } else { Vec::new() };
    let mut body = vec![family, 0, 0, 0];
    body.extend(nested(1, &[tuple(&flow.original), in_tuple(ZoneFor::Original)]));
    body.extend(nested(2, &[tuple(&flow.reply), in_tuple(ZoneFor::Reply)]));
    body.extend(attribute(3, &STATUS.to_be_bytes()));
    body.extend(attribute(7, &TIMEOUT.to_be_bytes()));
    if flow.original.protocol == Protocol::TCP {
        body.extend(nested(4, &[nested(1, &[attribute(1, &[ESTABLISHED])])]));
    }
    if let Some(master) = &flow.master {
        body.extend(nested(14, &[tuple(master)]));
    }
    if zone == ZoneFor::Both && flow.zone != 0 {
        body.extend(attribute(18, &flow.zone.to_be_bytes()));
    }
    let flags = REQUEST | CREATE_NEW | if last { ACK } else { 0 };
    let mut bytes = (16 + body.len() as u32).to_ne_bytes().to_vec();
    bytes.extend((1_u16 << 8).to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.resize(16, 0);
    bytes.extend(body);
    bytes
}

fn tuple(tuple: &Tuple) -> Vec<u8> {
    let address = |of_v4: u16, address| match address {
        IpAddr::V4(address) => attribute(of_v4, &address.octets()),
        IpAddr::V6(address) => attribute(of_v4 + 2, &address.octets()),
    };
    let mut transport = vec![attribute(1, &[tuple.protocol.0])];
    match tuple.detail {
        Detail::Ports { source, destination } => {
            transport.extend([attribute(2, &source.to_be_bytes()), attribute(3, &destination.to_be_bytes())]);
        }
        Detail::Icmp { number, code, id } => {
            let first = if tuple.protocol == Protocol::ICMP { 4 } else { 7 };
            transport.extend([attribute(first, &id.to_be_bytes()), attribute(first + 1, &[number])]);
            transport.push(attribute(first + 2, &[code]));
        }
        Detail::Nothing => {}
    }
    let ends = nested(1, &[address(1, tuple.source), address(2, tuple.destination)]);
    [ends, nested(2, &transport)].concat()
}

fn nested(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | 0x8000, &parts.concat())
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = 4 + value.len();
    let mut bytes = [(length as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

/// Room in the table for a test, given back at the end. The limit is the whole
/// machine's, to be set from its first network namespace only.
#[derive(Debug)]
pub struct Room(Option<String>);

impl Room {
    /// Room for at least `entries`; less is never made of what there is.
    ///
    /// # Panics
    /// There is less, and it cannot be changed.
    pub fn for_entries(entries: usize) -> Self {
        let before = fs::read_to_string(MOST).expect("the limit of connections");
        let most: usize = before.trim().parse().expect("a number");
        println!("nf_conntrack_max is {most}");
        if most >= entries {
            return Self(None);
        }
        fs::write(MOST, entries.to_string()).expect("a higher limit of connections");
        Self(Some(before))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(before) = &self.0
            && let Err(error) = fs::write(MOST, before.trim())
        {
            eprintln!("{MOST} was {} and is not again: {error}", before.trim());
        }
    }
}
