//! What stands in tables of nftables, asked of the kernel itself. The tables of
//! ebtables and iptables of the nft kind are such tables too.
//!
//! `nft list` and the save programs would do, but each start of one costs more
//! than the whole change of a port, and they list all guests or none. A rule is
//! told here by a digest of its expressions: enough to see whether it is still the
//! one that was applied, which is all that is asked. Only a rule that does nothing
//! but jump is told in words, for those lead from built-in chains to ours.
//!
//! Numbers inside nftables' attributes are big-endian (linux/netfilter/nf_tables.h).

mod element;

use std::cell::RefCell;
use std::io;

use nix::sys::socket::SockProtocol;

use self::element::element;
use super::listing::{Container, Listing};
use super::netlink::{Message, Request, Socket, attribute, attributes, text};
use crate::digest;
use crate::engine::{Nftables, Table};
use crate::net::{Direction, Family};
use crate::plan::{Name, NatChain, NatMap};

/// `NFNL_SUBSYS_NFTABLES` in the upper byte of a message's type.
const SUBSYSTEM: u16 = 10 << 8;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
const GET_RULE: u16 = SUBSYSTEM | 7;
const GET_SET: u16 = SUBSYSTEM | 10;
const GET_SET_ELEMENTS: u16 = SUBSYSTEM | 13;
const NEW_GENERATION: u16 = SUBSYSTEM | 15;
const GET_GENERATION: u16 = SUBSYSTEM | 16;
/// `struct nfgenmsg`
const GENERIC: usize = 4;
/// linux/netfilter.h
const NFPROTO_INET: u8 = 1;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_BRIDGE: u8 = 7;
const NFPROTO_IPV6: u8 = 10;

const GENERATION_ID: u16 = 1;
const GENERATION_PID: u16 = 2;
const GENERATION_PROGRAM: u16 = 3;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const RULE_USERDATA: u16 = 7;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const SET_TABLE: u16 = 1;
const SET_NAME: u16 = 2;
const LIST_TABLE: u16 = 1;
const LIST_SET: u16 = 2;
const LIST_ELEMENTS: u16 = 3;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;
const IMMEDIATE_DATA: u16 = 2;
/// `NF_DROP`, `NF_ACCEPT` (linux/netfilter.h)
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
/// `NFT_JUMP`
const JUMP: u32 = (-3_i32).cast_unsigned();

/// Where a table is: its family and its name.
const fn place(table: Table) -> (u8, &'static str) {
    match table {
        Table::NftBridge => (NFPROTO_BRIDGE, "virt_guard"),
        Table::NftInet => (NFPROTO_INET, "virt_guard"),
        Table::EbtablesNat => (NFPROTO_BRIDGE, "nat"),
        Table::Mangle(family) => (family_number(family), "mangle"),
        Table::Filter(family) => (family_number(family), "filter"),
        Table::Nat(family) => (family_number(family), "nat"),
    }
}

const fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => NFPROTO_IPV4,
        Family::V6 => NFPROTO_IPV6,
    }
}

/// The number of the last change of any rules in this network namespace.
///
/// # Errors
/// The kernel does not answer.
pub fn generation() -> io::Result<u32> {
    let answer = asking(|socket| socket.get(&Request::new(GET_GENERATION, &[0; GENERIC])))?;
    let number = answer.and_then(|message| attribute(body(&message), GENERATION_ID).and_then(big_endian));
    number.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the kernel tells no generation of its rules"))
}

/// What a message of the kernel about changed rules says.
pub(super) enum Told {
    /// Something in this table was changed.
    In(Place),
    /// A change is whole: its number, and who made it.
    Whole { generation: u32, pid: u32, program: String },
}

/// Where a change was.
pub(super) enum Place {
    /// In a table that may hold rules of ours.
    Ours(Table),
    /// Elsewhere.
    Elsewhere,
}

