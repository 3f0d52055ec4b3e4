//! One at a time: hooks run in parallel, rules are changed one after the other.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::State;
use crate::kernel::Deadline;

/// The right to change rules and records, until it is dropped. It ends with the
/// process however that ends.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "held, never looked at")] Flock<File>);

impl State {
    /// Waits for the lock.
    ///
    /// # Errors
    /// The directory or file cannot be made, or others hold it past the deadline.
    pub fn lock(&self, deadline: Deadline) -> io::Result<Lock> {
        self.lock_file("lock", deadline)
    }

    /// Waits for the lock that a file of this name is.
    pub(super) fn lock_file(&self, name: &str, deadline: Deadline) -> io::Result<Lock> {
        fs::create_dir_all(&self.dir)?;
        let path = self.dir.join(name);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        // A thread waits, so that nobody asks again and again: fifty guests that
        // start at once would be busy with that alone. If it gets the lock too
        // late, nobody takes it and it is free again.
        let (sender, receiver) = channel();
        thread::spawn(move || sender.send(wait(file)));
        receiver.recv_timeout(deadline.remaining()).unwrap_or_else(|_| Err(held(&path))).map(Lock)
    }
}

fn wait(mut file: File) -> io::Result<Flock<File>> {
    loop {
        match Flock::lock(file, FlockArg::LockExclusive) {
            Ok(lock) => return Ok(lock),
            Err((again, Errno::EINTR)) => file = again,
            Err((_, error)) => return Err(error.into()),
        }
    }
}

fn held(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{}: held by another process past the deadline", path.display()))
}
