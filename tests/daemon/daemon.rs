//! The daemon's process, and the operator's program beside it.

use std::fs::File;
use std::io::{Read, Seek};
use std::ops::Range;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::runner::{slowness, wait};
use crate::support::Wire;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_virt-guard");
/// Nothing that the daemon is asked for takes longer, on hardware.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A daemon that runs. One that is dropped is killed.
#[derive(Debug)]
pub struct Daemon {
    root: PathBuf,
    child: Child,
    stderr: File,
    notify: UnixDatagram,
}

impl Daemon {
    /// Starts it and waits until it says that all is in order.
    pub fn start(bench: &Bench) -> Self {
        let mut daemon = Self::launch(bench);
        daemon.wait_until_ready();
        daemon
    }

    /// Starts it.
    pub fn launch(bench: &Bench) -> Self {
        Self::launch_in(&bench.root(), &bench.aside("daemon").join("notify"))
    }

    /// Starts it on the files below `root`; it tells of itself at `notify`.
    pub fn launch_in(root: &Path, notify: &Path) -> Self {
        let _ = std::fs::remove_file(notify);
        let socket = UnixDatagram::bind(notify).expect("a socket to be notified at");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket that does not wait");
        let stderr = tempfile::tempfile().expect("a file for the output");
        let child = Command::new(PROGRAM)
            .arg("--root")
            .arg(root)
            .arg("daemon")
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("NOTIFY_SOCKET", notify)
            .stdin(Stdio::null())
            .stdout(stderr.try_clone().expect("stdout"))
            .stderr(stderr.try_clone().expect("stderr"))
            .spawn()
            .expect("the daemon starts");
        Self { root: root.to_owned(), child, stderr, notify: socket }
    }

    /// Waits for `READY=1` of sd_notify(3).
    pub fn wait_until_ready(&mut self) {
        let end = Instant::now() + PATIENCE * slowness();
        let mut buffer = [0; 4096];
        while Instant::now() < end {
            let length = self.notify.recv(&mut buffer).unwrap_or(0);
            if buffer[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                return;
            }
            let ended = self.child.try_wait().expect("the daemon is waited for");
            assert!(ended.is_none(), "the daemon ended: {ended:?}: {}", self.said());
        }
        panic!("the daemon never got ready: {}", self.said());
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the daemon is there");
    }

    /// Asks it to end, which it must do, with 0.
    pub fn stop(self) {
        self.signal(Signal::SIGTERM);
        self.ended();
    }

    /// Waits for its end, which must come by itself, with 0.
    pub fn ended(mut self) {
        let status = wait(&mut self.child, PATIENCE * slowness()).expect("the daemon ends when asked to");
        assert_eq!(status.code(), Some(0), "{status}: {}", self.said());
    }

    /// What it wrote to its outputs.
    pub fn said(&mut self) -> String {
        let mut bytes = Vec::new();
        self.stderr.rewind().and_then(|()| self.stderr.read_to_end(&mut bytes)).expect("the output is read");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that ended was waited for, and then this does nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let events = std::fs::read_to_string(self.root.join("run/virt-guard/events.jsonl")).unwrap_or_default();
            let lines: Vec<_> = events.lines().collect();
            println!("{}\n{}", lines[lines.len().saturating_sub(20)..].join("\n"), self.said());
        }
    }
}

/// Runs `virt-guard` with these words to its end.
pub fn virt_guard(bench: &Bench, words: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("--root").arg(bench.root()).args(words).env("LC_ALL", "C");
    command.output().expect("the operator's program")
}

/// Many guests that run, with a tap each, and their rules, which the operator's
/// program builds: it has more time than a hook.
pub fn crowd(bench: &Bench, numbers: Range<u16>) {
    let tap = |number: u16| {
        let name = Guest::new(number).port();
        [format!("tuntap add {name} mode tap"), format!("link set {name} master br100 up")]
    };
    bench.lab.ip(&numbers.clone().flat_map(tap).collect::<Vec<_>>());
    bench.record(numbers.clone());
    let output = virt_guard(bench, &["apply"]);
    assert!(output.status.success(), "apply: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(bench.recorded(&Guest::new(numbers.end - 1)), [true, true], "the last one has no rules");
}

/// What `virt-guard check` finds; nothing if all is in order.
pub fn differences(bench: &Bench) -> String {
    let output = virt_guard(bench, &["check"]);
    match output.status.code() {
        Some(0) => String::new(),
        _ => format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
    }
}

/// Waits until what the policy allows passes at each port and nothing else, and no
/// difference is left.
pub fn settles(bench: &Bench, what: &str, guests: &[Guest], wires: &[Wire]) {
    for (guest, wire) in guests.iter().zip(wires) {
        eventually(&format!("{} is guarded after {what}", guest.port()), || bench.look(guest, wire).guarded());
    }
    eventually(&format!("all is in order after {what}"), || differences(bench).is_empty());
}

/// Waits until `done` says so.
///
/// # Panics
/// It never does.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE * slowness();
    while !done() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
