//! The operations of libvirt's hooks, and what a failure means for each.

use std::fmt;
use std::str::FromStr;

use super::Exit;
use crate::net::ValueError;

/// Which of libvirt's drivers calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// A guest.
    Qemu,
    /// A virtual network.
    Network,
    /// The daemon itself.
    Daemon,
}

impl Driver {
    /// The name of its hook, in a word (libvirt's hooks page).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Qemu => "qemu",
            Self::Network => "network",
            Self::Daemon => "daemon",
        }
    }
}

impl FromStr for Driver {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "qemu" => Ok(Self::Qemu),
            "network" => Ok(Self::Network),
            "daemon" => Ok(Self::Daemon),
            _ => Err(ValueError::new("driver", text, "qemu, network or daemon")),
        }
    }
}

/// What is about to happen or has happened (libvirt's hooks page). Those of the
/// network and the daemon are read as the ones of a guest that mean the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A guest is about to start; its ports have no names yet.
    Prepare,
    /// Its ports are there, it does not run.
    Start,
    /// It runs.
    Started,
    /// It does not run any more.
    Stopped,
    /// Its resources are free.
    Release,
    /// libvirt's daemon found it running.
    Reconnect,
    /// libvirt took over a process that was running.
    Attach,
    /// It is about to come from another host.
    Migrate,
    /// It is about to come from a file.
    Restore,
    /// Anything else; a newer libvirt may know more.
    Other,
}

/// The words, each once.
const WORDS: [(&str, Operation); 9] = [
    ("prepare", Operation::Prepare),
    ("start", Operation::Start),
    ("started", Operation::Started),
    ("stopped", Operation::Stopped),
    ("release", Operation::Release),
    ("reconnect", Operation::Reconnect),
    ("attach", Operation::Attach),
    ("migrate", Operation::Migrate),
    ("restore", Operation::Restore),
];

impl Operation {
    /// The operation that libvirt calls `word` for `driver`.
    pub fn read(driver: Driver, word: &str) -> Self {
        match driver {
            Driver::Qemu => WORDS.iter().find(|(known, _)| *known == word).map_or(Self::Other, |(_, op)| *op),
            Driver::Network if matches!(word, "started" | "updated" | "port-created") => Self::Reconnect,
            Driver::Daemon if matches!(word, "start" | "reload") => Self::Reconnect,
            Driver::Network | Driver::Daemon => Self::Other,
        }
    }

    /// What to exit with if the operation could not be done.
    pub fn on_failure(self, driver: Driver) -> Exit {
        match self {
            Self::Prepare | Self::Start | Self::Started | Self::Migrate | Self::Restore if driver == Driver::Qemu => {
                Exit::Stop
            }
            _ => Exit::GoOn,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(WORDS.iter().find(|(_, op)| op == self).map_or("other", |(word, _)| *word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_stops_a_start_and_never_kills_a_running_guest() {
        let exit = |word| Operation::read(Driver::Qemu, word).on_failure(Driver::Qemu);
        for word in ["prepare", "start", "started", "migrate", "restore"] {
            assert_eq!(exit(word), Exit::Stop, "{word}");
        }
        for word in ["reconnect", "attach", "stopped", "release", "something-new"] {
            assert_eq!(exit(word), Exit::GoOn, "{word}");
        }
    }

    #[test]
    fn libvirt_itself_always_comes_up() {
        for (driver, word) in
            [(Driver::Daemon, "start"), (Driver::Network, "started"), (Driver::Network, "port-created")]
        {
            assert_eq!(Operation::read(driver, word).on_failure(driver), Exit::GoOn);
        }
    }
}
