//! Listeners that std cannot make, programs that must succeed, and what may take a moment.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::sockopt::{BindToDevice, Ipv6V6Only};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
};

/// What the program says; it must end with 0.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What `attempt` finds, in ten seconds at most. What this test has closed may be there a
/// little longer: a program that another one begins just then has a copy until its exec.
pub fn soon<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "not in time: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A listener to TCP of IPv6 that takes no IPv4.
pub fn v6only(address: &str) -> OwnedFd {
    special(address, |made| setsockopt(made, Ipv6V6Only, &true).unwrap())
}

/// A listener to TCP that takes only what comes in by `device`.
pub fn on_device(address: &str, device: &str) -> OwnedFd {
    special(address, |made| setsockopt(made, BindToDevice, &device.into()).unwrap())
}

fn special(address: &str, prepare: impl Fn(&OwnedFd)) -> OwnedFd {
    let address: SocketAddr = address.parse().unwrap();
    let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let made = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, SockProtocol::Tcp).unwrap();
    prepare(&made);
    bind(made.as_raw_fd(), &SockaddrStorage::from(address)).unwrap();
    listen(&made, Backlog::new(8).unwrap()).unwrap();
    made
}
