//! Whose a socket is: the processes that hold it, and the units of systemd that these
//! belong to.
//!
//! In: the files of all processes (proc(5)). Out: [`Owner`]s by the socket's inode.
//! What vanishes while it is read is left out. Names are what the processes say of
//! themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Who holds the sockets of socket units until somebody comes (systemd.socket(5)).
const INIT: u32 = 1;
/// What is shown for a socket that systemd holds itself until it has said which unit's it
/// is (`units`).
const SOCKET_UNIT: &str = "*.socket";

/// A process that holds a socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Owner {
    /// Its number.
    pub pid: u32,
    /// Its name, as it says itself: 15 bytes at most, of any kind.
    pub command: String,
    /// The unit of systemd that it is in; `*.socket` for systemd itself.
    pub unit: Option<String>,
}

impl Owner {
    /// Whether it is systemd itself, which holds the sockets of its socket units.
    pub(super) fn is_init(&self) -> bool {
        self.pid == INIT && self.command == "systemd"
    }
}

/// The processes that hold the sockets with these inodes, each socket's by number.
///
/// # Errors
/// The processes cannot be listed. Those whose files may not be read are left out.
pub fn owners(inodes: &BTreeSet<u32>) -> io::Result<BTreeMap<u32, Vec<Owner>>> {
    let mut owners: BTreeMap<u32, Vec<Owner>> = BTreeMap::new();
    let name = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let mut pids: Vec<u32> = fs::read_dir("/proc")?.filter_map(|entry| name(entry.ok()?)).collect();
    pids.sort_unstable();
    for pid in pids {
        let process = Path::new("/proc").join(pid.to_string());
        let held: BTreeSet<_> = held(&process).into_iter().filter(|inode| inodes.contains(inode)).collect();
        let owner = if held.is_empty() { None } else { owner(pid, &process) };
        for inode in held {
            owners.entry(inode).or_default().extend(owner.clone());
        }
    }
    Ok(owners)
}

/// Of the processes that hold a socket the one that it is mostly told by: the first, which
/// made it most likely. One that was handed over by systemd is the service's.
pub fn holder(owners: &[Owner]) -> Option<&Owner> {
    owners.iter().find(|owner| owner.pid != INIT).or_else(|| owners.first())
}

/// The inodes of the sockets among the files of a process.
fn held(process: &Path) -> Vec<u32> {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return Vec::new() };
    let inode = |file: fs::DirEntry| socket(fs::read_link(file.path()).ok()?.to_str()?);
    files.filter_map(|file| inode(file.ok()?)).collect()
}

/// The inode in `socket:[123]`.
fn socket(target: &str) -> Option<u32> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn owner(pid: u32, process: &Path) -> Option<Owner> {
    let command = fs::read(process.join("comm")).ok()?;
    let command = String::from_utf8_lossy(command.strip_suffix(b"\n").unwrap_or(&command)).into_owned();
    let unit = if pid == INIT && command == "systemd" {
        Some(SOCKET_UNIT.to_owned())
    } else {
        unit(&fs::read_to_string(process.join("cgroup")).unwrap_or_default())
    };
    Some(Owner { pid, command, unit })
}

/// The innermost unit on the path of a control group: `0::/system.slice/ssh.service`
/// (cgroups(7)). With the old hierarchies any that names one will do.
fn unit(cgroup: &str) -> Option<String> {
    let is_unit = |part: &&str| [".service", ".scope", ".socket"].iter().any(|kind| part.ends_with(kind));
    let of_line = |line: &str| line.splitn(3, ':').nth(2)?.rsplit('/').find(is_unit).map(str::to_owned);
    cgroup.lines().find_map(of_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_told_from_other_files() {
        assert_eq!(socket("socket:[4711]"), Some(4711));
        for other in ["pipe:[4711]", "/dev/null", "socket:[x]", "socket:[4711", "anon_inode:[eventpoll]"] {
            assert_eq!(socket(other), None, "{other}");
        }
    }

    #[test]
    fn a_process_is_of_the_innermost_unit() {
        for (cgroup, expected) in [
            ("0::/system.slice/ssh.service\n", Some("ssh.service")),
            ("0::/user.slice/user-0.slice/session-3.scope\n", Some("session-3.scope")),
            ("0::/user.slice/user-9.slice/user@9.service/app.slice/x.service/sub\n", Some("x.service")),
            ("4:cpu:/\n1:name=systemd:/system.slice/nova:api.service\n0::/\n", Some("nova:api.service")),
            ("0::/init\n", None),
            ("", None),
        ] {
            assert_eq!(unit(cgroup).as_deref(), expected, "{cgroup}");
        }
    }

    #[test]
    fn a_process_is_found_by_its_socket() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let inode = std::os::fd::AsRawFd::as_raw_fd(&socket);
        let link = fs::read_link(format!("/proc/self/fd/{inode}")).unwrap();
        let inode = super::socket(link.to_str().unwrap()).unwrap();
        let found = owners(&[inode].into()).unwrap();
        assert_eq!(found[&inode].iter().map(|owner| owner.pid).collect::<Vec<_>>(), [std::process::id()]);
    }
}
