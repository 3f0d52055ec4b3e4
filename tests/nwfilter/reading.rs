//! A reading of libvirt's documentation of nwfilter that is the test's own: a
//! filter's walls, straight from its XML. It shares no code with the library's.
//!
//! `conditions` reads the elements; here is what stands where.

use std::collections::BTreeMap;

use virt_guard::facts::xml::Element;
use virt_guard::model::{Branch, CtState, CtWay, Field, Layer, Match, Origin, Rule, Scope, Target, Verdict, Wall};
use virt_guard::net::{Direction, EtherType, Mac};

use super::conditions::{Conditions, conditions};
use super::corpus::Parameters;
use super::instances::instances;

/// A rule with what its filter is, and the parameters it is read with.
pub struct Placed<'a> {
    /// The filter's chain.
    pub chain: (String, i32),
    /// The rule.
    pub rule: &'a Element,
    /// The parameters, the ones that hold first.
    pub parameters: Parameters,
}

/// Elements of the ethernet layer.
const ETHERNET: [&str; 7] = ["mac", "vlan", "stp", "arp", "rarp", "ip", "ipv6"];
/// Where chains stand by default.
const CHAINS: [(&str, i32); 8] = [
    ("root", 0),
    ("mac", -800),
    ("stp", -810),
    ("vlan", -750),
    ("ipv4", -700),
    ("ipv6", -600),
    ("arp", -500),
    ("rarp", -400),
];

/// The chain of a filter, and its priority.
pub fn chain(filter: &Element) -> (String, i32) {
    let name = filter.attribute("chain").unwrap_or("root");
    let usual = CHAINS.iter().find(|(prefix, _)| has_prefix(name, prefix)).map_or(0, |(_, priority)| *priority);
    (name.to_owned(), filter.attribute("priority").map_or(usual, |text| text.parse().expect("a priority")))
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name == prefix || name.starts_with(&format!("{prefix}-"))
}

/// The walls of both layers in both directions.
pub fn walls(placed: &[Placed]) -> Vec<Wall> {
    let both = [Direction::In, Direction::Out];
    both.into_iter().flat_map(|way| [ethernet(placed, way), ip(placed, way)]).collect()
}

fn wall(layer: Layer, direction: Direction, rules: Vec<Rule>, branches: Vec<Branch>) -> Wall {
    let otherwise_origin = Origin::built_in("no rule of the filter");
    Wall { layer, direction, rules, branches, otherwise: Verdict::Accept, otherwise_origin }
}

fn priority(rule: &Element) -> i32 {
    rule.attribute("priority").map_or(500, |text| text.parse().expect("a priority"))
}

/// A rule without elements is about every frame.
fn is_ethernet(rule: &Element) -> bool {
    rule.children.first().is_none_or(|element| ETHERNET.contains(&element.name.as_str()))
}

/// Rules with their priorities.
type Ranked = Vec<(i32, Rule)>;

fn ethernet(placed: &[Placed], way: Direction) -> Wall {
    let mut chains: BTreeMap<&str, (i32, Ranked)> = BTreeMap::new();
    for one in placed.iter().filter(|one| is_ethernet(one.rule)) {
        let rules = ethernet_rules(one, way).into_iter().map(|rule| (priority(one.rule), rule));
        chains.entry(&one.chain.0).or_insert((one.chain.1, Vec::new())).1.extend(rules);
    }
    let mut root = chains.remove("root").map(|(_, rules)| rules).unwrap_or_default();
    let mut branches = Vec::new();
    for (name, (at, mut rules)) in chains {
        rules.sort_by_key(|(priority, _)| *priority);
        let (scope, matches) = entrance(name);
        let origin = Origin::built_in(&format!("chain {name}"));
        root.push((at, Rule { scope, matches, target: Target::Jump(branches.len()), origin }));
        branches.push(Branch { name: name.to_owned(), rules: rules.into_iter().map(|(_, rule)| rule).collect() });
    }
    root.sort_by_key(|(priority, _)| *priority);
    wall(Layer::Ethernet, way, root.into_iter().map(|(_, rule)| rule).collect(), branches)
}

/// Which frames enter a chain.
fn entrance(chain: &str) -> (Scope, Vec<Match>) {
    let kinds = [
        ("ipv4", EtherType::IPV4),
        ("ipv6", EtherType::IPV6),
        ("arp", EtherType::ARP),
        ("rarp", EtherType::RARP),
        ("vlan", EtherType::VLAN),
    ];
    match kinds.iter().find(|(prefix, _)| has_prefix(chain, prefix)) {
        Some((_, kind)) => (Scope::Ether(*kind), Vec::new()),
        None if has_prefix(chain, "stp") => (Scope::Any, vec![Match::is(bridge_group())]),
        None => (Scope::Any, Vec::new()),
    }
}

