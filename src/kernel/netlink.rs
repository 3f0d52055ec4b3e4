//! Netlink: a request to the kernel and the messages that answer it.
//!
//! Numbers of the protocol itself are in host order (netlink(7)).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto, setsockopt, socket,
    sockopt,
};
use nix::sys::time::TimeVal;

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
/// The two upper bits of an attribute's type are flags.
const TYPE_MASK: u16 = 0x3fff;
/// How often a list is asked for again that changed while it was told.
const TRIES: usize = 10;

/// A request: a message type, a fixed header, attributes.
#[derive(Debug, Clone)]
pub(super) struct Request {
    kind: u16,
    body: Vec<u8>,
}

impl Request {
    pub(super) fn new(kind: u16, header: &[u8]) -> Self {
        Self { kind, body: header.to_vec() }
    }

    /// Adds an attribute that is a text, with the zero that ends it.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        self.value(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// Adds an attribute.
    pub(super) fn value(mut self, kind: u16, value: &[u8]) -> Self {
        self.body.extend(((ATTRIBUTE + value.len()) as u16).to_ne_bytes());
        self.body.extend(kind.to_ne_bytes());
        self.body.extend(value);
        self.body.resize(aligned(self.body.len()), 0);
        self
    }

    fn bytes(&self, flags: u16) -> Vec<u8> {
        let length = (HEADER + self.body.len()) as u32;
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        // Sequence number and port stay zero: one question at a time.
        bytes.resize(HEADER, 0);
        bytes.extend(&self.body);
        bytes
    }
}

/// A message of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u16,
    pub(super) body: Vec<u8>,
}

/// What has been read of an answer.
#[derive(Debug, Default)]
struct Answer {
    messages: Vec<Message>,
    /// The list changed while it was told.
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
        let mut answer = Answer::default();
        loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(answer.messages),
                length => read(&self.buffer[..length?], &mut answer)?,
            }
        }
    }

    /// All messages of a list, told in one piece.
    ///
    /// # Errors
    /// The kernel refuses, is silent for seconds, or the list never stands still.
    pub(super) fn dump(&mut self, request: &Request) -> io::Result<Vec<Message>> {
        for _ in 0..TRIES {
            if let Some(messages) = self.ask(&request.bytes(NLM_F_DUMP))? {
                return Ok(messages);
            }
        }
        Err(io::Error::new(io::ErrorKind::Interrupted, "the kernel's rules change faster than they can be read"))
    }

    /// The one thing asked for; `None` if it is not there.
    ///
    /// # Errors
    /// The kernel refuses or is silent for seconds.
    pub(super) fn get(&mut self, request: &Request) -> io::Result<Option<Message>> {
        match self.ask(&request.bytes(NLM_F_ACK)) {
            Ok(messages) => Ok(messages.and_then(|messages| messages.into_iter().next())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has the kernel change something; `flags` say what to do if it is there
    /// already (`NLM_F_EXCL` and its like, linux/netlink.h).
    ///
    /// # Errors
    /// The kernel refuses or is silent for seconds.
    pub(super) fn change(&mut self, request: &Request, flags: u16) -> io::Result<()> {
        self.ask(&request.bytes(NLM_F_ACK | flags)).map(drop)
    }

    fn ask(&mut self, bytes: &[u8]) -> io::Result<Option<Vec<Message>>> {
        sendto(self.socket.as_raw_fd(), bytes, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        let mut answer = Answer::default();
        while !answer.done {
            let length = match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => continue,
                length => length?,
            };
            read(&self.buffer[..length], &mut answer)?;
        }
        Ok((!answer.interrupted).then_some(answer.messages))
    }
}

fn read(mut bytes: &[u8], answer: &mut Answer) -> io::Result<()> {
    while let (Some(length), Some(kind), Some(flags)) = (u32_at(bytes, 0), u16_at(bytes, 4), u16_at(bytes, 6)) {
        let length = length as usize;
        let Some(body) = bytes.get(HEADER..length) else { break };
        answer.interrupted |= flags & NLM_F_DUMP_INTR != 0;
        match kind {
            NLMSG_DONE => answer.done = true,
            NLMSG_ERROR => {
                acknowledged(body)?;
                answer.done = true;
            }
            _ => answer.messages.push(Message { kind, body: body.to_vec() }),
        }
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
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
        let whole = Request::new(20, &[1, 2, 3, 4]).text(1, "virt_guard").bytes(0);
        for length in 0..whole.len() {
            let mut answer = Answer::default();
            read(&whole[..length], &mut answer).unwrap();
            assert!(answer.messages.is_empty() && !answer.done);
        }
    }

    #[test]
    fn attributes_are_padded_and_found_again() {
        let request = Request::new(20, &[]).text(1, "abc").text(2, "defgh");
        let found: Vec<_> = attributes(&request.body).map(|(kind, value)| (kind, text(value))).collect();
        assert_eq!(found, [(1, "abc".to_owned()), (2, "defgh".to_owned())]);
    }

    #[test]
    fn attributes_of_no_length_end_the_list() {
        assert_eq!(attributes(&[0; 64]).count(), 0);
        assert_eq!(attributes(&[0xff; 64]).count(), 0);
    }
}
