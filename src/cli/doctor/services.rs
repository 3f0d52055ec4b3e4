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
    match counts {
        Ok(counts) => judge(counts),
        Err(error) => vec![Finding::unknown(chain(&error), "virt-guard services audit says more")],
    }
}

fn judge(counts: Exposures) -> Vec<Finding> {
    let Exposures { exposed, allowed, filtered, broken_pins } = counts;
    let mut findings = vec![match exposed {
        0 => Finding::ok(format!(
            "guests reach {allowed} as the policy allows; {filtered} more only the walls keep them from"
        )),
        _ => {
            let found = format!("guests reach {} that the policy does not allow", count(exposed, "service"));
            Finding::error(
                found,
                "virt-guard services audit lists them and why; virt-guard apply if the walls do not stand",
            )
        }
    }];
    if broken_pins > 0 {
        let verb = if broken_pins == 1 { "listens" } else { "listen" };
        let found = format!("{} {verb} where guests are again", count(broken_pins, "pinned service"));
        findings.push(Finding::warning(found, "virt-guard services pins lists the pins; unpin, and pin again"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    #[test]
    fn one_exposed_service_is_an_error() {
        let counts = |exposed| Exposures { exposed, allowed: 2, filtered: 1, broken_pins: 0 };
        assert!(matches!(&judge(counts(0))[..], [finding] if finding.level == Level::Ok));
        let found = &judge(counts(1))[0];
        assert_eq!((found.level, found.found.contains("1 service that")), (Level::Error, true));
    }

    #[test]
    fn a_broken_pin_is_a_warning_beside_it() {
        let found = judge(Exposures { broken_pins: 2, ..Exposures::default() });
        assert_eq!((found[0].level, found[1].level), (Level::Ok, Level::Warning));
        assert!(found[1].found.starts_with("2 pinned services listen"), "{}", found[1].found);
    }
}
