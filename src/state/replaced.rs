//! Files of others that we replaced: kept byte for byte until they are put back.
//!
//! In: a file and the text that is to be in it. Out: the file so, or as it was: its
//! bytes, mode and owner, or its absence. Everything is in the copies, on the disk,
//! before the file is touched; whose file it is, and why, is not known here.
//!
//! ```text
//! DIRECTORY/N.before     the bytes as they were, if the file was there
//! DIRECTORY/N.after      the bytes that we wrote
//! ```

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::unless_absent;

/// How a file is made that was not there: the administrator writes, all read.
const NEW_MODE: u32 = 0o644;
/// The bits of `st_mode` that chmod(2) sets (inode(7)).
const MODE_BITS: u32 = 0o7777;

/// A file that is, or is about to be, replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// The file, below the root. Behind symbolic links it is the one they lead to.
    pub path: PathBuf,
    /// The number of its copies.
    number: usize,
    /// Nothing if it was not there.
    before: Option<Attributes>,
    /// The directories that are made for it, the outermost first.
    made: Vec<PathBuf>,
}

/// What a file has besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Attributes {
    mode: u32,
    uid: u32,
    gid: u32,
}

/// How a file is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// As it was before we came.
    Before,
    /// As we wrote it.
    After,
    /// Neither.
    Other,
}

/// Where copies are, and the files that they are of.
#[derive(Debug, Clone, Copy)]
pub struct Copies<'a> {
    /// What all paths are below.
    pub root: &'a Path,
    /// The directory of the copies.
    pub dir: &'a Path,
}

