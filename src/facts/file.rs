//! Files that somebody else wrote, read within bounds.
//!
//! In: a path. Out: at most 1 MiB of a regular file. Nothing is written, nothing
//! is waited for, and no content is understood here.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest file that is read: far more than anybody writes, and little
/// enough for the deadline of a hook.
const LARGEST: u64 = 1024 * 1024;

/// The content of the regular file at `path`, or at the end of a link there.
///
/// # Errors
/// What is no regular file, is larger than 1 MiB or cannot be read.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Asked before the file is opened: to open a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    Ok(bytes)
}

/// Whether there is anything at `path`. A link to nowhere is something: it is
/// to fail when read, rather than to pass for a file that nobody wrote.
///
/// # Errors
/// What cannot be looked up.
pub(super) fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The names of the files in the folder at `path` that end in `ending`, sorted;
/// none if there is no folder. Names that begin with `.` are left out.
///
/// # Errors
/// The folder is there and cannot be listed, or a name is not UTF-8.
pub(super) fn names(path: &Path, ending: &str) -> io::Result<Vec<String>> {
    if !exists(path)? {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.ends_with(ending.as_bytes()) && !bytes.starts_with(b".") {
            let not_text = |name| io::Error::other(format!("the name of {name:?} is not UTF-8"));
            names.push(name.into_string().map_err(not_text)?);
        }
    }
    names.sort();
    Ok(names)
}

/// Where the file that the operator knows as `name`, an absolute path, lies below `root`.
pub(super) fn below(root: &Path, name: &str) -> PathBuf {
    root.join(name.trim_start_matches('/'))
}
