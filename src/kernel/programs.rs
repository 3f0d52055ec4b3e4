//! Running a program: with a deadline, its input given, its complaints kept.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid, setsid};

/// Where Debian and Fedora keep the programs; libvirt's own environment may lack
/// the sbin directories.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The moment by which everything must be over.
///
/// libvirt waits for a hook for ever, so every hook bounds itself.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline this far from now.
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// How long until then; zero once it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }
}

/// A program, its arguments and its standard input. No shell is ever involved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program's name, looked up in the system's own directories.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its standard input.
    pub input: String,
}

impl Command {
    /// A program with these arguments and no input.
    pub fn new<const N: usize>(program: &str, arguments: [&str; N]) -> Self {
        let arguments = arguments.map(str::to_owned).into();
        Self { program: program.to_owned(), arguments, input: String::new() }
    }

    /// The same with this input.
    pub fn with_input(mut self, input: impl Into<String>) -> Self {
        self.input = input.into();
        self
    }

    /// The command as one would type it.
    pub fn line(&self) -> String {
        [&self.program].into_iter().chain(&self.arguments).map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// Why a program or the kernel did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be started.
    #[error("{program} cannot be started")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// No program, but the kernel itself did not answer as it should.
    #[error("the kernel's nftables cannot be read")]
    Netlink(#[source] std::io::Error),
    /// It ran out of time and was ended.
    #[error("{command}: not done in time")]
    Deadline {
        /// The command line.
        command: String,
    },
    /// It failed.
    #[error("{command}: {status}: {stderr}")]
    Failed {
        /// The command line.
        command: String,
        /// Its exit status.
        status: ExitStatus,
        /// What it said.
        stderr: String,
    },
}

/// Something that runs programs; tests put a fake in its place.
pub trait Runner {
    /// Runs the command to its end and returns its standard output.
    ///
    /// # Errors
    /// It cannot be started, fails, or is not done by the deadline.
    fn run(&mut self, command: &Command, deadline: Deadline) -> Result<String, RunError>;

    /// Runs the command until it has said all, for a caller who looks at the kernel
    /// afterwards anyway: how it exits is not waited for unless it complains.
    ///
    /// # Errors
    /// As of [`Runner::run`], as far as that can be told by then.
    fn run_until_silent(&mut self, command: &Command, deadline: Deadline) -> Result<(), RunError> {
        self.run(command, deadline).map(drop)
    }

    /// Starts the command in a session of its own, where it goes on however the caller
    /// and its terminal end; nobody hears what it says.
    ///
    /// # Errors
    /// It cannot be started.
    fn start_apart(&mut self, command: &Command) -> Result<(), RunError> {
        self.run(command, Deadline::after(Duration::from_secs(10))).map(drop)
    }
}

/// How long the list of process ids may become before it starts anew; each is
/// asked for within seconds.
const LONGEST_LIST: u64 = 16 * 1024;

/// The real programs of this machine.
#[derive(Debug, Clone, Default)]
pub struct Programs {
    /// Where the process id of each program is noted, so that a change of rules can
    /// be told from one that somebody else made.
    authors: Option<PathBuf>,
}

impl Programs {
    /// Programs whose process ids are noted in this file.
    pub fn noted_in(authors: PathBuf) -> Self {
        Self { authors: Some(authors) }
    }

    /// Without a note a change of ours is taken for a stranger's, and all is
    /// compared once more than need be.
    fn note(&self, child: &Child) {
        let Some(path) = &self.authors else { return };
        let is_long = fs::metadata(path).is_ok_and(|file| file.len() > LONGEST_LIST);
        let mut options = OpenOptions::new();
        options.create(true).append(!is_long).write(true).truncate(is_long);
        let _ = options.open(path).and_then(|mut file| writeln!(file, "{}", child.id()));
    }
}

impl Runner for Programs {
    fn run(&mut self, command: &Command, deadline: Deadline) -> Result<String, RunError> {
        self.run_one(command, deadline)
    }

    /// A program closes its pipes as it ends, and its netlink socket after them, where
    /// the kernel keeps it for some 15 ms: it waits for readers of the old rules.
    fn run_until_silent(&mut self, command: &Command, deadline: Deadline) -> Result<(), RunError> {
        let Spoken { mut child, output: _, complaint } = self.listen_to(command, deadline)?;
        if complaint.is_empty() {
            thread::spawn(move || child.wait());
            return Ok(());
        }
        ended(command, &mut child, complaint)
    }

    fn start_apart(&mut self, command: &Command) -> Result<(), RunError> {
        let mut process = bare(command);
        process.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: setsid(2) is safe between fork and exec; nothing is allocated.
        unsafe { process.pre_exec(|| Ok(setsid().map(drop)?)) };
        let started = process.spawn();
        started.map(drop).map_err(|source| RunError::Start { program: command.program.clone(), source })
    }
}

impl Programs {
    fn run_one(&self, command: &Command, deadline: Deadline) -> Result<String, RunError> {
        let Spoken { mut child, output, complaint } = self.listen_to(command, deadline)?;
        ended(command, &mut child, complaint).map(|()| output)
    }

    /// Runs it until it has said all.
    fn listen_to(&self, command: &Command, deadline: Deadline) -> Result<Spoken, RunError> {
        let late = || RunError::Deadline { command: command.line() };
        if deadline.has_passed() {
            return Err(late());
        }
        let mut child = spawn(command)?;
        self.note(&child);
        let stdout = drain(child.stdout.take());
        let stderr = drain(child.stderr.take());
        let output = stdout.recv_timeout(deadline.remaining());
        let complaint = stderr.recv_timeout(deadline.remaining());
        let (Ok(output), Ok(complaint)) = (output, complaint) else {
            // Whatever it has done by now, the caller looks at the kernel again.
            let _ = child.kill();
            let _ = child.wait();
            return Err(late());
        };
        Ok(Spoken { child, output, complaint })
    }
}

/// A program that has said all it has to say.
struct Spoken {
    child: Child,
    output: String,
    complaint: String,
}

/// Waits for the end, which is near.
fn ended(command: &Command, child: &mut Child, complaint: String) -> Result<(), RunError> {
    let status = child.wait().map_err(|source| RunError::Start { program: command.program.clone(), source })?;
    if status.success() {
        return Ok(());
    }
    Err(RunError::Failed { command: command.line(), status, stderr: complaint.trim().to_owned() })
}

fn spawn(command: &Command) -> Result<Child, RunError> {
    let failed = |source| RunError::Start { program: command.program.clone(), source };
    let mut process = bare(command);
    process.stdin(input(&command.input).map_err(failed)?).stdout(Stdio::piped()).stderr(Stdio::piped());
    let parent = nix::unistd::getpid();
    // SAFETY: prctl(2) and getppid(2) are safe between fork and exec; nothing is allocated.
    unsafe { process.pre_exec(move || die_with(parent)) };
    process.spawn().map_err(failed)
}

/// With nothing of our own environment.
fn bare(command: &Command) -> std::process::Command {
    let mut process = std::process::Command::new(OsStr::new(&command.program));
    process.args(&command.arguments).env_clear().env("PATH", PATH).env("LC_ALL", "C");
    process
}

/// The input as a file in memory, whole before the program starts. A pipe would
/// end early if we died, and ebtables-restore takes what it has read by then for
/// all there is.
fn input(text: &str) -> std::io::Result<File> {
    let memory = memfd_create(c"virt-guard", MFdFlags::MFD_CLOEXEC)?;
    let mut file = File::from(memory);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

/// The lock ends with this process. A program that outlived it would change rules
/// behind the back of whoever holds the lock next.
fn die_with(parent: Pid) -> std::io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    // The parent may have died before the wish was known.
    if getppid() == parent { Ok(()) } else { Err(std::io::ErrorKind::Interrupted.into()) }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is what there is to report.
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(10))
    }

