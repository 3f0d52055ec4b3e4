//! Netlink: a request to the kernel and the messages that answer it.
//!
//! Numbers of the protocol itself are in host order (netlink(7)).

mod request;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto, setsockopt, socket,
    sockopt,
};
use nix::sys::time::TimeVal;

pub(super) use request::Request;

/// linux/netlink.h
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_DUMP_INTR: u16 = 0x10;
/// `struct nlmsghdr` and `struct nlattr`
const HEADER: usize = 16;
const ATTRIBUTE: usize = 4;
/// Room for news that nobody has read yet, in bytes; it is used only while there are any.
const LISTENING_ROOM: usize = 8 * 1024 * 1024;
/// The two upper bits of an attribute's type are flags.
const TYPE_MASK: u16 = 0x3fff;
/// How often a list is asked for again that changed while it was told.
const TRIES: usize = 10;
/// How many requests may wait for their acknowledgements together.
pub(super) const AT_ONCE: usize = 64;

/// A message of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u16,
    pub(super) body: Vec<u8>,
}

/// How a list was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// In one piece.
    Whole,
    /// It changed meanwhile: something of it may be missing, or told twice.
    Interrupted,
}

/// What has been read of an answer.
#[derive(Debug, Default)]
struct Answer {
    interrupted: bool,
    done: bool,
}

/// A connection to one part of the kernel.
#[derive(Debug)]
pub(super) struct Socket {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Socket {
    /// # Errors
    /// The kernel lacks that part, or forbids it.
    pub(super) fn open(protocol: SockProtocol) -> io::Result<Self> {
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(5, 0))?;
        Ok(Self { socket, buffer: vec![0; 64 * 1024] })
    }

    /// A connection on which the kernel tells of changes by itself, to be read
    /// with [`Socket::news`]. `groups` are bits, the group of number 1 the lowest.
    ///
    /// # Errors
    /// The kernel lacks that part, or forbids it.
    pub(super) fn listen(protocol: SockProtocol, groups: u32) -> io::Result<Self> {
        let listener = Self::open(protocol)?;
        // A flush of many rules is told faster than it is read; what has no room is lost, and
        // whose deed it was with it. Where more is forbidden the default has to do.
        let _ = setsockopt(&listener.socket, sockopt::RcvBufForce, &LISTENING_ROOM);
        bind(listener.socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(listener)
    }

    /// Readable when there is news.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What was told since the last call; waits for nothing.
    ///
    /// # Errors
    /// `ENOBUFS`: more was told than there was room for, and some of it is lost.
    pub(super) fn news(&mut self) -> io::Result<Vec<Message>> {
        let mut messages = Vec::new();
        loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(messages),
                length => read(&self.buffer[..length?], &mut Answer::default(), &mut Message::collect(&mut messages))?,
            }
        }
    }

    /// All messages of a list, told in one piece.
    ///
    /// # Errors
    /// The kernel refuses, is silent for seconds, or the list never stands still.
    pub(super) fn dump(&mut self, request: &Request) -> io::Result<Vec<Message>> {
        for _ in 0..TRIES {
            let mut messages = Vec::new();
            if self.walk(request, Message::collect(&mut messages))? == Telling::Whole {
                return Ok(messages);
            }
        }
        Err(io::Error::new(io::ErrorKind::Interrupted, "the kernel's rules change faster than they can be read"))
    }

    /// Goes through a list once; `each` gets every message's type and body, and
    /// nothing is kept of them here.
    ///
    /// # Errors
    /// The kernel refuses or is silent for seconds.
    pub(super) fn walk(&mut self, request: &Request, each: impl FnMut(u16, &[u8])) -> io::Result<Telling> {
        self.ask(&request.bytes(NLM_F_DUMP, 0), each)
    }

    /// The one thing asked for; `None` if it is not there.
    ///
    /// # Errors
    /// The kernel refuses or is silent for seconds.
    pub(super) fn get(&mut self, request: &Request) -> io::Result<Option<Message>> {
        let mut messages = Vec::new();
        match self.ask(&request.bytes(NLM_F_ACK, 0), Message::collect(&mut messages)) {
            Ok(telling) => Ok(messages.into_iter().next().filter(|_| telling == Telling::Whole)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has the kernel do all of these, one after the other, whatever becomes of the
    /// others, and gives what became of each. An acknowledgement takes about 1 KiB
    /// of the socket's room, which is 208 KiB by default: not more than [`AT_ONCE`].
    ///
    /// # Errors
    /// The kernel is silent for seconds. What it did is not known then.
    pub(super) fn each(&mut self, requests: &[Request]) -> io::Result<Vec<io::Result<()>>> {
        debug_assert!(requests.len() <= AT_ONCE, "the acknowledgements have no room");
        // Numbered from 1: every other message has number 0.
        let numbered = requests.iter().zip(1..).flat_map(|(request, number)| request.bytes(NLM_F_ACK, number));
        self.send(&numbered.collect::<Vec<_>>())?;
        let mut results: Vec<_> = requests.iter().map(|_| None).collect();
        while results.iter().any(Option::is_none) {
            let length = self.receive()?;
            for message in messages(&self.buffer[..length]).filter(|message| message.kind == NLMSG_ERROR) {
                let place = (message.sequence as usize).wrapping_sub(1);
                if let Some(result) = results.get_mut(place) {
                    *result = Some(acknowledged(message.body));
                }
            }
        }
        Ok(results.into_iter().flatten().collect())
    }

    /// Has the kernel change something; `flags` say what to do if it is there
    /// already (`NLM_F_EXCL` and its like, linux/netlink.h).
    ///
    /// # Errors
    /// The kernel refuses or is silent for seconds.
    pub(super) fn change(&mut self, request: &Request, flags: u16) -> io::Result<()> {
        self.ask(&request.bytes(NLM_F_ACK | flags, 0), |_, _| {}).map(drop)
    }

    fn ask(&mut self, bytes: &[u8], mut each: impl FnMut(u16, &[u8])) -> io::Result<Telling> {
        self.send(bytes)?;
        let mut answer = Answer::default();
        while !answer.done {
            let length = self.receive()?;
            read(&self.buffer[..length], &mut answer, &mut each)?;
        }
        Ok(if answer.interrupted { Telling::Interrupted } else { Telling::Whole })
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        sendto(self.socket.as_raw_fd(), bytes, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        Ok(())
    }

    /// Waits for the next part of an answer, and gives its length in the buffer.
    fn receive(&mut self) -> io::Result<usize> {
        loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                length => return Ok(length?),
            }
        }
    }
}

impl Message {
    /// Keeps every message in `messages`.
    fn collect(messages: &mut Vec<Self>) -> impl FnMut(u16, &[u8]) {
        |kind, body| messages.push(Self { kind, body: body.to_vec() })
    }
}

/// A message as it lies in the buffer.
struct Raw<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &'a [u8],
}

