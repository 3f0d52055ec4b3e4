//! The guests by name: who is guarded, who is not, and who cannot be.

use std::collections::BTreeSet;

use super::checkup::Checkup;
use super::finding::Finding;
use crate::cli::chain;
use crate::cli::table::count;
use crate::facts::Domain;
use crate::reconcile::Error;

/// So many guests of a kind are named.
const NAMED: usize = 10;

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    let state = checkup.host.state();
    let untold: Vec<_> =
        checkup.guests.running.domains.iter().filter(|domain| state.guest(&domain.uuid).is_none()).collect();
    let mut findings = Vec::new();
    if !untold.is_empty() {
        let found = format!("not guarded, as virt-guard was never told of them: {}", names(&untold));
        findings.push(Finding::error(found, "virt-guard apply adopts them; see hook and hook-found"));
    }
    let Ok(policy) = &checkup.policy else { return findings };
    let known = match checkup.host.guests(&checkup.guests.running.domains) {
        Ok(known) => known,
        Err(error) => return vec![Finding::unknown(chain(&error), "look at /run/virt-guard/guests")],
    };
    for domain in &known {
        match checkup.host.desired(policy, &checkup.links, domain) {
            Ok(_) | Err(Error::Unguardable(_)) => {}
            Err(error) => {
                let found = format!("{:?}: {}", domain.name, chain(&error));
                findings.push(Finding::error(found, "mend the policy or the guest; its last good rules stay"));
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(format!("{} guarded", count(known.len(), "guest"))));
    }
    findings
}

/// Guests with interfaces that no rule can stand around.
pub(super) fn unguardable(checkup: &mut Checkup) -> Vec<Finding> {
    let Ok(policy) = &checkup.policy else { return Vec::new() };
    let known = checkup.host.guests(&checkup.guests.running.domains).unwrap_or_default();
    let mut findings = Vec::new();
    let mut let_be = BTreeSet::new();
    for domain in &known {
        match checkup.host.desired(policy, &checkup.links, domain) {
            Err(error @ Error::Unguardable(_)) => {
                let found = format!("{:?}: {}", domain.name, chain(&error));
                findings
                    .push(Finding::error(found, "attach it to a Linux bridge, or set unguardable = \"allow\" for it"));
            }
            Ok(desired) if !desired.unguarded.is_empty() => {
                let_be.insert(format!("{:?}: {}", domain.name, desired.unguarded.join("; ")));
            }
            _ => {}
        }
    }
    if findings.is_empty() {
        let let_be: Vec<_> = let_be.into_iter().collect();
        findings.push(Finding::ok(match let_be.as_slice() {
            [] => "no guest has an interface that cannot be guarded".to_owned(),
            all => format!("NOT guarded, as the policy has it: {}", some(all)),
        }));
    }
    findings
}

fn names(domains: &[&Domain]) -> String {
    some(&domains.iter().map(|domain| format!("{:?} ({})", domain.name, domain.uuid)).collect::<Vec<_>>())
}

fn some(all: &[String]) -> String {
    let named = all[..all.len().min(NAMED)].join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_of_many_are_named() {
        let all: Vec<_> = (0..12).map(|number| number.to_string()).collect();
        assert_eq!(some(&all[..2]), "0, 1");
        assert!(some(&all).ends_with("8, 9 and 2 more"));
    }
}
