//! When the kernel's rules changed and by whom, as the kernel tells everybody who
//! listens to NFNLGRP_NFTABLES: one message at the end of each transaction.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

/// linux/netfilter/nfnetlink.h: groups are counted from 1.
const NFNLGRP_NFTABLES: u32 = 7;
/// linux/netfilter/nf_tables.h, with NFNL_SUBSYS_NFTABLES in the upper byte.
const NEW_GENERATION: u16 = 10 << 8 | 15;
const GENERATION_PID: u16 = 2;
/// Notifications about a thousand guests.
const BUFFER: usize = 64 << 20;

/// A transaction that was committed.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// When it was heard of.
    pub at: Instant,
    /// Whose it was.
    pub pid: u32,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Watch {
    changes: Arc<Mutex<Vec<Change>>>,
    over: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Watch {
    /// Listens in this network namespace from now on.
    pub fn new() -> Self {
        let socket = listening();
        let (changes, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (list, stop) = (changes.clone(), over.clone());
        let listener = thread::spawn(move || {
            let mut buffer = vec![0; 1 << 18];
            while !stop.load(Ordering::Relaxed) {
                match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                    Ok(length) => note(&buffer[..length], &list),
                    Err(nix::errno::Errno::EAGAIN) => {}
                    Err(error) => panic!("notifications were lost: {error}"),
                }
            }
        });
        Self { changes, over, listener: Some(listener) }
    }

    /// The changes since the last call.
    pub fn fresh(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock().unwrap())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn listening() -> OwnedFd {
    let protocol = SockProtocol::NetlinkNetFilter;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).expect("a socket");
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).expect("a large buffer");
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(0, 50_000)).expect("a wait that ends");
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0)).expect("an address");
    let (group, length) = (NFNLGRP_NFTABLES, size_of::<u32>() as libc::socklen_t);
    let (level, option) = (libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP);
    // SAFETY: the option's value is one u32, of the length that is told.
    let joined = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const group).cast(), length) };
    assert_eq!(joined, 0, "the kernel tells of changes");
    socket
}

/// Messages (netlink(7)) one behind the other, each a header of 16 bytes, four of
/// nfgenmsg, attributes.
fn note(mut rest: &[u8], list: &Mutex<Vec<Change>>) {
    let at = Instant::now();
    while rest.len() >= 20 {
        let length = u32::from_ne_bytes(*rest.first_chunk().unwrap()) as usize;
        let kind = u16::from_ne_bytes([rest[4], rest[5]]);
        let message = &rest[..length.clamp(20, rest.len())];
        if kind == NEW_GENERATION {
            list.lock().unwrap().push(Change { at, pid: author(&message[20..]).unwrap_or(0) });
        }
        rest = &rest[length.next_multiple_of(4).clamp(20, rest.len())..];
    }
}

fn author(mut attributes: &[u8]) -> Option<u32> {
    while attributes.len() >= 8 {
        let length = usize::from(u16::from_ne_bytes([attributes[0], attributes[1]]));
        if u16::from_ne_bytes([attributes[2], attributes[3]]) == GENERATION_PID {
            return Some(u32::from_be_bytes(*attributes[4..].first_chunk()?));
        }
        attributes = attributes.get(length.next_multiple_of(4).max(4)..)?;
    }
    None
}
