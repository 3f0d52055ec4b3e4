//! The connections that the kernel tracks: listed and deleted by ctnetlink.
//!
//! In: ends, families, flows. Out: flows as the kernel has them, each told once.
//! Which of them ought to go is not known here, and there is no way to say "all":
//! what is deleted is named by its tuple and its number, one by one. The kernel
//! reads a request to delete that has no tuple as "flush"; see [`message::delete`].
//!
//! A list is no snapshot. The kernel goes through its table bucket by bucket: a
//! connection may be told twice, and one that appears behind the walk is not told.
//! Whoever deletes looks again afterwards.

mod message;

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use nix::sys::socket::SockProtocol;

use super::netlink::{AT_ONCE, Request, Socket, Telling};
use crate::net::{Family, Flow};
use message::Way;

/// How often a list is gone through that the kernel calls interrupted. Up to 6.18
/// it never does so for connections.
const WALKS: usize = 3;

/// Of so many addresses it is seen sooner whether one of them stands in a message than the
/// message is read.
const FEW: usize = 4;

/// One end of a connection. The address gives the family as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Who sent the first packet.
    OriginalSource(IpAddr),
    /// Where the first packet was sent, before any translation.
    OriginalDestination(IpAddr),
    /// Who sends the answers, before any translation.
    ReplySource(IpAddr),
    /// Where the answers are sent, before any translation.
    ReplyDestination(IpAddr),
}

impl End {
    /// The address.
    pub const fn address(self) -> IpAddr {
        let (Self::OriginalSource(address)
        | Self::OriginalDestination(address)
        | Self::ReplySource(address)
        | Self::ReplyDestination(address)) = self;
        address
    }

    /// Whether `flow` has this end.
    pub fn is_of(self, flow: &Flow) -> bool {
        let theirs = match self {
            Self::OriginalSource(_) => flow.original.source,
            Self::OriginalDestination(_) => flow.original.destination,
            Self::ReplySource(_) => flow.reply.source,
            Self::ReplyDestination(_) => flow.reply.destination,
        };
        theirs == self.address()
    }
}

/// A connection to the kernel's table of connections, that of the network
/// namespace in which it was opened. Needs `CAP_NET_ADMIN` there.
///
/// A zone that counts for one direction only (`ct original zone set 7`) is taken
/// for the zone of the whole connection: it is listed with 7 and not with 0.
#[derive(Debug)]
pub struct Conntrack {
    /// Absent after an error: half an answer may be left in the old one.
    socket: Option<Socket>,
    told: u64,
}

