//! libvirt's own rules, put back by libvirt itself. It may take its time, so a
//! thread waits for it; nothing in a program that is built without libvirt.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, atomic};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::wanted::FilterNews;

/// A look at libvirt's own rules, one at a time.
pub struct Filters {
    uri: String,
    bell: Arc<EventFd>,
    busy: Arc<atomic::AtomicBool>,
    sender: Sender<FilterNews>,
    receiver: Receiver<FilterNews>,
}

impl Filters {
    /// # Errors
    /// There is no file descriptor to be had.
    pub fn new(uri: &str) -> io::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let (sender, receiver) = channel();
        Ok(Self { uri: uri.to_owned(), bell: Arc::new(bell), busy: Arc::default(), sender, receiver })
    }

    /// Readable when there is something to tell.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// What became of the last look, if it is done.
    pub fn news(&mut self) -> Option<FilterNews> {
        // That it has not rung is the only way this fails.
        let _ = self.bell.read();
        self.receiver.try_recv().ok()
    }

    /// Begins to look, unless somebody still does.
    pub fn look(&mut self) {
        if self.busy.swap(true, atomic::Ordering::SeqCst) {
            return;
        }
        let (uri, bell, busy, sender) =
            (self.uri.clone(), Arc::clone(&self.bell), Arc::clone(&self.busy), self.sender.clone());
        std::thread::spawn(move || {
            // Who no longer listens has ended.
            let _ = sender.send(heal(&uri));
            busy.store(false, atomic::Ordering::SeqCst);
            let _ = bell.write(1);
        });
    }
}

#[cfg(feature = "libvirt")]
fn heal(uri: &str) -> FilterNews {
    match crate::libvirt::nwfilter::heal(uri) {
        Ok(healed) => {
            let lacking = healed.lacking.iter().map(|port| format!("libvirt's own rules of {} are missing", port.port));
            FilterNews { rebuilt: healed.rebuilt, problems: healed.failed.into_iter().chain(lacking).collect() }
        }
        // Without libvirt there is nobody to rebuild; that is told elsewhere.
        Err(_) => FilterNews::default(),
    }
}

#[cfg(not(feature = "libvirt"))]
fn heal(_: &str) -> FilterNews {
    FilterNews::default()
}
