//! The filters on disk, by name.
//!
//! In: the root of the file system and the name of a filter. Out: the filter from
//! the operator's own folder, or else from libvirt's. A file is read when
//! its filter is asked for, so that a broken one harms only the guests that
//! refer to it. Nothing is written.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Definition, Filter};
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
    /// Filters that were read already, by their names. A library is made anew for
    /// each look at the host: thousands of interfaces then refer to one file.
    read: RefCell<BTreeMap<String, Rc<Filter>>>,
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
        let folder = |name| Folder { name, path: below(root, name) };
        Self { read: RefCell::default(), folders: FOLDERS.map(folder).to_vec() }
    }

    /// The same with a filter that is in no folder, or that stands for the one of
    /// its name that is.
    pub fn with(self, filter: Filter) -> Self {
        self.read.borrow_mut().insert(filter.name.clone(), Rc::new(filter));
        self
    }

    /// Reads the filter `name` from `NAME.xml`; `None` if there is no such file.
    ///
    /// # Errors
    /// A name that is no name of a file, a file that cannot be read, a filter
    /// that is not as it must be, or one that has another name than its file.
    pub fn load(&self, name: &str) -> Result<Option<Rc<Filter>>, LibraryError> {
        if let Some(filter) = self.read.borrow().get(name) {
            return Ok(Some(Rc::clone(filter)));
        }
        let Some(filter) = self.find(name)?.map(Rc::new) else { return Ok(None) };
        self.read.borrow_mut().insert(name.to_owned(), Rc::clone(&filter));
        Ok(Some(filter))
    }

    fn find(&self, name: &str) -> Result<Option<Filter>, LibraryError> {
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

    /// The operator's own filters, all of them, with their text.
    ///
    /// # Errors
    /// The first file of the operator's own folder that [`Self::load`] would not take.
    pub fn definitions(&self) -> Result<Vec<Definition>, LibraryError> {
        let Some(folder) = self.folders.first() else { return Ok(Vec::new()) };
        let names = folder.names().map_err(io_error(folder.name))?;
        let definition = |name: String| {
            let shown = format!("{}/{name}{ENDING}", folder.name);
            let bytes = file::read(&folder.path.join(format!("{name}{ENDING}"))).map_err(io_error(&shown))?;
            let filter = named(Filter::parse(&bytes, &shown)?, &name)?;
            Ok(Definition { filter, xml: String::from_utf8_lossy(&bytes).into_owned() })
        };
        names.into_iter().map(definition).collect()
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

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::os::unix::fs::symlink;

    use super::*;

    const OWN: &str = "etc/virt-guard/nwfilter";
    const LIBVIRTS: &str = "etc/libvirt/nwfilter";

    /// A root with both folders and these files.
    fn root(files: &[(&str, &str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in [OWN, LIBVIRTS] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for (folder, file, content) in files {
            fs::write(root.path().join(folder).join(file), content).unwrap();
        }
        root
    }

    /// The error with its cause, as the shells print it.
    fn error(root: &Path, name: &str) -> String {
        let error = Library::new(root).load(name).unwrap_err();
        error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
    }

    fn filter(name: &str, chain: &str) -> String {
        format!("<!-- made by hand -->\n<filter name='{name}' chain='{chain}'/>\n")
    }

    #[test]
    fn a_host_without_filters_has_none() {
        let empty = tempfile::tempdir().unwrap();
        let library = Library::new(empty.path());
        assert!(library.load("x").unwrap().is_none());
        assert_eq!(library.names().unwrap(), Vec::<String>::new());
        assert!(Library::new(root(&[]).path()).load("x").unwrap().is_none());
    }

    #[test]
    fn the_operators_own_filter_stands_before_libvirts() {
        let (own, other) = (filter("a", "mac"), filter("a", "arp"));
        let root = root(&[(OWN, "a.xml", &own), (LIBVIRTS, "a.xml", &other), (LIBVIRTS, "b.xml", &filter("b", "arp"))]);
        let library = Library::new(root.path());
        let found = library.load("a").unwrap().unwrap();
        assert_eq!(
            (found.chain.as_str(), found.place.to_string().as_str()),
            ("mac", "/etc/virt-guard/nwfilter/a.xml:2:1")
        );
        let found = library.load("b").unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.place.file.as_str()), ("b", "/etc/libvirt/nwfilter/b.xml"));
    }

    #[test]
    fn names_are_sorted_in_each_folder_and_told_once() {
        let root = root(&[
            (LIBVIRTS, "b.xml", ""),
            (LIBVIRTS, "a.xml", ""),
            (LIBVIRTS, "z.xml", ""),
            (OWN, "z.xml", ""),
            (OWN, "x y.xml", ""),
            (OWN, ".hidden.xml", ""),
            (OWN, ".xml", ""),
            (OWN, "README", ""),
        ]);
        assert_eq!(Library::new(root.path()).names().unwrap(), ["x y", "z", "a", "b"]);
    }

    #[test]
    fn a_broken_file_harms_only_those_who_ask_for_it() {
        let root = root(&[
            (OWN, "broken.xml", "<filter name='broken'>\n<ruel/></filter>"),
            (OWN, "a.xml", &filter("a", "mac")),
        ]);
        assert!(Library::new(root.path()).load("a").unwrap().is_some());
        assert!(
            error(root.path(), "broken").starts_with("/etc/virt-guard/nwfilter/broken.xml:2:1: <ruel> in <filter>")
        );
    }

    #[test]
    fn a_filter_has_the_name_of_its_file() {
        let root = root(&[(LIBVIRTS, "a.xml", &filter("b", "mac"))]);
        assert_eq!(error(root.path(), "a"), "/etc/libvirt/nwfilter/a.xml:2:1: filter \"b\" in the file of \"a\"");
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let root = root(&[]);
        for name in ["", ".", "..", ".a", "../a", "/etc/passwd", "a/b", "a\0b"] {
            assert!(error(root.path(), name).starts_with("invalid name of a filter"), "{name:?}");
        }
    }

    #[test]
    fn what_is_no_file_is_an_error_and_never_waited_for() {
        let root = root(&[(LIBVIRTS, "link.xml", &filter("link", "mac"))]);
        let own = root.path().join(OWN);
        nix::unistd::mkfifo(&own.join("pipe.xml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::create_dir(own.join("folder.xml")).unwrap();
        for name in ["pipe", "folder"] {
            assert!(error(root.path(), name).ends_with(".xml: cannot be read: not a regular file"), "{name}");
        }
        symlink("/nowhere", own.join("link.xml")).unwrap();
        assert!(error(root.path(), "link").contains("virt-guard/nwfilter/link.xml: cannot be read: No such file"));
        fs::write(own.join("large.xml"), vec![b' '; 1024 * 1024 + 1]).unwrap();
        assert!(error(root.path(), "large").ends_with("cannot be read: larger than 1 MiB"));
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/virt-guard")).unwrap();
        fs::write(root.path().join(OWN), "").unwrap();
        assert!(error(root.path(), "a").starts_with("/etc/virt-guard/nwfilter/a.xml: cannot be read: Not a directory"));
        assert!(Library::new(root.path()).names().unwrap_err().to_string().starts_with("/etc/virt-guard/nwfilter:"));
    }
}
