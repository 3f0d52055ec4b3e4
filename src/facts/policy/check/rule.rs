//! The rules of a group.
//!
//! In: the raw shape of a rule and its direction. Out: a [`GroupRule`] whose
//! parts agree with each other. An error about two parts points at the one
//! that is easier to change, and says to what.

use std::ops::Range;

use ipnet::IpNet;
use toml::Spanned;

use super::super::raw::{OneOrMany, RawRule, Scalar};
use super::super::source::Source;
use super::super::{FactError, GroupName, GroupRule, Peer};
use super::icmp;
use crate::net::{Direction, Family, IcmpType, PortRange, Protocol, parse_net};

/// Reads one rule.
///
/// # Errors
/// The first value that is none, else the first contradiction.
pub fn rule(source: &Source, direction: Direction, raw: &Spanned<RawRule>) -> Result<GroupRule, FactError> {
    let place = source.place(raw.span());
    let raw = raw.get_ref();
    let protocol = raw.protocol.as_ref().map_or(Ok(None), |raw| protocol(source, raw))?;
    let keys = PeerKeys::of(source, direction, raw)?;
    let net = keys.net(source)?;
    Ok(GroupRule {
        protocol,
        family: family(source, protocol, raw.family.as_ref(), net.as_ref())?,
        ports: raw.ports.as_ref().map_or(Ok(Vec::new()), |raw| ports(source, protocol, raw))?,
        icmp_types: raw.icmp_type.as_ref().map_or(Ok(Vec::new()), |raw| icmp_types(source, protocol, raw))?,
        peer: keys.peer(net),
        place,
    })
}

fn protocol(source: &Source, raw: &Spanned<Scalar>) -> Result<Option<Protocol>, FactError> {
    match raw.get_ref().to_string().as_str() {
        "any" => Ok(None),
        text => text.parse().map(Some).map_err(|error| source.error(raw.span(), error)),
    }
}

fn ports(source: &Source, protocol: Option<Protocol>, raw: &Spanned<OneOrMany>) -> Result<Vec<PortRange>, FactError> {
    if !protocol.is_some_and(Protocol::has_ports) {
        let message = format!("protocol {} has no ports; ports need protocol tcp, udp or sctp", name(protocol));
        return Err(source.error(raw.span(), message));
    }
    let mut ranges = Vec::new();
    for item in OneOrMany::items(raw) {
        for part in item.get_ref().to_string().split(',') {
            ranges.push(part.trim().parse().map_err(|error| source.error(item.span(), error))?);
        }
    }
    not_empty(source, raw, "ports", ranges)
}

fn icmp_types(
    source: &Source,
    protocol: Option<Protocol>,
    raw: &Spanned<OneOrMany>,
) -> Result<Vec<IcmpType>, FactError> {
    let names = protocol.and_then(icmp::names).ok_or_else(|| {
        let message = format!("protocol {} has no icmp-type; it needs protocol icmp or icmpv6", name(protocol));
        source.error(raw.span(), message)
    })?;
    let read = |item: Spanned<Scalar>| {
        icmp::read(&item.get_ref().to_string(), names).map_err(|message| source.error(item.span(), message))
    };
    let types = OneOrMany::items(raw).into_iter().map(read).collect::<Result<_, _>>()?;
    not_empty(source, raw, "icmp-type", types)
}

/// An empty list would be read as nothing by one and as everything by another.
fn not_empty<T>(source: &Source, raw: &Spanned<OneOrMany>, key: &str, list: Vec<T>) -> Result<Vec<T>, FactError> {
    if list.is_empty() {
        return Err(source.error(raw.span(), format!("{key} is an empty list; leave the key out to allow all")));
    }
    Ok(list)
}

fn name(protocol: Option<Protocol>) -> String {
    protocol.map_or_else(|| "any".to_owned(), |protocol| protocol.to_string())
}

/// The keys that say who the other end is, as they are called in one direction.
struct PeerKeys<'a> {
    net: Option<&'a Spanned<String>>,
    group: Option<&'a Spanned<GroupName>>,
}

impl<'a> PeerKeys<'a> {
    fn of(source: &Source, direction: Direction, raw: &'a RawRule) -> Result<Self, FactError> {
        let from = Self { net: raw.from.as_ref(), group: raw.from_group.as_ref() };
        let to = Self { net: raw.to.as_ref(), group: raw.to_group.as_ref() };
        let (keys, others, side, word, other) = match direction {
            Direction::In => (from, to, "ingress", "from", "to"),
            Direction::Out => (to, from, "egress", "to", "from"),
        };
        if let Some((part, suffix)) = others.written() {
            let message = format!("an {side} rule has no {other}{suffix}; its peer is {word} or {word}-group");
            return Err(source.error(part, message));
        }
        if let (Some(_), Some(group)) = (keys.net, keys.group) {
            let message = format!("both {word} and {word}-group; write a rule for each");
            return Err(source.error(group.span(), message));
        }
        Ok(keys)
    }

    /// Which of the keys is there, as a part of the text and the end of its name.
    fn written(&self) -> Option<(Range<usize>, &'static str)> {
        let net = self.net.map(|net| (net.span(), ""));
        net.or_else(|| self.group.map(|group| (group.span(), "-group")))
    }

    fn net(&self, source: &Source) -> Result<Option<Spanned<IpNet>>, FactError> {
        let Some(raw) = self.net.filter(|raw| raw.get_ref() != "any") else { return Ok(None) };
        let net = parse_net(raw.get_ref()).map_err(|error| source.error(raw.span(), error))?;
        Ok(Some(Spanned::new(raw.span(), net)))
    }

    fn peer(&self, net: Option<Spanned<IpNet>>) -> Peer {
        match (net, self.group) {
            (Some(net), _) => Peer::Net(net.into_inner()),
            (None, Some(group)) => Peer::Group(group.get_ref().clone()),
            (None, None) => Peer::Any,
        }
    }
}

/// A part of a rule from which its family follows.
struct Claim {
    family: Family,
    words: String,
    part: Range<usize>,
}

impl Claim {
    fn of_key(raw: &Spanned<Family>) -> Self {
        let family = *raw.get_ref();
        Self { family, words: format!("family {family}"), part: raw.span() }
    }

    fn of_net(raw: &Spanned<IpNet>) -> Self {
        let net = *raw.get_ref();
        let family = Family::of_net(net);
        Self { family, words: format!("the {family} network {net}"), part: raw.span() }
    }
}

/// The one family that the protocol, the key and the network agree on.
fn family(
    source: &Source,
    protocol: Option<Protocol>,
    key: Option<&Spanned<Family>>,
    net: Option<&Spanned<IpNet>>,
) -> Result<Option<Family>, FactError> {
    let (key, net) = (key.map(Claim::of_key), net.map(Claim::of_net));
    let spoken = protocol.and_then(Protocol::family);
    let other = |claim: &&Claim| spoken.is_some_and(|spoken| claim.family != spoken);
    if let Some(claim) = key.iter().chain(&net).find(other) {
        let (words, name, family) = (&claim.words, name(protocol), claim.family);
        let message = format!("{words} contradicts protocol {name}; for {family} it is {}", family.icmp());
        return Err(source.error(claim.part.clone(), message));
    }
    match (&key, &net) {
        (Some(key), Some(net)) if key.family != net.family => {
            let (words, stated) = (&net.words, key.family);
            let message = format!("{words} contradicts family {stated}; leave family out or name an {stated} network");
            Err(source.error(net.part.clone(), message))
        }
        _ => Ok(spoken.or(key.or(net).map(|claim| claim.family))),
    }
}
