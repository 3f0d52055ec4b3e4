//! Whether the hook is where libvirt looks, can be run, and is of this version.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::checkup::Checkup;
use super::finding::Finding;
use super::libvirt::{FOLDERS, parts};
use crate::cli::guests::{Source, libvirt_version};
use crate::cli::install::{HOOKS, below, places};
use crate::kernel::inspect::version;

/// The driver without whose hook nothing is guarded as it starts.
const QEMU: &str = "qemu";
const DRIVERS: [&str; 3] = [QEMU, "network", "daemon"];
const PROGRAM: &str = "virt-guard-hook";

/// A script that runs the hook program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shim {
    /// Where it is, as libvirt knows it.
    pub path: PathBuf,
    /// The program that it runs, if it can be told.
    pub program: Option<PathBuf>,
    /// Whether libvirt would run it.
    pub is_executable: bool,
}

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    let root = checkup.root.clone();
    let mut findings: Vec<_> = DRIVERS.iter().flat_map(|driver| of_driver(driver, &shims(&root, driver))).collect();
    let qemu = shims(&root, QEMU);
    findings.extend(too_old(checkup, &qemu));
    if let Some(program) = qemu.first().and_then(|shim| shim.program.clone()) {
        findings.extend(of_program(checkup, &program));
    }
    if findings.is_empty() {
        let paths: Vec<_> = qemu.iter().map(|shim| shim.path.display().to_string()).collect();
        findings.push(Finding::ok(format!(
            "{}, network and daemon likewise, {}",
            paths.join(", "),
            env!("CARGO_PKG_VERSION")
        )));
    }
    findings
}

/// The scripts of `driver` that run the hook program, in the order in which libvirt
/// would run them.
pub(super) fn shims(root: &Path, driver: &str) -> Vec<Shim> {
    let [in_folder, classic] = places(Path::new(HOOKS), driver);
    let mut paths = vec![classic];
    let folder = in_folder.parent().unwrap_or(&in_folder);
    let mut others: Vec<_> = fs::read_dir(below(root, folder))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(folder.join(entry.ok()?.file_name())))
        .collect();
    others.sort();
    paths.extend(others);
    paths.into_iter().filter_map(|path| shim(root, path)).collect()
}

fn shim(root: &Path, path: PathBuf) -> Option<Shim> {
    let here = below(root, &path);
    let text = fs::read(&here).ok()?;
    let text = String::from_utf8_lossy(&text);
    if !text.starts_with("#!") || !text.contains(PROGRAM) {
        return None;
    }
    let is_executable = fs::metadata(&here).is_ok_and(|file| file.permissions().mode() & 0o111 != 0);
    Some(Shim { program: program(&text), path, is_executable })
}

/// The first word that is a path to the hook program.
fn program(text: &str) -> Option<PathBuf> {
    let code = text.lines().filter(|line| !line.starts_with('#'));
    let mut words = code.flat_map(|line| line.split([' ', '=', '"', '\'']));
    words.find(|word| word.starts_with('/') && word.ends_with(PROGRAM)).map(PathBuf::from)
}

fn of_driver(driver: &str, shims: &[Shim]) -> Vec<Finding> {
    let install = "virt-guard install, then systemctl reload libvirtd (or virtqemud and virtnetworkd)";
    let missing = format!("no hook of virt-guard for {driver} in {HOOKS}");
    let mut findings = match (shims, driver) {
        ([], QEMU) => vec![Finding::error(format!("{missing}: no guest is guarded as it starts"), install)],
        ([], _) => {
            vec![Finding::warning(format!("{missing}: only the daemon sees to new networks and reloads"), install)]
        }
        ([_], _) => Vec::new(),
        ([first, second, ..], _) => {
            let found = format!("{} and {} both run the hook", first.path.display(), second.path.display());
            vec![Finding::warning(found, "virt-guard install removes the one of ours that is not needed")]
        }
    };
    for shim in shims.iter().filter(|shim| !shim.is_executable) {
        let path = shim.path.display();
        findings.push(Finding::error(format!("{path} is not executable"), format!("chmod 755 {path}")));
    }
    findings
}

/// libvirt before 6.5 looks into no folder.
fn too_old(checkup: &Checkup, shims: &[Shim]) -> Option<Finding> {
    let classic = places(Path::new(HOOKS), QEMU)[1].clone();
    if shims.is_empty() || shims.iter().any(|shim| shim.path == classic) {
        return None;
    }
    let Source::Libvirt = checkup.guests.source else { return None };
    let (major, minor, _) = libvirt_version().ok().map(parts)?;
    ((major, minor) < FOLDERS).then(|| {
        let found = format!("libvirt {major}.{minor} does not look into {HOOKS}/{QEMU}.d");
        Finding::error(found, "virt-guard install --classic, then systemctl reload libvirtd")
    })
}

/// A shim that cannot run its program stops every guest from starting.
fn of_program(checkup: &mut Checkup, program: &Path) -> Option<Finding> {
    let here = below(&checkup.root, program);
    let path = program.display();
    let executable = fs::metadata(&here).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    if !executable {
        let found = format!("{path}, which the hook runs, is not an executable file: no guest starts");
        return Some(Finding::error(found, "install the package again, or virt-guard install --hook-program PATH"));
    }
    if !checkup.is_this_machine() {
        return None;
    }
    let ours = concat!("virt-guard-hook ", env!("CARGO_PKG_VERSION"));
    let said = version(&mut checkup.programs, &here.to_string_lossy(), checkup.deadline);
    let said = said.unwrap_or_else(|_| "one that tells no version".to_owned());
    let found = format!("{path} is {said}, and this is virt-guard {}", env!("CARGO_PKG_VERSION"));
    (said != ours).then(|| Finding::warning(found, "install both programs of one version"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    fn root(files: &[(&str, &str, u32)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text, mode) in files {
            let path = below(root.path(), Path::new(HOOKS)).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        root
    }

    fn levels(root: &Path, driver: &str) -> Vec<Level> {
        of_driver(driver, &shims(root, driver)).iter().map(|finding| finding.level).collect()
    }

    const OURS: &str = include_str!("../../../hooks/qemu");
    const BY_HAND: &str = "#!/bin/sh\nexec /opt/virt-guard-hook qemu \"$@\"\n";

    #[test]
    fn the_shim_that_is_shipped_is_one() {
        let root = root(&[("qemu.d/50-virt-guard", OURS, 0o755)]);
        let expected = Shim {
            path: "/etc/libvirt/hooks/qemu.d/50-virt-guard".into(),
            program: Some("/usr/sbin/virt-guard-hook".into()),
            is_executable: true,
        };
        assert_eq!(shims(root.path(), QEMU), [expected]);
        assert!(levels(root.path(), QEMU).is_empty());
        assert_eq!(levels(root.path(), "network"), [Level::Warning]);
    }

    #[test]
    fn one_made_by_hand_counts_and_somebody_elses_does_not() {
        let hand = root(&[("qemu", BY_HAND, 0o755)]);
        assert_eq!(shims(hand.path(), QEMU)[0].program.as_deref(), Some(Path::new("/opt/virt-guard-hook")));
        let foreign = root(&[("qemu", "#!/bin/sh\necho hello\n", 0o755)]);
        assert_eq!(levels(foreign.path(), QEMU), [Level::Error]);
    }

    #[test]
    fn what_would_not_run_or_run_twice_is_told() {
        let root = root(&[("qemu.d/50-virt-guard", OURS, 0o644), ("qemu", BY_HAND, 0o755)]);
        assert_eq!(levels(root.path(), QEMU), [Level::Warning, Level::Error]);
    }
}
