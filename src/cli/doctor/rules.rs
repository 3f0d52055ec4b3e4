//! Whether the kernel holds what the policy says.

use super::checkup::Checkup;
use super::finding::Finding;
use crate::cli::chain;
use crate::cli::table::count;

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    if checkup.policy.is_err() {
        return vec![Finding::warning("not compared, as the policy is broken", "mend the policy first")];
    }
    let drifts = match checkup.host.check_all() {
        Ok(drifts) => drifts,
        Err(error) => return vec![Finding::unknown(chain(&error), "virt-guard check says more")],
    };
    let finding = match drifts.first() {
        None => Finding::ok("the kernel holds what the policy says"),
        Some(first) => {
            let found = format!("{} between kernel and policy, first: {first}", count(drifts.len(), "difference"));
            Finding::error(found, "virt-guard apply; virt-guard check names all")
        }
    };
    checkup.drifts = Some(drifts);
    vec![finding]
}
