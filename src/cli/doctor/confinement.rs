//! Whether AppArmor or SELinux refused something to virt-guard or to libvirt's hooks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::checkup::Checkup;
use super::finding::Finding;
use crate::cli::table::count;
use crate::kernel::inspect::{apparmor_is_on, audit_log, kernel_log, selinux_enforces};

/// What is older was mended, or nobody minds.
const RECENT: Duration = Duration::from_secs(24 * 3600);
/// So much of a line is shown.
const SHOWN: usize = 300;

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    let (apparmor, selinux) = (apparmor_is_on(), selinux_enforces());
    let walls: Vec<_> = [("AppArmor", apparmor), ("SELinux", selinux)].into_iter().filter(|(_, on)| *on).collect();
    let walls = walls.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" and ");
    if walls.is_empty() {
        return vec![Finding::ok("neither AppArmor nor SELinux is on")];
    }
    let kernel = kernel_log(&mut checkup.programs, checkup.deadline).map_err(|error| error.to_string());
    let audit = audit_log(&checkup.root).map_err(|error| error.to_string());
    match (kernel, audit) {
        // With auditd what was refused is in its log alone.
        (_, Ok(Some(log))) => vec![judge(&walls, &log, checkup.now)],
        (Ok(log), Ok(None)) => vec![judge(&walls, &log, checkup.now)],
        (Ok(_), Err(why)) | (Err(why), _) => {
            vec![Finding::unknown(
                format!("{walls} is on, and its log cannot be read: {why}"),
                "look for DENIED in journalctl -k",
            )]
        }
    }
}

fn judge(walls: &str, log: &str, now: SystemTime) -> Finding {
    let denied: Vec<_> = log.lines().filter(|line| is_denial(line) && is_recent(line, now)).collect();
    let Some(last) = denied.last() else { return Finding::ok(format!("{walls} refused nothing within a day")) };
    let last: String = last.chars().take(SHOWN).collect();
    let remedy = if last.contains("apparmor=") {
        "allow it in /etc/apparmor.d/local/ for the profile named, then systemctl reload apparmor"
    } else {
        "ausearch -m avc -c virt-guard-hook | audit2allow shows what to allow; restorecon -R /etc/libvirt/hooks /usr/sbin"
    };
    Finding::error(format!("{walls} refused {}, last: {last}", count(denied.len(), "access")), remedy)
}

/// Whether the line tells of a refusal that is about our programs or libvirt's hooks.
fn is_denial(line: &str) -> bool {
    let refused = line.contains("apparmor=\"DENIED\"") || (line.contains("avc:") && line.contains("denied"));
    refused && ["virt-guard", "libvirt/hooks", "virt_guard"].iter().any(|word| line.contains(word))
}

/// Both write `audit(SECONDS.MILLISECONDS:NUMBER)`; without it nobody knows.
fn is_recent(line: &str, now: SystemTime) -> bool {
    let seconds = line.split_once("audit(").and_then(|(_, rest)| rest.split(['.', ':']).next()?.parse().ok());
    let then = seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
    then.and_then(|then| now.duration_since(then).ok()).is_none_or(|age| age < RECENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    const APPARMOR: &str = "[ 9.1] audit: type=1400 audit(1000000.000:9): apparmor=\"DENIED\" operation=\"exec\" \
                            profile=\"libvirtd\" name=\"/usr/sbin/virt-guard-hook\" pid=9 comm=\"rpc-worker\"";
    const SELINUX: &str = "type=AVC msg=audit(1000000.5:7): avc:  denied  { execute } for  pid=9 comm=\"50-virt-guard\" \
                           name=\"virt-guard-hook\" scontext=system_u:system_r:virtd_t:s0";

    fn level(log: &str, now: u64) -> Level {
        judge("AppArmor", log, UNIX_EPOCH + Duration::from_secs(now)).level
    }

    #[test]
    fn what_was_refused_of_ours_is_told_for_a_day() {
        for line in [APPARMOR, SELINUX] {
            assert_eq!(level(line, 1_000_100), Level::Error, "{line}");
            assert_eq!(level(line, 1_000_000 + 25 * 3600), Level::Ok, "{line}");
        }
    }

    #[test]
    fn what_is_about_others_or_was_allowed_is_not_told() {
        let other = APPARMOR.replace("virt-guard-hook", "qemu-system-x86_64");
        let allowed = APPARMOR.replace("DENIED", "ALLOWED");
        assert_eq!(level(&format!("{other}\n{allowed}\n"), 1_000_100), Level::Ok);
    }

    #[test]
    fn the_remedy_is_that_of_who_refused() {
        let remedy = |line| judge("x", line, UNIX_EPOCH).remedy.unwrap();
        assert!(remedy(APPARMOR).contains("apparmor.d/local") && remedy(SELINUX).contains("audit2allow"));
    }
}
