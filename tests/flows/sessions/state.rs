//! All sessions and their sockets, and what one thread does with them: it reads
//! what has arrived, and sends what is due.
//!
//! Whose records count: at the near end what comes from where it called; at the
//! far end what comes from where the session's first record came from. So what
//! goes on after its translation is gone counts for nothing.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use super::count::Count;
use super::record::{LENGTH, Record, Side};
use super::wrap::{FIRST, Meaning, Ports, Wrap};

/// A socket of one or many sessions.
#[derive(Debug)]
pub enum Socket {
    /// Where connections arrive.
    Listener(TcpListener),
    /// A connection.
    Stream(Stream),
    /// Packets of many sessions, or of one.
    Packets(UdpSocket, Wrap),
    /// A connection that the kernel has given up.
    Over,
}

/// A connection and the part of a record that has arrived.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    rest: Vec<u8>,
}

/// Both ends of a session.
#[derive(Debug)]
pub struct Session {
    /// The near end's socket.
    pub near: usize,
    /// The far end's; of a stream it is known from the first record on.
    pub far: Option<usize>,
    /// Whom the near end called.
    pub called: SocketAddr,
    /// The near end's port or identifier.
    pub port: u16,
    /// Whom the far end answers.
    pub peer: Option<SocketAddr>,
    /// Whether records may be sent; of SCTP packets there are others before.
    pub open: bool,
    /// Whether the near end still sends, and the far one.
    pub speaks: [bool; 2],
    /// What arrived at the near end and at the far one.
    pub counts: [Count; 2],
}

/// What all of it is made of.
#[derive(Debug)]
pub struct State {
    /// All of them; a session's number is its index.
    pub sessions: Vec<Session>,
    sockets: Vec<Socket>,
    /// Sockets that several sessions have in common, by what they are.
    pub shared: BTreeMap<String, usize>,
    epoll: Arc<Epoll>,
}

/// No more is read of one socket at a time.
const TURNS: usize = 256;

impl State {
    /// Nothing yet; what there will be to read is told by `epoll`.
    pub fn new(epoll: Arc<Epoll>) -> Self {
        Self { sessions: Vec::new(), sockets: Vec::new(), shared: BTreeMap::new(), epoll }
    }

    /// Takes a socket in and says which it is.
    pub fn add(&mut self, socket: Socket) -> usize {
        let index = self.sockets.len();
        let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
        let added = match &socket {
            Socket::Listener(listener) => self.epoll.add(listener, event),
            Socket::Stream(stream) => self.epoll.add(&stream.socket, event),
            Socket::Packets(packets, _) => self.epoll.add(packets, event),
            Socket::Over => Ok(()),
        };
        added.expect("a socket to be told of");
        self.sockets.push(socket);
        index
    }

    /// Reads what has arrived at a socket.
    pub fn read(&mut self, index: usize) {
        for _ in 0..TURNS {
            let goes_on = match &self.sockets[index] {
                Socket::Listener(_) => self.accept(index),
                Socket::Stream(_) => self.read_stream(index),
                Socket::Packets(..) => self.read_packet(index),
                Socket::Over => false,
            };
            if !goes_on {
                break;
            }
        }
    }

    fn accept(&mut self, index: usize) -> bool {
        let Socket::Listener(listener) = &self.sockets[index] else { return false };
        let Ok((socket, _)) = listener.accept() else { return false };
        socket.set_nonblocking(true).expect("a connection that does not wait");
        let _ = socket.set_nodelay(true);
        self.add(Socket::of(socket));
        true
    }

    fn read_stream(&mut self, index: usize) -> bool {
        let Socket::Stream(stream) = &mut self.sockets[index] else { return false };
        let mut buffer = [0; 4096];
        let length = match stream.socket.read(&mut buffer) {
            Ok(length) if length > 0 => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            // The end, or an error: nothing will come of it any more.
            _ => {
                self.epoll.delete(&stream.socket).expect("a socket that was known");
                self.sockets[index] = Socket::Over;
                return false;
            }
        };
        stream.rest.extend(&buffer[..length]);
        let peer = stream.socket.peer_addr().ok();
        let whole = stream.rest.len() / LENGTH * LENGTH;
        let records: Vec<u8> = stream.rest.drain(..whole).collect();
        for record in records.chunks(LENGTH).filter_map(Record::parse) {
            let Some(session) = self.sessions.get_mut(record.session) else { continue };
            if record.to == Side::Far {
                session.far = Some(index);
                session.peer = session.peer.or(peer);
            }
            session.counts[record.to as usize].arrive(record.number);
        }
        true
    }

