//! sshd_config(5) with all that it includes.
//!
//! In: the files. Out: what is said outside of `Match` blocks, each with its place;
//! in such a block nothing can be said about where sshd listens.

use std::path::{Path, PathBuf};

use super::{Draft, PORT, PinError};

/// How deep files may include each other (`SERVCONF_MAX_DEPTH` in OpenSSH).
const DEEPEST: usize = 16;
/// What an `Include` is relative to.
const FOLDER: &str = "/etc/ssh";

/// One line.
#[derive(Debug, Clone)]
pub(super) struct Directive {
    /// What it is about, in small letters.
    pub keyword: String,
    /// What it says, without quotes.
    pub value: String,
    /// The file.
    pub path: PathBuf,
    /// The line in the file, from 0.
    pub index: usize,
}

impl Directive {
    /// It says what cannot be dealt with.
    pub fn unreadable(&self, what: &str) -> PinError {
        let what = format!("{} {}: {what}", self.keyword, self.value);
        PinError::Unreadable { path: self.path.clone(), line: self.index + 1, what }
    }
}

/// All that is said outside of `Match`.
#[derive(Debug)]
pub(super) struct Config {
    directives: Vec<Directive>,
}

impl Config {
    /// Reads the file and what it includes.
    ///
    /// # Errors
    /// It is not there, it includes itself, or by a pattern of directories.
    pub fn load(draft: &Draft, path: &Path) -> Result<Self, PinError> {
        let mut config = Self { directives: Vec::new() };
        if draft.read(path)?.is_none() {
            return Err(PinError::Refused(format!("{}: not there, expected sshd's configuration", path.display())));
        }
        config.read(draft, path, 0)?;
        Ok(config)
    }

    /// All lines about one thing.
    pub fn all(&self, keyword: &str) -> impl Iterator<Item = &Directive> {
        self.directives.iter().filter(move |directive| directive.keyword == keyword)
    }

    /// The ports that are not said with an address.
    ///
    /// # Errors
    /// A `Port` that is no number.
    pub fn ports(&self) -> Result<Vec<u16>, PinError> {
        let ports: Vec<_> = self
            .all("port")
            .map(|directive| directive.value.parse().map_err(|_| directive.unreadable("expected a port, 1 to 65535")))
            .collect::<Result<_, _>>()?;
        Ok(if ports.is_empty() { vec![PORT] } else { ports })
    }

    /// Whether a file would be read if it were there.
    pub fn includes(&self, path: &Path) -> bool {
        self.all("include").any(|directive| patterns(&directive.value).any(|pattern| matches(&pattern, path)))
    }

    fn read(&mut self, draft: &Draft, path: &Path, depth: usize) -> Result<(), PinError> {
        let text = draft.read(path)?.unwrap_or_default();
        for (index, line) in text.lines().enumerate() {
            let Some(directive) = directive(path, index, line) else { continue };
            match directive.keyword.as_str() {
                "match" => break,
                "include" if depth == DEEPEST => {
                    return Err(directive.unreadable("expected at most 16 within each other"));
                }
                "include" => {
                    self.directives.push(directive.clone());
                    for file in included(draft, &directive)? {
                        self.read(draft, &file, depth + 1)?;
                    }
                }
                _ => self.directives.push(directive),
            }
        }
        Ok(())
    }
}

fn directive(path: &Path, index: usize, line: &str) -> Option<Directive> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|letter: char| letter.is_whitespace() || letter == '=').unwrap_or(line.len());
    let value = line[end..].trim_start().trim_start_matches('=');
    let value = value.split('#').next().unwrap_or(value).trim().replace('"', "");
    Some(Directive { keyword: line[..end].to_ascii_lowercase(), value, path: path.to_owned(), index })
}

/// The files of an `Include`, in the order in which sshd reads them.
fn included(draft: &Draft, directive: &Directive) -> Result<Vec<PathBuf>, PinError> {
    let mut files = Vec::new();
    for pattern in patterns(&directive.value) {
        let folder = pattern.parent().unwrap_or(Path::new("/"));
        if folder.to_string_lossy().contains(['*', '?', '[']) {
            return Err(directive.unreadable("expected wildcards in the last part of the path only"));
        }
        files.extend(draft.list(folder)?.into_iter().filter(|file| matches(&pattern, file)));
    }
    Ok(files)
}

fn patterns(value: &str) -> impl Iterator<Item = PathBuf> {
    value.split_whitespace().map(|pattern| Path::new(FOLDER).join(pattern))
}

/// Whether a path is meant by a pattern whose last part may have wildcards.
fn matches(pattern: &Path, path: &Path) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (pattern_name, name) = (name(pattern), name(path));
    // Files whose names begin with a dot are met by no wildcard (glob(7)).
    let hidden = name.starts_with('.') && !pattern_name.starts_with('.');
    pattern.parent() == path.parent() && !hidden && wild(pattern_name.as_bytes(), name.as_bytes())
}

/// `*` and `?`; a set in brackets is taken for any one letter, which reads one file
/// more rather than one less.
fn wild(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], _) => name.is_empty(),
        ([b'*', rest @ ..], _) => wild(rest, name) || !name.is_empty() && wild(pattern, &name[1..]),
        ([b'[', rest @ ..], [_, name @ ..]) => {
            let end = rest.iter().position(|byte| *byte == b']').map_or(rest.len(), |at| at + 1);
            wild(&rest[end..], name)
        }
        ([b'?', rest @ ..], [_, name @ ..]) => wild(rest, name),
        ([one, rest @ ..], [other, name @ ..]) => one == other && wild(rest, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;
    use std::path::Path;

    #[test]
    fn an_include_means_what_glob_means() {
        let matches = |pattern: &str, path: &str| matches(Path::new(pattern), Path::new(path));
        assert!(matches("/a/*.conf", "/a/00-virt-guard.conf") && matches("/a/b?[cd]", "/a/bxc"));
        assert!(!matches("/a/*.conf", "/a/.x.conf") && !matches("/a/*", "/b/c") && !matches("/a/b", "/a/bc"));
    }
}
