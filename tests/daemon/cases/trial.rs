//! A policy that is tried locks nobody out for ever: unless it is confirmed, files and rules
//! are as they were, whoever died meanwhile.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::daemon::{Daemon, differences, eventually, virt_guard};
use crate::stage::bench::{Bench, policy};
use crate::stage::guest::Guest;
use crate::stage::kernel;
use crate::stage::runner::slowness;
use crate::support::Wire;

/// Lets tcp/22 in to guest 7.
const SSH: &str = "[[group]]\nname = \"ssh\"\ningress = [ { protocol = \"tcp\", ports = \"22\" } ]\n\
                   [[guest]]\nmatch = \"web7\"\ngroups = [\"ssh\"]\n";
/// The file that is new in what is tried.
const FILE: &str = "policy.d/ssh.toml";

/// How long an answer is waited for.
fn within() -> String {
    format!("{}s", 3 * slowness())
}

/// The host with a good policy in place, and what stands then.
fn stage(bench: &Bench) -> ([Guest; 2], [Wire; 2], String) {
    let (guests, wires) = bench.two_running();
    succeeds(&virt_guard(bench, &["apply"]));
    (guests, wires, kernel::rules(bench.engine))
}

/// The operator edits: one file is new, one is another.
fn edit(bench: &Bench) {
    bench.file(FILE, SSH);
    bench.file("virt-guard.toml", policy(bench.engine, 299));
}

fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn open_to_ssh(bench: &Bench, guest: &Guest, wire: &Wire) -> bool {
    bench.look(guest, wire).leaked.contains("tcp/22 to the guest")
}

fn file(bench: &Bench, name: &str) -> Option<String> {
    fs::read_to_string(bench.root().join("etc/virt-guard").join(name)).ok()
}

/// Whether files and rules are as they were.
fn is_undone(bench: &Bench, rules: &str) -> bool {
    file(bench, FILE).is_none()
        && file(bench, "virt-guard.toml") == Some(policy(bench.engine, 300))
        && kernel::rules(bench.engine) == rules
}

fn waits(bench: &Bench) -> bool {
    bench.root().join("var/lib/virt-guard/pending/policy.json").exists()
}

pub fn unconfirmed(bench: &mut Bench) {
    let ([guest, _], [wire, _other], rules) = stage(bench);
    edit(bench);
    let told = succeeds(&virt_guard(bench, &["apply", "--confirm-within", &within()]));
    assert!(told.contains("virt-guard apply --confirm"), "{told}");
    assert!(open_to_ssh(bench, &guest, &wire), "what is tried does not stand");
    let second = virt_guard(bench, &["apply"]);
    assert_eq!(second.status.code(), Some(2), "two changes at once");
    eventually("what nobody confirmed is undone", || is_undone(bench, &rules) && !waits(bench));
    assert!(!open_to_ssh(bench, &guest, &wire));
    assert_eq!(differences(bench), "");
    let kept = bench.root().join("var/lib/virt-guard/policy/undone/etc/virt-guard").join(FILE);
    assert_eq!(fs::read_to_string(kept).ok().as_deref(), Some(SSH), "the operator's work is lost");
    assert_eq!(virt_guard(bench, &["apply", "--confirm"]).status.code(), Some(1), "nothing waits any more");
}

pub fn confirmed(bench: &mut Bench) {
    let ([guest, _], [wire, _other], _) = stage(bench);
    edit(bench);
    succeeds(&virt_guard(bench, &["apply", "--confirm-within", &within()]));
    succeeds(&virt_guard(bench, &["apply", "--confirm"]));
    thread::sleep(Duration::from_secs(4) * slowness());
    assert!(open_to_ssh(bench, &guest, &wire), "what was confirmed is undone");
    assert_eq!(differences(bench), "");
    // From now on it is the good one.
    let rules = kernel::rules(bench.engine);
    bench.no_file(FILE);
    succeeds(&virt_guard(bench, &["apply", "--confirm-within", &within()]));
    assert!(!open_to_ssh(bench, &guest, &wire));
    eventually("what was confirmed comes back", || kernel::rules(bench.engine) == rules && !waits(bench));
    assert_eq!(file(bench, FILE).as_deref(), Some(SSH));
}

