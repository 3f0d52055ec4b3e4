//! The hook's process, run as libvirt runs it.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stage::guest::Guest;
use crate::stage::runner::slowness;

/// The program under test.
const HOOK: &str = env!("CARGO_BIN_EXE_virt-guard-hook");
/// A hook that runs longer than this never ends, on hardware.
const LONGEST: Duration = Duration::from_secs(25);

/// A run to come.
#[derive(Debug)]
pub struct Hook {
    root: PathBuf,
    name: String,
    operation: String,
    input: Vec<u8>,
}

/// A run under way.
#[derive(Debug)]
pub struct Running {
    child: Child,
    begin: Instant,
    stdout: File,
    stderr: File,
    writer: Option<JoinHandle<io::Result<()>>>,
}

/// What became of a run.
#[derive(Debug)]
pub struct Run {
    /// The exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// How long it took.
    pub elapsed: Duration,
    /// The most memory that it or a program of its held, in KiB.
    pub peak: i64,
    /// Whether all of the input was taken.
    pub input: io::Result<()>,
}

impl Hook {
    /// `operation` on `guest`, with the files below `root`.
    pub fn new(root: &Path, operation: &str, guest: &Guest) -> Self {
        Self {
            root: root.to_owned(),
            name: guest.name.clone(),
            operation: operation.to_owned(),
            input: guest.xml().into_bytes(),
        }
    }

    /// The same with other bytes on standard input.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Starts it and gives it its input.
    pub fn start(self) -> Running {
        let input = self.input.clone();
        let (mut running, mut stdin) = self.start_with_pipe();
        running.writer = Some(thread::spawn(move || stdin.write_all(&input)));
        running
    }

    /// Starts it and leaves its standard input to the caller.
    pub fn start_with_pipe(self) -> (Running, ChildStdin) {
        let file = || tempfile::tempfile().expect("a file for the output");
        let (stdout, stderr) = (file(), file());
        let begin = Instant::now();
        let mut command = Command::new(HOOK);
        command.arg("--root").arg(&self.root).args(["qemu", &self.name, &self.operation, "begin", "-"]);
        // libvirt's own environment need not hold any of the tester's.
        command.env_clear().env("PATH", "/bin").stdin(Stdio::piped());
        command.stdout(stdout.try_clone().expect("stdout")).stderr(stderr.try_clone().expect("stderr"));
        let mut child = command.arg0("qemu").spawn().expect("the hook starts");
        let stdin = child.stdin.take().expect("a pipe");
        (Running { child, begin, stdout, stderr, writer: None }, stdin)
    }

    /// Runs it to its end.
    pub fn run(self) -> Run {
        self.start().end()
    }
}

impl Running {
    /// Kills it without mercy, if it still runs, once this long has passed since
    /// its start.
    pub fn kill_after(self, time: Duration) -> Run {
        thread::sleep(time.saturating_sub(self.begin.elapsed()));
        // Not waited for yet, so the id is still its own.
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGKILL);
        self.end()
    }

    /// Waits for its end, which must come.
    pub fn end(mut self) -> Run {
        let limit = self.begin + LONGEST * slowness();
        let (status, peak) = loop {
            if let Some(found) = reap(&self.child) {
                break found;
            }
            if Instant::now() > limit {
                let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGKILL);
                panic!("the hook never ends");
            }
            // As seldom as the machine is slow: fifty may be waited for at a time.
            thread::sleep(Duration::from_millis(1) * slowness());
        };
        let elapsed = self.begin.elapsed();
        let input = self.writer.take().map_or(Ok(()), |writer| writer.join().expect("the writer"));
        let (stdout, stderr) = (text(&mut self.stdout), text(&mut self.stderr));
        Run { status, stdout, stderr, elapsed, peak, input }
    }
}

impl Run {
    /// Whether the hook said 0.
    pub fn went_on(&self) -> bool {
        self.status.code() == Some(0)
    }

    /// Fails unless the hook said 0 and nothing on standard output.
    pub fn assert_goes_on(&self) {
        assert!(self.went_on(), "{}: {}", self.status, self.stderr);
        assert_eq!(self.stdout, "", "libvirt would take that for XML");
    }

    /// Fails unless the hook stopped libvirt and said why, on standard error only.
    pub fn assert_stops(&self) {
        assert_eq!(self.status.code(), Some(1), "{}", self.stderr);
        assert_eq!(self.stdout, "", "libvirt would take that for XML");
        assert!(self.stderr.starts_with("virt-guard: "), "{:?}", self.stderr);
    }
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("the output is read");
    String::from_utf8(bytes).expect("text")
}

/// wait4(2): only it tells what memory the process held at most.
fn reap(child: &Child) -> Option<(ExitStatus, i64)> {
    let mut status = 0;
    // SAFETY: all zeroes is a valid rusage, and both pointers are to locals.
    let (result, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let result = libc::wait4(child.id().cast_signed(), &raw mut status, libc::WNOHANG, &raw mut usage);
        (result, usage)
    };
    match Errno::result(result).expect("the hook is waited for") {
        0 => None,
        _ => Some((ExitStatus::from_raw(status), usage.ru_maxrss)),
    }
}
