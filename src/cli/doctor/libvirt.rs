//! Whether libvirt answers, and which one it is.

use super::checkup::Checkup;
use super::finding::Finding;
use crate::cli::guests::{Source, libvirt_version};
use crate::cli::table::count;

/// Since this version all of a folder's hooks are run (libvirt's news, 6.5.0).
pub(super) const FOLDERS: (u32, u32) = (6, 5);

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    let running = count(checkup.guests.running.domains.len(), "guest");
    let mut findings: Vec<_> = checkup.guests.running.problems.iter().map(|problem| unreadable(problem)).collect();
    findings.push(match &checkup.guests.source {
        Source::Libvirt => {
            let version = libvirt_version().map_or_else(|why| format!("({why})"), shown);
            Finding::ok(format!("libvirt {version} answers; {running} running"))
        }
        Source::OtherTree => Finding::ok(format!("not asked about another tree; {running} running there")),
        Source::StatusFiles(reason) => {
            let found = format!("libvirt does not answer: {reason}; by /run/libvirt/qemu {running} running");
            Finding::warning(found, "systemctl start libvirtd, or virtqemud where there is one")
        }
    });
    findings
}

fn unreadable(problem: &str) -> Finding {
    Finding::error(problem, "virsh dumpxml shows the guest's XML; it is not guarded while it cannot be read")
}

/// The version as its parts: 9000000 is 9.0.0 (virConnectGetLibVersion).
pub(super) fn parts(version: u32) -> (u32, u32, u32) {
    (version / 1_000_000, version / 1000 % 1000, version % 1000)
}

fn shown(version: u32) -> String {
    let (major, minor, release) = parts(version);
    format!("{major}.{minor}.{release}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_libvirt_writes_it() {
        assert_eq!((shown(9_000_000), shown(10_002_003)), ("9.0.0".to_owned(), "10.2.3".to_owned()));
        assert!((6, 4, 0) < (FOLDERS.0, FOLDERS.1, 0) && parts(6_005_000) >= (FOLDERS.0, FOLDERS.1, 0));
    }
}
