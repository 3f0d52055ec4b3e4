//! What a process costs: proc(5).

use std::fs;

use nix::unistd::Pid;

/// What it has cost since its start, but for memory, which is as of now.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Its own processor time and that of the programs it ran, in seconds.
    pub processor: f64,
    /// How often it went to sleep by itself: once for each time it woke up.
    pub slept: u64,
    /// How often it was sent to sleep.
    pub displaced: u64,
    /// Its memory, in KiB.
    pub memory: u64,
}

/// What the process has cost so far.
///
/// # Panics
/// There is no such process.
pub fn of(pid: Pid) -> Usage {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process is there");
    // The name, in parentheses, may hold spaces. Behind it come fields 3 and on.
    let fields: Vec<&str> = stat[stat.rfind(')').expect("a name") + 2..].split(' ').collect();
    let ticks: f64 = fields[11..15].iter().map(|ticks| ticks.parse::<f64>().expect("ticks")).sum();
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("threads");
    let statuses: Vec<_> =
        threads.filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("status")).ok()).collect();
    let sum = |name| statuses.iter().map(|status| field(status, name)).sum();
    Usage {
        processor: ticks / 100.0,
        slept: sum("voluntary_ctxt_switches"),
        displaced: sum("nonvoluntary_ctxt_switches"),
        memory: field(&statuses[0], "VmRSS"),
    }
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
