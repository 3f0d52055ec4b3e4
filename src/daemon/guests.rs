//! What libvirt tells of guests, in the daemon's words; silence in a program that
//! is built without libvirt.

#[cfg(feature = "libvirt")]
pub use with_libvirt::Guests;

#[cfg(feature = "libvirt")]
mod with_libvirt {
    use std::io;
    use std::os::fd::BorrowedFd;

    use super::super::wanted::Told;
    use crate::libvirt::{News, Watch};
    use crate::state::events::{LIBVIRT_ANSWERS, LIBVIRT_IS_SILENT};

    /// libvirt, watched by a thread of its own.
    pub struct Guests(Watch);

    impl Guests {
        pub fn start(uri: &str) -> io::Result<Self> {
            Watch::start(uri).map(Self)
        }

        pub fn fd(&self) -> Option<BorrowedFd<'_>> {
            Some(self.0.fd())
        }

        pub fn news(&mut self) -> Vec<Told> {
            self.0.news().into_iter().flat_map(told).collect()
        }
    }

    fn told(news: News) -> Vec<Told> {
        match news {
            News::Connected => vec![Told::Note(LIBVIRT_ANSWERS.to_owned())],
            News::Running(running) => {
                let problems = running.problems.into_iter().map(Told::Note);
                problems.chain([Told::Running(running.domains)]).collect()
            }
            News::Lost(reason) => vec![Told::Note(format!("{LIBVIRT_IS_SILENT}: {reason}"))],
            News::Guest { uuid, event, domain } => {
                vec![Told::Guest(uuid, domain.map(Box::new), event.to_string())]
            }
            // The facts on record are the last that were read; they are looked at.
            News::Unreadable { uuid, event, problem } => {
                let note = Told::Note(format!("guest {uuid} ({event}): {problem}"));
                vec![note, Told::Files]
            }
        }
    }
}

/// Nobody to ask.
#[cfg(not(feature = "libvirt"))]
pub struct Guests;

#[cfg(not(feature = "libvirt"))]
impl Guests {
    pub fn start(_: &str) -> std::io::Result<Self> {
        Ok(Self)
    }

    pub fn fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }

    pub fn news(&mut self) -> Vec<super::wanted::Told> {
        Vec::new()
    }
}