/// Whoever tries it dies at any moment: before, while rules are changed, after.
pub fn killed(bench: &mut Bench) {
    let ([guest, _], [wire, _other], rules) = stage(bench);
    for delay in [5, 20, 40, 80, 160, 320] {
        edit(bench);
        let mut child = Command::new(env!("CARGO_BIN_EXE_virt-guard"))
            .arg("--root")
            .arg(bench.root())
            .args(["apply", "--confirm-within", "1s"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the operator's program");
        thread::sleep(Duration::from_millis(delay));
        child.kill().and_then(|()| child.wait()).expect("it is killed");
        ends(bench, &rules);
        assert!(kernel::rules(bench.engine) == rules, "killed after {delay} ms: other rules than before");
        assert!(!open_to_ssh(bench, &guest, &wire), "killed after {delay} ms");
        println!("killed after {delay} ms: {}", if is_undone(bench, &rules) { "undone" } else { "not begun" });
        bench.no_file(FILE);
        bench.good_policy();
    }
}

/// Nothing waits any more after a while; or, if death came before anybody was set to watch,
/// nothing was changed yet, and whoever comes next ends it.
fn ends(bench: &Bench, rules: &str) {
    let end = Instant::now() + Duration::from_secs(5) * slowness();
    while waits(bench) && Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
    if waits(bench) {
        assert!(kernel::rules(bench.engine) == rules, "nobody watches over what was changed");
        succeeds(&virt_guard(bench, &["apply", "--early"]));
        assert!(!waits(bench), "nor does whoever comes next");
    }
}

/// The watcher dies, too: the next command undoes it, if no daemon does.
pub fn unwatched(bench: &mut Bench) {
    let (_, _wires, rules) = stage(bench);
    edit(bench);
    succeeds(&virt_guard(bench, &["apply", "--confirm-within", "1s"]));
    kill_watcher(bench);
    thread::sleep(Duration::from_millis(1200));
    assert!(waits(bench), "who undid it?");
    succeeds(&virt_guard(bench, &["apply", "--early"]));
    assert!(is_undone(bench, &rules) && !waits(bench), "a start of the machine confirms nothing");
    edit(bench);
    succeeds(&virt_guard(bench, &["apply", "--confirm-within", "1s"]));
    kill_watcher(bench);
    thread::sleep(Duration::from_millis(1200));
    let daemon = Daemon::start(bench);
    eventually("the daemon undoes it", || is_undone(bench, &rules) && !waits(bench));
    daemon.stop();
}

/// The watcher of this bench.
fn kill_watcher(bench: &Bench) {
    let root = bench.root().to_string_lossy().into_owned();
    let is_ours = |words: &str| words.contains("watch-pending\0policy") && words.contains(&root);
    let pids = fs::read_dir("/proc").expect("the processes").filter_map(|entry| {
        let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        is_ours(&fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?).then_some(pid)
    });
    let pids: Vec<_> = pids.collect();
    assert_eq!(pids.len(), 1, "the watchers: {pids:?}");
    kill(Pid::from_raw(pids[0]), Signal::SIGKILL).expect("the watcher is there");
}

/// The daemon has followed the files before anybody tries them.
pub fn followed(bench: &mut Bench) {
    let ([guest, _], [wire, _other], rules) = stage(bench);
    let daemon = Daemon::start(bench);
    edit(bench);
    eventually("the daemon follows", || open_to_ssh(bench, &guest, &wire));
    succeeds(&virt_guard(bench, &["apply", "--confirm-within", &within()]));
    assert!(open_to_ssh(bench, &guest, &wire));
    eventually("what nobody confirmed is undone", || is_undone(bench, &rules) && !waits(bench));
    thread::sleep(Duration::from_millis(500));
    assert!(is_undone(bench, &rules), "the daemon has followed something else");
    daemon.stop();
}

/// What cannot be applied is not tried, and neither is the first policy there is.
pub fn refused(bench: &mut Bench) {
    let first = virt_guard(bench, &["apply", "--confirm-within", "1s"]);
    assert_eq!(first.status.code(), Some(2), "there is nothing to go back to");
    assert!(!waits(bench));
    let (_, _wires, rules) = stage(bench);
    bench.broken_policy();
    let broken = virt_guard(bench, &["apply", "--confirm-within", "1s"]);
    assert_eq!(broken.status.code(), Some(2));
    assert!(!waits(bench) && kernel::rules(bench.engine) == rules);
    assert!(
        file(bench, "virt-guard.toml").is_some_and(|text| text.contains("nonsense")),
        "it is the operator's to mend"
    );
    for wrong in [["--confirm-within", "0s"], ["--confirm-within", "soon"], ["--confirm", "web7"]] {
        let words = [&["apply"][..], &wrong[..]].concat();
        assert_eq!(virt_guard(bench, &words).status.code(), Some(2), "{wrong:?}");
    }
}
