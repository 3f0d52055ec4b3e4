//! Many calls at once: connections begun, datagrams sent, answers and errors taken in.
//!
//! In: whom to call, by what. Out: what became of each, in time that grows with the number
//! of those who are silent. A connection that is accepted is broken off at once.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::linger;
use nix::net::if_::if_nametoindex;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, bind, connect, getsockopt, recv, recvmsg, sendto, setsockopt,
    sockopt,
};

use super::socket::{at, socket};
use crate::kernel::Deadline;
use crate::net::{Family, Protocol};

/// So many wait together: a process may have 1024 files open unless somebody raised that.
const AT_ONCE: usize = 384;
/// The longest datagram that is looked at.
const LONGEST: usize = 2048;
/// Why a packet did not arrive (RFC 792, RFC 1812, RFC 4443): nobody listens, or it is
/// forbidden. Other reasons prove nothing.
const PORT_UNREACHABLE: [(Family, u8); 2] = [(Family::V4, 3), (Family::V6, 4)];
const PROHIBITED: [(Family, u8); 6] =
    [(Family::V4, 9), (Family::V4, 10), (Family::V4, 13), (Family::V6, 1), (Family::V6, 5), (Family::V6, 6)];
/// "Destination unreachable".
const UNREACHABLE: [(Family, u8); 2] = [(Family::V4, 3), (Family::V6, 1)];

/// A packet that asks for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What is spoken: TCP, SCTP, UDP or UDP-Lite.
    pub protocol: Protocol,
    /// Whom to call.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// The port to call from; any if `None`.
    pub from: Option<u16>,
    /// What a datagram says; connections say nothing.
    pub content: Vec<u8>,
    /// The bytes of the content that an answer repeats at the same place.
    pub repeated: Range<usize>,
    /// How long an answer is waited for. A datagram is sent again after half of it.
    pub patience: Duration,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Somebody answered.
    Answered,
    /// Nobody listens there.
    Refused,
    /// It is forbidden.
    Rejected,
    /// Nothing came back.
    Silent,
}

/// A call that waits for what becomes of it.
struct Waiting<'a> {
    place: usize,
    call: &'a Call,
    socket: OwnedFd,
    again: Option<Instant>,
    end: Instant,
}

impl Call {
    fn family(&self) -> Family {
        Family::of(self.address)
    }

    fn is_datagram(&self) -> bool {
        matches!(self.protocol, Protocol::UDP | Protocol::UDPLITE)
    }

    /// Whether `answer` repeats what it has to.
    fn is_answered_by(&self, answer: &[u8]) -> bool {
        self.content.get(self.repeated.clone()) == answer.get(self.repeated.clone())
    }
}

/// Makes all of `calls` from the calling thread's namespace.
pub(super) fn all(calls: &[Call], deadline: Deadline, tell: &(dyn Fn(usize) + Sync)) -> io::Result<Vec<Fate>> {
    let link = if_nametoindex(super::NAME)?;
    let mut fates = vec![Fate::Silent; calls.len()];
    let mut queue = calls.iter().enumerate();
    let mut waiting: Vec<Waiting<'_>> = Vec::new();
    let mut over = 0;
    loop {
        while waiting.len() < AT_ONCE {
            let Some((place, call)) = queue.next() else { break };
            match begin(place, call, link)? {
                Begun::Over(fate) => {
                    fates[place] = fate;
                    over += 1;
                }
                Begun::Waits(waits) => waiting.push(waits),
            }
        }
        if waiting.is_empty() {
            return Ok(fates);
        }
        if deadline.has_passed() {
            let late = format!("{over} of {} calls were over in time", calls.len());
            return Err(io::Error::new(io::ErrorKind::TimedOut, late));
        }
        let before = waiting.len();
        step(&mut waiting, link, &mut fates)?;
        over += before - waiting.len();
        tell(over);
    }
}

/// How a call began.
enum Begun<'a> {
    /// It is over already.
    Over(Fate),
    /// It waits.
    Waits(Waiting<'a>),
}

