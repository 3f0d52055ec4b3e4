//! The operator's files as they were at some moment, so that a change of them can be
//! undone: `policy/` below `/var/lib/virt-guard`.
//!
//! ```text
//! policy/good.json     the files by which rules were last known to be good
//! policy/tried.json    those that wait to be confirmed
//! policy/undone/       what was in the place of the good ones, for the operator
//! ```
//!
//! In: files below a root. Out: the same files, byte for byte, mode and owner with them.
//! When files are good is not known here.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::digest;

use super::{State, read, set, unless_absent, write_durably};

/// The operator's files: a folder below the root, and how their names end.
const KINDS: [(&str, &str); 4] = [
    ("etc/virt-guard", "virt-guard.toml"),
    ("etc/virt-guard/policy.d", ".toml"),
    ("etc/virt-guard/nwfilter", ".xml"),
    ("etc/virt-guard/iptables.d", ".rules"),
];
/// No file of a policy is larger, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;
/// The bits of `st_mode` that chmod(2) sets (inode(7)).
const MODE_BITS: u32 = 0o7777;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    mode: u32,
    uid: u32,
    gid: u32,
    bytes: Vec<u8>,
}

/// The operator's files, by their paths below the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyFiles(BTreeMap<PathBuf, Kept>);

impl PolicyFiles {
    /// The files as they are now.
    ///
    /// # Errors
    /// One is there and cannot be read, or is larger than any policy's.
    pub fn now(root: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for (folder, end) in KINDS {
            for path in names(root, folder, end)? {
                let kept = kept(&root.join(&path)).map_err(|error| told(&path, &error))?;
                files.extend(kept.map(|kept| (path, kept)));
            }
        }
        Ok(Self(files))
    }

    /// Puts these files back in the place of those that are there now: what differs is
    /// replaced, what is not among them is removed.
    ///
    /// # Errors
    /// The first that cannot be written or removed; what was done by then stays, and may
    /// be done again.
    pub fn put_back(&self, root: &Path) -> io::Result<()> {
        let now = Self::now(root)?;
        for (path, kept) in self.0.iter().filter(|(path, kept)| now.0.get(*path) != Some(kept)) {
            kept.write(&root.join(path)).map_err(|error| told(path, &error))?;
        }
        for path in now.0.keys().filter(|path| !self.0.contains_key(*path)) {
            unless_absent(fs::remove_file(root.join(path))).map_err(|error| told(path, &error))?;
        }
        Ok(())
    }

    /// A number that other files do not have.
    fn digest(&self) -> u64 {
        self.0.iter().fold(digest::EMPTY, |seed, (path, kept)| {
            let path = digest::extend(seed, path.as_os_str().as_encoded_bytes());
            digest::extend(digest::extend(path, b"\0"), &kept.bytes)
        })
    }

    /// Writes them below another folder, for people to look at.
    fn write_below(&self, folder: &Path) -> io::Result<()> {
        self.0.iter().try_for_each(|(path, kept)| kept.write(&folder.join(path)))
    }
}

impl Kept {
    /// Beside the file, then in its place. Behind a symbolic link it is the file that it
    /// leads to.
    fn write(&self, path: &Path) -> io::Result<()> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let beside = path.with_extension("virt-guard-new");
        let mut file = File::create(&beside)?;
        file.write_all(&self.bytes)?;
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (self.uid, self.gid) {
            chown(&beside, Some(self.uid), Some(self.gid))?;
        }
        file.set_permissions(Permissions::from_mode(self.mode))?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    }
}

fn told(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("/{}: {error}", path.display()))
}

/// The files of a folder whose names end so, by their paths below the root, as the policy
/// takes them: none that is hidden.
fn names(root: &Path, folder: &str, end: &str) -> io::Result<Vec<PathBuf>> {
    let names = super::names(&root.join(folder)).map_err(|error| told(Path::new(folder), &error))?;
    let taken = |name: &String| name.ends_with(end) && !name.starts_with('.');
    Ok(names.into_iter().filter(taken).map(|name| Path::new(folder).join(name)).collect())
}

/// The file; nothing if it is gone since, or is no regular file.
fn kept(path: &Path) -> io::Result<Option<Kept>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let about = file.metadata()?;
    if !about.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    if file.take(LARGEST + 1).read_to_end(&mut bytes)? as u64 > LARGEST {
        return Err(io::Error::other("larger than 16 MiB"));
    }
    Ok(Some(Kept { mode: about.mode() & MODE_BITS, uid: about.uid(), gid: about.gid(), bytes }))
}

impl State {
    /// The files by which rules were last known to be good.
    pub fn good_policy(&self) -> Option<PolicyFiles> {
        read(&self.policy_folder().join("good.json"))
    }

