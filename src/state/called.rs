//! When libvirt last ran the hook: `called/DRIVER` below `/run/virt-guard`.
//!
//! libvirt looks for hooks when its daemon starts and reloads. That it has found one can
//! be known only by its running it. Nothing depends on these notes but what an operator
//! is told.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{State, read, write};

/// A run of the hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// The process that ran it, and who ran that: one of them is libvirt's daemon.
    pub by: Vec<u32>,
    /// When, by the clock of then.
    pub at: SystemTime,
}

impl State {
    /// Notes that the hook was run just now for this driver, by these processes.
    pub fn note_called(&self, driver: &str, by: Vec<u32>) {
        // Rules do not wait for a note.
        let _ = write(&self.called_file(driver), &Called { by, at: SystemTime::now() });
    }

    /// The last time that the hook was run for this driver since the machine started.
    pub fn called(&self, driver: &str) -> Option<Called> {
        read(&self.called_file(driver))
    }

    fn called_file(&self, driver: &str) -> PathBuf {
        self.dir.join("called").join(driver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_call_of_each_driver_is_known() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(root.path());
        assert_eq!(state.called("qemu"), None);
        state.note_called("qemu", vec![7]);
        state.note_called("qemu", vec![8, 1]);
        assert_eq!(state.called("qemu").unwrap().by, [8, 1]);
        assert_eq!(state.called("daemon"), None);
    }
}
