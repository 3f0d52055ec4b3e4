//! A rule with values for its variables.

use crate::facts::FactError;
use crate::facts::nwfilter::{Attribute, Datum, FilterRule};
use crate::model::rule::Origin;

use super::expand::Found;
use super::variables::{Concrete, combinations};

/// One rule with one combination of values.
#[derive(Debug, Clone)]
pub(super) struct Instance<'a> {
    pub found: &'a Found,
    pub rule: &'a FilterRule,
    pub attributes: Vec<Concrete>,
}

/// The most rules that an interface may get from its filters.
const MAX_INSTANCES: usize = 50_000;

/// The rules for all combinations of values.
///
/// # Errors
/// Values that do not fit, or too many of them, with the path of references.
pub(super) fn instances(found: &[Found]) -> Result<Vec<Instance<'_>>, FactError> {
    let mut all = Vec::new();
    for found in found {
        let Some(rule) = found.rule() else { continue };
        let combinations = combinations(rule, &found.values).map_err(|error| with_trail(error, found))?;
        if all.len() + combinations.len() > MAX_INSTANCES {
            let message = format!("more than {MAX_INSTANCES} rules for one interface");
            return Err(with_trail(FactError::new(rule.place.clone(), message), found));
        }
        all.extend(combinations.into_iter().map(|attributes| Instance { found, rule, attributes }));
    }
    Ok(all)
}

fn with_trail(error: FactError, found: &Found) -> FactError {
    FactError::new(error.place, format!("{} (filter {})", error.message, found.trail()))
}

impl Instance<'_> {
    /// An error about the rule, in words.
    pub fn error(&self, cause: &str) -> FactError {
        with_trail(FactError::new(self.rule.place.clone(), cause), self.found)
    }

    /// What a rule made of this one says of itself.
    pub fn origin(&self) -> Origin {
        let comment = self.attributes.iter().find_map(|one| match (one.attribute, &one.value) {
            (Attribute::Comment, Datum::Text(text)) => Some(format!(": {text}")),
            _ => None,
        });
        let label = format!("nwfilter {}{}", self.found.filter.name, comment.unwrap_or_default());
        Origin::placed(label, &self.rule.place)
    }
}
