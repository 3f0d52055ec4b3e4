//! The files of this host, for recipes to read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::pins::Files;

/// The files below a root.
#[derive(Debug)]
pub(super) struct HostFiles<'a>(pub &'a Path);

impl HostFiles<'_> {
    fn place(&self, path: &Path) -> PathBuf {
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl Files for HostFiles<'_> {
    fn read(&self, path: &Path) -> io::Result<Option<String>> {
        match fs::read_to_string(self.place(path)) {
            Err(error) if is_absent(&error) => Ok(None),
            text => text.map(Some),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(self.place(directory)) {
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = entries.map(|entry| Ok(directory.join(entry?.file_name()))).collect::<io::Result<Vec<_>>>()?;
        found.sort();
        Ok(found)
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_below_the_root_and_what_is_absent_is_nothing() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/x.d")).unwrap();
        fs::write(root.path().join("etc/x.d/b"), "text").unwrap();
        fs::write(root.path().join("etc/x.d/a"), b"\xff").unwrap();
        let files = HostFiles(root.path());
        assert_eq!(files.list(Path::new("/etc/x.d")).unwrap(), [Path::new("/etc/x.d/a"), Path::new("/etc/x.d/b")]);
        assert_eq!(files.list(Path::new("/etc/y.d")).unwrap(), Vec::<PathBuf>::new());
        assert_eq!(files.read(Path::new("/etc/x.d/b")).unwrap().as_deref(), Some("text"));
        assert_eq!(files.read(Path::new("/etc/x.d/b/c")).unwrap(), None);
        assert!(files.read(Path::new("/etc/x.d/a")).is_err(), "no text");
    }
}
