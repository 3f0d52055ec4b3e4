//! Services pinned and given back by the program as it is run, on a tree of files: what is
//! left when it is killed, when its session goes, when nobody confirms, when nothing can be
//! written.
//!
//! Each case has namespaces of its own, for the network and for mounts, with a script in the
//! place of systemctl. No service runs there, so nothing is proven: that is for the
//! stock-kernel host. Root only; all of it vanishes with the thread.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_virt-guard");
const CONF: &str = "etc/memcached.conf";
/// Debian's, with what its own script reads and an end without newline.
const TEXT: &str = "# memcached default config file\n-d\n-m 64\n-p 11211\n-u memcache\n-l 0.0.0.0\r\n-P /run/x.pid";
const DROP_IN: &str = "etc/systemd/system/memcached.service.d/50-virt-guard.conf";
/// Waits this long, at most, for what comes by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// `kill AT` in the file `plan` kills whoever runs the script for the AT-th time.
const SYSTEMCTL: &str = r#"#!/bin/sh
cd "DIR" || exit 9
echo "$*" >>calls
case $1 in --version) echo 'systemd 252 (252.22)'; echo '+PAM -BPF_FRAMEWORK'; exit ;; esac
[ -e plan ] || exit 0
read -r mode at <plan
count=$(($(cat count) + 1))
echo $count >count
[ $count = "$at" ] || exit 0
case $mode in
    kill) read -r comm </proc/$PPID/comm && [ "$comm" = virt-guard ] && kill -9 $PPID; exit 1 ;;
    hang) touch hangs; exec sleep 30 ;;
esac
"#;

/// Files, mode and owner of all below a directory.
type Tree = BTreeMap<PathBuf, (Vec<u8>, u32, u32, u32)>;

struct Stage {
    dir: tempfile::TempDir,
    before: Tree,
}

struct Run {
    out: String,
    err: String,
    code: Option<i32>,
}

fn ip(words: &str) {
    assert!(Command::new("ip").args(words.split(' ')).status().unwrap().success(), "ip {words}");
}

impl Stage {
    fn new() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "this needs root: it makes namespaces");
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_PRIVATE | MsFlags::MS_REC, None::<&str>).unwrap();
        for words in [
            "link set lo up",
            "link add mgmt0 type veth peer name mgmt1",
            "addr add 192.0.2.10/24 dev mgmt0",
            "link set mgmt0 up",
            "link add br100 type bridge",
            "addr add 10.100.0.1/24 dev br100",
            "link set br100 up",
        ] {
            ip(words);
        }
        let dir = tempfile::tempdir().unwrap();
        let stage = Self { dir, before: Tree::new() };
        stage.write("root/lib/systemd/system/memcached.service", "[Service]\nExecStart=/usr/bin/memcached\n");
        stage.write("root/lib/systemd/system/ssh.service", "[Service]\nExecStart=/usr/sbin/sshd -D\n");
        stage.write("root/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n");
        stage.write(&format!("root/{CONF}"), TEXT);
        stage.write("bin/systemctl", &SYSTEMCTL.replace("DIR", stage.dir.path().to_str().unwrap()));
        stage.write("count", "0");
        let conf = stage.file(CONF);
        fs::set_permissions(&conf, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::chown(&conf, Some(7), Some(8)).unwrap();
        let bin = stage.dir.path().join("bin");
        fs::set_permissions(bin.join("systemctl"), fs::Permissions::from_mode(0o755)).unwrap();
        mount(Some(&bin), "/usr/local/sbin", None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        Self { before: stage.tree(), ..stage }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn file(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("--root").arg(self.root()).args(words.split(' ')).env_remove("SSH_CONNECTION");
        command
    }

    fn run(&self, words: &str) -> Run {
        told(self.command(words).stdin(Stdio::null()).output().unwrap())
    }

    fn tree(&self) -> Tree {
        let (mut found, mut folders) = (Tree::new(), vec![self.file("etc"), self.file("lib")]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let about = fs::metadata(&path).unwrap();
                let bytes = if about.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
                folders.extend(about.is_dir().then(|| path.clone()));
                found.insert(path, (bytes, about.mode(), about.uid(), about.gid()));
            }
        }
        found
    }

    fn assert_untouched(&self, when: &str) {
        assert_eq!(self.tree(), self.before, "{when}");
        assert_eq!(self.run("services pins --json").json(), serde_json::json!([]), "{when}");
        assert!(!self.file("var/lib/virt-guard/pending/pins.json").exists(), "{when}");
    }

    fn is_pinned(&self) -> bool {
        fs::read_to_string(self.file(CONF)).unwrap().contains("192.0.2.10") && self.file(DROP_IN).exists()
    }

    fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < end, "{what}: not in time");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn told(Output { status, stdout, stderr }: Output) -> Run {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { out: text(stdout), err: text(stderr), code: status.code() }
}