impl Copies<'_> {
    /// Copies a file as it is, and the text that is to be in it. The file itself is not
    /// touched.
    ///
    /// # Errors
    /// It is no regular file, or cannot be read; the copies cannot be written.
    pub fn keep(&self, number: usize, path: &Path, text: &str) -> io::Result<Replaced> {
        let path = self.target(path)?;
        let place = self.place(&path);
        let before = match fs::metadata(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Ok(file) if !file.is_file() => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a regular file"));
            }
            file => Some(Attributes::of(&file?)),
        };
        fs::create_dir_all(self.dir)?;
        if before.is_some() {
            self.write_copy(&self.before(number), &fs::read(&place)?)?;
        }
        self.write_copy(&self.after(number), text.as_bytes())?;
        let made = missing(self.root, &path);
        Ok(Replaced { path, number, before, made })
    }

    /// Writes the new text beside each of the files, which shows whether that can be
    /// done, and only then puts the texts in the files' places.
    ///
    /// # Errors
    /// The first that cannot be written.
    pub fn write_all(&self, files: &[Replaced]) -> Result<(), (PathBuf, io::Error)> {
        let told = |file: &Replaced, result: io::Result<()>| result.map_err(|error| (file.path.clone(), error));
        for file in files {
            told(file, self.stage(file))?;
        }
        for file in files {
            told(file, self.take_place(file))?;
        }
        Ok(())
    }

    /// How the file is now.
    ///
    /// # Errors
    /// It, or a copy, cannot be read.
    pub fn found(&self, file: &Replaced) -> io::Result<Found> {
        let place = self.place(&file.path);
        let now = match fs::read(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            bytes => Some((bytes?, Attributes::of(&fs::metadata(&place)?))),
        };
        let before = match file.before {
            Some(attributes) => Some((fs::read(self.before(file.number))?, attributes)),
            None => None,
        };
        let after = Some((fs::read(self.after(file.number))?, file.attributes()));
        Ok(match now {
            now if now == before => Found::Before,
            now if now == after => Found::After,
            _ => Found::Other,
        })
    }

    /// Puts the file back as it was, whatever it is now, with the directories that were
    /// made for it and are empty.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn restore(&self, file: &Replaced) -> io::Result<()> {
        let place = self.place(&file.path);
        remove(&beside(&place))?;
        match file.before {
            Some(_) if self.found(file)? == Found::Before => {}
            Some(attributes) => {
                write_beside(&place, &fs::read(self.before(file.number))?, attributes)?;
                put(&place)?;
            }
            None => {
                remove(&place)?;
                // What somebody else has put there meanwhile keeps the directory.
                file.made.iter().rev().for_each(|dir| drop(fs::remove_dir(self.place(dir))));
            }
        }
        Ok(())
    }

    /// Copies the file as somebody else has made it to one beside it, and says which.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_aside(&self, file: &Replaced) -> io::Result<Option<PathBuf>> {
        let name = |path: &Path| path.with_file_name(named(path, "", ".virt-guard-saved"));
        let (from, to) = (self.place(&file.path), name(&self.place(&file.path)));
        match fs::copy(from, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            result => result.map(|_| Some(name(&file.path))),
        }
    }

    fn stage(&self, file: &Replaced) -> io::Result<()> {
        for dir in &file.made {
            match fs::create_dir(self.place(dir)) {
                // Another of the files needs it, too.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => result?,
            }
        }
        write_beside(&self.place(&file.path), &fs::read(self.after(file.number))?, file.attributes())
    }

    fn take_place(&self, file: &Replaced) -> io::Result<()> {
        put(&self.place(&file.path))
    }

    /// Where a path is on this machine.
    fn place(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The file that a path leads to, as a path below the root; one that leads out of it
    /// stays what it is.
    fn target(&self, path: &Path) -> io::Result<PathBuf> {
        match fs::canonicalize(self.place(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
            real => {
                let (real, root) = (real?, fs::canonicalize(self.root)?);
                Ok(real.strip_prefix(root).map_or_else(|_| path.to_owned(), |below| Path::new("/").join(below)))
            }
        }
    }

    fn before(&self, number: usize) -> PathBuf {
        self.dir.join(format!("{number}.before"))
    }

    fn after(&self, number: usize) -> PathBuf {
        self.dir.join(format!("{number}.after"))
    }

    /// It may hold secrets, as the file that it is of may.
    fn write_copy(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        File::open(self.dir)?.sync_all()
    }
}

impl Replaced {
    /// What the file is to have once it is replaced: what it had.
    fn attributes(&self) -> Attributes {
        self.before.unwrap_or(Attributes { mode: NEW_MODE, uid: 0, gid: 0 })
    }
}

impl Attributes {
    fn of(file: &fs::Metadata) -> Self {
        Self { mode: file.mode() & MODE_BITS, uid: file.uid(), gid: file.gid() }
    }
}

/// The directories above `path` that are not there, the outermost first.
fn missing(root: &Path, path: &Path) -> Vec<PathBuf> {
    let is_missing = |dir: &&Path| !root.join(dir.strip_prefix("/").unwrap_or(dir)).exists();
    let mut missing: Vec<_> = path.ancestors().skip(1).take_while(is_missing).map(Path::to_owned).collect();
    missing.reverse();
    missing
}

/// Of a name that no service reads: hidden, and with an ending of our own.
fn beside(place: &Path) -> PathBuf {
    place.with_file_name(named(place, ".", ".virt-guard-new"))
}

fn named(path: &Path, before: &str, after: &str) -> OsString {
    let mut name = OsString::from(before);
    name.push(path.file_name().unwrap_or_default());
    name.push(after);
    name
}

/// A file that others may read only once it has its owner and mode.
fn write_beside(place: &Path, bytes: &[u8], attributes: Attributes) -> io::Result<()> {
    let path = beside(place);
    remove(&path)?;
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
    file.write_all(bytes)?;
    chown(&path, Some(attributes.uid), Some(attributes.gid))?;
    file.set_permissions(Permissions::from_mode(attributes.mode))?;
    file.sync_all()
}

/// What is not there is not asked for: where nothing can be written, that is an error.
fn remove(path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_ok() { unless_absent(fs::remove_file(path)) } else { Ok(()) }
}

fn put(place: &Path) -> io::Result<()> {
    fs::rename(beside(place), place)?;
    place.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep<'a>(copies: &Copies<'a>, path: &str) -> Replaced {
        copies.keep(0, Path::new(path), "new\n").unwrap()
    }

    fn in_root(check: impl FnOnce(&Path, &Copies)) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        let dir = root.path().join("var/copies");
        check(root.path(), &Copies { root: root.path(), dir: &dir });
    }

    #[test]
    fn a_file_comes_back_with_bytes_mode_and_owner() {
        in_root(|root, copies| {
            let place = root.join("etc/x.conf");
            fs::write(&place, b"old\r\n\xff no end").unwrap();
            fs::set_permissions(&place, Permissions::from_mode(0o640)).unwrap();
            chown(&place, Some(7), Some(8)).unwrap();
            let file = keep(copies, "/etc/x.conf");
            assert_eq!(copies.found(&file).unwrap(), Found::Before);
            copies.write_all(std::slice::from_ref(&file)).unwrap();
            assert_eq!(fs::read(&place).unwrap(), b"new\n");
            let attributes = Attributes { mode: 0o640, uid: 7, gid: 8 };
            assert_eq!(Attributes::of(&fs::metadata(&place).unwrap()), attributes);
            assert_eq!(copies.found(&file).unwrap(), Found::After);
            copies.restore(&file).unwrap();
            assert_eq!(fs::read(&place).unwrap(), b"old\r\n\xff no end");
            assert_eq!(Attributes::of(&fs::metadata(&place).unwrap()), attributes);
            assert_eq!(copies.found(&file).unwrap(), Found::Before);
            assert_eq!(fs::read_dir(root.join("etc")).unwrap().count(), 1, "nothing is left beside it");
        });
    }

    #[test]
    fn what_was_not_there_goes_with_its_directories() {
        in_root(|root, copies| {
            let file = keep(copies, "/etc/a/b/x.conf");
            copies.write_all(std::slice::from_ref(&file)).unwrap();
            assert_eq!(copies.found(&file).unwrap(), Found::After);
            copies.restore(&file).unwrap();
            assert!(!root.join("etc/a").exists() && root.join("etc").exists());

            copies.write_all(std::slice::from_ref(&file)).unwrap();
            fs::write(root.join("etc/a/of-another"), "").unwrap();
            copies.restore(&file).unwrap();
            assert!(root.join("etc/a/of-another").exists() && !root.join("etc/a/b").exists());
        });
    }

    #[test]
    fn two_files_may_share_a_new_directory() {
        in_root(|root, copies| {
            let files = [(0, "/etc/a/x.conf"), (1, "/etc/a/y.conf")]
                .map(|(number, path)| copies.keep(number, Path::new(path), "new\n").unwrap());
            copies.write_all(&files).unwrap();
            assert_eq!(fs::read_dir(root.join("etc/a")).unwrap().count(), 2);
            files.iter().for_each(|file| copies.restore(file).unwrap());
            assert!(!root.join("etc/a").exists());
        });
    }

    #[test]
    fn what_somebody_else_wrote_is_known() {
        in_root(|root, copies| {
            let place = root.join("etc/x.conf");
            fs::write(&place, "old\n").unwrap();
            let file = keep(copies, "/etc/x.conf");
            copies.write_all(std::slice::from_ref(&file)).unwrap();
            for change in ["new\nand more\n", ""] {
                fs::write(&place, change).unwrap();
                assert_eq!(copies.found(&file).unwrap(), Found::Other, "{change:?}");
            }
            fs::write(&place, "new\n").unwrap();
            fs::set_permissions(&place, Permissions::from_mode(0o600)).unwrap();
            assert_eq!(copies.found(&file).unwrap(), Found::Other, "the mode is another");
            let saved = copies.set_aside(&file).unwrap().unwrap();
            assert_eq!(saved, Path::new("/etc/x.conf.virt-guard-saved"));
            assert_eq!(fs::read(root.join("etc/x.conf.virt-guard-saved")).unwrap(), b"new\n");
            fs::remove_file(&place).unwrap();
            assert_eq!(copies.found(&file).unwrap(), Found::Other);
            assert_eq!(copies.set_aside(&file).unwrap(), None);
        });
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        in_root(|root, copies| {
            fs::write(root.join("etc/real.conf"), "old\n").unwrap();
            std::os::unix::fs::symlink("real.conf", root.join("etc/x.conf")).unwrap();
            let file = keep(copies, "/etc/x.conf");
            assert_eq!(file.path, Path::new("/etc/real.conf"));
            copies.write_all(std::slice::from_ref(&file)).unwrap();
            assert!(fs::symlink_metadata(root.join("etc/x.conf")).unwrap().is_symlink());
            assert_eq!(fs::read(root.join("etc/x.conf")).unwrap(), b"new\n");
        });
    }

    #[test]
    fn nothing_is_in_place_if_one_cannot_be_written() {
        in_root(|root, copies| {
            fs::write(root.join("etc/x.conf"), "old\n").unwrap();
            fs::create_dir(root.join("etc/d")).unwrap();
            let first = keep(copies, "/etc/x.conf");
            let second = copies.keep(1, Path::new("/etc/d/y.conf"), "new\n").unwrap();
            fs::remove_dir(root.join("etc/d")).unwrap();
            let (path, _) = copies.write_all(&[first.clone(), second]).unwrap_err();
            assert_eq!(path, Path::new("/etc/d/y.conf"));
            assert_eq!(fs::read(root.join("etc/x.conf")).unwrap(), b"old\n");
            copies.restore(&first).unwrap();
            assert_eq!(fs::read_dir(root.join("etc")).unwrap().count(), 1);
            assert!(copies.keep(2, Path::new("/etc"), "").is_err(), "a directory is no file");
        });
    }
}