/// What `message` tells; nothing if it is about something else.
pub(super) fn told(message: &Message) -> Option<Told> {
    let within = body(message);
    if message.kind == NEW_GENERATION {
        let number = |kind| attribute(within, kind).and_then(big_endian);
        let program = text_of(within, GENERATION_PROGRAM);
        return Some(Told::Whole { generation: number(GENERATION_ID)?, pid: number(GENERATION_PID)?, program });
    }
    if message.kind & 0xff00 != SUBSYSTEM {
        return None;
    }
    // The table's name is the first attribute of every object (nf_tables.h).
    let (family, name) = (message.body.first().copied()?, text_of(within, CHAIN_TABLE));
    let ours = Table::ALL.into_iter().find(|table| place(*table) == (family, name.as_str()));
    Some(Told::In(ours.map_or(Place::Elsewhere, Place::Ours)))
}

thread_local! {
    /// One connection for all questions: to close one right after a change of rules
    /// takes some 15 ms, in which the kernel waits for readers of the old rules.
    static SOCKET: RefCell<Option<Socket>> = const { RefCell::new(None) };
}

/// Asks by the connection that is there, or by a new one. After an error it is
/// not used again: half an answer may be left in it.
fn asking<T>(ask: impl FnOnce(&mut Socket) -> io::Result<T>) -> io::Result<T> {
    let known = SOCKET.with(|socket| socket.borrow_mut().take());
    let mut socket = known.map_or_else(|| Socket::open(SockProtocol::NetlinkNetFilter), Ok)?;
    let answer = ask(&mut socket)?;
    SOCKET.with(|kept| kept.borrow_mut().replace(socket));
    Ok(answer)
}

/// Reads tables.
///
/// # Errors
/// The kernel does not answer, or the tables change faster than they can be read.
pub(super) fn reading<T>(read: impl FnOnce(&mut Reader<'_>) -> io::Result<T>) -> io::Result<T> {
    asking(|socket| read(&mut Reader(socket)))
}

/// A reader of tables.
pub(super) struct Reader<'a>(&'a mut Socket);

impl Reader<'_> {
    /// Everything in these tables.
    pub(super) fn all(&mut self, tables: &[Table]) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for table in tables.iter().copied() {
            for message in self.0.dump(&request(GET_CHAIN, table))? {
                let body = body(&message);
                if is_in(table, body, CHAIN_TABLE) {
                    listing.chains.insert((table, text_of(body, CHAIN_NAME)), first_lines(table, body));
                }
            }
            self.add_rules(&mut listing, table, request(GET_RULE, table).text(RULE_TABLE, place(table).1))?;
            if table.is_private() {
                self.add_sets(&mut listing, table)?;
            }
        }
        Ok(listing)
    }

    /// These chains, and the maps that go with them: those that lead to ports, and those
    /// of translations.
    pub(super) fn chains(&mut self, chains: &[(Table, String)]) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for (table, name) in chains {
            let (table, of) = (*table, place(*table).1);
            let ask = request(GET_CHAIN, table).text(CHAIN_TABLE, of).text(CHAIN_NAME, name);
            let Some(message) = self.0.get(&ask)? else { continue };
            listing.chains.insert((table, name.clone()), first_lines(table, body(&message)));
            let ask = request(GET_RULE, table).text(RULE_TABLE, of).text(RULE_CHAIN, name);
            self.add_rules(&mut listing, table, ask)?;
        }
        if chains.iter().any(|(table, _)| *table == Table::NftBridge) {
            for direction in Direction::BOTH {
                self.add_elements(&mut listing, Table::NftBridge, Nftables::port_map(direction))?;
            }
        }
        if chains.contains(&(Table::NftInet, NatChain::Lead.name().to_string())) {
            for (map, family) in NatMap::ALL.into_iter().flat_map(|map| Family::BOTH.map(|family| (map, family))) {
                self.add_elements(&mut listing, Table::NftInet, map.name(family).as_str())?;
            }
        }
        Ok(listing)
    }

    fn add_rules(&mut self, listing: &mut Listing, table: Table, ask: Request) -> io::Result<()> {
        for message in unless_absent(self.0.dump(&ask))? {
            let body = body(&message);
            let name = text_of(body, RULE_CHAIN);
            let line = rule_line(&name, body);
            if let Some(chain) = listing.chains.get_mut(&(table, name)).filter(|_| is_in(table, body, RULE_TABLE)) {
                chain.push(line);
            }
        }
        Ok(())
    }

    fn add_sets(&mut self, listing: &mut Listing, table: Table) -> io::Result<()> {
        let ask = request(GET_SET, table).text(SET_TABLE, place(table).1);
        for message in unless_absent(self.0.dump(&ask))? {
            let name = text_of(body(&message), SET_NAME);
            if is_in(table, body(&message), SET_TABLE) && !Name::is_limit(&name) {
                self.add_elements(listing, table, &name)?;
            }
        }
        Ok(())
    }

    fn add_elements(&mut self, listing: &mut Listing, table: Table, set: &str) -> io::Result<()> {
        let ask = request(GET_SET_ELEMENTS, table).text(LIST_TABLE, place(table).1).text(LIST_SET, set);
        let messages = unless_absent(self.0.dump(&ask))?;
        let lists = messages.iter().filter_map(|message| attribute(body(message), LIST_ELEMENTS));
        let elements = lists.flat_map(attributes).filter_map(|(_, bytes)| element(set, bytes)).collect();
        listing.elements.insert(Container { table, name: set.to_owned() }, elements);
        Ok(())
    }
}

