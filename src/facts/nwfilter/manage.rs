//! Which filters are to be defined, put right and taken away.
//!
//! In: the operator's own definitions, the filters that libvirt holds, and which
//! of those were made from definitions. Out: steps in the order in which libvirt
//! takes them. Nothing is done, and what nobody knows to be ours is left alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Filter;
use super::text::difference;
use crate::facts::{FactError, Place};

/// The most ways through the references of a filter. libvirt follows each of them
/// when it looks for circles, and makes the rules at their end once for each: a
/// hundred filters that refer to three others each keep it busy without end.
const MOST_WAYS: u64 = 10_000;

/// A filter that the operator wrote.
#[derive(Debug, Clone)]
pub struct Definition {
    /// What it says.
    pub filter: Filter,
    /// How it says it.
    pub xml: String,
}

/// The filters that libvirt holds, and who uses them.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Each by its name; or why it cannot be read, on one line.
    pub filters: BTreeMap<String, Result<Filter, String>>,
    /// The filter of each port.
    pub ports: BTreeMap<String, String>,
}

/// What is to be done with a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doing {
    /// Nothing: it is as it should be.
    Keep,
    /// Define it: libvirt has none of this name.
    Define,
    /// Put it right: libvirt has another of this name.
    Update,
    /// Take it away: we made it, and its definition is gone.
    Undefine,
    /// It ought to be taken away and is in use.
    Retain,
}

impl Doing {
    /// Whether libvirt is not as it should be.
    pub fn differs(self) -> bool {
        !matches!(self, Self::Keep)
    }
}

/// One filter and what is to be done with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// What is to be done.
    pub doing: Doing,
    /// The lines that libvirt has and should not, `-`, and the contrary, `+`; or
    /// who uses what is to be taken away.
    pub why: Vec<String>,
}

/// The definitions in order of reference: each behind those it refers to.
///
/// # Errors
/// A reference to a filter that is neither among them nor in libvirt, a circle, or
/// more ways through references than libvirt can follow.
pub fn in_order(definitions: Vec<Definition>, held: &Held) -> Result<Vec<Definition>, FactError> {
    let mut left: BTreeMap<String, Definition> =
        definitions.into_iter().map(|definition| (definition.filter.name.clone(), definition)).collect();
    let unknown = left.values().flat_map(|definition| definition.filter.references());
    let unknown = unknown.filter(|reference| !left.contains_key(&reference.filter));
    if let Some(reference) = unknown.into_iter().find(|reference| !held.filters.contains_key(&reference.filter)) {
        return Err(FactError::new(reference.place.clone(), format!("unknown filter {:?}", reference.filter)));
    }
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let free = |definition: &Definition| definition.filter.references().all(|to| !left.contains_key(&to.filter));
        let ready: Vec<_> = left.values().filter(|one| free(one)).map(|one| one.filter.name.clone()).collect();
        if ready.is_empty() {
            return Err(circle(&left));
        }
        ordered.extend(ready.iter().filter_map(|name| left.remove(name)));
    }
    check_ways(&ordered)?;
    Ok(ordered)
}

fn check_ways(ordered: &[Definition]) -> Result<(), FactError> {
    let mut ways: BTreeMap<&str, u64> = BTreeMap::new();
    for Definition { filter, .. } in ordered {
        let through = filter.references().map(|to| ways.get(to.filter.as_str()).copied().unwrap_or(1));
        let all = through.sum::<u64>().max(1);
        if all > MOST_WAYS {
            let message = format!("{all} ways through the references, expected at most {MOST_WAYS}");
            return Err(FactError::new(filter.place.clone(), message));
        }
        ways.insert(&filter.name, all);
    }
    Ok(())
}

/// The circle that the way from the first of these filters ends in: each refers
/// to another of them.
fn circle(left: &BTreeMap<String, Definition>) -> FactError {
    let next = |name: &str| left.get(name)?.filter.references().find(|to| left.contains_key(&to.filter));
    let mut way: Vec<String> = left.keys().take(1).cloned().collect();
    let mut place = left.values().next().map(|first| first.filter.place.clone());
    while let Some(reference) = way.last().and_then(|name| next(name)) {
        place = Some(reference.place.clone());
        way.push(reference.filter.clone());
        if let Some(first) = way.iter().position(|name| *name == reference.filter).filter(|at| at + 1 < way.len()) {
            way.drain(..first);
            break;
        }
    }
    let message = format!("filters refer to each other in a circle: {}", way.join(" → "));
    let nowhere = || Place { file: "definitions".to_owned(), line: 1, column: 1 };
    FactError::new(place.unwrap_or_else(nowhere), message)
}

/// What is to be done, in order. `made` names the filters in libvirt that were
/// made from definitions: no other is ever taken away.
pub fn steps(ordered: &[Definition], held: &Held, made: &BTreeSet<String>) -> Vec<Step> {
    let mut steps: Vec<_> = ordered.iter().map(|definition| step(definition, held)).collect();
    let defined: BTreeSet<_> = steps.iter().map(|step| step.name.clone()).collect();
    let mut orphans: BTreeSet<_> =
        made.iter().filter(|name| held.filters.contains_key(*name) && !defined.contains(*name)).cloned().collect();
    // As they will be: what a definition says counts, not what it puts right.
    let mut stay: BTreeMap<&str, &Filter> =
        held.filters.iter().filter_map(|(name, filter)| Some((name.as_str(), filter.as_ref().ok()?))).collect();
    stay.extend(ordered.iter().map(|definition| (definition.filter.name.as_str(), &definition.filter)));
    while let Some(name) = orphans.iter().find(|name| users(name, &stay, held).is_empty()).cloned() {
        stay.remove(name.as_str());
        orphans.remove(&name);
        steps.push(Step { name, doing: Doing::Undefine, why: Vec::new() });
    }
    let retained = orphans.into_iter();
    steps.extend(retained.map(|name| Step { why: users(&name, &stay, held), name, doing: Doing::Retain }));
    steps
}

