//! The guests that run, as libvirt's own status files tell it.
//!
//! In: `/run/libvirt/qemu/*.xml`, which libvirt's QEMU driver keeps for each
//! guest that runs, to find it again after a restart of the daemon. Out: the
//! domains. It is what there is to go by where libvirt itself cannot be asked.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Domain;
use super::xml::MAX_BYTES;

/// Where libvirt's QEMU driver keeps the status files (`stateDir` in its sources).
const FOLDER: &str = "/run/libvirt/qemu";

/// The guests that run, as far as they can be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Running {
    /// The guests.
    pub domains: Vec<Domain>,
    /// Guests whose description cannot be read, and why, each on one line.
    pub problems: Vec<String>,
}

impl Running {
    /// Adds a guest, or what is wrong with its description.
    pub fn add(&mut self, domain: Result<Domain, impl ToString>) {
        match domain {
            Ok(domain) => self.domains.push(domain),
            Err(error) => self.problems.push(error.to_string()),
        }
    }

    /// Adds the guest of a status file, if it still runs.
    fn read(&mut self, path: &Path) {
        // Named by tenants: escaped before anybody is shown it.
        let name = path.file_name().unwrap_or_default().to_string_lossy().escape_debug().to_string();
        let file = format!("{FOLDER}/{name}");
        match read(path) {
            // The guest has stopped since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.add(Err(format!("{file}: {error}"))),
            Ok(bytes) => self.add(Domain::parse(bytes, &file)),
        }
    }
}

/// Reads the status files below `root`, which is `/` but for tests. No folder is
/// no guest: libvirt makes it when it first starts.
///
/// # Errors
/// The folder is there and cannot be listed.
pub fn running(root: &Path) -> io::Result<Running> {
    let mut running = Running::default();
    for path in files(&folder(root))? {
        running.read(&path);
    }
    Ok(running)
}

/// The guest whose status file has this name, if it runs: one guest, or one
/// problem, or none.
pub fn guest(root: &Path, file: &OsStr) -> Running {
    let mut running = Running::default();
    let path = folder(root).join(file);
    if is_status(&path) {
        running.read(&path);
    }
    running
}

/// Where the status files are below `root`.
pub fn folder(root: &Path) -> PathBuf {
    root.join(FOLDER.trim_start_matches('/'))
}

fn is_status(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "xml")
}

/// The status files, sorted.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|path| is_status(path));
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    // One byte more than the parser takes, so that it is the one to refuse.
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "<domstatus state='running' reason='booted' pid='7'><domain type='kvm'><name>web1</name>\
                          <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid></domain></domstatus>";

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("run/libvirt/qemu");
        fs::create_dir_all(&folder).unwrap();
        for (name, content) in files {
            fs::write(folder.join(name), content).unwrap();
        }
        root
    }

    #[test]
    fn where_libvirt_never_ran_no_guest_runs() {
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(running(empty.path()).unwrap(), Running::default());
    }

    #[test]
    fn status_files_are_read_and_others_are_left() {
        let root = root(&[("web1.xml", STATUS), ("web1.pid", "7"), ("driver.pid", "1")]);
        let found = running(root.path()).unwrap();
        assert_eq!(found.domains.iter().map(|domain| domain.name.as_str()).collect::<Vec<_>>(), ["web1"]);
        assert!(found.problems.is_empty());
    }

    #[test]
    fn one_broken_file_hides_no_other_guest() {
        let root = root(&[("a\u{1b}[2J.xml", "<domstatus>"), ("web1.xml", STATUS)]);
        fs::create_dir(root.path().join("run/libvirt/qemu/c.xml")).unwrap();
        let found = running(root.path()).unwrap();
        assert_eq!(found.domains.len(), 1);
        assert!(found.problems[0].starts_with("/run/libvirt/qemu/a\\u{1b}[2J.xml:1:"), "{:?}", found.problems);
        assert_eq!(found.problems[1], "/run/libvirt/qemu/c.xml: not a regular file");
    }
}
