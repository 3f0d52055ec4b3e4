//! Rules about frames, in the chains that libvirt would make of them.
//!
//! Rules of the root chain and jumps to the other chains stand in the order of
//! their priorities, a jump before a rule of the same (libvirt's
//! `ebiptablesApplyNewRules`). What no rule of a chain matches is accepted; only
//! `return` leads back to the root. A chain is there in a direction only if it has a
//! rule there. A rule of both directions is read as written towards the guest and
//! reversed from it.

use std::collections::BTreeMap;

use crate::facts::FactError;
use crate::facts::nwfilter::{Action, ChainKind, ChainName, RuleDirection};
use crate::model::field::Match;
use crate::model::rule::{Branch, Layer, Origin, Rule, Scope, Target, Verdict, Wall};
use crate::net::{Direction, EtherType, Family};

use super::conditions::{Reading, matches, scope};
use super::expand::Found;
use super::instance::Instance;
use super::stp::bridge_group;

/// A rule of one direction, and where it stands.
struct Placed {
    rule: Rule,
    chain: ChainName,
    chain_priority: i16,
    priority: i16,
}

/// The wall of one direction; `None` if no rule is about it.
pub(super) fn wall(instances: &[Instance<'_>], direction: Direction) -> Result<Option<Wall>, FactError> {
    let mut placed = Vec::new();
    for instance in instances.iter().filter(|instance| instance.rule.protocol.is_ethernet()) {
        placed.extend(self::placed(instance, direction)?);
    }
    if placed.is_empty() {
        return Ok(None);
    }
    placed.sort_by_key(|rule| rule.priority);
    let (root, others): (Vec<_>, Vec<_>) = placed.into_iter().partition(|rule| rule.chain.kind() == ChainKind::Root);
    let (jumps, branches) = branches(others);
    let otherwise_origin = Origin::built_in("no nwfilter rule about frames matched");
    let rules = interleaved(root, jumps);
    let otherwise = Verdict::Accept;
    Ok(Some(Wall { layer: Layer::Ethernet, direction, rules, branches, otherwise, otherwise_origin }))
}

fn placed(instance: &Instance<'_>, direction: Direction) -> Result<Option<Placed>, FactError> {
    let (Some(reading), Some(target)) = (reading(instance.rule.direction, direction), target(instance.rule.action))
    else {
        return Ok(None);
    };
    let protocol = instance.rule.protocol;
    let matches = matches(protocol, &instance.attributes, reading).map_err(|cause| instance.error(&cause))?;
    let found: &Found = instance.found;
    Ok(Some(Placed {
        rule: Rule { scope: scope(protocol), matches, target, origin: instance.origin() },
        chain: found.chain().clone(),
        chain_priority: found.filter.priority,
        priority: instance.rule.priority,
    }))
}

fn reading(of: RuleDirection, direction: Direction) -> Option<Reading> {
    match (of, direction) {
        (RuleDirection::In, Direction::In)
        | (RuleDirection::Out, Direction::Out)
        | (RuleDirection::InOut, Direction::In) => Some(Reading::AsWritten),
        (RuleDirection::InOut, Direction::Out) => Some(Reading::Reversed),
        _ => None,
    }
}

/// ebtables cannot tell a sender, so libvirt drops what is to be rejected. `None`
/// for a rule that does nothing.
fn target(action: Action) -> Option<Target> {
    match action {
        Action::Accept => Some(Verdict::Accept.into()),
        Action::Drop | Action::Reject => Some(Verdict::Drop.into()),
        Action::Return => Some(Target::Return),
        Action::Continue => None,
    }
}

/// A jump and the priority of its chain.
type Jump = (i16, Rule);

/// One branch for each chain, and the jumps to them in order. Of several filters
/// with one chain the last says where it stands.
fn branches(rules: Vec<Placed>) -> (Vec<Jump>, Vec<Branch>) {
    let mut chains: BTreeMap<String, (i16, ChainKind, Vec<Rule>)> = BTreeMap::new();
    for placed in rules {
        let name = placed.chain.as_str().to_owned();
        let chain = chains.entry(name).or_insert((0, placed.chain.kind(), Vec::new()));
        chain.0 = placed.chain_priority;
        chain.2.push(placed.rule);
    }
    let mut jumps = Vec::new();
    let mut branches = Vec::new();
    for (name, (priority, kind, rules)) in chains {
        let (scope, matches) = entry(kind);
        let origin = Origin::built_in(&format!("nwfilter chain {name}"));
        jumps.push((priority, Rule { scope, matches, target: Target::Jump(branches.len()), origin }));
        branches.push(Branch { rules: rules.into_iter().chain([end(&name)]).collect(), name });
    }
    jumps.sort_by_key(|(priority, _)| *priority);
    (jumps, branches)
}

/// A chain of ebtables accepts what comes to its end, and libvirt leaves it so: the
/// root's rules behind the jump never see it.
fn end(chain: &str) -> Rule {
    Rule::new(Scope::Any, [], Verdict::Accept, &Origin::built_in(&format!("end of nwfilter chain {chain}")))
}

/// Which frames get into a chain.
fn entry(kind: ChainKind) -> (Scope, Vec<Match>) {
    let ether = |kind| (Scope::Ether(kind), Vec::new());
    match kind {
        ChainKind::Root | ChainKind::Mac => (Scope::Any, Vec::new()),
        ChainKind::Stp => (Scope::Any, vec![bridge_group()]),
        ChainKind::Vlan => ether(EtherType::VLAN),
        ChainKind::Arp => ether(EtherType::ARP),
        ChainKind::Rarp => ether(EtherType::RARP),
        ChainKind::Ipv4 => (Scope::Ip(Family::V4), Vec::new()),
        ChainKind::Ipv6 => (Scope::Ip(Family::V6), Vec::new()),
    }
}

fn interleaved(root: Vec<Placed>, jumps: Vec<Jump>) -> Vec<Rule> {
    let mut all: Vec<(i16, Rule)> = jumps;
    // The jumps stand first, and sorting keeps the order of equals.
    all.extend(root.into_iter().map(|placed| (placed.priority, placed.rule)));
    all.sort_by_key(|(priority, _)| *priority);
    all.into_iter().map(|(_, rule)| rule).collect()
}