fn step(definition: &Definition, held: &Held) -> Step {
    let name = definition.filter.name.clone();
    let lines = definition.filter.lines();
    let (doing, why) = match held.filters.get(&name) {
        None => (Doing::Define, difference(&[], &lines)),
        Some(Err(problem)) => (Doing::Update, vec![format!("- {problem}")]),
        Some(Ok(filter)) => match difference(&filter.lines(), &lines) {
            same if same.is_empty() => (Doing::Keep, same),
            other => (Doing::Update, other),
        },
    };
    Step { name, doing, why }
}

/// Who uses a filter: other filters and ports.
fn users(name: &str, stay: &BTreeMap<&str, &Filter>, held: &Held) -> Vec<String> {
    let filters = stay.iter().filter(|(_, filter)| filter.references().any(|to| to.filter == name));
    let ports = held.ports.iter().filter(|(_, filter)| *filter == name);
    filters
        .map(|(user, _)| format!("filter {user:?} refers to it"))
        .chain(ports.map(|(port, _)| format!("port {port} has it")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(name: &str, references: &[&str]) -> Filter {
        let references: String = references.iter().map(|to| format!("\n<filterref filter='{to}'/>")).collect();
        Filter::parse(format!("<filter name='{name}'>{references}</filter>").as_bytes(), &format!("{name}.xml"))
            .unwrap()
    }

    fn definition(name: &str, references: &[&str]) -> Definition {
        Definition { filter: filter(name, references), xml: String::new() }
    }

    fn held(filters: &[(&str, &[&str])]) -> Held {
        let filters = filters.iter().map(|(name, to)| ((*name).to_owned(), Ok(filter(name, to))));
        Held { filters: filters.collect(), ports: BTreeMap::new() }
    }

    fn done(steps: &[Step]) -> Vec<(&str, Doing)> {
        steps.iter().map(|step| (step.name.as_str(), step.doing)).collect()
    }

    #[test]
    fn what_is_referred_to_comes_first() {
        let all = vec![definition("a", &["c", "b"]), definition("b", &["c", "libvirts"]), definition("c", &[])];
        let ordered = in_order(all, &held(&[("libvirts", &[])])).unwrap();
        let names: Vec<_> = ordered.iter().map(|definition| definition.filter.name.as_str()).collect();
        assert_eq!(names, ["c", "b", "a"]);
    }

    #[test]
    fn what_cannot_be_in_order_is_said_with_its_place() {
        let all = vec![definition("a", &["b"]), definition("b", &["c"]), definition("c", &["b"])];
        let error = in_order(all, &Held::default()).unwrap_err().to_string();
        assert_eq!(error, "c.xml:2:1: filters refer to each other in a circle: b → c → b");
        let error = in_order(vec![definition("a", &["b"])], &Held::default()).unwrap_err().to_string();
        assert_eq!(error, "a.xml:2:1: unknown filter \"b\"");
    }

    #[test]
    fn references_that_libvirt_would_follow_without_end_are_refused() {
        let name = |number: usize| format!("f{number:03}");
        let tower = |height: usize| {
            let floor =
                |at: usize| definition(&name(at), &if at == 0 { vec![] } else { vec![name(at - 1).leak() as &str; 2] });
            in_order((0..height).map(floor).collect(), &Held::default())
        };
        assert_eq!(tower(14).unwrap().len(), 14);
        let error = tower(100).unwrap_err().to_string();
        assert_eq!(error, "f014.xml:1:1: 16384 ways through the references, expected at most 10000");
    }

    #[test]
    fn only_what_differs_is_put_right() {
        let own = [definition("new", &[]), definition("other", &["new"]), definition("same", &["new"])];
        let steps = steps(&own, &held(&[("other", &[]), ("same", &["new"])]), &BTreeSet::new());
        assert_eq!(done(&steps), [("new", Doing::Define), ("other", Doing::Update), ("same", Doing::Keep)]);
        assert_eq!(steps[1].why, ["+ filterref \"new\""]);
    }

    #[test]
    fn only_what_is_ours_and_unused_goes_the_user_before_the_used() {
        let mut held = held(&[("foreign", &["used"]), ("used", &[]), ("a", &[]), ("b", &["a"]), ("bound", &[])]);
        held.ports.insert("vnet7".to_owned(), "bound".to_owned());
        let made = ["used", "a", "b", "bound", "gone"].map(str::to_owned).into();
        let found = steps(&[], &held, &made);
        let expected =
            [("b", Doing::Undefine), ("a", Doing::Undefine), ("bound", Doing::Retain), ("used", Doing::Retain)];
        assert_eq!(done(&found), expected);
        assert_eq!(found[2].why, ["port vnet7 has it"]);
        assert!(steps(&[], &held, &BTreeSet::new()).is_empty());
    }
}
