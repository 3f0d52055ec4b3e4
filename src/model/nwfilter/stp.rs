//! What is particular to rules about the spanning tree protocol.

use crate::facts::nwfilter::{Attribute as A, Datum};
use crate::model::field::{Field, Match, StpNumber};
use crate::net::{Mac, NumberRange};

use super::conditions::Reading;
use super::variables::Concrete;

/// Where bridges send their BPDUs (IEEE 802.1D).
const BRIDGE_GROUP: Mac = Mac::new([0x01, 0x80, 0xc2, 0, 0, 0]);

/// A frame of the spanning tree protocol, by its destination.
pub(super) fn bridge_group() -> Match {
    Match::is(Field::DestinationMac(BRIDGE_GROUP.into()))
}

/// What must hold for a BPDU before its fields are looked at.
///
/// # Errors
/// Two destinations at once, as BPDUs go to one address; a field of a
/// configuration, whose type is 0, in a rule about another type.
pub(super) fn frame(attributes: &[Concrete], reading: Reading) -> Result<Vec<Match>, String> {
    let has_source = attributes.iter().any(|one| one.attribute == A::SrcMacAddr);
    if reading == Reading::Reversed && has_source {
        return Err("<stp> with srcmacaddr in direction inout, which would ask for two destinations".to_owned());
    }
    let mut all = vec![bridge_group()];
    all.extend(configuration(attributes)?);
    Ok(all)
}

/// All but the type stands in a configuration only.
fn configuration(attributes: &[Concrete]) -> Result<Option<Match>, String> {
    let of_any_type = |one: &Concrete| matches!(one.attribute, A::SrcMacAddr | A::SrcMacMask | A::Type | A::Comment);
    if attributes.iter().all(of_any_type) {
        return Ok(None);
    }
    match attributes.iter().find(|one| one.attribute == A::Type) {
        None => Ok(Some(Match::is(Field::StpNumber(StpNumber::Type, NumberRange::single(0))))),
        Some(one) if one.value == Datum::Number(0) && !one.negated => Ok(None),
        Some(_) => Err("a field of a configuration in a rule about another type of BPDU".to_owned()),
    }
}

/// The number that an attribute asks about, and the attribute that ends its range.
pub(super) fn number(attribute: A) -> Option<(StpNumber, A)> {
    Some(match attribute {
        // These have no end; the attribute itself stands for none.
        A::Type => (StpNumber::Type, A::Type),
        A::StpFlags => (StpNumber::Flags, A::StpFlags),
        A::RootPriority => (StpNumber::RootPriority, A::RootPriorityHi),
        A::RootCost => (StpNumber::RootCost, A::RootCostHi),
        A::SenderPriority => (StpNumber::SenderPriority, A::SenderPriorityHi),
        A::Port => (StpNumber::Port, A::PortHi),
        A::Age => (StpNumber::Age, A::AgeHi),
        A::MaxAge => (StpNumber::MaxAge, A::MaxAgeHi),
        A::HelloTime => (StpNumber::HelloTime, A::HelloTimeHi),
        A::ForwardDelay => (StpNumber::ForwardDelay, A::ForwardDelayHi),
        _ => return None,
    })
}
