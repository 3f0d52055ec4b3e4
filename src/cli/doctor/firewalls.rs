//! Other firewalls of this host: who takes rules away, and who drops what guests send.

use std::fs;
use std::path::Path;

use super::checkup::Checkup;
use super::finding::Finding;
use super::units::is_enabled;
use crate::cli::install::below;
use crate::kernel::bridge_netfilter_stands;

/// What is known of another firewall.
struct Known {
    name: &'static str,
    /// How to have it let bridged packets pass.
    remedy: &'static str,
}

const FIREWALLD: Known = Known {
    name: "firewalld",
    remedy: "put the guests' bridges into a zone that lets them: firewall-cmd --permanent --zone=trusted --add-interface=br100",
};
const UFW: Known =
    Known { name: "ufw", remedy: "ufw route allow in on br100 out on br100, for each of the guests' bridges" };
const DOCKER: Known = Known {
    name: "docker",
    remedy: "iptables -I DOCKER-USER -i br100 -o br100 -j ACCEPT, for each of the guests' bridges, and keep it by [[preserve]]",
};

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    let there = [
        (FIREWALLD, checkup.runs("firewalld")),
        (UFW, is_on(&read(checkup, "/etc/ufw/ufw.conf"))),
        (DOCKER, checkup.runs("dockerd")),
    ];
    let running: Vec<_> = there.into_iter().filter(|(_, there)| *there).map(|(known, _)| known).collect();
    let mut findings = judge(&running, bridge_netfilter_stands());
    let flushes = read(checkup, "/etc/nftables.conf").lines().any(|line| line.trim() == "flush ruleset");
    findings.extend(flushing(flushes && is_enabled(&checkup.root, "nftables.service")));
    if findings.is_empty() {
        findings.push(Finding::ok(names(&running)));
    }
    findings
}

fn read(checkup: &Checkup, path: &str) -> String {
    fs::read_to_string(below(&checkup.root, Path::new(path))).unwrap_or_default()
}

/// Whether ufw is on, by its own file (ufw(8)).
fn is_on(conf: &str) -> bool {
    conf.lines().any(|line| line.trim().eq_ignore_ascii_case("enabled=yes"))
}

fn names(running: &[Known]) -> String {
    let names: Vec<_> = running.iter().map(|known| known.name).collect();
    match names.as_slice() {
        [] => "no other firewall runs".to_owned(),
        names => format!("{} runs and sees no bridged packet; what it takes away is put back", names.join(", ")),
    }
}

/// What forwards nothing by itself drops what crosses a bridge, too, where bridged packets
/// go through iptables (`bridge-nf-call-iptables`).
fn judge(running: &[Known], bridged: bool) -> Vec<Finding> {
    let finding = |known: &Known| {
        let found = format!("{} runs and sees bridged packets, too: it may drop what guests send", known.name);
        Finding::warning(found, known.remedy)
    };
    running.iter().filter(|_| bridged).map(finding).collect()
}

fn flushing(flushes: bool) -> Option<Finding> {
    flushes.then(|| {
        Finding::warning(
            "nftables.service is enabled, and /etc/nftables.conf flushes all rules, ours and libvirt's",
            "replace flush ruleset there by lines for its own tables: table inet filter, then delete table inet filter",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sees_bridged_packets_may_drop_them() {
        assert!(judge(&[DOCKER], false).is_empty());
        let found = judge(&[DOCKER, UFW], true);
        assert_eq!(found.len(), 2);
        assert!(found[0].remedy.as_ref().unwrap().contains("DOCKER-USER"));
        assert_eq!(names(&[]), "no other firewall runs");
        assert!(names(&[FIREWALLD, DOCKER]).starts_with("firewalld, docker runs"));
    }

    #[test]
    fn ufw_is_on_as_its_file_says() {
        assert!(is_on("# ufw\nENABLED=yes\nLOGLEVEL=low\n"));
        assert!(!is_on("ENABLED=no\n") && !is_on("#ENABLED=yes\n") && !is_on(""));
    }
}