    #[test]
    fn output_and_input_of_any_size_pass() {
        let input = "line\n".repeat(200_000);
        let command = Command::new("cat", []).with_input(input.clone());
        assert_eq!(Programs::default().run(&command, soon()).unwrap(), input);
    }

    #[test]
    fn what_is_started_apart_has_a_session_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session");
        let words = format!("ps -o sid= -p $$ > {0}.new && mv {0}.new {0}", path.display());
        Programs::default().start_apart(&Command::new("sh", ["-c", &words])).unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while !path.exists() && Instant::now() < end {
            thread::sleep(Duration::from_millis(10));
        }
        let session: i32 = fs::read_to_string(path).unwrap().trim().parse().unwrap();
        assert_ne!(session, nix::unistd::getsid(None).unwrap().as_raw());
    }

    #[test]
    fn a_failure_keeps_what_the_program_said() {
        let command = Command::new("sh", ["-c", "echo no such table >&2; exit 3"]);
        let error = Programs::default().run(&command, soon()).unwrap_err().to_string();
        assert!(error.contains("no such table") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_program_that_hangs_is_ended_at_the_deadline() {
        let started = Instant::now();
        let deadline = Deadline::after(Duration::from_millis(200));
        let error = Programs::default().run(&Command::new("sleep", ["60"]), deadline).unwrap_err();
        assert!(matches!(error, RunError::Deadline { .. }));
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
