//! Whether the bridges that the policy guards are there.

use super::checkup::Checkup;
use super::finding::Finding;
use crate::facts::policy::BridgePolicy;
use crate::kernel::Links;
use crate::net::IfName;

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    let Ok(policy) = &checkup.policy else { return Vec::new() };
    judge(&policy.bridges, &checkup.links)
}

fn judge(guarded: &[BridgePolicy], links: &Links) -> Vec<Finding> {
    let is_there = |bridge: &&BridgePolicy| links.bridges().any(|name| bridge.pattern.matches(name));
    let (there, missing): (Vec<_>, Vec<_>) = guarded.iter().partition(is_there);
    // Nobody wrote the default ones, so one of them is enough.
    let mut findings: Vec<_> = missing
        .iter()
        .filter_map(|bridge| Some((bridge, bridge.place.as_ref()?)))
        .map(|(bridge, place)| {
            let found = format!("{place}: no bridge {} is there", bridge.pattern);
            Finding::warning(found, "make the bridge, or mend its name in the policy")
        })
        .collect();
    if there.is_empty() {
        let patterns: Vec<_> = guarded.iter().map(|bridge| bridge.pattern.to_string()).collect();
        let found = format!("no guarded bridge is there ({})", patterns.join(", "));
        findings = vec![Finding::warning(found, "name the guests' bridges in virt-guard.toml: [bridges.\"br0\"]")];
    }
    if findings.is_empty() {
        let guarded = |name: &&IfName| there.iter().any(|bridge| bridge.pattern.matches(name));
        let names: Vec<_> = links.bridges().filter(guarded).map(ToString::to_string).collect();
        findings.push(Finding::ok(format!("guarded: {}", names.join(", "))));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;
    use crate::facts::Place;
    use crate::facts::policy::{Policy, UnknownPorts, Uplinks};
    use crate::kernel::{Link, LinkKind};

    fn links(names: &[&str]) -> Links {
        let bridge = |name: &&str| {
            let link = Link { kind: LinkKind::Virtual("bridge".to_owned()), master: None };
            (name.parse().unwrap(), link)
        };
        Links::new(names.iter().map(bridge))
    }

    #[test]
    fn one_of_the_default_bridges_is_enough_and_none_is_not() {
        let defaults = Policy::default().bridges;
        assert_eq!(judge(&defaults, &links(&["virbr0"])), [Finding::ok("guarded: virbr0")]);
        assert_eq!(judge(&defaults, &links(&["br7"]))[0].level, Level::Warning);
    }

    #[test]
    fn a_bridge_that_somebody_wrote_is_missed() {
        let named = |pattern: &str| BridgePolicy {
            pattern: pattern.parse().unwrap(),
            uplinks: Uplinks::Detected,
            unknown_ports: UnknownPorts::Drop,
            place: Some(Place { file: "/etc/x".to_owned(), line: 3, column: 1 }),
        };
        let found = judge(&[named("br0"), named("br1")], &links(&["br1"]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].found, "/etc/x:3:1: no bridge br0 is there");
    }
}
