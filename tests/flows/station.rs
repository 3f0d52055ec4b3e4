//! Somebody with a network stack of his own: a guest, the world outside, the host.
//!
//! In: addresses. Out: a network namespace that bears them, in which sockets and
//! programs can be made. Echo requests are left to [`crate::sessions`] to answer.

use std::fs::{self, File};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::thread;

use nix::sched::{CloneFlags, unshare};
use virt_guard::net::Family;

use crate::sessions::ends;
use crate::support::lab;
use crate::support::wire::{inside, path};

/// Its one interface, but for the host's.
pub const CARD: &str = "eth0";

/// A network namespace with a stack. It vanishes with this, if nobody is in it.
#[derive(Debug)]
pub struct Station {
    namespace: File,
    addresses: Vec<IpAddr>,
}

/// How the stack of a station behaves: it takes no hints of where to send, waits
/// for nobody to contest its addresses, and leaves echo requests to us.
const SETTINGS: [(&str, &str); 9] = [
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/default/accept_redirects", "0"),
    ("ipv4/icmp_echo_ignore_all", "1"),
    ("ipv4/icmp_ratelimit", "0"),
    ("ipv6/conf/default/accept_redirects", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
    ("ipv6/icmp/echo_ignore_all", "1"),
];

impl Station {
    /// One that is to bear these addresses; it has no interface yet.
    pub fn new(addresses: Vec<IpAddr>) -> Self {
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace for a station");
            for (name, value) in SETTINGS {
                set(name, value);
            }
            if ends::has_sctp() {
                // An association that is cut asks for its other end each second.
                set("sctp/hb_interval", "1000");
            }
            File::open("/proc/thread-self/ns/net").expect("the namespace of a station")
        };
        let namespace = thread::spawn(make).join().expect("the thread that makes a namespace");
        Self { namespace, addresses }
    }

    /// The network namespace that the calling thread is in, which bears these.
    pub fn here(addresses: Vec<IpAddr>) -> Self {
        let namespace = File::open("/proc/thread-self/ns/net").expect("the namespace of the host");
        Self { namespace, addresses }
    }

    /// What an `ip` of this process calls its namespace.
    pub fn path(&self) -> String {
        path(&self.namespace)
    }

    /// The number of its namespace, which no other has.
    pub fn number(&self) -> u64 {
        self.namespace.metadata().expect("a namespace").ino()
    }

    /// All its addresses.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Its first address of `family`.
    pub fn address(&self, family: Family) -> IpAddr {
        self.addresses.iter().copied().find(|address| Family::of(*address) == family).expect("an address of the family")
    }

    /// Calls `work` in its namespace, on a thread of its own.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.namespace, work)
    }

    /// Has `ip -batch` do these commands there.
    pub fn ip(&self, commands: &[String]) {
        self.inside(|| lab::batch("ip", commands));
    }
}

/// A setting of the calling thread's network namespace, below /proc/sys/net.
pub fn set(name: &str, value: &str) {
    fs::write(format!("/proc/sys/net/{name}"), value).unwrap_or_else(|error| panic!("{name}: {error}"));
}
