//! The processes of this machine that live in our network namespace.
//!
//! In: the files of all processes (proc(5)). Out: what each is called and since when it
//! runs. Those of other namespaces have rules, bridges and guests of their own and are
//! left out, and so is what vanishes while it is read.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::unistd::{SysconfVar, sysconf};

/// Ancestors beyond these are nobody who runs a program of ours.
const MOST_ANCESTORS: usize = 4;

/// Fields of proc_pid_stat(5), counted from 1.
const PARENT: usize = 4;
const BEGAN: usize = 22;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name, as it says itself: 15 bytes at most, of any kind.
    pub command: String,
    /// What it was started with, the program first.
    pub arguments: Vec<String>,
    /// Since when it runs; exact to a second, as the clock was at boot.
    pub since: SystemTime,
    /// Whether the file that it runs was removed or replaced since.
    pub is_outdated: bool,
}

/// The processes in this network namespace, by number.
///
/// # Errors
/// They cannot be listed.
pub fn processes() -> io::Result<Vec<Process>> {
    let here = fs::read_link("/proc/self/ns/net")?;
    let boot = boot_time()?;
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let mut pids: Vec<u32> = fs::read_dir("/proc")?.filter_map(|entry| number(entry.ok()?)).collect();
    pids.sort_unstable();
    let is_here = |pid: &u32| fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|there| there == here);
    Ok(pids.into_iter().filter(is_here).filter_map(|pid| process(pid, boot)).collect())
}

/// The process that runs this one, and who runs that, nearest first.
pub fn ancestors() -> Vec<u32> {
    let mut ancestors = Vec::new();
    let mut next = Some(std::process::id());
    while let Some(parent) = next.and_then(parent).filter(|parent| *parent > 1 && ancestors.len() < MOST_ANCESTORS) {
        ancestors.push(parent);
        next = Some(parent);
    }
    ancestors
}

/// When the process with this number began, in ticks since the boot; `None` if there is
/// none. Numbers are given away again; together with this they are not.
pub fn process_began(pid: u32) -> Option<u64> {
    field(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, BEGAN)
}

fn process(pid: u32, boot: SystemTime) -> Option<Process> {
    let folder = Path::new("/proc").join(pid.to_string());
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    let command = fs::read(folder.join("comm")).ok()?;
    let arguments = fs::read(folder.join("cmdline")).ok()?;
    let program = fs::read_link(folder.join("exe")).unwrap_or_default();
    Some(Process {
        pid,
        command: text(command.strip_suffix(b"\n").unwrap_or(&command)),
        arguments: arguments.split(|byte| *byte == 0).filter(|word| !word.is_empty()).map(text).collect(),
        since: boot + ticks(field(&stat, BEGAN)?)?,
        is_outdated: program.to_string_lossy().ends_with(" (deleted)"),
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Who started the process, or has it since that one ended.
pub(super) fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    field(&stat, PARENT)?.try_into().ok()
}

/// A number of `stat`, counted from 1; the name before may hold blanks and brackets.
fn field(stat: &str, number: usize) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(number.checked_sub(3)?)?.parse().ok()
}

fn ticks(ticks: u64) -> Option<Duration> {
    let rate = sysconf(SysconfVar::CLK_TCK).ok()??;
    Some(Duration::from_secs(ticks / u64::try_from(rate).ok()?))
}

fn boot_time() -> io::Result<SystemTime> {
    let stat = fs::read_to_string("/proc/stat")?;
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime ")?.parse().ok());
    let seconds = seconds.ok_or_else(|| io::Error::other("/proc/stat: there is no btime"))?;
    Ok(UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_among_them_and_runs_since_a_while_ago() {
        let own = processes().unwrap().into_iter().find(|process| process.pid == std::process::id()).unwrap();
        let age = SystemTime::now().duration_since(own.since).unwrap();
        assert!(age < Duration::from_secs(3600), "{age:?}");
        assert!(!own.is_outdated && !own.arguments.is_empty());
        assert_eq!(ancestors()[0], std::os::unix::process::parent_id());
    }

    #[test]
    fn this_process_began_and_another_number_is_nobody() {
        let began = process_began(std::process::id());
        assert!(began.is_some_and(|ticks| ticks > 0));
        assert_eq!(process_began(std::process::id()), began);
        assert_eq!(process_began(u32::MAX), None);
    }

    #[test]
    fn a_name_with_blanks_and_brackets_shifts_nothing() {
        assert_eq!(field("7 (a) b) S 3 4", 4), Some(3));
        assert_eq!(field("7 (a", 4), None);
    }
}
