//! Whether guests reach services of this host that the policy does not allow.

use super::checkup::Checkup;
use super::finding::Finding;
use crate::cli::chain;
use crate::cli::table::count;
use crate::reconcile::Exposures;

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    if checkup.policy.is_err() {
        return Vec::new();
    }
    // The walls were compared a moment ago.
    let stands = checkup.drifts.as_ref().is_some_and(Vec::is_empty);
    let counts = if stands { checkup.host.exposures_behind_walls() } else { checkup.host.exposures() };
    vec![match counts {
        Ok(counts) => judge(counts),
        Err(error) => Finding::unknown(chain(&error), "virt-guard services audit says more"),
    }]
}

fn judge(Exposures { exposed, allowed, filtered, broken_pins }: Exposures) -> Finding {
    match (exposed, broken_pins) {
        (0, 0) => Finding::ok(format!(
            "guests reach {allowed} as the policy allows; {filtered} more only the walls keep them from"
        )),
        (0, broken) => Finding::error(
            format!("{} no longer keep guests from their services; only the walls do", count(broken, "pin")),
            "virt-guard events names them; virt-guard services unpin and pin make them anew",
        ),
        _ => {
            let found = format!("guests reach {} that the policy does not allow", count(exposed, "service"));
            Finding::error(
                found,
                "virt-guard services audit lists them and why; virt-guard apply if the walls do not stand",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    #[test]
    fn one_exposed_service_is_an_error() {
        let counts = |exposed| Exposures { exposed, allowed: 2, filtered: 1, broken_pins: 0 };
        assert_eq!(judge(counts(0)).level, Level::Ok);
        assert_eq!(judge(Exposures { broken_pins: 1, ..counts(0) }).level, Level::Error);
        let found = judge(counts(1));
        assert_eq!((found.level, found.found.contains("1 service that")), (Level::Error, true));
    }
}
