//! An element of a set or a map as nft would list it.
//!
//! Which fields a key or a value has is told by the name that the plan gave the
//! container. Fields that stand together take whole words of 32 bits each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{ACCEPT, DROP, JUMP, big_endian, text_of};
use super::{DATA_VALUE, DATA_VERDICT, ELEMENT_DATA, ELEMENT_KEY, VERDICT_CHAIN, VERDICT_CODE};
use crate::kernel::netlink::{attribute, text};
use crate::net::Family;
use crate::plan::NatMap;

/// A field of a key or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Interface,
    Address(Family),
    Protocol,
    Port,
}

impl Part {
    const fn length(self) -> usize {
        match self {
            Self::Interface | Self::Address(Family::V6) => 16,
            Self::Address(Family::V4) | Self::Protocol | Self::Port => 4,
        }
    }

    fn print(self, bytes: &[u8]) -> Option<String> {
        Some(match self {
            Self::Interface => format!("\"{}\"", text(bytes)),
            Self::Address(_) => address(bytes)?.to_string(),
            Self::Protocol => bytes.first()?.to_string(),
            Self::Port => u16::from_be_bytes(bytes.get(..2)?.try_into().ok()?).to_string(),
        })
    }
}

/// The element of `set` whose attributes are in `bytes`.
pub(super) fn element(set: &str, bytes: &[u8]) -> Option<String> {
    let key = attribute(attribute(bytes, ELEMENT_KEY)?, DATA_VALUE)?;
    let data = attribute(bytes, ELEMENT_DATA);
    if let Some((map, family)) = NatMap::named(set) {
        let value = data.and_then(|data| attribute(data, DATA_VALUE));
        let (of_key, of_value) = parts(map, family);
        let key = print(&of_key, key)?;
        return Some(match value {
            Some(value) => format!("{key} : {}", print(&of_value, value)?),
            None => key,
        });
    }
    let key = key_text(set, key)?;
    Some(match data.and_then(|data| attribute(data, DATA_VERDICT)) {
        Some(verdict) => format!("{key} : {}", verdict_text(verdict)),
        None => key,
    })
}

/// The fields of a key and of what it leads to.
fn parts(map: NatMap, family: Family) -> (Vec<Part>, Vec<Part>) {
    let address = Part::Address(family);
    match map {
        NatMap::Floating => (vec![address], vec![address]),
        NatMap::KnownAs => (vec![Part::Interface, address], vec![address]),
        NatMap::Port => (vec![address, Part::Protocol, Part::Port], vec![address, Part::Port]),
        NatMap::LocalPort => (vec![Part::Protocol, Part::Port], vec![address, Part::Port]),
        NatMap::Fixed => (vec![address], Vec::new()),
    }
}

/// The last field may be told without what fills its word.
fn print(parts: &[Part], mut bytes: &[u8]) -> Option<String> {
    let mut words = Vec::new();
    for part in parts {
        let (field, rest) = bytes.split_at(part.length().min(bytes.len()));
        words.push(part.print(field)?);
        bytes = rest;
    }
    Some(words.join(" . "))
}

/// A verdict as nft would list it; ours are all `goto`.
fn verdict_text(verdict: &[u8]) -> String {
    match attribute(verdict, VERDICT_CODE).and_then(big_endian) {
        Some(DROP) => "drop".to_owned(),
        Some(ACCEPT) => "accept".to_owned(),
        Some(JUMP) => format!("jump {}", text_of(verdict, VERDICT_CHAIN)),
        _ => format!("goto {}", text_of(verdict, VERDICT_CHAIN)),
    }
}

/// Sets of members hold addresses; the others hold names of interfaces.
fn key_text(set: &str, key: &[u8]) -> Option<String> {
    let is_of_addresses = set.starts_with("vg_m_") || set.starts_with("vg_connected_");
    if !is_of_addresses {
        return Some(format!("\"{}\"", text(key)));
    }
    address(key).map(|address| address.to_string())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        _ => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
    }
}