    /// Remembers files as good.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn set_good_policy(&self, files: &PolicyFiles) -> io::Result<()> {
        write_durably(&self.policy_folder().join("good.json"), files)
    }

    /// Since when, by the clock, these are the files whose rules stand; as far as that was
    /// asked each time.
    pub fn policy_since(&self, files: &PolicyFiles) -> SystemTime {
        let path = self.dir.join("policy-since.json");
        let standing: Option<(u64, SystemTime)> = read(&path);
        match standing.filter(|(digest, _)| *digest == files.digest()) {
            Some((_, since)) => since,
            None => {
                let now = SystemTime::now();
                // It begins anew, then.
                let _ = super::write(&path, &(files.digest(), now));
                now
            }
        }
    }

    /// The files that wait to be confirmed.
    pub fn tried_policy(&self) -> Option<PolicyFiles> {
        read(&self.policy_folder().join("tried.json"))
    }

    /// Remembers files that wait to be confirmed, or that none do.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn set_tried_policy(&self, files: Option<&PolicyFiles>) -> io::Result<()> {
        let path = self.policy_folder().join("tried.json");
        files.map_or_else(|| set::<PolicyFiles>(&path, None), |files| write_durably(&path, files))
    }

    /// Where files are that were undone.
    pub fn undone_policy(&self) -> PathBuf {
        self.policy_folder().join("undone")
    }

    /// Keeps files that are about to be undone, unless that was done already since
    /// [`State::forget_undone_policy`].
    ///
    /// # Errors
    /// They cannot be written.
    pub fn keep_undone_policy(&self, files: &PolicyFiles) -> io::Result<()> {
        let folder = self.undone_policy();
        if folder.exists() {
            return Ok(());
        }
        let beside = folder.with_extension("new");
        unless_absent(fs::remove_dir_all(&beside))?;
        fs::create_dir_all(&beside)?;
        files.write_below(&beside)?;
        fs::rename(&beside, &folder)
    }

    /// Forgets files that were undone before.
    ///
    /// # Errors
    /// They cannot be removed.
    pub fn forget_undone_policy(&self) -> io::Result<()> {
        unless_absent(fs::remove_dir_all(self.undone_policy()))
    }

    fn policy_folder(&self) -> PathBuf {
        self.kept.with_file_name("policy")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn put(root: &Path, name: &str, text: &str) {
        let path = root.join("etc/virt-guard").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn text(root: &Path, name: &str) -> Option<String> {
        fs::read_to_string(root.join("etc/virt-guard").join(name)).ok()
    }

    #[test]
    fn files_come_back_as_they_were_and_new_ones_go() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        put(root, "virt-guard.toml", "a");
        put(root, "policy.d/x.toml", "b");
        put(root, "nwfilter/f.xml", "c");
        put(root, "policy.d/README", "of others");
        fs::set_permissions(root.join("etc/virt-guard/policy.d/x.toml"), Permissions::from_mode(0o640)).unwrap();
        let before = PolicyFiles::now(root).unwrap();
        put(root, "policy.d/x.toml", "changed");
        put(root, "policy.d/y.toml", "new");
        fs::remove_file(root.join("etc/virt-guard/nwfilter/f.xml")).unwrap();
        put(root, "policy.d/README", "changed too");
        before.put_back(root).unwrap();
        assert_eq!(PolicyFiles::now(root).unwrap(), before);
        assert_eq!(text(root, "policy.d/y.toml"), None);
        assert_eq!(text(root, "nwfilter/f.xml").as_deref(), Some("c"));
        assert_eq!(text(root, "policy.d/README").as_deref(), Some("changed too"), "it is none of ours");
        assert_eq!(super::super::names(&root.join("etc/virt-guard/policy.d")).unwrap(), ["README", "x.toml"]);
    }

    #[test]
    fn how_long_files_stand_begins_anew_with_others() {
        let root = tempfile::tempdir().unwrap();
        let (root, state) = (root.path(), State::new(root.path()));
        put(root, "virt-guard.toml", "a");
        let first = PolicyFiles::now(root).unwrap();
        let since = state.policy_since(&first);
        assert_eq!(state.policy_since(&first), since);
        put(root, "virt-guard.toml", "b");
        assert!(state.policy_since(&PolicyFiles::now(root).unwrap()) > since);
    }

    #[test]
    fn a_link_stays_a_link_and_its_file_is_put_back() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir_all(root.join("etc/virt-guard")).unwrap();
        fs::write(root.join("elsewhere"), "a").unwrap();
        symlink(root.join("elsewhere"), root.join("etc/virt-guard/virt-guard.toml")).unwrap();
        let before = PolicyFiles::now(root).unwrap();
        fs::write(root.join("elsewhere"), "b").unwrap();
        before.put_back(root).unwrap();
        assert_eq!(fs::read_to_string(root.join("elsewhere")).unwrap(), "a");
        assert!(fs::symlink_metadata(root.join("etc/virt-guard/virt-guard.toml")).unwrap().is_symlink());
    }

    #[test]
    fn what_was_undone_is_kept_once_until_it_is_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let (root, state) = (root.path(), State::new(root.path()));
        put(root, "virt-guard.toml", "first");
        state.keep_undone_policy(&PolicyFiles::now(root).unwrap()).unwrap();
        put(root, "virt-guard.toml", "half put back");
        state.keep_undone_policy(&PolicyFiles::now(root).unwrap()).unwrap();
        let kept = || fs::read_to_string(state.undone_policy().join("etc/virt-guard/virt-guard.toml")).unwrap();
        assert_eq!(kept(), "first");
        state.forget_undone_policy().unwrap();
        state.keep_undone_policy(&PolicyFiles::now(root).unwrap()).unwrap();
        assert_eq!(kept(), "half put back");
    }
}