impl Conntrack {
    /// Connection tracking itself is loaded by the kernel with the first question; a
    /// kernel that has none refuses that.
    ///
    /// # Errors
    /// The kernel forbids netlink sockets, or has none for netfilter.
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: Some(open()?), told: 0 })
    }

    /// How many connections the kernel has told so far: those it was asked for, or
    /// all, where it does not choose by itself.
    pub const fn told(&self) -> u64 {
        self.told
    }

    /// The flows of this zone that have this end.
    ///
    /// # Errors
    /// The kernel refuses, is silent for seconds, or tells what makes no sense.
    pub fn with_end(&mut self, end: End, zone: u16) -> io::Result<Vec<Flow>> {
        self.with_any(&[end], zone)
    }

    /// The flows of this zone that have one of these ends or more.
    ///
    /// For IPv4 the kernel chooses (since 5.8; an older one tells all). For IPv6 it
    /// cannot be let: to every kernel with that filter tried so far, 6.1 and 6.18,
    /// an address of IPv6 means all connections *but* those that have it
    /// (`ctnetlink_filter_match_tuple` turns `ipv6_addr_cmp` around). There one walk
    /// through the family serves all ends. Each flow is looked at again here anyway.
    ///
    /// # Errors
    /// As for [`Conntrack::with_end`].
    pub fn with_any(&mut self, ends: &[End], zone: u16) -> io::Result<Vec<Flow>> {
        let (of_v4, of_v6): (Vec<_>, Vec<_>) = ends.iter().copied().partition(|end| end.address().is_ipv4());
        let mut requests: Vec<_> = of_v4.into_iter().map(message::list_of).collect();
        if !of_v6.is_empty() {
            requests.push(message::list(Family::V6));
        }
        let mut flows = Vec::new();
        let addresses: BTreeSet<_> = ends.iter().map(|end| end.address()).collect();
        let may_be =
            |body: &[u8]| addresses.len() > FEW || addresses.iter().any(|address| message::mentions(body, *address));
        for request in requests {
            let wanted = |flow: &Flow| flow.zone == zone && ends.iter().any(|end| end.is_of(flow));
            self.add(&request, &may_be, &wanted, &mut flows)?;
        }
        Ok(each_once(flows))
    }

    /// All flows of this family and zone.
    ///
    /// # Errors
    /// As for [`Conntrack::with_end`].
    pub fn all(&mut self, family: Family, zone: u16) -> io::Result<Vec<Flow>> {
        let mut flows = Vec::new();
        let wanted = |flow: &Flow| flow.original.family() == family && flow.zone == zone;
        self.add(&message::list(family), &|_: &[u8]| true, &wanted, &mut flows)?;
        Ok(each_once(flows))
    }

    /// Deletes exactly these connections, and gives how many of them there were. One
    /// that has gone by itself is no error. One with the same tuples that came after
    /// it has another number, and stays; but the kernel makes the number of the tuples
    /// and the entry's place in memory (`nf_ct_get_id`), so that a successor in the
    /// very same place is taken for it.
    ///
    /// # Errors
    /// The first one that the kernel gave, after the others were tried; or it is
    /// silent for seconds.
    pub fn delete(&mut self, flows: &[Flow]) -> io::Result<usize> {
        let (mut deleted, mut refused) = (0, None);
        for some in flows.chunks(AT_ONCE) {
            let mut left: Vec<_> = some.iter().collect();
            // In a zone of one direction only the tuple of that direction is found
            // with the zone's number; in all others the original one is.
            for way in [Way::Original, Way::Reply] {
                let results = self.each(&left.iter().map(|flow| message::delete(flow, way)).collect::<Vec<_>>())?;
                let mut absent = Vec::new();
                for (flow, result) in left.into_iter().zip(results) {
                    match result {
                        Ok(()) => deleted += 1,
                        Err(error) if error.kind() == io::ErrorKind::NotFound => absent.push(flow),
                        Err(error) => refused = refused.or(Some(error)),
                    }
                }
                left = absent;
            }
        }
        refused.map_or(Ok(deleted), Err)
    }

    /// Adds those flows of a list that are wanted; of most it is seen without reading them
    /// that they cannot be. A list that changed while it was told is gone through again
    /// and what was told before is kept: on a busy host it may never stand still.
    fn add(
        &mut self,
        request: &Request,
        may_be: &impl Fn(&[u8]) -> bool,
        wanted: &impl Fn(&Flow) -> bool,
        flows: &mut Vec<Flow>,
    ) -> io::Result<()> {
        for _ in 0..WALKS {
            let (mut told, mut strange) = (0, false);
            let telling = self.asking(|socket| {
                socket.walk(request, |kind, body| {
                    told += 1;
                    if !may_be(body) {
                        return;
                    }
                    match message::flow(kind, body) {
                        Some(flow) if wanted(&flow) => flows.push(flow),
                        Some(_) => {}
                        None => strange = true,
                    }
                })
            })?;
            self.told += told;
            if strange {
                // To leave it out could leave a connection alive that was to go.
                let text = "the kernel told a connection in a way that is not understood";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            if telling == Telling::Whole {
                break;
            }
        }
        Ok(())
    }

    fn each(&mut self, requests: &[Request]) -> io::Result<Vec<io::Result<()>>> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        self.asking(|socket| socket.each(requests))
    }

    fn asking<T>(&mut self, ask: impl FnOnce(&mut Socket) -> io::Result<T>) -> io::Result<T> {
        let mut socket = self.socket.take().map_or_else(open, Ok)?;
        let answer = ask(&mut socket)?;
        self.socket = Some(socket);
        Ok(answer)
    }
}

fn open() -> io::Result<Socket> {
    Socket::open(SockProtocol::NetlinkNetFilter)
}

fn each_once(mut flows: Vec<Flow>) -> Vec<Flow> {
    flows.sort_unstable();
    flows.dedup();
    flows
}
