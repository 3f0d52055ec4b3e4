//! What is remembered below `/run/virt-guard`, so that everything can be rebuilt
//! with libvirt down and a port's rules taken away without any configuration.
//!
//! ```text
//! /run/virt-guard/
//! ├── lock                              held by whoever changes rules or records
//! ├── host.json                         what the kernel can do, found once
//! ├── base.json                         the base that was applied, and its lines
//! ├── guests/UUID.json                  the domain, as libvirt told the hook
//! ├── ports/IFNAME.json                 the port's plan that was applied, and its lines
//! ├── fragments/IFNAME.json             the operator's own rules at the port, and their lines
//! ├── preserved.json                    chains of others, as they stood while whole
//! ├── members/SET/ADDRESS/IFNAME        who adds which address to which set
//! ├── addresses/IFNAME.json             the addresses of the port's guest
//! ├── bearers/ADDRESS/IFNAME            the same by address
//! ├── nat/IFNAME.json                   floating IPs and forwards that lead to the port
//! ├── probes/IFNAME.json               a probe at work, and what holds at its port
//! ├── settling/IFNAME.json              until when unknown connections go on there
//! ├── nat.json                          all of them, as they were applied
//! ├── concerned.json                    flows that are yet to be looked at
//! ├── arriving/UUID                     guests that come with connections of their own
//! ├── policy-since.json                since when the operator's files are as they are
//! ├── called/DRIVER                     when libvirt last ran the hook, and which process it was
//! ├── authors                           process ids of programs that we ran
//! ├── events.jsonl, events.1.jsonl      what the daemon saw and did
//! └── virt-guard.prom                   its counters, for node_exporter
//!
//! /var/lib/virt-guard/base.json         the base once more, for the next boot
//! ```
//!
//! Below `/var/lib/virt-guard` is what must outlive a reboot, as libvirt's filters
//! do: `nwfilter.json`, the filters that were made in libvirt (`filters`), and
//! `floating.json` and `addresses.json`, the floating IPs associated by command and
//! the addresses put on interfaces (`floating`), and `pending/NAME.json`, changes that
//! are undone unless somebody confirms them (`pending`), and `pins/NAME/`, services kept
//! from guests with what their files were before (`pins`, `replaced`), and `policy/`, the
//! operator's files as they were when they were last known to be good (`policy_files`).
//!
//! Each file is replaced as a whole. A record that cannot be read counts as
//! absent: what it described is then rebuilt or stays closed.

mod called;
mod concerned;
mod ends;
pub mod events;
mod filters;
mod floating;
mod fragments;
mod lock;
mod members;
mod pending;
mod pins;
mod policy_files;
mod preserved;
mod probes;
mod replaced;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::{EngineKind, Table};
use crate::facts::Domain;
use crate::facts::domain::Uuid;
use crate::kernel::Capabilities;
use crate::model::GuestId;
use crate::net::IfName;
use crate::plan::{Base, PortPlan};

pub use called::Called;
pub use concerned::Concerned;
pub use ends::{NatRecord, PortAddresses};
pub use filters::MadeFilters;
pub use floating::{Association, FloatingRecords, PutAddress};
pub use fragments::FragmentRecord;
pub use lock::Lock;
pub use pending::Pending;
pub use pins::{PinPhase, PinRecord};
pub use policy_files::PolicyFiles;
pub use preserved::{Jump, Owner, Preserved, PreservedChain, PreservedTable};
pub use probes::{Around, ProbeRecord};
pub use replaced::{Copies, Found, Replaced};

/// The lines of each chain as the kernel listed them right after they were applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(Table, String, Vec<String>)>", into = "Vec<(Table, String, Vec<String>)>")]
pub struct Lines(pub BTreeMap<(Table, String), Vec<String>>);

impl From<Vec<(Table, String, Vec<String>)>> for Lines {
    fn from(chains: Vec<(Table, String, Vec<String>)>) -> Self {
        Self(chains.into_iter().map(|(table, name, lines)| ((table, name), lines)).collect())
    }
}

impl From<Lines> for Vec<(Table, String, Vec<String>)> {
    fn from(lines: Lines) -> Self {
        lines.0.into_iter().map(|((table, name), lines)| (table, name, lines)).collect()
    }
}

/// The base that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseRecord {
    /// By which engine.
    pub engine: EngineKind,
    /// What was applied.
    pub base: Base,
    /// What the kernel showed of it.
    pub lines: Lines,
}

/// A port's rules: those that were applied, or are being applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRecord {
    /// Whose port it is.
    pub guest: GuestId,
    /// What was applied, or what somebody set out to apply.
    pub plan: PortPlan,
    /// What was applied before, until the plan is seen to stand.
    pub previous: Option<PortPlan>,
    /// What the kernel showed of the plan; nothing until it is seen to stand.
    pub lines: Lines,
}

impl PortRecord {
    /// Somebody sets out to apply `plan` in the place of what is on record.
    pub fn attempt(guest: GuestId, plan: PortPlan, before: Option<&Self>) -> Self {
        let previous = before.and_then(Self::last_good).cloned();
        Self { guest, plan, previous, lines: Lines::default() }
    }

    /// The plan that was last seen to stand.
    pub fn last_good(&self) -> Option<&PortPlan> {
        if self.lines.0.is_empty() { self.previous.as_ref() } else { Some(&self.plan) }
    }

