//! Which guests there are: asked of libvirt, read from its status files, and
//! found by what the operator calls one.

use std::path::Path;

use anyhow::Context;

use super::exit::Usage;
use crate::facts::Domain;
use crate::facts::running::{self, Running};

/// The most guests that an error lists.
const LISTED: usize = 20;

/// The guests that run, and who said so.
pub struct Found {
    /// The guests.
    pub running: Running,
    /// Who said so.
    pub source: Source,
}

/// Who tells of the guests that run.
pub enum Source {
    /// libvirt itself.
    Libvirt,
    /// Its status files, as it could not be asked: the reason.
    StatusFiles(String),
    /// The status files of another tree; the libvirt that answers here is this
    /// machine's.
    OtherTree,
}

impl Source {
    /// Why libvirt was not asked although it ought to have been.
    pub fn complaint(&self) -> Option<String> {
        match self {
            Self::Libvirt | Self::OtherTree => None,
            Self::StatusFiles(reason) => {
                Some(format!("libvirt was not asked ({reason}); guests are those of /run/libvirt/qemu"))
            }
        }
    }
}

/// The guests that run on the host whose files are below `root`.
///
/// # Errors
/// Neither libvirt nor its status files can be read.
pub fn running(root: &Path) -> anyhow::Result<Found> {
    let files = || running::running(root).context("/run/libvirt/qemu cannot be read");
    if root != Path::new("/") {
        return Ok(Found { running: files()?, source: Source::OtherTree });
    }
    Ok(match ask_libvirt() {
        Ok(running) => Found { running, source: Source::Libvirt },
        Err(reason) => {
            let running = files().with_context(|| format!("libvirt cannot be asked: {reason}"))?;
            Found { running, source: Source::StatusFiles(reason) }
        }
    })
}

/// The version of the libvirt of this machine, as it counts: 9000000 is 9.0.0.
///
/// # Errors
/// It cannot be asked: why.
pub fn libvirt_version() -> Result<u32, String> {
    libvirt::version()
}

fn ask_libvirt() -> Result<Running, String> {
    libvirt::running()
}

#[cfg(feature = "libvirt")]
mod libvirt {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::Running;
    use crate::libvirt::{self, SYSTEM};

    /// How long libvirt may take; a busy one lists a thousand guests in less.
    const PATIENCE: Duration = Duration::from_secs(15);

    pub fn running() -> Result<Running, String> {
        patiently(|| libvirt::running(SYSTEM))
    }

    pub fn version() -> Result<u32, String> {
        patiently(|| libvirt::version(SYSTEM))
    }

    /// In a thread, as a daemon that hangs would hold us for ever.
    fn patiently<T: Send + 'static>(ask: fn() -> Result<T, String>) -> Result<T, String> {
        let (sender, receiver) = channel();
        std::thread::spawn(move || sender.send(ask()));
        receiver.recv_timeout(PATIENCE).map_err(|_| format!("no answer in {} seconds", PATIENCE.as_secs()))?
    }
}

#[cfg(not(feature = "libvirt"))]
mod libvirt {
    use super::Running;

    pub fn running() -> Result<Running, String> {
        Err("this program was built without it".to_owned())
    }

    pub fn version() -> Result<u32, String> {
        running().map(|_| 0)
    }
}

/// The guest that the operator calls `wanted`: by UUID or name.
///
/// # Errors
/// There is none, or more than one; the error lists those there are.
pub fn find<'a>(guests: &'a [Domain], wanted: &str) -> Result<&'a Domain, Usage> {
    let by_uuid = guests.iter().find(|guest| guest.uuid.to_string().eq_ignore_ascii_case(wanted));
    let mut named = guests.iter().filter(|guest| guest.name == wanted);
    match (by_uuid.or_else(|| named.next()), named.next()) {
        (Some(guest), None) => Ok(guest),
        (Some(_), Some(_)) => Err(Usage(format!("more than one guest is called {wanted:?}; {}", known(guests)))),
        (None, _) => Err(Usage(format!("unknown guest {wanted:?}; {}", known(guests)))),
    }
}

/// The guests that could have been meant.
fn known(guests: &[Domain]) -> String {
    let names: Vec<_> = guests.iter().take(LISTED).map(|guest| format!("{:?} ({})", guest.name, guest.uuid)).collect();
    match guests.len().checked_sub(names.len()) {
        _ if names.is_empty() => "no guest is known".to_owned(),
        None | Some(0) => format!("known: {}", names.join(", ")),
        Some(more) => format!("known: {} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(name: &str, number: u8) -> Domain {
        let uuid = format!("c7a5fdbd-edaf-9455-926a-d65c16db18{number:02x}").parse().unwrap();
        Domain { name: name.into(), uuid, interfaces: Vec::new(), metadata_groups: Vec::new() }
    }

    #[test]
    fn a_guest_is_found_by_name_and_by_uuid() {
        let guests = [guest("web1", 1), guest("db1", 2)];
        assert_eq!(find(&guests, "db1").unwrap(), &guests[1]);
        assert_eq!(find(&guests, "C7A5FDBD-EDAF-9455-926A-D65C16DB1801").unwrap(), &guests[0]);
    }

    #[test]
    fn who_is_unknown_is_told_who_is_known_and_nothing_reaches_the_terminal() {
        let error = find(&[guest("a\u{1b}[2J", 1)], "x").unwrap_err().to_string();
        let expected = r#"unknown guest "x"; known: "a\u{1b}[2J" (c7a5fdbd-edaf-9455-926a-d65c16db1801)"#;
        assert_eq!(error, expected);
        assert_eq!(find(&[], "x").unwrap_err().to_string(), "unknown guest \"x\"; no guest is known");
        let many: Vec<_> = (0..22).map(|number| guest("g", number)).collect();
        assert!(find(&many, "x").unwrap_err().to_string().ends_with("and 2 more"));
    }

    #[test]
    fn one_name_of_two_guests_is_nobodys() {
        let guests = [guest("web1", 1), guest("web1", 2)];
        assert!(find(&guests, "web1").unwrap_err().to_string().starts_with("more than one guest is called \"web1\""));
        assert_eq!(find(&guests, &guests[1].uuid.to_string()).unwrap(), &guests[1]);
    }
}