    fn read_packet(&mut self, index: usize) -> bool {
        let Socket::Packets(socket, wrap) = &self.sockets[index] else { return false };
        let mut buffer = [0; 2048];
        let (length, mut from) = match socket.recv_from(&mut buffer) {
            Ok(found) => found,
            // Another error is of a packet sent before, and the next call has more to tell.
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        };
        let (wrap, bytes) = (*wrap, &buffer[..length]);
        from.set_port(wrap.source_port(bytes).unwrap_or(from.port()));
        if let Some(meaning) = wrap.meaning(bytes) {
            self.take(index, from, meaning);
        }
        true
    }

    /// What a packet from `from` changes.
    fn take(&mut self, index: usize, from: SocketAddr, meaning: Meaning) {
        let (Meaning::Said(record) | Meaning::Asked(record, _) | Meaning::Opened(record)) = meaning;
        let Some(session) = self.sessions.get_mut(record.session) else { return };
        let (socket, known) = match record.to {
            Side::Near => (Some(session.near), session.called),
            Side::Far => (session.far, *session.peer.get_or_insert(from)),
        };
        // What is led elsewhere by now is not this session any more.
        if socket != Some(index) {
            return;
        }
        let raw = from.port() == 0;
        if from.ip() != known.ip() || !raw && from.port() != known.port() {
            return;
        }
        match meaning {
            Meaning::Said(record) => session.counts[record.to as usize].arrive(record.number),
            Meaning::Opened(_) => session.open = true,
            Meaning::Asked(_, step) => {
                let answer = Record { to: other(record.to), ..record };
                self.send_packet(index, answer, |wrap, ports| wrap.step(step, answer, ports));
            }
        }
    }

    /// Sends what is due in this part of a pace.
    pub fn speak(&mut self, part: usize, parts: usize) {
        for number in (part..self.sessions.len()).step_by(parts) {
            for side in [Side::Near, Side::Far] {
                if self.sessions[number].speaks[side as usize] {
                    self.send(number, other(side));
                }
            }
        }
    }

    /// Sends the next record to this end, if the other one can by now.
    fn send(&mut self, number: usize, to: Side) {
        let session = &self.sessions[number];
        let socket = if to == Side::Far { Some(session.near) } else { session.far };
        let Some(socket) = socket else { return };
        let record = Record { session: number, to, number: session.counts[to as usize].sent + 1 };
        let open = session.open;
        let sent = match &mut self.sockets[socket] {
            Socket::Stream(stream) => match stream.socket.write(&record.bytes()) {
                Ok(length) => {
                    assert_eq!(length, LENGTH, "a record was cut");
                    true
                }
                Err(_) => false,
            },
            Socket::Packets(..) if open => self.send_packet(socket, record, |wrap, ports| wrap.record(record, ports)),
            Socket::Packets(..) if to == Side::Far => {
                self.send_packet(socket, record, |wrap, ports| wrap.step(FIRST, record, ports));
                false
            }
            _ => false,
        };
        self.sessions[number].counts[to as usize].sent += u32::from(sent);
    }

    /// Sends a packet to the end that `record` is for, if it is known where that is.
    fn send_packet(&self, socket: usize, record: Record, make: impl Fn(Wrap, Ports) -> Vec<u8>) -> bool {
        let Socket::Packets(socket, wrap) = &self.sockets[socket] else { return false };
        let session = &self.sessions[record.session];
        let (to, ports) = match record.to {
            Side::Far => (Some(session.called), Ports { near: session.port, far: session.called.port() }),
            Side::Near => (session.peer, session.ports_of_answers()),
        };
        let Some(mut to) = to else { return false };
        if !matches!(wrap, Wrap::Udp) {
            to.set_port(0);
        }
        // What cannot be sent now, as nobody is there, is lost like any other.
        let _ = socket.send_to(&make(*wrap, ports), to);
        true
    }
}

impl Session {
    /// Both ports as the far end knows them: translation may have changed both.
    fn ports_of_answers(&self) -> Ports {
        let near = self.peer.map(|peer| peer.port()).filter(|port| *port != 0).unwrap_or(self.port);
        Ports { near, far: self.called.port() }
    }
}

impl Socket {
    /// A connection.
    pub fn of(socket: TcpStream) -> Self {
        Self::Stream(Stream { socket, rest: Vec::new() })
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Near => Side::Far,
        Side::Far => Side::Near,
    }
}