fn request(kind: u16, table: Table) -> Request {
    Request::new(kind, &[place(table).0, 0, 0, 0])
}

fn body(message: &Message) -> &[u8] {
    message.body.get(GENERIC..).unwrap_or_default()
}

fn text_of(body: &[u8], kind: u16) -> String {
    attribute(body, kind).map(text).unwrap_or_default()
}

fn is_in(table: Table, body: &[u8], kind: u16) -> bool {
    text_of(body, kind) == place(table).1
}

fn unless_absent(answer: io::Result<Vec<Message>>) -> io::Result<Vec<Message>> {
    match answer {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        answer => answer,
    }
}

/// What a chain of `table` has before its rules: in a table of ours alone, how it
/// is hooked matters.
fn first_lines(table: Table, body: &[u8]) -> Vec<String> {
    hook(body).filter(|_| table.is_private()).into_iter().collect()
}

/// How a base chain is hooked; nothing for other chains.
fn hook(body: &[u8]) -> Option<String> {
    let hook = attribute(body, CHAIN_HOOK)?;
    let number = attribute(hook, HOOK_NUMBER).and_then(big_endian)?;
    let priority = attribute(hook, HOOK_PRIORITY).and_then(big_endian)?.cast_signed();
    let policy = attribute(body, CHAIN_POLICY).and_then(big_endian)?;
    Some(format!("type {} hook {number} priority {priority} policy {policy}", text_of(body, CHAIN_TYPE)))
}

fn big_endian(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?))
}

/// A rule that does nothing but jump as a save program would print it, any other
/// by its digest.
fn rule_line(chain: &str, body: &[u8]) -> String {
    match bare_jump(body) {
        Some(target) => format!("-A {chain} -j {target}"),
        None => format!("{:016x}", rule_digest(body)),
    }
}

fn bare_jump(body: &[u8]) -> Option<String> {
    let expressions = attributes(attribute(body, RULE_EXPRESSIONS)?);
    let mut others = expressions.filter(|(_, expression)| text_of(expression, EXPRESSION_NAME) != "counter");
    let (_, only) = others.next()?;
    if others.next().is_some() || text_of(only, EXPRESSION_NAME) != "immediate" {
        return None;
    }
    let data = attribute(attribute(only, EXPRESSION_DATA)?, IMMEDIATE_DATA)?;
    let verdict = attribute(data, DATA_VERDICT)?;
    let code = attribute(verdict, VERDICT_CODE).and_then(big_endian)?;
    (code == JUMP).then(|| text_of(verdict, VERDICT_CHAIN))
}

/// A rule's expressions and comment. What a counter has counted is left out.
fn rule_digest(body: &[u8]) -> u64 {
    let expressions = attribute(body, RULE_EXPRESSIONS).unwrap_or_default();
    let mut hash = digest::EMPTY;
    for (_, expression) in attributes(expressions) {
        let name = text_of(expression, EXPRESSION_NAME);
        hash = digest::extend(hash, name.as_bytes());
        if name != "counter" {
            hash = digest::extend(hash, attribute(expression, EXPRESSION_DATA).unwrap_or_default());
        }
    }
    digest::extend(hash, attribute(body, RULE_USERDATA).unwrap_or_default())
}
