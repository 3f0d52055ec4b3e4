//! The filters on disk, by name.
//!
//! In: the root of the file system and the name of a filter. Out: the filter from
//! the operator's own folder, or else from libvirt's. A file is read when
//! its filter is asked for, so that a broken one harms only the guests that
//! refer to it. Nothing is written.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Filter;
use crate::facts::FactError;
use crate::facts::file::{self, below, exists};
use crate::facts::xml::shown;
use crate::net::ValueError;

/// The folders, the one that is asked first before the other.
const FOLDERS: [&str; 2] = ["/etc/virt-guard/nwfilter", "/etc/libvirt/nwfilter"];
/// What the name of a filter's file ends in.
const ENDING: &str = ".xml";

/// The filters of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    folders: Vec<Folder>,
}

/// A folder of filters.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Folder {
    /// What the operator calls it.
    name: &'static str,
    /// Where it is.
    path: PathBuf,
}

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// No file could be of this name.
    #[error(transparent)]
    Name(#[from] ValueError),
    /// The filter says something that is not as it must be.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// A file or folder that is there cannot be read.
    #[error("{path}: cannot be read")]
    Io {
        /// The file or folder as the operator knows it.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Library {
    /// The filters below `root`, which is `/` but for tests: those in
    /// `etc/virt-guard/nwfilter`, and those in `etc/libvirt/nwfilter` that the
    /// first folder has no file for. Either folder may be missing.
    pub fn new(root: &Path) -> Self {
        Self { folders: FOLDERS.map(|name| Folder { name, path: below(root, name) }).to_vec() }
    }

    /// Reads the filter `name` from `NAME.xml`; `None` if there is no such file.
    ///
    /// # Errors
    /// A name that is no name of a file, a file that cannot be read, a filter
    /// that is not as it must be, or one that has another name than its file.
    pub fn load(&self, name: &str) -> Result<Option<Filter>, LibraryError> {
        check_name(name)?;
        let file = format!("{name}{ENDING}");
        for folder in &self.folders {
            let shown = format!("{}/{file}", folder.name);
            let path = folder.path.join(&file);
            if exists(&path).map_err(io_error(&shown))? {
                let bytes = file::read(&path).map_err(io_error(&shown))?;
                return named(Filter::parse(&bytes, &shown)?, name).map(Some).map_err(LibraryError::Fact);
            }
        }
        Ok(None)
    }

    /// The names of all filters that [`Self::load`] would find a file for: those
    /// of the operator's own folder, sorted, then the others of libvirt's, sorted.
    ///
    /// # Errors
    /// A folder that is there and cannot be read.
    pub fn names(&self) -> Result<Vec<String>, LibraryError> {
        let mut all: Vec<String> = Vec::new();
        for folder in &self.folders {
            let names = folder.names().map_err(io_error(folder.name))?;
            let new: Vec<_> = names.into_iter().filter(|name| !all.contains(name)).collect();
            all.extend(new);
        }
        Ok(all)
    }
}

impl Folder {
    /// The names that files of this folder have. What could not be asked for is left out.
    fn names(&self) -> io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        if !exists(&self.path)? {
            return Ok(names);
        }
        for entry in fs::read_dir(&self.path)? {
            let file = entry?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(ENDING));
            names.extend(name.filter(|name| check_name(name).is_ok()).map(str::to_owned));
        }
        Ok(names)
    }
}

/// Refuses a name that would lead out of the folder or to a hidden file.
fn check_name(name: &str) -> Result<(), ValueError> {
    let valid = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    let expected = "a name of a file without its .xml: no '/', and no '.' at the beginning";
    valid.then_some(()).ok_or_else(|| ValueError::new("name of a filter", name, expected))
}

/// The filter, if it has the name of its file. Libvirt refers to it by the one
/// and stores it under the other.
fn named(filter: Filter, name: &str) -> Result<Filter, FactError> {
    if filter.name == name {
        return Ok(filter);
    }
    let message = format!("filter {:?} in the file of {:?}", shown(&filter.name), shown(name));
    Err(FactError::new(filter.place, message))
}

fn io_error(path: &str) -> impl FnOnce(io::Error) -> LibraryError {
    let path = path.to_owned();
    move |source| LibraryError::Io { path, source }
}
