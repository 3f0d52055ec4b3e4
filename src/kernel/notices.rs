//! What the kernel tells by itself: that rules were changed and by whom, that
//! interfaces came, went or moved to another bridge, or bear other addresses.
//!
//! In: netlink's multicast groups. Out: changes, each whole. Only the tables are
//! told here; what is wrong with them is for a comparison to find.

use std::collections::BTreeSet;
use std::io;
use std::mem;
use std::os::fd::BorrowedFd;

use nix::libc::ENOBUFS;
use nix::sys::socket::SockProtocol;

use super::netlink::Socket;
use super::nftables::{Place, Told, told};
use crate::engine::Table;

/// `NFNLGRP_NFTABLES` (linux/netfilter/nfnetlink.h), as a bit.
const RULES: u32 = 1 << (7 - 1);
/// `RTNLGRP_LINK`, `RTNLGRP_IPV4_IFADDR` and `RTNLGRP_IPV6_IFADDR`
/// (linux/rtnetlink.h), as bits.
const LINKS: u32 = 1;
const ADDRESSES: u32 = 1 << (5 - 1) | 1 << (9 - 1);

/// The process that changed rules.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Author {
    /// Its process id.
    pub pid: u32,
    /// Its name, as the kernel knows it: at most 15 bytes.
    pub program: String,
}

/// A change of rules that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleChange {
    /// Its number; the kernel counts them.
    pub generation: u32,
    /// Who made it.
    pub author: Author,
    /// Which of the tables that may hold rules of ours were changed.
    pub tables: BTreeSet<Table>,
    /// Whether any other table was changed.
    pub elsewhere: bool,
}

/// A listener to changes of nftables, and of iptables and ebtables of the nft
/// kind. The old ones tell nothing.
#[derive(Debug)]
pub struct RuleWatch {
    socket: Socket,
    /// What was told of a change whose end is yet to come.
    touched: BTreeSet<Table>,
    elsewhere: bool,
}

impl RuleWatch {
    /// Listens from now on.
    ///
    /// # Errors
    /// The kernel has no nftables, or forbids it.
    pub fn start() -> io::Result<Self> {
        let socket = Socket::listen(SockProtocol::NetlinkNetFilter, RULES)?;
        Ok(Self { socket, touched: BTreeSet::new(), elsewhere: false })
    }

    /// Readable when there is something to tell.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.fd()
    }

    /// The changes since the last call; `None` if some were lost, and anything may
    /// have been changed. Waits for nothing.
    ///
    /// # Errors
    /// The kernel does not tell any more.
    pub fn changes(&mut self) -> io::Result<Option<Vec<RuleChange>>> {
        let Some(messages) = unless_lost(self.socket.news())? else {
            self.touched.clear();
            return Ok(None);
        };
        let mut changes = Vec::new();
        for told in messages.iter().filter_map(told) {
            match told {
                Told::In(Place::Ours(table)) => drop(self.touched.insert(table)),
                Told::In(Place::Elsewhere) => self.elsewhere = true,
                Told::Whole { generation, pid, program } => {
                    let (author, tables) = (Author { pid, program }, mem::take(&mut self.touched));
                    changes.push(RuleChange { generation, author, tables, elsewhere: mem::take(&mut self.elsewhere) });
                }
            }
        }
        Ok(Some(changes))
    }
}

/// A listener to interfaces and their addresses.
#[derive(Debug)]
pub struct LinkWatch(Socket);

impl LinkWatch {
    /// Listens from now on.
    ///
    /// # Errors
    /// The kernel forbids it.
    pub fn start() -> io::Result<Self> {
        Socket::listen(SockProtocol::NetlinkRoute, LINKS | ADDRESSES).map(Self)
    }

    /// Readable when there is something to tell.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.fd()
    }

    /// Whether any interface or address was changed since the last call. Waits for nothing.
    ///
    /// # Errors
    /// The kernel does not tell any more.
    pub fn changed(&mut self) -> io::Result<bool> {
        Ok(unless_lost(self.0.news())?.is_none_or(|messages| !messages.is_empty()))
    }
}

/// Nothing where the kernel had more to tell than there was room for.
fn unless_lost<T>(news: io::Result<T>) -> io::Result<Option<T>> {
    match news {
        Err(error) if error.raw_os_error() == Some(ENOBUFS) => Ok(None),
        news => news.map(Some),
    }
}
