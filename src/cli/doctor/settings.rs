//! The kernel's settings that rules depend on (sysctl(8)).

use std::collections::BTreeSet;

use super::checkup::Checkup;
use super::finding::Finding;
use crate::engine::EngineKind;
use crate::facts::policy::Policy;
use crate::kernel::forwarding;
use crate::kernel::inspect::sysctl;
use crate::net::Family;

/// Whether bridged packets go through iptables.
const CALLS: [&str; 2] = ["net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"];
/// From so many parts of a hundred on connection tracking counts as nearly full.
const NEARLY_FULL: u64 = 90;

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    let engine = checkup.engine();
    let calls = CALLS.map(sysctl);
    let mut findings = bridged(engine, &calls);
    if let Ok(policy) = &checkup.policy {
        findings.extend(families(policy).into_iter().filter(|family| !forwarding(*family)).map(not_forwarding));
    }
    let number = |name| sysctl(name).and_then(|text| text.parse().ok());
    findings.extend(full(number("net.netfilter.nf_conntrack_count"), number("net.netfilter.nf_conntrack_max")));
    if findings.is_empty() {
        let [four, six] = calls.map(|call| call.unwrap_or_else(|| "not there".to_owned()));
        findings.push(Finding::ok(format!("bridge-nf-call-iptables {four}, bridge-nf-call-ip6tables {six}")));
    }
    findings
}

/// Of the iptables engine no rule sees a bridged packet without them.
fn bridged(engine: Option<EngineKind>, calls: &[Option<String>; 2]) -> Vec<Finding> {
    if engine != Some(EngineKind::Iptables) {
        return Vec::new();
    }
    let off = CALLS.iter().zip(calls).filter(|(_, value)| value.as_deref() != Some("1"));
    let finding = |(name, value): (&&str, &Option<String>)| {
        let found = format!("{name} is {}", value.as_deref().unwrap_or("not there"));
        Finding::error(found, format!("modprobe br_netfilter, then sysctl -w {name}=1; virt-guard apply does both"))
    };
    off.map(finding).collect()
}

/// The families in which an address of the host's side leads to a guest.
fn families(policy: &Policy) -> BTreeSet<Family> {
    let floating = policy.floating.iter().map(|floating| Family::of(floating.address.value));
    // A forward of both families works in the one that the guest has.
    floating.chain(policy.forwards.iter().filter_map(|forward| forward.family)).collect()
}

fn not_forwarding(family: Family) -> Finding {
    let setting = match family {
        Family::V4 => "net.ipv4.ip_forward",
        Family::V6 => "net.ipv6.conf.all.forwarding",
    };
    let found = format!("{setting} is not 1, and the policy has floating IPs or forwards of {family}");
    Finding::error(found, format!("virt-guard apply sets it or says why it cannot; or sysctl -w {setting}=1"))
}

/// A full table drops packets of connections that are new.
fn full(used: Option<u64>, most: Option<u64>) -> Option<Finding> {
    let (used, most) = used.zip(most)?;
    (most > 0 && used * 100 >= most * NEARLY_FULL).then(|| {
        let found = format!("connection tracking holds {used} of {most} connections");
        Finding::warning(found, format!("sysctl -w net.netfilter.nf_conntrack_max={}", most * 2))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridged_packets_matter_to_the_iptables_engine_only() {
        let off = [Some("0".to_owned()), None];
        assert!(bridged(Some(EngineKind::Nftables), &off).is_empty());
        let found = bridged(Some(EngineKind::Iptables), &off);
        assert_eq!(found.len(), 2);
        assert!(found[1].found.ends_with("bridge-nf-call-ip6tables is not there"), "{}", found[1].found);
        assert!(bridged(Some(EngineKind::Iptables), &[Some("1".to_owned()), Some("1".to_owned())]).is_empty());
    }

    #[test]
    fn a_nearly_full_table_is_told_of() {
        assert!(
            full(Some(89), Some(100)).is_none() && full(None, Some(1)).is_none() && full(Some(0), Some(0)).is_none()
        );
        assert!(full(Some(90), Some(100)).unwrap().remedy.unwrap().ends_with("=200"));
    }
}
