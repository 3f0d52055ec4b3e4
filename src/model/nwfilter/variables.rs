//! Variables of a filter and the values that stand for them.
//!
//! A list gives one rule for each element. Iterators of one number advance
//! together, those of different numbers each with each (libvirt's formatnwfilter,
//! "Element access and iterators").

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::FactError;
use crate::facts::nwfilter::{Access, Attribute, Condition, Datum, FilterRule, Term, Variable};

/// The values of each variable, as written.
pub(super) type Values = BTreeMap<String, Vec<String>>;

/// An attribute with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Concrete {
    pub attribute: Attribute,
    pub value: Datum,
    pub negated: bool,
}

/// The names of the variables that `rule` asks for.
pub(super) fn names(rule: &FilterRule) -> BTreeSet<&str> {
    variables(rule).map(|variable| variable.name.as_str()).collect()
}

fn variables(rule: &FilterRule) -> impl Iterator<Item = &Variable> {
    let terms = rule.conditions.iter().flat_map(|condition| &condition.attributes);
    terms.filter_map(|(_, term)| match term {
        Term::Variable(variable) => Some(variable),
        Term::Value(_) => None,
    })
}

/// The attributes of `rule` for each combination of the values of its variables.
///
/// # Errors
/// Variables of one iterator with lists of different lengths, an index beyond
/// the end of a list, a value of another kind than the attribute's.
pub(super) fn combinations(rule: &FilterRule, values: &Values) -> Result<Vec<Vec<Concrete>>, FactError> {
    let lengths = iterators(rule, values)?;
    let mut positions: Vec<BTreeMap<u32, usize>> = vec![BTreeMap::new()];
    for (iterator, length) in lengths {
        positions = positions
            .iter()
            .flat_map(|known| {
                (0..length).map(move |index| known.iter().map(|(k, v)| (*k, *v)).chain([(iterator, index)]).collect())
            })
            .collect();
    }
    positions.iter().map(|position| concrete(rule, values, position)).collect()
}

/// The length of each iterator's lists.
fn iterators(rule: &FilterRule, values: &Values) -> Result<BTreeMap<u32, usize>, FactError> {
    let mut lengths: BTreeMap<u32, (usize, &str)> = BTreeMap::new();
    for variable in variables(rule) {
        let Access::Iterator(number) = variable.access else { continue };
        let length = list(variable, values, rule)?.len();
        let (known, other) = *lengths.entry(number).or_insert((length, &variable.name));
        if known != length {
            let message = format!(
                "variables ${other} and ${} advance together as @{number}, but have {known} and {length} values",
                variable.name
            );
            return Err(FactError::new(rule.place.clone(), message));
        }
    }
    Ok(lengths.into_iter().map(|(number, (length, _))| (number, length)).collect())
}

fn list<'a>(variable: &Variable, values: &'a Values, rule: &FilterRule) -> Result<&'a [String], FactError> {
    let list = values.get(&variable.name).map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        return Err(FactError::new(rule.place.clone(), format!("no value for variable ${}", variable.name)));
    }
    Ok(list)
}

fn concrete(rule: &FilterRule, values: &Values, position: &BTreeMap<u32, usize>) -> Result<Vec<Concrete>, FactError> {
    let mut all = Vec::new();
    for condition in &rule.conditions {
        for (attribute, term) in &condition.attributes {
            let value = match term {
                Term::Value(value) => value.clone(),
                Term::Variable(variable) => {
                    let text = text(variable, values, (rule, position))?;
                    read(rule, condition, *attribute, (&variable.name, text))?
                }
            };
            all.push(Concrete { attribute: *attribute, value, negated: condition.negated });
        }
    }
    Ok(all)
}

fn text<'a>(
    variable: &Variable,
    values: &'a Values,
    (rule, position): (&FilterRule, &BTreeMap<u32, usize>),
) -> Result<&'a str, FactError> {
    let list = list(variable, values, rule)?;
    let index = match variable.access {
        Access::Iterator(number) => position.get(&number).copied().unwrap_or_default(),
        Access::Element(index) => index as usize,
    };
    list.get(index).map(String::as_str).ok_or_else(|| {
        let message = format!("${}[{index}] is asked for, but ${0} has {} values", variable.name, list.len());
        FactError::new(rule.place.clone(), message)
    })
}

fn read(
    rule: &FilterRule,
    condition: &Condition,
    attribute: Attribute,
    (name, text): (&str, &str),
) -> Result<Datum, FactError> {
    let error = |message: String| FactError::new(condition.place.clone(), message);
    let kind = rule.protocol.kind_of(attribute).ok_or_else(|| error(format!("{attribute} has no type here")))?;
    kind.parse(text).map_err(|cause| error(format!("{attribute} = ${name}: {cause}")))
}
