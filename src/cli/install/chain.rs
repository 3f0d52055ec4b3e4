//! Somebody's hook in the one place that libvirt before 6.5 knows, run after ours.
//!
//! In: a driver's classic place. Out: what stood there moved beside it, and the shim
//! that gives both programs what libvirt gives to one. Nothing is ever overwritten.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::quoted;

/// What a moved hook's name ends with; libvirt runs no file of such a name.
const MOVED: &str = "before-virt-guard";
/// The last line of each shim begins like this.
const LAST: &str = "exec \"$program\"";

/// Where the hook goes that stands at `classic`.
pub(super) fn moved(classic: &Path) -> PathBuf {
    classic.with_extension(MOVED)
}

/// Whether a hook of somebody's was moved away from `classic`.
pub(super) fn is_chained(classic: &Path) -> bool {
    fs::symlink_metadata(moved(classic)).is_ok()
}

/// The shim `text`, which then runs `theirs`, as libvirt knows its path. What that
/// exits with is what the whole exits with, unless ours has refused before; what it
/// prints is its answer, for ours prints nothing. libvirt runs no hook that is not
/// executable, and so does the shim.
pub(super) fn render(text: &[u8], driver: &str, theirs: &Path) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let head: String = text
        .lines()
        .take_while(|line| !line.starts_with("# The removal") && !line.starts_with(LAST))
        .map(|line| format!("{line}\n"))
        .collect();
    let theirs = String::from_utf8_lossy(&quoted(theirs)).into_owned();
    let tail = format!(
        "theirs={theirs}\n\
         # Both read what libvirt gives to one. The dot keeps the newlines at its end.\n\
         input=$(cat; echo .)\n\
         printf %s \"${{input%.}}\" | \"$program\" {driver} \"$@\" || exit\n\
         [ -x \"$theirs\" ] || exit 0\n\
         printf %s \"${{input%.}}\" | \"$theirs\" \"$@\"\n"
    );
    (head + &tail).into_bytes()
}

/// Takes our shim away from `path`; a hook that was moved for it comes back in the
/// same moment.
///
/// # Errors
/// Neither could be done; the shim is still there.
pub(super) fn take_away(path: &Path) -> io::Result<()> {
    if is_chained(path) { fs::rename(moved(path), path) } else { fs::remove_file(path) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};

    /// Writes an executable script.
    fn script(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs the chained shim with this program of ours: exit code and output.
    fn run(folder: &Path, ours: &str) -> (i32, String) {
        let [program, theirs, shim] = ["ours", "theirs", "qemu"].map(|name| folder.join(name));
        script(&program, ours);
        script(&theirs, "#!/bin/sh\necho \"$@\"; cat; exit 3\n");
        let text = format!("#!/bin/sh\nprogram={}\nexec \"$program\" qemu \"$@\"\n", program.display());
        script(&shim, &String::from_utf8(render(text.as_bytes(), "qemu", &theirs)).unwrap());
        let mut child = Command::new("/bin/sh")
            .args([shim.to_str().unwrap(), "a b", "start"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"<x>\\n%s</x>\n\n").unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn both_read_all_and_the_second_answers() {
        let folder = tempfile::tempdir().unwrap();
        let ours = format!("#!/bin/sh\ncat >{}/read\n", folder.path().display());
        assert_eq!(run(folder.path(), &ours), (3, "a b start\n<x>\\n%s</x>\n\n".to_owned()));
        assert_eq!(fs::read(folder.path().join("read")).unwrap(), b"<x>\\n%s</x>\n\n");
    }

    #[test]
    fn what_ours_refuses_the_second_does_not_see() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(run(folder.path(), "#!/bin/sh\ncat >/dev/null; exit 1\n"), (1, String::new()));
    }
}