/// The whole messages in `bytes`.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Raw<'_>> {
    std::iter::from_fn(move || {
        let length = u32_at(bytes, 0)? as usize;
        let (kind, flags, sequence) = (u16_at(bytes, 4)?, u16_at(bytes, 6)?, u32_at(bytes, 8)?);
        let body = bytes.get(HEADER..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some(Raw { kind, flags, sequence, body })
    })
}

fn read(bytes: &[u8], answer: &mut Answer, each: &mut impl FnMut(u16, &[u8])) -> io::Result<()> {
    for Raw { kind, flags, body, .. } in messages(bytes) {
        answer.interrupted |= flags & NLM_F_DUMP_INTR != 0;
        match kind {
            // A list that broke off ends with the error in place of the zero.
            NLMSG_DONE | NLMSG_ERROR => {
                acknowledged(body)?;
                answer.done = true;
            }
            _ => each(kind, body),
        }
    }
    Ok(())
}

/// An error of number 0 says that all went well.
fn acknowledged(body: &[u8]) -> io::Result<()> {
    match u32_at(body, 0).map_or(0, u32::cast_signed) {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
    }
}

/// The attributes in `bytes`: type and value.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & TYPE_MASK;
        let value = bytes.get(ATTRIBUTE..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The first attribute of this type.
pub(super) fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// A text up to the zero that ends it.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Four bytes in host order.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_messages_are_not_read_past_their_end() {
        let whole = Request::new(20, &[1, 2, 3, 4]).text(1, "virt_guard").bytes(0, 0);
        for length in 0..whole.len() {
            let mut answer = Answer::default();
            read(&whole[..length], &mut answer, &mut |_, _| panic!("{length} bytes are no message")).unwrap();
            assert!(!answer.done);
        }
    }

    #[test]
    fn a_list_that_broke_off_is_an_error() {
        let end = |code: i32| Request::new(NLMSG_DONE, &code.to_ne_bytes()).bytes(0, 0);
        let mut answer = Answer::default();
        assert!(read(&end(-2), &mut answer, &mut |_, _| ()).is_err() && !answer.done);
        read(&end(0), &mut answer, &mut |_, _| ()).unwrap();
        assert!(answer.done);
    }

    #[test]
    fn attributes_of_no_length_end_the_list() {
        assert_eq!(attributes(&[0; 64]).count(), 0);
        assert_eq!(attributes(&[0xff; 64]).count(), 0);
    }
}
