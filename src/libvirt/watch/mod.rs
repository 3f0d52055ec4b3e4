//! A watch over the guests: what happens to them, told as it happens.
//!
//! In: the URI of a driver. Out: news, with a file descriptor that is readable
//! when there is some. A thread of its own holds the connection, since libvirt
//! may let anybody wait, and connects again when it is lost. While nothing
//! happens it sleeps. It only looks: it must not change a guest.

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::listener::{Listener, Told};
use super::turn::Alarm;
use super::{GuestEvent, connect, parsed, running_on, said};
use crate::facts::Domain;
use crate::facts::domain::Uuid;
use crate::facts::running::Running;

/// The wait before the first try to connect again; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What libvirt told.
#[derive(Debug)]
pub enum News {
    /// There is a connection, for the first time or again: whoever missed
    /// something asks for everything.
    Connected,
    /// The guests that run, right after `Connected`.
    Running(Running),
    /// The connection is gone, or there is none: why. Said once for each reason.
    Lost(String),
    /// Something happened to a guest.
    Guest {
        /// Which guest.
        uuid: Uuid,
        /// What happened.
        event: GuestEvent,
        /// Its live XML, read after the event; nothing if it does not run any more.
        domain: Option<Domain>,
    },
    /// Something happened to a guest that may run, and its XML cannot be read.
    Unreadable {
        /// Which guest.
        uuid: Uuid,
        /// What happened.
        event: GuestEvent,
        /// What is wrong, on one line.
        problem: String,
    },
}

/// A watch over the guests of a driver, in a thread of its own. libvirt has one
/// event loop for each process: a second watch hears nothing before the first
/// is dropped.
pub struct Watch {
    shared: Arc<Shared>,
}

impl Watch {
    /// Watches the guests of the driver at `uri`. That there is no libvirt is
    /// no error, but news.
    ///
    /// # Errors
    /// There is no thread, no file descriptor or no event loop to be had.
    pub fn start(uri: &str) -> io::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let shared =
            Arc::new(Shared { alarm: Alarm::new()?, bell, ended: AtomicBool::new(false), news: Mutex::default() });
        let (theirs, uri) = (Arc::clone(&shared), uri.to_owned());
        thread::Builder::new().name("libvirt".to_owned()).spawn(move || theirs.watch(&uri))?;
        Ok(Self { shared })
    }

    /// Readable when there is news. Only to be waited for.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.shared.bell.as_fd()
    }

    /// The news since the last call, oldest first. Waits for nothing.
    pub fn news(&mut self) -> Vec<News> {
        // The bell first: what comes in between rings it again. That it has not
        // been rung is the only way this fails.
        let _ = self.shared.bell.read();
        mem::take(&mut *self.shared.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Watch {
    /// The thread ends by itself, without being waited for: libvirt may hold it.
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.shared.alarm.ring_in(Duration::ZERO);
    }
}

/// What the watch and its thread share.
struct Shared {
    alarm: Alarm,
    bell: EventFd,
    ended: AtomicBool,
    news: Mutex<Vec<News>>,
}

impl Shared {
    /// What the thread does.
    fn watch(&self, uri: &str) {
        static TURNS: Mutex<()> = Mutex::new(());
        let _turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut wait, mut reason) = (FIRST_WAIT, String::new());
        while !self.ended() {
            let why = match connect(uri).and_then(Listener::new) {
                Err(why) => why,
                Ok(listener) => {
                    (wait, reason) = (FIRST_WAIT, String::new());
                    self.listen(&listener).err().unwrap_or_default()
                }
            };
            if why != reason && !self.ended() {
                self.tell(News::Lost(why.clone()));
                reason = why;
            }
            self.pause(wait);
            wait = LONGEST_WAIT.min(wait * 2);
        }
    }

    /// Passes on what is told, until the connection is lost: why it was.
    fn listen(&self, listener: &Listener) -> Result<(), String> {
        // Asked for after the callbacks are in place: nothing falls in between.
        let running = running_on(listener.connection())?;
        self.tell(News::Connected);
        self.tell(News::Running(running));
        while !self.ended() {
            for told in listener.told() {
                match told {
                    Told::Closed(why) => return Err(why.to_owned()),
                    Told::Guest(guest, event) => self.tell_of(&guest, event),
                }
            }
            // Told by a call that failed, a connection needs no callback to be gone.
            if !listener.connection().is_alive().unwrap_or(false) {
                return Err("the connection is gone".to_owned());
            }
            self.alarm.take_turn()?;
        }
        Ok(())
    }

    fn tell_of(&self, guest: &virt::domain::Domain, event: GuestEvent) {
        let Some(uuid) = guest.uuid_string().ok().and_then(|uuid| uuid.parse().ok()) else { return };
        self.tell(match live(guest) {
            Ok(domain) => News::Guest { uuid, event, domain },
            Err(problem) => News::Unreadable { uuid, event, problem },
        });
    }

    fn tell(&self, news: News) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).push(news);
        // A bell that has rung 2^64 times without being heard rings already.
        let _ = self.bell.write(1);
    }

    fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Lets `wait` pass. The loop goes on meanwhile: connections that others
    /// hold in this process are in it, too.
    fn pause(&self, wait: Duration) {
        let end = Instant::now() + wait;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if self.ended() || left.is_zero() {
                return;
            }
            // A millisecond more than rounded down, not to come too early.
            self.alarm.ring_in(left + Duration::from_millis(1));
            // The watch may have ended before the alarm was set anew.
            if self.ended() || self.alarm.take_turn().is_err() {
                return thread::sleep(if self.ended() { Duration::ZERO } else { left });
            }
        }
    }
}

/// The guest as it runs, if it does.
fn live(guest: &virt::domain::Domain) -> Result<Option<Domain>, String> {
    let gone = |error: virt::error::Error| {
        let unknown = error.code().to_raw() == virt::sys::VIR_ERR_NO_DOMAIN;
        if unknown { Ok(None) } else { Err(said(error)) }
    };
    match guest.is_active() {
        Ok(false) => return Ok(None),
        Ok(true) => {}
        Err(error) => return gone(error),
    }
    match guest.xml_desc(0) {
        Ok(xml) => parsed(xml, &guest.name().unwrap_or_default()).map(Some).map_err(|error| error.to_string()),
        Err(error) => gone(error),
    }
}

#[cfg(test)]
mod tests;