fn begin(place: usize, call: &Call, link: u32) -> io::Result<Begun<'_>> {
    let socket = socket(call.protocol, call.family())?;
    let now = Instant::now();
    let again = call.is_datagram().then(|| now + call.patience / 2);
    let waiting = Waiting { place, call, socket, again, end: now + call.patience };
    if call.is_datagram() {
        listen(&waiting)?;
        return Ok(waiting.send(link).map_or(Begun::Waits(waiting), Begun::Over));
    }
    let to = at(call.address, call.port, link);
    Ok(match connect(waiting.socket.as_raw_fd(), &to) {
        Err(Errno::EINPROGRESS) => Begun::Waits(waiting),
        Ok(()) => Begun::Over(waiting.broken_off()),
        Err(error) => Begun::Over(connection(error)),
    })
}

/// Prepares a socket for datagrams: an answer may come from another address than was asked,
/// and errors are told although it is not connected (ip(7), `IP_RECVERR`).
fn listen(waiting: &Waiting<'_>) -> io::Result<()> {
    let (socket, call) = (&waiting.socket, waiting.call);
    setsockopt(socket, sockopt::ReuseAddr, &true)?;
    setsockopt(socket, sockopt::BindToDevice, &super::NAME.into())?;
    let any: IpAddr = match call.family() {
        Family::V4 => {
            setsockopt(socket, sockopt::Broadcast, &true)?;
            setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
            Ipv4Addr::UNSPECIFIED.into()
        }
        Family::V6 => {
            setsockopt(socket, sockopt::Ipv6V6Only, &true)?;
            setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
            Ipv6Addr::UNSPECIFIED.into()
        }
    };
    Ok(bind(socket.as_raw_fd(), &at(any, call.from.unwrap_or(0), 0))?)
}

/// Waits for the next thing to happen, and takes it in.
fn step(waiting: &mut Vec<Waiting<'_>>, link: u32, fates: &mut [Fate]) -> io::Result<()> {
    let next = waiting.iter().map(Waiting::next).min().unwrap_or_else(Instant::now);
    // Rounded up, or it would be asked for again and again within the last millisecond.
    let left = next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    let mut ready: Vec<_> = waiting.iter().map(|one| PollFd::new(one.socket.as_fd(), one.awaits())).collect();
    match poll(&mut ready, timeout) {
        Err(Errno::EINTR) => return Ok(()),
        polled => polled?,
    };
    let happened: Vec<_> = ready.iter().map(|one| one.any().unwrap_or(true)).collect();
    let now = Instant::now();
    let mut happened = happened.into_iter();
    waiting.retain_mut(|one| {
        let fate = if happened.next() == Some(true) { one.look() } else { None };
        let fate = fate.or_else(|| one.pass(now, link));
        fate.map(|fate| fates[one.place] = fate).is_none()
    });
    Ok(())
}

