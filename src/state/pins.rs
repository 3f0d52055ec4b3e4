//! The services that are kept from guests, and what of their files was replaced for it:
//! `pins/NAME/` below `/var/lib/virt-guard`.
//!
//! ```text
//! pins/NAME/pin.json     the record; without one nothing was done yet
//! pins/NAME/N.before     the files as they were, and as they are since (`replaced`)
//! pins/NAME/N.after
//! ```
//!
//! The record is on the disk before a file is touched, and is gone only when all are
//! as they were. Unlike other records one that cannot be read is an error: to take it
//! for absent would leave the files as they are for ever.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Replaced, State, names, unless_absent, write_durably};
use crate::net::IfName;
use crate::pins::Activation;

/// How far a pin has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinPhase {
    /// Its files are being written. Whoever finds it so after a crash puts them back.
    Applying,
    /// It was done to its end.
    Stands,
    /// Its files are being put back. Whoever finds it so goes on.
    Undoing,
}

/// A service that is kept from guests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PinRecord {
    /// The service, as it was named.
    pub name: String,
    /// The addresses that it may listen at.
    pub addresses: Vec<IpAddr>,
    /// The interface that it is bound to, if one was named.
    pub interface: Option<IfName>,
    /// When it was pinned: RFC 3339, in UTC.
    pub since: String,
    /// How far it has come.
    pub phase: PinPhase,
    /// Whether a probe has shown that no guest reaches it.
    pub proven: bool,
    /// Whether it is undone unless somebody confirms it in time.
    pub unconfirmed: bool,
    /// The files that were replaced.
    pub files: Vec<Replaced>,
    /// What makes the service obey its files.
    pub activations: Vec<Activation>,
}

impl PinRecord {
    /// Whether something was begun that was not done to its end.
    pub fn is_amid(&self) -> bool {
        self.phase != PinPhase::Stands
    }
}

impl State {
    /// All pins, by name.
    ///
    /// # Errors
    /// The directory or a record cannot be read.
    pub fn pins(&self) -> io::Result<Vec<PinRecord>> {
        let names = names(&self.pins_dir())?;
        names.iter().filter_map(|name| self.pin(name).transpose()).collect()
    }

    /// The pin of this name.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn pin(&self, name: &str) -> io::Result<Option<PinRecord>> {
        let path = self.pin_dir(name).join("pin.json");
        let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => serde_json::from_slice(&bytes.map_err(told)?).map_err(io::Error::from).map_err(told),
        }
    }

    /// Remembers a pin.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_pin(&self, record: &PinRecord) -> io::Result<()> {
        write_durably(&self.pin_dir(&record.name).join("pin.json"), record)
    }

    /// Forgets a pin, and what its files were: the record first, so that none is ever
    /// there without its copies.
    ///
    /// # Errors
    /// Something of it cannot be removed.
    pub fn forget_pin(&self, name: &str) -> io::Result<()> {
        let dir = self.pin_dir(name);
        unless_absent(fs::remove_file(dir.join("pin.json")))?;
        unless_absent(fs::remove_dir_all(dir))
    }

    /// Forgets what was begun and never noted: nothing was done then.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn sweep_pins(&self) -> io::Result<()> {
        for name in names(&self.pins_dir())? {
            if !self.pin_dir(&name).join("pin.json").exists() {
                self.forget_pin(&name)?;
            }
        }
        Ok(())
    }

    /// Where the copies of a pin's files are.
    pub fn pin_dir(&self, name: &str) -> PathBuf {
        self.pins_dir().join(name)
    }

    fn pins_dir(&self) -> PathBuf {
        self.kept.with_file_name("pins")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> PinRecord {
        PinRecord {
            name: name.to_owned(),
            addresses: vec!["192.0.2.10".parse().unwrap()],
            interface: None,
            since: "2026-01-01T00:00:00Z".to_owned(),
            phase: PinPhase::Applying,
            proven: false,
            unconfirmed: true,
            files: Vec::new(),
            activations: vec![Activation::Restart("ssh.service".to_owned())],
        }
    }

    #[test]
    fn what_is_remembered_is_read_again_and_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(root.path());
        assert_eq!(state.pins().unwrap(), []);
        for name in ["sshd", "postgresql@15-main.service"] {
            state.set_pin(&record(name)).unwrap();
        }
        assert_eq!(state.pins().unwrap(), [record("postgresql@15-main.service"), record("sshd")]);
        state.forget_pin("sshd").unwrap();
        state.forget_pin("sshd").unwrap();
        assert_eq!(state.pins().unwrap(), [record("postgresql@15-main.service")]);
        assert!(!state.pin_dir("sshd").exists());
    }

    #[test]
    fn what_never_began_is_swept_and_what_cannot_be_read_is_told() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(root.path());
        fs::create_dir_all(state.pin_dir("begun")).unwrap();
        fs::write(state.pin_dir("begun").join("0.before"), "x").unwrap();
        assert_eq!(state.pins().unwrap(), []);
        state.sweep_pins().unwrap();
        assert!(!state.pin_dir("begun").exists());

        state.set_pin(&record("sshd")).unwrap();
        fs::write(state.pin_dir("sshd").join("pin.json"), "{").unwrap();
        state.sweep_pins().unwrap();
        let error = state.pins().unwrap_err().to_string();
        assert!(error.contains("pins/sshd/pin.json: "), "{error}");
    }
}
