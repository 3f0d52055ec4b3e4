//! Files that others write and that matter here, watched by inotify(7).
//!
//! In: paths, each with what it concerns. Out: which concerns have changed. What
//! is not there yet is waited for: its nearest ancestor is watched until it comes.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};

/// What a watched file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Concern {
    /// The policy, filters, fragments.
    Policy,
    /// The addresses that guests have.
    Leases,
    /// libvirt's status files of running guests.
    Guests,
    /// The lock that each call of the old iptables takes.
    OldTables,
    /// Whether bridged packets go through iptables.
    BridgeNetfilter,
}

/// A change of a watched file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileNews {
    /// What it is about.
    pub concern: Concern,
    /// The file's name, if a directory is watched.
    pub name: Option<OsString>,
}

/// One watch of the kernel: what it stands for.
#[derive(Debug, Clone)]
struct Standing {
    concern: Concern,
    /// In an ancestor only this name is waited for.
    awaited: Option<OsString>,
}

/// A watch over files and directories.
#[derive(Debug)]
pub struct FileWatch {
    inotify: Inotify,
    paths: Vec<(PathBuf, Concern)>,
    standing: HashMap<WatchDescriptor, Vec<Standing>>,
    buffer: Vec<u8>,
}

impl FileWatch {
    /// Watches these paths from now on, whether or not they are there.
    ///
    /// # Errors
    /// There is no inotify to be had.
    pub fn start(paths: Vec<(PathBuf, Concern)>) -> io::Result<Self> {
        let inotify = Inotify::init()?;
        let mut watch = Self { inotify, paths, standing: HashMap::new(), buffer: vec![0; 16 * 1024] };
        watch.arm();
        Ok(watch)
    }

    /// Readable when there is something to tell.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// What was changed since the last call. Waits for nothing.
    ///
    /// # Errors
    /// inotify fails.
    pub fn news(&mut self) -> io::Result<Vec<FileNews>> {
        let mut news = Vec::new();
        loop {
            let events = match self.inotify.read_events(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                events => events?,
            };
            for event in events {
                let name = event.name.map(OsString::from);
                if event.mask.contains(EventMask::Q_OVERFLOW) {
                    // Nobody knows what was lost: it may be about everything.
                    news.extend(self.paths.iter().map(|(_, concern)| FileNews { concern: *concern, name: None }));
                }
                let standing = self.standing.get(&event.wd).into_iter().flatten();
                news.extend(standing.filter_map(|standing| standing.told(name.as_ref())));
            }
        }
        if !news.is_empty() {
            // Something awaited may have come, or something watched may be another file now.
            self.arm();
        }
        news.sort();
        news.dedup();
        Ok(news)
    }

    /// Waits until there is something to tell, and forgets what.
    ///
    /// # Errors
    /// inotify or poll(2) fails.
    pub fn wait(&mut self) -> io::Result<()> {
        while self.news()?.is_empty() {
            let mut fds = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Watches each path, or its nearest ancestor that is there.
    fn arm(&mut self) {
        let before = std::mem::take(&mut self.standing);
        for (path, concern) in self.paths.clone() {
            let _ = self.watch(&path, mask(concern), Standing { concern, awaited: None })
                || self.await_path(&path, concern);
        }
        for descriptor in before.into_keys().filter(|descriptor| !self.standing.contains_key(descriptor)) {
            // It may be gone with what it watched.
            let _ = self.inotify.watches().remove(descriptor);
        }
    }

    fn await_path(&mut self, path: &Path, concern: Concern) -> bool {
        let mut below = path;
        while let (Some(ancestor), Some(name)) = (below.parent(), below.file_name()) {
            let standing = Standing { concern, awaited: Some(name.to_owned()) };
            if self.watch(ancestor, WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::ONLYDIR, standing) {
                return true;
            }
            below = ancestor;
        }
        false
    }

    /// Whether the kernel watches it now. Several concerns may be about one directory.
    fn watch(&mut self, path: &Path, mask: WatchMask, standing: Standing) -> bool {
        let Ok(descriptor) = self.inotify.watches().add(path, mask | WatchMask::MASK_ADD) else { return false };
        self.standing.entry(descriptor).or_default().push(standing);
        true
    }
}

impl Standing {
    /// What an event about `name` tells.
    fn told(&self, name: Option<&OsString>) -> Option<FileNews> {
        let awaited = self.awaited.is_none() || self.awaited.as_ref() == name;
        awaited.then(|| FileNews { concern: self.concern, name: name.cloned() })
    }
}

/// What happens to a file when it is written or replaced; a lock is only opened.
fn mask(concern: Concern) -> WatchMask {
    match concern {
        Concern::OldTables => WatchMask::CLOSE,
        Concern::BridgeNetfilter => WatchMask::MODIFY | WatchMask::CLOSE_WRITE,
        Concern::Policy | Concern::Leases | Concern::Guests => {
            WatchMask::CLOSE_WRITE
                | WatchMask::MOVED_TO
                | WatchMask::MOVED_FROM
                | WatchMask::DELETE
                | WatchMask::CREATE
                | WatchMask::DELETE_SELF
                | WatchMask::MOVE_SELF
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn concerns(watch: &mut FileWatch) -> Vec<Concern> {
        let mut concerns: Vec<_> = watch.news().unwrap().into_iter().map(|news| news.concern).collect();
        concerns.dedup();
        concerns
    }

    #[test]
    fn what_is_not_there_yet_is_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b/policy.d");
        let mut watch = FileWatch::start(vec![(folder.clone(), Concern::Policy)]).unwrap();
        fs::create_dir(root.path().join("unrelated")).unwrap();
        assert_eq!(concerns(&mut watch), []);
        fs::create_dir(root.path().join("a")).unwrap();
        assert_eq!(concerns(&mut watch), [Concern::Policy]);
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(concerns(&mut watch), [Concern::Policy]);
        fs::write(folder.join("web.toml"), "x").unwrap();
        assert_eq!(concerns(&mut watch), [Concern::Policy]);
        assert_eq!(concerns(&mut watch), []);
    }

    #[test]
    fn a_file_in_the_place_of_another_is_seen() {
        let root = tempfile::tempdir().unwrap();
        let mut watch = FileWatch::start(vec![(root.path().to_owned(), Concern::Guests)]).unwrap();
        fs::write(root.path().join(".web1.xml.new"), "x").unwrap();
        let _ = watch.news().unwrap();
        fs::rename(root.path().join(".web1.xml.new"), root.path().join("web1.xml")).unwrap();
        let names: Vec<_> = watch.news().unwrap().into_iter().filter_map(|news| news.name).collect();
        assert!(names.contains(&OsString::from("web1.xml")), "{names:?}");
    }
}