    /// All plans of which something may stand.
    pub fn plans(&self) -> Vec<&PortPlan> {
        [&self.plan].into_iter().chain(&self.previous).collect()
    }
}

/// The records below one directory.
#[derive(Debug, Clone)]
pub struct State {
    dir: PathBuf,
    kept: PathBuf,
}

impl State {
    /// The records below `<root>/run/virt-guard`.
    pub fn new(root: &Path) -> Self {
        Self { dir: root.join("run/virt-guard"), kept: root.join("var/lib/virt-guard/base.json") }
    }

    /// What was found of the kernel and its programs, if anybody looked.
    pub fn capabilities(&self) -> Option<Capabilities> {
        read(&self.dir.join("host.json"))
    }

    /// Remembers what was found.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_capabilities(&self, capabilities: &Capabilities) -> io::Result<()> {
        write(&self.dir.join("host.json"), capabilities)
    }

    /// The base that stands, as far as it is known.
    pub fn base(&self) -> Option<BaseRecord> {
        read(&self.dir.join("base.json"))
    }

    /// Remembers the base; `None` before it is touched, so that whoever comes
    /// after a crash rebuilds everything.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_base(&self, record: Option<&BaseRecord>) -> io::Result<()> {
        set(&self.dir.join("base.json"), record)
    }

    /// Where the process ids of programs that we ran are noted.
    pub fn authors_file(&self) -> PathBuf {
        self.dir.join("authors")
    }

    /// The process ids of programs that we ran lately, in whatever process of ours.
    pub fn authors(&self) -> BTreeSet<u32> {
        let text = fs::read_to_string(self.authors_file()).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// The base that was applied last, be it before the last boot: what to close
    /// by while the policy is broken.
    pub fn last_base(&self) -> Option<BaseRecord> {
        self.base().or_else(|| read(&self.kept))
    }

    /// Keeps the base for the next boot.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep_base(&self, record: &BaseRecord) -> io::Result<()> {
        write(&self.kept, record)
    }

    /// All guests that were told of.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn guests(&self) -> io::Result<Vec<Domain>> {
        Ok(names(&self.dir.join("guests"))?
            .iter()
            .filter_map(|name| read(&self.dir.join("guests").join(name)))
            .collect())
    }

    /// The guest with this UUID.
    pub fn guest(&self, uuid: &Uuid) -> Option<Domain> {
        read(&self.guest_file(uuid))
    }

    /// Remembers a guest, or forgets it.
    ///
    /// # Errors
    /// The file cannot be written or removed.
    pub fn set_guest(&self, uuid: &Uuid, domain: Option<&Domain>) -> io::Result<()> {
        set(&self.guest_file(uuid), domain)
    }

    /// The names of all ports that have rules.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn port_names(&self) -> io::Result<BTreeSet<IfName>> {
        let names = names(&self.dir.join("ports"))?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect())
    }

    /// What was applied at a port.
    pub fn port(&self, name: &IfName) -> Option<PortRecord> {
        read(&self.port_file(name))
    }

    /// The ports that have rules for this guest: those that its record names, or,
    /// without one, all that were applied for it.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn ports_of(&self, uuid: &Uuid) -> io::Result<Vec<PortRecord>> {
        let names = match self.guest(uuid) {
            Some(domain) => domain.interfaces.into_iter().filter_map(|interface| interface.target).collect(),
            None => self.port_names()?,
        };
        let records = names.into_iter().filter_map(|name| self.port(&name));
        Ok(records.filter(|record| record.guest.uuid == *uuid).collect())
    }

    /// Remembers what is applied at a port, or forgets the port.
    ///
    /// # Errors
    /// The file cannot be written or removed.
    pub fn set_port(&self, name: &IfName, record: Option<&PortRecord>) -> io::Result<()> {
        set(&self.port_file(name), record)
    }

    /// Notes that a guest is about to come from another host or from a file, with
    /// connections that it began there.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn note_arriving(&self, uuid: &Uuid) -> io::Result<()> {
        let folder = self.dir.join("arriving");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(uuid.to_string()), "")
    }

    /// Whether a guest was about to come so. Asked once.
    pub fn takes_arriving(&self, uuid: &Uuid) -> bool {
        fs::remove_file(self.dir.join("arriving").join(uuid.to_string())).is_ok()
    }

    fn guest_file(&self, uuid: &Uuid) -> PathBuf {
        self.dir.join("guests").join(format!("{uuid}.json"))
    }

    fn port_file(&self, name: &IfName) -> PathBuf {
        self.dir.join("ports").join(format!("{name}.json"))
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn set<T: Serialize>(path: &Path, value: Option<&T>) -> io::Result<()> {
    match value {
        Some(value) => write(path, value),
        None => unless_absent(fs::remove_file(path)),
    }
}

fn unless_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Beside the file, then in its place: a reader sees the old or the new.
fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let (_, beside) = write_beside(path, value)?;
    fs::rename(&beside, path)
}

/// The same, on the disk before it returns: it is there whatever becomes of the machine.
fn write_durably<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let (file, beside) = write_beside(path, value)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

fn write_beside<T: Serialize>(path: &Path, value: &T) -> io::Result<(File, PathBuf)> {
    let text = serde_json::to_vec(value)?;
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(&text)?;
    Ok((file, beside))
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}
