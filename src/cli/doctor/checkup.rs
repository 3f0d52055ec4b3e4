//! What the checks share: this host as it is at the beginning, each thing asked once.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cli::guests::{self, Found};
use crate::cli::{PATIENCE, host};
use crate::engine::EngineKind;
use crate::facts::policy::Policy;
use crate::kernel::{Deadline, Links, Process, Programs, processes};
use crate::reconcile::{Drift, Error, Host};

/// The names of the daemon that runs guests: libvirt's one daemon, or the one of several
/// that is for QEMU (libvirt's "daemons" page).
const LIBVIRT: [&str; 2] = ["libvirtd", "virtqemud"];

/// This host, and what was found of it already.
pub struct Checkup {
    /// Below which directory its files are.
    pub root: PathBuf,
    /// The host itself.
    pub host: Host,
    /// The policy, or why there is none.
    pub policy: Result<Policy, Error>,
    /// Its interfaces.
    pub links: Links,
    /// The guests that run, and who said so.
    pub guests: Found,
    /// The processes in this network namespace.
    pub processes: Vec<Process>,
    /// The differences between kernel and policy, once somebody has looked.
    pub drifts: Option<Vec<Drift>>,
    /// Runs programs that change nothing.
    pub programs: Programs,
    /// By when all is to be over.
    pub deadline: Deadline,
    /// When it began.
    pub now: SystemTime,
}

impl Checkup {
    /// Looks at what more than one check needs.
    ///
    /// # Errors
    /// The interfaces, the processes or the guests of this host cannot be listed.
    pub fn begin(root: &Path) -> anyhow::Result<Self> {
        let host = host(root);
        // Before the processes: libvirt's daemon may start only when it is asked.
        let guests = guests::running(root)?;
        Ok(Self {
            root: root.to_owned(),
            policy: host.policy(),
            links: host.links()?,
            host,
            guests,
            processes: processes()?,
            drifts: None,
            programs: Programs::default(),
            deadline: Deadline::after(PATIENCE),
            now: SystemTime::now(),
        })
    }

    /// Whether this is the machine that the program runs on, not a tree of files.
    pub fn is_this_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The engine that holds the rules, as far as it is known.
    pub fn engine(&mut self) -> Option<EngineKind> {
        let choice = self.policy.as_ref().ok()?.engine;
        self.host.engine(choice).ok().map(|engine| engine.kind())
    }

    /// libvirt's daemon that runs guests.
    pub fn libvirt(&self) -> Option<&Process> {
        self.processes.iter().find(|process| LIBVIRT.contains(&process.command.as_str()))
    }

    /// Whether a program of this name runs.
    pub fn runs(&self, command: &str) -> bool {
        self.processes.iter().any(|process| process.command == command)
    }
}

/// A moment as people read it, in UTC, to the second.
pub fn clock(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
