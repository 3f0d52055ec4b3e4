//! What pinning a service would do, and whether it may be done.
//!
//! In: the recipe of a service. Out: the changes of its files, as they can be shown.
//! Changes nothing.

use std::path::PathBuf;

use super::files::HostFiles;
use super::place::{PinTo, Surface};
use super::{refused, systemd};
use crate::kernel::{Session, ssh_session};
use crate::pins::{Activation, Files, Name, PinError, Recipe, Target, recipe};
use crate::reconcile::{Error, Host};
use crate::state::{PinPhase, PinRecord};

/// The units of the SSH server.
const SSH: [&str; 4] = ["ssh.service", "sshd.service", "ssh.socket", "sshd.socket"];

/// A file that would be another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The file.
    pub path: PathBuf,
    /// What is in it; nothing if it is not there.
    pub before: Option<String>,
    /// What would be.
    pub after: String,
}

/// How a service would be pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinPlan {
    /// The service.
    pub name: Name,
    /// Where to, and from whom.
    pub target: Target,
    /// What would be written and done.
    pub recipe: Recipe,
    /// The files that would change; none if all are as they should be.
    pub changes: Vec<FileChange>,
}

impl Host {
    /// How `name` would be pinned to these places. Looks, and changes nothing.
    ///
    /// # Errors
    /// It cannot be pinned so, or the session would be cut off.
    pub fn plan_pin(&mut self, name: &Name, to: &[PinTo]) -> Result<PinPlan, Error> {
        let policy = self.policy()?;
        let (links, addresses) = (self.links()?, self.addresses()?);
        let target = Surface { policy: &policy, links: &links, addresses: &addresses }.target(to)?;
        let framework = systemd::framework(self.runner.as_mut(), self.deadline);
        let files = HostFiles(&self.root);
        let recipe = recipe(name, &target, framework, &files)?;
        let changes = changes(&recipe, &files)?;
        self.refuse_others(name, &changes)?;
        let plan = PinPlan { name: name.clone(), target, recipe, changes };
        if let Some(session) = ssh_session() {
            self.refuse_cutting(&plan, &session)?;
        }
        Ok(plan)
    }

    /// A file belongs to one pin, which alone knows how it was.
    pub(super) fn refuse_others(&self, name: &Name, changes: &[FileChange]) -> Result<(), Error> {
        let pins = self.state.pins().map_err(Error::io("the pins cannot be read"))?;
        for pin in pins.iter().filter(|_| !changes.is_empty()) {
            if pin.name == name.as_str() {
                return Err(refused(format!("{name}: pinned since {}, in another way; unpin it first", pin.since)));
            }
            let shared = pin.files.iter().find(|file| changes.iter().any(|change| change.path == file.path));
            if let Some(file) = shared.filter(|_| pin.name != name.as_str()) {
                let path = file.path.display();
                return Err(refused(format!("{path}: changed by the pin of {}; unpin that first", pin.name)));
            }
        }
        Ok(())
    }

    /// Whoever pins the service that he has come by must still be able to come.
    pub(super) fn refuse_cutting(&mut self, plan: &PinPlan, session: &Session) -> Result<(), Error> {
        if !self.carries(&plan.recipe.activations, session)? {
            return Ok(());
        }
        let cut = |why: String| refused(format!("{}: this session from {} {why}", plan.name, session.peer));
        if let Some(net) = plan.target.guests.iter().find(|net| net.contains(&session.peer)) {
            return Err(cut(format!("would be cut off: {net} is a network of guests")));
        }
        let at = session.at.ip();
        let stays = plan.target.addresses.contains(&at) || at.is_loopback() && plan.names(&at.to_string());
        if stays || plan.changes.is_empty() {
            return Ok(());
        }
        Err(cut(format!("would be cut off: it came to {at}, where the service would not listen any more; see --to")))
    }

    /// Whether the session has come by a service of these units.
    fn carries(&mut self, activations: &[Activation], session: &Session) -> Result<bool, Error> {
        if systemd::units(activations).iter().any(|unit| SSH.contains(unit)) {
            return Ok(true);
        }
        let listening = self.listening(activations)?;
        let is_of_session = |port: u16, protocol| port == session.at.port() && protocol == crate::net::Protocol::TCP;
        Ok(listening.iter().any(|listener| is_of_session(listener.port, listener.protocol)))
    }
}

impl PinPlan {
    /// The record of it, before anything is done.
    pub(super) fn record(&self, since: String) -> PinRecord {
        PinRecord {
            name: self.name.to_string(),
            addresses: self.target.addresses.clone(),
            interface: self.target.interface.clone(),
            since,
            phase: PinPhase::Applying,
            proven: false,
            unconfirmed: false,
            files: Vec::new(),
            activations: self.recipe.activations.clone(),
        }
    }

    fn names(&self, word: &str) -> bool {
        self.changes.iter().any(|change| change.after.contains(word))
    }
}

pub(super) fn changes(recipe: &Recipe, files: &HostFiles) -> Result<Vec<FileChange>, PinError> {
    let change = |edit: &crate::pins::Edit| {
        let before = files.read(&edit.path).map_err(|source| PinError::Io { path: edit.path.clone(), source })?;
        Ok(FileChange { path: edit.path.clone(), before, after: edit.text.clone() })
    };
    recipe.edits.iter().map(change).collect()
}