/// The address that bridges talk to.
pub fn bridge_group() -> Field {
    Field::DestinationMac(virt_guard::net::MacPattern::new(Mac::new([0x01, 0x80, 0xc2, 0, 0, 0]), Mac::BROADCAST))
}

/// The rule's direction takes in this way, and whether it is the other way round.
fn turned(rule: &Element, way: Direction) -> Option<bool> {
    match (rule.attribute("direction"), way) {
        (Some("inout"), way) => Some(way == Direction::Out),
        (Some("in"), Direction::In) | (Some("out"), Direction::Out) => Some(false),
        _ => None,
    }
}

fn origin(rule: &Element) -> Origin {
    Origin::placed(format!("rule {}", rule.attribute("direction").unwrap_or_default()), &rule.place())
}

fn ethernet_rules(placed: &Placed, way: Direction) -> Vec<Rule> {
    let (Some(is_turned), Some(target)) = (turned(placed.rule, way), target(placed.rule)) else { return Vec::new() };
    let read = |elements: &Vec<Element>| conditions(elements, is_turned);
    let rule = |Conditions { scope, matches, .. }| Rule { scope, matches, target, origin: origin(placed.rule) };
    instances(placed).iter().map(read).map(rule).collect()
}

/// What becomes of a packet; nothing if the rule is to be passed over.
fn target(rule: &Element) -> Option<Target> {
    Some(match rule.attribute("action").expect("an action") {
        "accept" => Verdict::Accept.into(),
        "drop" => Verdict::Drop.into(),
        "reject" => Verdict::Reject.into(),
        "return" => Target::Return,
        _ => return None,
    })
}

/// Rules of filters of the root chain come before all others.
fn ip(placed: &[Placed], way: Direction) -> Wall {
    let mut rules: Vec<_> = placed
        .iter()
        .filter(|one| !is_ethernet(one.rule))
        .flat_map(|one| ip_rules(one, way).into_iter().map(|rule| ((one.chain.0 != "root", priority(one.rule)), rule)))
        .collect();
    rules.sort_by_key(|(at, _)| *at);
    wall(Layer::Ip, way, rules.into_iter().map(|(_, rule)| rule).collect(), Vec::new())
}

/// What conntrack has to say for the rule to match; `None` if it is not asked.
type Asked = Option<(Vec<CtState>, Option<CtWay>)>;

fn ip_rules(placed: &Placed, way: Direction) -> Vec<Rule> {
    let Some(target) = target(placed.rule) else { return Vec::new() };
    let target = if target == Target::Return { Verdict::Accept.into() } else { target };
    let rule = |elements: &Vec<Element>| {
        let (is_turned, asked) = ip_way(placed.rule, elements, way)?;
        let Conditions { scope, mut matches, is_lost } = conditions(elements, is_turned);
        if let Some((states, ct_way)) = asked {
            matches.push(Match::is(Field::CtState(states)));
            matches.extend(ct_way.map(|way| Match::is(Field::CtWay(way))));
        }
        (!is_lost).then(|| Rule { scope, matches, target, origin: origin(placed.rule) })
    };
    instances(placed).iter().filter_map(rule).collect()
}

/// Whether the rule stands in this direction: turned or not, in which states.
fn ip_way(rule: &Element, elements: &[Element], way: Direction) -> Option<(bool, Asked)> {
    let element = elements.first()?;
    let is_inout = rule.attribute("direction") == Some("inout");
    let is_own = turned(rule, way).is_some();
    let is_turned = turned(rule, way).unwrap_or(true);
    if let Some(text) = element.attribute("state") {
        return is_own.then(|| (is_turned, states(text).map(|states| (states, None))));
    }
    let is_icmp_type = element.name.starts_with("icmp") && element.attribute("type").is_some();
    if is_turned && (is_icmp_type || element.attribute("connlimit-above").is_some()) {
        return None;
    }
    let is_asked = rule.attribute("action") == Some("accept")
        && !is_inout
        && !matches!(rule.attribute("statematch"), Some("0" | "false"));
    let both = vec![CtState::New, CtState::Established];
    let is_icmp = element.name.starts_with("icmp");
    let own_way = (!is_icmp).then_some(CtWay::Original);
    Some(match (is_asked, is_own) {
        (false, _) => (is_turned, None),
        (true, true) => (false, Some((both, own_way))),
        (true, false) => (true, Some((vec![CtState::Established], (!is_icmp).then_some(CtWay::Reply)))),
    })
}

fn states(text: &str) -> Option<Vec<CtState>> {
    let state = |word: &str| match word.trim() {
        "NEW" => Some(CtState::New),
        "ESTABLISHED" => Some(CtState::Established),
        "RELATED" => Some(CtState::Related),
        "INVALID" => Some(CtState::Invalid),
        _ => None,
    };
    let all: Vec<_> = text.split(',').filter_map(state).collect();
    (!all.is_empty()).then_some(all)
}
