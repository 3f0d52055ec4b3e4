//! A rule's elements with values for variables: once for each turn of its lists.

use std::collections::BTreeMap;

use virt_guard::facts::xml::Element;

use super::corpus::Parameters;
use super::reading::Placed;
use super::station::GUEST_MAC;

/// A variable: its name, and how it is indexed.
enum Index {
    /// One element for each turn of this iterator.
    Each(usize),
    /// Always this element.
    Fixed(usize),
}

/// The rule's elements, once for each turn.
pub fn instances(placed: &Placed) -> Vec<Vec<Element>> {
    let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
    for (_, value) in placed.rule.children.iter().flat_map(|element| &element.attributes) {
        if let Some((name, Index::Each(iterator))) = variable(value) {
            lengths.insert(iterator, list(&placed.parameters, name).len());
        }
    }
    let fill =
        |turn: &BTreeMap<usize, usize>| placed.rule.children.iter().map(|one| filled(one, placed, turn)).collect();
    turns(&lengths).iter().map(fill).collect()
}

/// Every combination of what the iterators count.
fn turns(lengths: &BTreeMap<usize, usize>) -> Vec<BTreeMap<usize, usize>> {
    lengths.iter().fold(vec![BTreeMap::new()], |all, (iterator, length)| {
        let with =
            |turn: &BTreeMap<usize, usize>, at| turn.iter().map(|(i, n)| (*i, *n)).chain([(*iterator, at)]).collect();
        all.iter().flat_map(|turn| (0..*length).map(move |at| with(turn, at))).collect()
    })
}

fn filled(element: &Element, placed: &Placed, turn: &BTreeMap<usize, usize>) -> Element {
    let mut filled = element.clone();
    for (_, value) in &mut filled.attributes {
        let Some((name, index)) = variable(value) else { continue };
        let at = match index {
            Index::Each(iterator) => turn[&iterator],
            Index::Fixed(at) => at,
        };
        let list = list(&placed.parameters, name);
        *value = list.get(at).cloned().unwrap_or_else(|| panic!("{name} has no element {at}"));
    }
    filled
}

fn variable(value: &str) -> Option<(&str, Index)> {
    let text = value.strip_prefix('$')?;
    let Some((name, index)) = text.trim_end_matches(']').split_once('[') else { return Some((text, Index::Each(0))) };
    let number = |text: &str| text.parse().expect("an index");
    Some((name, index.strip_prefix('@').map_or_else(|| Index::Fixed(number(index)), |text| Index::Each(number(text)))))
}

fn list(parameters: &Parameters, name: &str) -> Vec<String> {
    if name == "MAC" {
        return vec![GUEST_MAC.to_string()];
    }
    parameters.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
}