impl Waiting<'_> {
    /// When something is to be done without anything having happened.
    fn next(&self) -> Instant {
        self.again.unwrap_or(self.end)
    }

    fn awaits(&self) -> PollFlags {
        if self.call.is_datagram() { PollFlags::POLLIN } else { PollFlags::POLLOUT }
    }

    /// What became of it if time is all that passed.
    fn pass(&mut self, now: Instant, link: u32) -> Option<Fate> {
        if now >= self.end {
            return Some(Fate::Silent);
        }
        if self.again.is_some_and(|again| now >= again) {
            self.again = None;
            return self.send(link);
        }
        None
    }

    /// Sends the datagram. One that cannot be sent is as silent as one that is lost, but
    /// an error of the one before may be told instead.
    fn send(&self, link: u32) -> Option<Fate> {
        let to: SockaddrStorage = at(self.call.address, self.call.port, link);
        match sendto(self.socket.as_raw_fd(), &self.call.content, &to, MsgFlags::empty()) {
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS) => None,
            Err(_) => self.told_error().or_else(|| {
                let sent = sendto(self.socket.as_raw_fd(), &self.call.content, &to, MsgFlags::empty());
                sent.err().map(|_| Fate::Silent)
            }),
        }
    }

    /// What happened at the socket, if that is the end of the call.
    fn look(&self) -> Option<Fate> {
        if !self.call.is_datagram() {
            return Some(match getsockopt(&self.socket, sockopt::SocketError) {
                Ok(0) => self.broken_off(),
                Ok(code) => connection(Errno::from_raw(code)),
                Err(error) => connection(error),
            });
        }
        let mut answer = [0; LONGEST];
        match recv(self.socket.as_raw_fd(), &mut answer, MsgFlags::empty()) {
            Ok(length) if self.call.is_answered_by(&answer[..length]) => Some(Fate::Answered),
            _ => self.told_error(),
        }
    }

    /// A connection that was accepted ends with a reset: nothing of it stays behind.
    fn broken_off(&self) -> Fate {
        let _ = setsockopt(&self.socket, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 });
        Fate::Answered
    }

    /// What an ICMP message says, if there was one that proves something.
    fn told_error(&self) -> Option<Fate> {
        let mut space = nix::cmsg_space!(nix::libc::sock_extended_err, nix::libc::sockaddr_in6);
        let told = recvmsg::<()>(self.socket.as_raw_fd(), &mut [], Some(&mut space), MsgFlags::MSG_ERRQUEUE).ok()?;
        told.cmsgs().ok()?.find_map(|message| match message {
            ControlMessageOwned::Ipv4RecvErr(error, _) => unreachable(Family::V4, error.ee_type, error.ee_code),
            ControlMessageOwned::Ipv6RecvErr(error, _) => unreachable(Family::V6, error.ee_type, error.ee_code),
            _ => None,
        })
    }
}

/// What an ICMP message of this type and code says of a datagram.
fn unreachable(family: Family, kind: u8, code: u8) -> Option<Fate> {
    if !UNREACHABLE.contains(&(family, kind)) {
        return None;
    }
    let refused = PORT_UNREACHABLE.contains(&(family, code)).then_some(Fate::Refused);
    refused.or_else(|| PROHIBITED.contains(&(family, code)).then_some(Fate::Rejected))
}

/// What an error says of a connection: the way to the host is known, so that "unreachable"
/// comes from the host (tcp(7), net/ipv4/icmp.c `icmp_err_convert`).
fn connection(error: Errno) -> Fate {
    match error {
        Errno::ECONNREFUSED | Errno::ECONNRESET => Fate::Refused,
        Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EACCES | Errno::EPERM => Fate::Rejected,
        _ => Fate::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_so_is_refused_or_forbidden() {
        for (family, kind, code, fate) in [
            (Family::V4, 3, 3, Some(Fate::Refused)),
            (Family::V4, 3, 13, Some(Fate::Rejected)),
            (Family::V4, 3, 1, None),
            (Family::V4, 11, 3, None),
            (Family::V6, 1, 4, Some(Fate::Refused)),
            (Family::V6, 1, 1, Some(Fate::Rejected)),
            (Family::V6, 1, 3, None),
            (Family::V6, 3, 4, None),
        ] {
            assert_eq!(unreachable(family, kind, code), fate, "{family} {kind}/{code}");
        }
    }

    #[test]
    fn an_answer_repeats_what_it_has_to() {
        let call = Call {
            protocol: Protocol::UDP,
            address: Ipv4Addr::LOCALHOST.into(),
            port: 53,
            from: None,
            content: b"abcdef".to_vec(),
            repeated: 2..4,
            patience: Duration::ZERO,
        };
        assert!(call.is_answered_by(b"xxcdyyy"));
        assert!(!call.is_answered_by(b"abdc"));
        assert!(!call.is_answered_by(b"ab"), "too short");
        let any = Call { repeated: 0..0, ..call };
        assert!(any.is_answered_by(b""));
    }
}
