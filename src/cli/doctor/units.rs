//! Whether systemd starts virt-guard at boot, and closes bridges before libvirt comes.

use std::fs;
use std::path::Path;

use super::checkup::Checkup;
use super::finding::Finding;
use crate::cli::install::below;

/// There if systemd is the service manager (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";
/// Where units are installed, the operator's own first (systemd.unit(5)).
const FOLDERS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// Where a unit is enabled by links.
const ENABLED: &str = "/etc/systemd/system";
const UNITS: [(&str, &str); 2] = [
    ("virt-guard.service", "after a reboot nobody puts back what others take away"),
    ("virt-guard-early.service", "after a reboot bridges are open until the first guest starts"),
];

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    if !below(&checkup.root, Path::new(SYSTEMD)).is_dir() {
        return vec![Finding::ok("systemd does not run here")];
    }
    let mut findings: Vec<_> =
        UNITS.iter().filter_map(|(unit, else_what)| judge(&checkup.root, unit, else_what)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok("virt-guard.service and virt-guard-early.service are enabled"));
    }
    findings
}

fn judge(root: &Path, unit: &str, else_what: &str) -> Option<Finding> {
    if !FOLDERS.iter().any(|folder| below(root, Path::new(folder)).join(unit).exists()) {
        let found = format!("{unit} is not installed: {else_what}");
        return Some(Finding::warning(
            found,
            "install the package, or the units of packaging/ into /etc/systemd/system",
        ));
    }
    let found = format!("{unit} is not enabled: {else_what}");
    (!is_enabled(root, unit)).then(|| Finding::warning(found, format!("systemctl enable {unit}")))
}

/// Whether another unit wants it, by a link in a folder `*.wants`.
pub(super) fn is_enabled(root: &Path, unit: &str) -> bool {
    let folders = fs::read_dir(below(root, Path::new(ENABLED))).into_iter().flatten();
    let mut wants = folders
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wants"));
    wants.any(|folder| fs::symlink_metadata(folder.join(unit)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_unit_is_missed_then_not_enabled_then_in_order() {
        let root = tempfile::tempdir().unwrap();
        let unit = UNITS[0].0;
        assert!(judge(root.path(), unit, "").unwrap().found.contains("not installed"));
        let folder = root.path().join("usr/lib/systemd/system");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(unit), "").unwrap();
        assert_eq!(judge(root.path(), unit, "").unwrap().remedy.unwrap(), "systemctl enable virt-guard.service");
        let wants = root.path().join("etc/systemd/system/multi-user.target.wants");
        fs::create_dir_all(&wants).unwrap();
        // As it is seen from outside of the tree, it leads nowhere.
        symlink("/nowhere/virt-guard.service", wants.join(unit)).unwrap();
        assert_eq!(judge(root.path(), unit, ""), None);
    }
}
