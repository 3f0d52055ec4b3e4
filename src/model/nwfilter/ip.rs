//! Rules about IP packets, with the states and the mirrored rules that libvirt
//! adds to them (its `iptablesCreateRuleInstance`; held against libvirt by
//! `tests/nwfilter`).
//!
//! | rule | as written | reversed, in the other direction |
//! | --- | --- | --- |
//! | accept | NEW or ESTABLISHED, original way | ESTABLISHED, way of replies |
//! | accept, inout or `statematch='false'` | no state | no state |
//! | accept, `connlimit-above` | no state | none |
//! | drop, reject, return | no state | no state |
//! | `state=…`, one direction | these states | none |
//! | `state=…`, inout | these states | these states |
//!
//! A reversed rule loses `srcmacaddr`, and is left out if it had nothing else or
//! asks for a type of ICMP message. Towards the guest a rule of both directions is
//! as written, from the guest it is reversed.

use crate::facts::FactError;
use crate::facts::nwfilter::{Action, Attribute, ChainKind, Datum, FilterProtocol, RuleDirection, StateName};
use crate::model::field::{CtState, CtWay, Field, Match};
use crate::model::rule::{Layer, Origin, Rule, Verdict, Wall};
use crate::net::Direction;

use super::conditions::{Reading, matches, scope};
use super::instance::Instance;
use super::variables::Concrete;

/// The wall of one direction; `None` if no rule is about it.
pub(super) fn wall(
    instances: &[Instance<'_>],
    direction: Direction,
    reject: Verdict,
) -> Result<Option<Wall>, FactError> {
    let mut rules = Vec::new();
    for instance in instances.iter().filter(|instance| !instance.rule.protocol.is_ethernet()) {
        // Rules of root filters come before all others, whatever the priorities.
        let position = (instance.found.chain().kind() != ChainKind::Root, instance.rule.priority);
        rules.extend(rule(instance, direction, reject)?.map(|rule| (position, rule)));
    }
    if rules.is_empty() {
        return Ok(None);
    }
    rules.sort_by_key(|(position, _)| *position);
    let rules = rules.into_iter().map(|(_, rule)| rule).collect();
    let otherwise_origin = Origin::built_in("no nwfilter rule about IP matched");
    let (branches, otherwise) = (Vec::new(), Verdict::Accept);
    Ok(Some(Wall { layer: Layer::Ip, direction, rules, branches, otherwise, otherwise_origin }))
}

/// What a rule is in one direction, if it is anything there.
fn rule(instance: &Instance<'_>, direction: Direction, reject: Verdict) -> Result<Option<Rule>, FactError> {
    let reading = reading(instance.rule.direction, direction);
    let Some(verdict) = verdict(instance.rule.action, reject) else { return Ok(None) };
    let Some(connection) = connection(instance, reading) else { return Ok(None) };
    let Some(attributes) = attributes(instance, reading) else { return Ok(None) };
    let protocol = instance.rule.protocol;
    let mut matches = matches(protocol, &attributes, reading).map_err(|cause| instance.error(&cause))?;
    matches.extend(connection);
    // The way of libvirt: what counts connections is asked last, or it would count
    // packets that the rule is not about.
    let (counting, mut matches): (Vec<_>, Vec<_>) =
        matches.into_iter().partition(|one| matches!(one.field, Field::IpSet(..) | Field::ConnectionsAbove(_)));
    matches.extend(counting);
    Ok(Some(Rule { scope: scope(protocol), matches, target: verdict.into(), origin: instance.origin() }))
}

fn reading(of: RuleDirection, direction: Direction) -> Reading {
    match (of, direction) {
        (RuleDirection::In | RuleDirection::InOut, Direction::In) | (RuleDirection::Out, Direction::Out) => {
            Reading::AsWritten
        }
        _ => Reading::Reversed,
    }
}

/// To return from the only chain of the layer is to pass it.
fn verdict(action: Action, reject: Verdict) -> Option<Verdict> {
    match action {
        Action::Accept | Action::Return => Some(Verdict::Accept),
        Action::Drop => Some(Verdict::Drop),
        Action::Reject => Some(reject),
        Action::Continue => None,
    }
}

/// What the rule asks of the connection; `None` if it is not there in this reading.
fn connection(instance: &Instance<'_>, reading: Reading) -> Option<Vec<Match>> {
    let rule = instance.rule;
    let inout = rule.direction == RuleDirection::InOut;
    let has = |attribute| instance.attributes.iter().any(|one| one.attribute == attribute);
    if has(Attribute::ConnLimitAbove) && reading == Reading::Reversed {
        return None;
    }
    match states(&instance.attributes) {
        Some(_) if rule.state_match && reading == Reading::Reversed && !inout => None,
        Some(states) if rule.state_match => Some(states),
        _ if !rule.state_match || inout || rule.action != Action::Accept || has(Attribute::ConnLimitAbove) => {
            Some(Vec::new())
        }
        _ => Some(implicit(reading, has(Attribute::IcmpType))),
    }
}

/// The states that the rule names; `NONE` is an empty list.
fn states(attributes: &[Concrete]) -> Option<Vec<Match>> {
    let named = attributes.iter().find_map(|one| match &one.value {
        Datum::States(states) => Some(states),
        _ => None,
    })?;
    let state = |state: &StateName| match state {
        StateName::New => CtState::New,
        StateName::Established => CtState::Established,
        StateName::Related => CtState::Related,
        StateName::Invalid => CtState::Invalid,
    };
    let states: Vec<_> = named.iter().map(state).collect();
    Some(if states.is_empty() { Vec::new() } else { vec![Match::is(Field::CtState(states))] })
}

fn implicit(reading: Reading, names_icmp_type: bool) -> Vec<Match> {
    let (states, way) = match reading {
        Reading::AsWritten => (vec![CtState::New, CtState::Established], CtWay::Original),
        Reading::Reversed => (vec![CtState::Established], CtWay::Reply),
    };
    let way = (!names_icmp_type).then_some(Field::CtWay(way));
    [Field::CtState(states)].into_iter().chain(way).map(Match::is).collect()
}

/// The attributes that count in this reading; `None` if the rule is not there.
fn attributes(instance: &Instance<'_>, reading: Reading) -> Option<Vec<Concrete>> {
    let own = instance.attributes.iter().filter(|one| one.attribute != Attribute::State);
    if reading == Reading::AsWritten {
        return Some(own.cloned().collect());
    }
    let icmp = matches!(instance.rule.protocol, FilterProtocol::Icmp(_));
    let typed = instance.attributes.iter().any(|one| one.attribute == Attribute::IcmpType);
    // An answer has another type. A rule of both directions is meant for both.
    if icmp && typed && instance.rule.direction != RuleDirection::InOut {
        return None;
    }
    let rest: Vec<_> = own.filter(|one| one.attribute != Attribute::SrcMacAddr).cloned().collect();
    let lost = rest.len() < instance.attributes.iter().filter(|one| one.attribute != Attribute::State).count();
    let says_nothing = rest.iter().all(|one| one.attribute == Attribute::Comment);
    (!(lost && says_nothing)).then_some(rest)
}
