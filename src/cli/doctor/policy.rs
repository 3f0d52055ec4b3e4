//! Whether the operator's files can be read and understood.

use super::checkup::Checkup;
use super::finding::Finding;
use crate::cli::chain;
use crate::cli::table::count;

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    vec![match &checkup.policy {
        Ok(policy) => {
            Finding::ok(format!("{}, {} [[guest]]", count(policy.groups.len(), "group"), policy.entries.len()))
        }
        Err(error) => {
            Finding::error(chain(error), "mend that file; until then the last good rules stay, and no guest starts")
        }
    }]
}
