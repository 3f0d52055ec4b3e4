//! Conditions that make sense together.
//!
//! In: the conditions of one rule, each value valid by itself. Out: nothing, or
//! the first contradiction. What is refused here libvirt drops without a word or
//! fails on when a guest starts. Values of variables are not known here; whoever
//! knows them must compare the ends of ranges again.

use std::collections::BTreeSet;
use std::fmt;

use super::attribute::Attribute as A;
use super::condition::Condition;
use super::protocol::FilterProtocol;
use super::value::Datum;
use super::variable::Term;
use crate::facts::FactError;

/// What says nothing without the other, in the same element.
pub(super) const NEEDED: [(A, A); 10] = [
    (A::SrcMacMask, A::SrcMacAddr),
    (A::DstMacMask, A::DstMacAddr),
    (A::RootAddressMask, A::RootAddress),
    (A::SenderAddressMask, A::SenderAddress),
    (A::ArpSrcIpMask, A::ArpSrcIpAddr),
    (A::ArpDstIpMask, A::ArpDstIpAddr),
    (A::SrcIpMask, A::SrcIpAddr),
    (A::DstIpMask, A::DstIpAddr),
    (A::IpSetFlags, A::IpSet),
    (A::IcmpCode, A::IcmpType),
];

/// The ends of ranges and their beginnings.
pub(super) const RANGES: [(A, A); 14] = [
    (A::RootPriorityHi, A::RootPriority),
    (A::RootCostHi, A::RootCost),
    (A::SenderPriorityHi, A::SenderPriority),
    (A::PortHi, A::Port),
    (A::AgeHi, A::Age),
    (A::MaxAgeHi, A::MaxAge),
    (A::HelloTimeHi, A::HelloTime),
    (A::ForwardDelayHi, A::ForwardDelay),
    (A::SrcIpTo, A::SrcIpFrom),
    (A::DstIpTo, A::DstIpFrom),
    (A::SrcPortEnd, A::SrcPortStart),
    (A::DstPortEnd, A::DstPortStart),
    (A::IcmpTypeEnd, A::IcmpType),
    (A::IcmpCodeEnd, A::IcmpCode),
];

/// The IP protocols that have ports: TCP, UDP, DCCP and SCTP.
const WITH_PORTS: [u32; 4] = [6, 17, 33, 132];
/// ICMPv6.
const ICMPV6: [u32; 1] = [58];

/// Checks the conditions of a rule of `protocol`.
pub(super) fn conditions(protocol: FilterProtocol, conditions: &[Condition]) -> Result<(), FactError> {
    conditions.iter().try_for_each(condition)?;
    no_attribute_twice(conditions)?;
    match protocol {
        FilterProtocol::Ip | FilterProtocol::Ipv6 => conditions.iter().try_for_each(|it| transport(it, conditions)),
        _ => Ok(()),
    }
}

fn term(condition: &Condition, attribute: A) -> Option<&Term> {
    condition.attributes.iter().find(|(known, _)| *known == attribute).map(|(_, term)| term)
}

fn error(condition: &Condition, message: impl fmt::Display) -> FactError {
    FactError::new(condition.place.clone(), message)
}

/// One element by itself.
fn condition(condition: &Condition) -> Result<(), FactError> {
    for (dependent, other) in NEEDED.iter().chain(&RANGES) {
        let (Some(end), start) = (term(condition, *dependent), term(condition, *other)) else { continue };
        let Some(start) = start else {
            return Err(error(condition, format!("{dependent} without {other} in the same element")));
        };
        if RANGES.contains(&(*dependent, *other)) && is_backwards(start, end) {
            return Err(error(condition, format!("{dependent} before {other}, expected a range")));
        }
    }
    Ok(())
}

fn is_backwards(start: &Term, end: &Term) -> bool {
    match (start, end) {
        (Term::Value(Datum::Number(start)), Term::Value(Datum::Number(end))) => end < start,
        (Term::Value(Datum::Ip(start)), Term::Value(Datum::Ip(end))) => end < start,
        _ => false,
    }
}

/// Of an attribute in two elements of a rule libvirt heeds the last one only.
fn no_attribute_twice(conditions: &[Condition]) -> Result<(), FactError> {
    let mut seen = BTreeSet::new();
    for condition in conditions {
        let own: BTreeSet<_> = condition.attributes.iter().map(|(attribute, _)| *attribute).collect();
        let twice = own.intersection(&seen).find(|attribute| **attribute != A::Comment);
        if let Some(attribute) = twice {
            return Err(error(condition, format!("{attribute} in two elements of one rule, expected one")));
        }
        seen.extend(own);
    }
    Ok(())
}

/// What only some IP protocols have, in the Ethernet layer.
fn transport(condition: &Condition, all: &[Condition]) -> Result<(), FactError> {
    for (attribute, _) in &condition.attributes {
        let (protocols, names) = match attribute {
            A::SrcPortStart | A::DstPortStart => (&WITH_PORTS[..], "tcp, udp, sctp or 33 (DCCP)"),
            A::IcmpType => (&ICMPV6[..], "icmpv6"),
            _ => continue,
        };
        if !all.iter().any(|other| is_of(other, protocols)) {
            return Err(error(condition, format!("{attribute} in a rule without protocol, expected {names}")));
        }
    }
    Ok(())
}

/// Whether the condition holds for one of the IP `protocols` only.
fn is_of(condition: &Condition, protocols: &[u32]) -> bool {
    match term(condition, A::Protocol) {
        Some(Term::Value(Datum::Number(number))) => !condition.negated && protocols.contains(number),
        _ => false,
    }
}