impl Run {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }
}

fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

/// The processes that watch over changes of this stage.
fn watchers(root: &Path) -> Vec<i32> {
    let is_one = |pid: &i32| {
        let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.contains("\0watch-pending\0") && words.contains(root.to_str().unwrap())
    };
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(is_one).filter(|pid| is_alive(*pid)).collect()
}

#[test]
fn a_dry_run_shows_the_diff_and_changes_nothing() {
    let stage = Stage::new();
    let run = stage.run("services pin memcached --dry-run");
    assert_eq!(run.code, Some(0), "{}", run.err);
    for part in ["--- /etc/memcached.conf\n+++ /etc/memcached.conf\n", "-l 0.0.0.0", "--- /dev/null", "IPAddressDeny="]
    {
        assert!(run.out.contains(part), "{part}: {}", run.out);
    }
    assert!(!run.out.contains('\x1b'), "colours are for terminals");
    let json = stage.run("services pin memcached --dry-run --json").json();
    assert_eq!(json["services"][0]["state"], "planned");
    assert_eq!(json["services"][0]["addresses"], serde_json::json!(["192.0.2.10"]));
    stage.assert_untouched("dry run");
    assert!(!stage.file("var").exists());
}

#[test]
fn what_is_pinned_is_listed_and_given_back_byte_for_byte() {
    let stage = Stage::new();
    let run = stage.run("services pin memcached");
    assert_eq!(run.code, Some(1), "nothing is proven of what does not run: {} {}", run.out, run.err);
    assert!(
        run.out.ends_with("memcached: pinned to 192.0.2.10; not proven, as it does not listen now\n"),
        "{}",
        run.out
    );
    assert!(stage.is_pinned());
    let pins = stage.run("services pins --json").json();
    assert_eq!(pins[0]["name"], "memcached");
    assert_eq!((&pins[0]["confirmed"], &pins[0]["proven"]), (&Value::Bool(true), &Value::Bool(false)));
    assert!(stage.run("services pins").out.contains("memcached  192.0.2.10"));
    let again = stage.run("services pin memcached");
    assert_eq!(again.code, Some(1), "{}", again.err);
    assert!(again.out.contains("its files were as they should be"), "{}", again.out);

    let run = stage.run("services unpin memcached.service --dry-run");
    assert!(run.out.starts_with("memcached: would be put back: /etc/"), "{} {}", run.out, run.err);
    let run = stage.run("services unpin memcached");
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{}", run.out);
    stage.assert_untouched("unpinned");
    let calls = fs::read_to_string(stage.dir.path().join("calls")).unwrap();
    assert_eq!(calls.matches("try-restart memcached.service").count(), 2, "{calls}");
}

#[test]
fn wrong_input_is_one_clear_error_and_changes_nothing() {
    let stage = Stage::new();
    for (words, expected) in [
        ("pin nothing", "nothing: unknown here"),
        ("pin nothing.service", "nothing.service: unknown here"),
        ("pin ../x", "invalid unit"),
        ("pin memcached --to 192.0.2.99", "--to 192.0.2.99: no address of this host, expected 192.0.2.10 (mgmt0)"),
        ("pin memcached --to br100", "--to br100: guests are there, expected 192.0.2.10 (mgmt0)"),
        ("pin memcached --to 10.100.0.1", "--to 10.100.0.1: an address of br100, where guests are"),
        ("pin memcached --to eth7", "--to eth7: no interface of this host"),
        ("pin memcached --confirm-within 0s", "expected from 1s to 24h"),
        ("pin", "required"),
        ("unpin memcached", "memcached: not pinned"),
    ] {
        let run = stage.run(&format!("services {words}"));
        assert_eq!(run.code, Some(2), "{words}: {} {}", run.out, run.err);
        assert!(run.err.contains(expected), "{words}: {}", run.err);
        stage.assert_untouched(words);
    }
    let run = stage.run("services confirm");
    assert_eq!((run.code, run.out.as_str()), (Some(1), "nothing waits to be confirmed\n"));
}

#[test]
fn where_nothing_can_be_written_nothing_is_recorded() {
    let stage = Stage::new();
    let etc = stage.file("etc");
    mount(Some(&etc), &etc, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, &etc, None::<&str>, read_only, None::<&str>).unwrap();
    let run = stage.run("services pin memcached");
    assert_eq!(run.code, Some(3), "{} {}", run.out, run.err);
    let expected = "memcached: not pinned, all is as it was before: /etc/memcached.conf: Read-only file system";
    assert!(run.err.contains(expected), "{}", run.err);
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    stage.assert_untouched("read-only");
}

