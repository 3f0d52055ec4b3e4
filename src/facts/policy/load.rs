//! The policy files on disk.
//!
//! In: the root of the file system. Out: the texts, each under the name the
//! operator knows. Nothing is written, and no text is understood here.

use std::io;
use std::path::Path;

use super::source::Source;
use super::{FactError, Place, PolicyError};
use crate::facts::file::{self, below, exists};

const SETTINGS: &str = "/etc/virt-guard/virt-guard.toml";
const FOLDER: &str = "/etc/virt-guard/policy.d";

/// The files there are.
#[derive(Debug, Default)]
pub struct Files {
    /// `virt-guard.toml`.
    pub settings: Option<Source>,
    /// The files of `policy.d`, in the order of their names.
    pub folder: Vec<Source>,
}

/// Reads the policy files below `root`.
///
/// # Errors
/// The first file that is there and cannot be read.
pub fn files(root: &Path) -> Result<Files, PolicyError> {
    let present = exists(&below(root, SETTINGS)).map_err(io_error(SETTINGS))?;
    let settings = present.then(|| read(root, SETTINGS)).transpose()?;
    let names = file::names(&below(root, FOLDER), ".toml").map_err(io_error(FOLDER))?;
    let folder = names.iter().map(|name| read(root, &format!("{FOLDER}/{name}"))).collect::<Result<_, _>>()?;
    Ok(Files { settings, folder })
}

/// Reads the file that the operator knows as `name`.
fn read(root: &Path, name: &str) -> Result<Source, PolicyError> {
    let bytes = file::read(&below(root, name)).map_err(io_error(name))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
        FactError::new(Place::at(name, &before, valid), "invalid UTF-8")
    })?;
    Ok(Source::new(name, text))
}

fn io_error(name: &str) -> impl FnOnce(io::Error) -> PolicyError {
    let path = name.to_owned();
    move |source| PolicyError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::os::unix::fs::symlink;

    use super::super::Policy;
    use super::*;
    use std::fs;

    /// A root with the policy folder and these files in `/etc/virt-guard`.
    fn root(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(below(root.path(), FOLDER)).unwrap();
        for (name, content) in files {
            fs::write(root.path().join("etc/virt-guard").join(name), content).unwrap();
        }
        root
    }

    /// The error with its cause, as the shells print it.
    fn error(root: &Path) -> String {
        let error = Policy::load(root).unwrap_err();
        error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
    }

    fn group(name: &str) -> String {
        format!("[[group]]\nname = \"{name}\"\n")
    }

    #[test]
    fn no_file_is_the_default_policy() {
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(Policy::load(empty.path()).unwrap(), Policy::default());
        assert_eq!(Policy::load(root(&[]).path()).unwrap(), Policy::default());
    }

    #[test]
    fn files_of_the_folder_are_read_in_the_order_of_their_names_after_the_settings() {
        let guest = |name: &str| format!("[[guest]]\nmatch = \"{name}\"\n").into_bytes();
        let root = root(&[
            ("policy.d/b.toml", &guest("third")),
            ("policy.d/a.toml", &guest("second")),
            ("virt-guard.toml", &guest("first")),
        ]);
        let entries = Policy::load(root.path()).unwrap().entries;
        assert_eq!(
            entries.iter().map(|entry| entry.matcher.to_string()).collect::<Vec<_>>(),
            ["first", "second", "third"]
        );
    }

    #[test]
    fn hidden_files_and_other_endings_are_not_read() {
        let root = root(&[("policy.d/.x.toml", b"?"), ("policy.d/x.toml~", b"?"), ("policy.d/README", b"?")]);
        assert_eq!(Policy::load(root.path()).unwrap(), Policy::default());
    }

    #[test]
    fn places_name_the_file_without_the_root() {
        let root = root(&[("policy.d/web.toml", b"\n[[group]]\nname = \"-\"\n")]);
        assert!(error(root.path()).starts_with("/etc/virt-guard/policy.d/web.toml:3:8: invalid group name"));
    }

    #[test]
    fn a_group_defined_in_two_files_is_refused_with_both_places() {
        let web = group("web").into_bytes();
        let root = root(&[("policy.d/a.toml", &web), ("policy.d/b.toml", &web)]);
        assert_eq!(
            error(root.path()),
            "/etc/virt-guard/policy.d/b.toml:2:8: group web is defined already at /etc/virt-guard/policy.d/a.toml:2:8"
        );
    }

    #[test]
    fn a_group_may_be_used_before_the_file_that_defines_it() {
        let root = root(&[
            ("virt-guard.toml", b"guests = { groups = [\"web\"] }"),
            ("policy.d/web.toml", group("web").as_bytes()),
        ]);
        assert_eq!(Policy::load(root.path()).unwrap().guests.groups[0].value.as_str(), "web");
    }

    #[test]
    fn a_file_up_to_one_mebibyte_is_read() {
        let largest = vec![b'\n'; 1024 * 1024];
        assert!(Policy::load(root(&[("virt-guard.toml", &largest)]).path()).is_ok());
        let larger = vec![b'\n'; 1024 * 1024 + 1];
        let root = root(&[("policy.d/a.toml", &larger)]);
        assert_eq!(error(root.path()), "/etc/virt-guard/policy.d/a.toml: cannot be read: larger than 1 MiB");
    }

    #[test]
    fn what_is_not_utf_8_is_an_error_at_its_place() {
        let root = root(&[("virt-guard.toml", b"# \xc3\xa4\n# \xff")]);
        assert_eq!(error(root.path()), "/etc/virt-guard/virt-guard.toml:2:3: invalid UTF-8");
    }

    #[test]
    fn what_is_no_file_is_an_error_and_never_waited_for() {
        let root = root(&[]);
        fs::create_dir(below(root.path(), SETTINGS)).unwrap();
        assert_eq!(error(root.path()), "/etc/virt-guard/virt-guard.toml: cannot be read: not a regular file");
        fs::remove_dir(below(root.path(), SETTINGS)).unwrap();
        let pipe = below(root.path(), FOLDER).join("p.toml");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(error(root.path()), "/etc/virt-guard/policy.d/p.toml: cannot be read: not a regular file");
    }

    #[test]
    fn a_link_to_nowhere_is_not_the_same_as_no_file() {
        for name in ["virt-guard.toml", "policy.d/x.toml"] {
            let root = root(&[]);
            symlink("/nowhere", root.path().join("etc/virt-guard").join(name)).unwrap();
            assert!(error(root.path()).contains("cannot be read: No such file"), "{name}");
        }
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_an_error() {
        let root = root(&[]);
        fs::remove_dir(below(root.path(), FOLDER)).unwrap();
        fs::write(below(root.path(), FOLDER), "").unwrap();
        assert!(error(root.path()).starts_with("/etc/virt-guard/policy.d: cannot be read: Not a directory"));
    }
}
