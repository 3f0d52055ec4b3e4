//! nft and the programs of iptables and ebtables that fail, lie, hang, or kill
//! the hook that runs them.
//!
//! The hook looks them up in /usr/local/sbin first, so in the case's own mount
//! namespace a directory of scripts lies over it. They do what the file `plan`
//! says, and without one what they are named for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

/// The programs that the hook runs.
const PROGRAMS: [&str; 8] = [
    "nft",
    "ebtables",
    "ebtables-restore",
    "ebtables-save",
    "iptables-restore",
    "iptables-save",
    "ip6tables-restore",
    "ip6tables-save",
];

/// `$PPID` is killed only if it is the hook: the hook may be gone already, and
/// then the number is somebody else's. The name has just the 15 bytes of a comm.
const SCRIPT: &str = r#"#!/bin/sh
cd "DIR" || exit 9
slay() { read -r comm </proc/$PPID/comm && [ "$comm" = virt-guard-hook ] && kill -9 $PPID; }
read -r count <count
count=$((count + 1))
echo $count >count
echo PROGRAM >>calls
mode=no
[ ! -e plan ] || read -r at which mode <plan
[ "$at" = 0 ] || [ "$at" = $count ] || mode=no
[ "$which" = any ] || [ "$which" = PROGRAM ] || mode=no
case $mode in
    kill) slay; exit 1 ;;
    cut) [ ! -p /proc/self/fd/0 ] || { head -c 65536 | sed '$d' | REAL "$@"; slay; exit; } ;;
    late) echo $$ >pid; slay; sleep 1; REAL "$@"; echo >done; exit ;;
    after) REAL "$@"; slay; exit 1 ;;
    fail) echo sabotaged >&2; exit 1 ;;
    lie) exit 0 ;;
    hang) exec sleep 1000 ;;
esac
exec REAL "$@"
"#;

/// What a program does instead of what it is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Kills the hook and does nothing.
    Kill,
    /// Was quicker than its own death: does what fits into a pipe up to the end of
    /// a line, as the hook that is dead writes no more.
    Cut,
    /// Kills the hook, then does its work one second later, if it lives on.
    Late,
    /// Does its work, then kills the hook.
    After,
    /// Fails.
    Fail,
    /// Says that all went well, and does nothing.
    Lie,
    /// Never ends.
    Hang,
}

/// The scripts, in place until the case ends.
#[derive(Debug)]
pub struct Sabotage {
    dir: PathBuf,
}

impl Sabotage {
    /// Puts scripts that do no harm yet in place of the programs.
    pub fn new(dir: PathBuf) -> Self {
        let bin = dir.join("bin");
        fs::create_dir_all(&bin).expect("a directory of scripts");
        for program in PROGRAMS {
            let script = SCRIPT
                .replace("DIR", dir.to_str().expect("text"))
                .replace("PROGRAM", program)
                .replace("REAL", &format!("/usr/sbin/{program}"));
            let path = bin.join(program);
            fs::write(&path, script).expect("a script");
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a script to run");
        }
        let none = None::<&Path>;
        mount(Some(&bin), "/usr/local/sbin", none, MsFlags::MS_BIND, none).expect("a mount over /usr/local/sbin");
        let sabotage = Self { dir };
        sabotage.stop();
        sabotage
    }

    /// From now on `program`, or any, does `mode` at its run number `at` of all
    /// runs from now; 0 is each.
    pub fn plan(&self, at: usize, program: &str, mode: Mode) {
        self.stop();
        let mode = format!("{mode:?}").to_lowercase();
        fs::write(self.dir.join("plan"), format!("{at} {program} {mode}\n")).expect("the plan");
    }

    /// From now on all do what they are there for.
    pub fn stop(&self) {
        for name in ["plan", "calls", "done", "pid"] {
            let _ = fs::remove_file(self.dir.join(name));
        }
        fs::write(self.dir.join("count"), "0\n").expect("the count");
    }

    /// From now on all do what they are there for; the late one, if there is one,
    /// is waited for.
    pub fn pause(&self) {
        fs::remove_file(self.dir.join("plan")).expect("a plan to give up");
    }

    /// The programs that ran since the plan, in order.
    pub fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.dir.join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    /// Whether the late one is at its end, by itself or by another's hand.
    pub fn late_is_over(&self) -> bool {
        let pid = fs::read_to_string(self.dir.join("pid")).unwrap_or_default();
        self.dir.join("done").exists() || !Path::new("/proc").join(pid.trim()).exists()
    }
}
