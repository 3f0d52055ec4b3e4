//! What an operator would look at by hand: versions of programs, the kernel's log,
//! which walls around programs are up.
//!
//! In: a name. Out: text, as it was said. Nothing is changed, nothing is judged.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::programs::{Command, Deadline, RunError, Runner};

/// So much of the end of an audit log is read, in bytes.
const AUDIT_TAIL: u64 = 1024 * 1024;

/// The first line that a program says of its version.
///
/// # Errors
/// It is not there, or does not say.
pub fn version(runner: &mut dyn Runner, program: &str, deadline: Deadline) -> Result<String, RunError> {
    // ip(8) knows no --version.
    let option = if program == "ip" { "-Version" } else { "--version" };
    let said = runner.run(&Command::new(program, [option]), deadline)?;
    Ok(said.lines().next().unwrap_or_default().trim().to_owned())
}

/// The kernel's log since it started, as far as it is still there (dmesg(1)).
///
/// # Errors
/// It may not be read.
pub fn kernel_log(runner: &mut dyn Runner, deadline: Deadline) -> Result<String, RunError> {
    runner.run(&Command::new("dmesg", []), deadline)
}

/// The end of the audit log below `root`; nothing if there is none (auditd(8)).
///
/// # Errors
/// It is there and cannot be read.
pub fn audit_log(root: &Path) -> io::Result<Option<String>> {
    let mut file = match File::open(root.join("var/log/audit/audit.log")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(AUDIT_TAIL)))?;
    let mut bytes = Vec::new();
    file.take(AUDIT_TAIL).read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Whether AppArmor confines programs of this machine (its module's parameter).
pub fn apparmor_is_on() -> bool {
    fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.trim() == "Y")
}

/// Whether SELinux refuses what its policy does not allow (selinuxfs).
pub fn selinux_enforces() -> bool {
    fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1")
}

/// A setting of the kernel by its name in sysctl(8); nothing if there is none.
pub fn sysctl(name: &str) -> Option<String> {
    let path = Path::new("/proc/sys").join(name.replace('.', "/"));
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::fake::Sequence;
    use std::time::Duration;

    #[test]
    fn a_version_is_the_first_line_and_ip_is_asked_in_its_own_way() {
        let deadline = Deadline::after(Duration::from_secs(1));
        let mut runner = Sequence::new([("nft --version", "nftables v1.0.6 (x)\nmore\n"), ("ip -Version", "ip 6.1\n")]);
        assert_eq!(version(&mut runner, "nft", deadline).unwrap(), "nftables v1.0.6 (x)");
        assert_eq!(version(&mut runner, "ip", deadline).unwrap(), "ip 6.1");
    }

    #[test]
    fn an_audit_log_is_read_from_its_end() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(audit_log(root.path()).unwrap(), None);
        let folder = root.path().join("var/log/audit");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("audit.log"), "x".repeat(1024 * 1024) + "\nend").unwrap();
        let tail = audit_log(root.path()).unwrap().unwrap();
        assert_eq!((tail.len(), tail.ends_with("\nend")), (1024 * 1024, true));
    }
}