#[test]
fn a_file_that_is_not_understood_is_an_error_with_its_line() {
    let stage = Stage::new();
    stage.write(&format!("root/{CONF}"), "-l 0.0.0.0:11211\n");
    let run = stage.run("services pin memcached");
    assert_eq!(run.code, Some(2), "{} {}", run.out, run.err);
    assert!(run.err.contains("expected addresses without ports"), "{}", run.err);
    assert!(!stage.file(DROP_IN).exists());
}

#[test]
fn the_session_that_it_is_run_over_is_not_cut_off() {
    let stage = Stage::new();
    let run = |connection: &str| {
        let mut command = stage.command("services pin sshd --dry-run");
        told(command.env("SSH_CONNECTION", connection).output().unwrap())
    };
    let cut = run("203.0.113.5 50000 10.100.0.1 22");
    assert_eq!(cut.code, Some(2), "{} {}", cut.out, cut.err);
    assert!(cut.err.contains("this session from 203.0.113.5 would be cut off: it came to 10.100.0.1"), "{}", cut.err);
    let guest = run("10.100.0.7 50000 192.0.2.10 22");
    assert_eq!(guest.code, Some(2), "{}", guest.err);
    let stays = run("203.0.113.5 50000 192.0.2.10 22");
    assert_eq!(stays.code, Some(0), "{}", stays.err);
    stage.assert_untouched("sessions");

    // A session's shell keeps it where sudo does not.
    let words = format!(
        "env -u SSH_CONNECTION {PROGRAM} --root {} services pin sshd --dry-run; exit $?",
        stage.root().display()
    );
    let mut shell = Command::new("sh");
    let shell =
        told(shell.args(["-c", &words]).env("SSH_CONNECTION", "203.0.113.5 50000 10.100.0.1 22").output().unwrap());
    assert_eq!(shell.code, Some(2), "{} {}", shell.out, shell.err);
}

#[test]
fn killed_at_any_program_it_is_put_in_order_by_the_next_run() {
    let stage = Stage::new();
    let mut deaths = 0;
    for at in 1..20 {
        stage.write("count", "0");
        stage.write("plan", &format!("kill {at}"));
        let run = stage.run("services pin memcached");
        fs::remove_file(stage.dir.path().join("plan")).unwrap();
        if run.code.is_some() {
            break;
        }
        deaths += 1;
        let next = stage.run("services unpin --all");
        assert_eq!(next.code, Some(0), "{}", next.err);
        assert!(next.err.contains("memcached: interrupted, and undone"), "{}", next.err);
        stage.assert_untouched(&format!("killed at {at}"));
    }
    assert!(deaths >= 2, "killed {deaths} times only");
    for at in 1..20 {
        stage.write("count", "0");
        stage.write("plan", &format!("kill {at}"));
        let run = stage.run("services unpin --all");
        fs::remove_file(stage.dir.path().join("plan")).unwrap();
        if run.code.is_some() {
            break;
        }
        stage.run("services unpin --all");
        stage.assert_untouched(&format!("killed at {at} of unpin"));
        stage.run("services pin memcached");
    }
    stage.assert_untouched("at last");
}

#[test]
fn nobody_confirms_and_it_is_undone_though_the_session_is_gone() {
    let stage = Stage::new();
    let run = stage.run("services pin memcached --confirm-within 3s");
    assert_eq!(run.code, Some(1), "{} {}", run.out, run.err);
    assert!(run.err.contains("unless confirmed by: virt-guard services confirm"), "{}", run.err);
    assert!(stage.is_pinned());
    assert_eq!(stage.run("services pins --json").json()[0]["confirmed"], false);
    let watcher = watchers(&stage.root());
    assert_eq!(watcher.len(), 1, "{watcher:?}");
    assert_eq!(nix::unistd::getsid(Some(Pid::from_raw(watcher[0]))).unwrap().as_raw(), watcher[0]);
    stage.wait("undone", || !stage.is_pinned());
    stage.wait("the watcher ends", || watchers(&stage.root()).is_empty());
    stage.assert_untouched("not confirmed");
    let late = stage.run("services confirm");
    assert_eq!(late.code, Some(1), "{}", late.out);
}

