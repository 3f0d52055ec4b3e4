//! Sockets as sessions need them, in the network namespace of the calling thread.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{Backlog, SockaddrStorage, bind, connect, listen, setsockopt, sockopt};
use virt_guard::net::{Family, Protocol};

/// More than a pace's worth of packets to one socket.
const BUFFER: usize = 8 << 20;
/// More connections than are opened at once.
const BACKLOG: i32 = 4096;

/// A non-blocking socket. nix does not know all protocols that are needed.
fn socket(family: Family, kind: i32, protocol: Protocol) -> io::Result<OwnedFd> {
    let domain = if family == Family::V4 { libc::AF_INET } else { libc::AF_INET6 };
    let kind = kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: socket(2) takes numbers only, and what it returns is nobody else's.
    unsafe {
        let number = Errno::result(libc::socket(domain, kind, i32::from(protocol.0)))?;
        Ok(OwnedFd::from_raw_fd(number))
    }
}

/// Whether the kernel itself speaks SCTP.
pub fn has_sctp() -> bool {
    socket(Family::V4, libc::SOCK_STREAM, Protocol::SCTP).is_ok()
}

/// Whether sessions of the protocol are streams of a connection.
pub fn is_stream(protocol: Protocol) -> bool {
    protocol == Protocol::TCP || protocol == Protocol::SCTP && has_sctp()
}

/// A socket that is called at this address.
pub fn listener(protocol: Protocol, at: SocketAddr) -> TcpListener {
    let socket = socket(Family::of(at.ip()), libc::SOCK_STREAM, protocol).expect("a socket that listens");
    setsockopt(&socket, sockopt::ReuseAddr, &true).expect("an address that may be used again");
    bind(socket.as_raw_fd(), &SockaddrStorage::from(at)).unwrap_or_else(|error| panic!("{at}: {error}"));
    listen(&socket, Backlog::new(BACKLOG).expect("a backlog")).expect("a socket that listens");
    socket.into()
}

/// A connection that begins, to be heard of later.
pub fn stream(protocol: Protocol, from: SocketAddr, to: SocketAddr) -> TcpStream {
    let socket = socket(Family::of(from.ip()), libc::SOCK_STREAM, protocol).expect("a socket that calls");
    setsockopt(&socket, sockopt::ReuseAddr, &true).expect("an address that may be used again");
    bind(socket.as_raw_fd(), &SockaddrStorage::from(from)).unwrap_or_else(|error| panic!("{from}: {error}"));
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(error) => panic!("{to}: {error}"),
    }
    let stream = TcpStream::from(socket);
    // SCTP has another name for that, and sends at once.
    let _ = stream.set_nodelay(true);
    stream
}

/// A socket for datagrams from this address, to one only if it is given.
pub fn datagrams(from: SocketAddr, to: Option<SocketAddr>) -> UdpSocket {
    let socket = socket(Family::of(from.ip()), libc::SOCK_DGRAM, Protocol::UDP).expect("a socket of UDP");
    bind(socket.as_raw_fd(), &SockaddrStorage::from(from)).unwrap_or_else(|error| panic!("{from}: {error}"));
    match to {
        Some(to) => connect(socket.as_raw_fd(), &SockaddrStorage::from(to)).expect("a socket of UDP with a peer"),
        None => setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).expect("a large buffer"),
    }
    socket.into()
}

/// A raw socket at this address. It is no UDP socket, but its calls are the same.
pub fn raw(protocol: Protocol, at: IpAddr) -> UdpSocket {
    let socket = socket(Family::of(at), libc::SOCK_RAW, protocol).expect("a raw socket");
    bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(at, 0)))
        .unwrap_or_else(|error| panic!("{at}: {error}"));
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).expect("a large buffer");
    socket.into()
}