#[test]
fn confirmed_from_elsewhere_it_stays() {
    let stage = Stage::new();
    stage.run("services pin memcached --confirm-within 2s");
    let run = stage.run("services confirm");
    assert_eq!((run.code, run.out.as_str()), (Some(0), "pin of memcached: confirmed\n"), "{}", run.err);
    stage.wait("the watcher ends", || watchers(&stage.root()).is_empty());
    thread::sleep(Duration::from_secs(2));
    assert!(stage.is_pinned());
    assert_eq!(stage.run("services pins --json").json()[0]["confirmed"], true);
    assert_eq!(stage.run("services unpin --all").code, Some(0));
    stage.assert_untouched("unpinned");
}

/// The program waits for an answer and gets a signal instead.
fn ends_while_it_waits(signal: Signal) {
    let stage = Stage::new();
    let mut terminal = Terminal::open(&stage, "services pin memcached --confirm-within 4s");
    stage.wait("asked", || terminal.said(&stage).contains("press Enter here"));
    terminal.program(&stage).into_iter().for_each(|pid| kill(Pid::from_raw(pid), signal).unwrap());
    stage.wait("undone", || !stage.is_pinned());
    stage.wait("nobody works on it", || watchers(&stage.root()).is_empty());
    stage.assert_untouched(signal.as_str());
    terminal.close();
}

#[test]
fn killed_while_it_waits_it_is_undone_all_the_same() {
    ends_while_it_waits(Signal::SIGKILL);
}

#[test]
fn with_its_session_gone_it_is_undone() {
    ends_while_it_waits(Signal::SIGHUP);
}

#[test]
fn enter_on_the_terminal_confirms() {
    let stage = Stage::new();
    let mut terminal = Terminal::open(&stage, "services pin memcached --confirm-within 30s");
    stage.wait("asked", || terminal.said(&stage).contains("press Enter here"));
    terminal.press_enter();
    stage.wait("confirmed", || terminal.said(&stage).contains("confirmed\r\n"));
    terminal.close();
    assert!(stage.is_pinned());
    assert!(!stage.file("var/lib/virt-guard/pending/pins.json").exists());
    assert!(terminal.said(&stage).contains("\x1b[32m+"), "a diff on a terminal has colours: {}", terminal.said(&stage));
}

#[test]
fn killed_while_a_service_restarts_it_is_undone_by_the_watcher() {
    let stage = Stage::new();
    stage.write("plan", "hang 2");
    let mut command = stage.command("services pin memcached --confirm-within 60s");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    stage.wait("it restarts", || stage.dir.path().join("hangs").exists());
    fs::remove_file(stage.dir.path().join("plan")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    stage.wait("undone", || !stage.is_pinned());
    stage.wait("the watcher ends", || watchers(&stage.root()).is_empty());
    stage.assert_untouched("killed");
}

#[test]
fn what_somebody_changed_is_given_back_by_force_only() {
    let stage = Stage::new();
    stage.run("services pin memcached");
    fs::write(stage.file(CONF), "of another\n").unwrap();
    let run = stage.run("services unpin memcached");
    assert_eq!(run.code, Some(2), "{} {}", run.out, run.err);
    assert!(run.err.contains("/etc/memcached.conf: changed since memcached was pinned; --force"), "{}", run.err);
    assert!(stage.file(DROP_IN).exists());
    let run = stage.run("services unpin memcached --force");
    assert_eq!(run.code, Some(1), "{} {}", run.out, run.err);
    let saved = stage.file("etc/memcached.conf.virt-guard-saved");
    assert_eq!(fs::read_to_string(&saved).unwrap(), "of another\n");
    fs::remove_file(saved).unwrap();
    stage.assert_untouched("by force");
}

/// The program on a terminal, which script(1) makes.
struct Terminal {
    child: Child,
}

impl Terminal {
    fn open(stage: &Stage, words: &str) -> Self {
        let line = format!("{PROGRAM} --root {} {words}", stage.root().display());
        let said = stage.dir.path().join("said");
        let mut script = Command::new("script");
        script.args(["-q", "-f", "-e", "-c", &line]).arg(said);
        script.env_remove("SSH_CONNECTION").env_remove("NO_COLOR");
        let child = script.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child }
    }

    fn said(&self, stage: &Stage) -> String {
        fs::read_to_string(stage.dir.path().join("said")).unwrap_or_default()
    }

    fn press_enter(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// The processes of the program below it, which waits for an answer.
    fn program(&self, stage: &Stage) -> Vec<i32> {
        let wanted = format!("{PROGRAM}\0--root\0{}\0services", stage.root().display());
        let is_one = |pid: &i32| {
            let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.starts_with(&wanted)
        };
        let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        pids.filter(is_one).collect()
    }

    fn close(&mut self) {
        drop(self.child.stdin.take());
        let end = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                self.child.kill().unwrap();
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}
