//! What systemd knows of a unit: its file and its drop-ins, in the order in which
//! systemd reads them (systemd.unit(5), "Unit File Load Path").
//!
//! In: the name of a unit and the files. Out: its settings, each with its place.
//! Our own drop-in is not among them: a pin is made from what was there before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::PinError;
use super::draft::Draft;

/// Where systemd looks for units, first found first taken.
const PLACES: [&str; 13] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
];
/// What an administrator's drop-ins are kept in.
const OURS: &str = "/etc/systemd/system";
/// How our drop-in is named, and how where others come after that and undo it.
const NAMES: [&str; 2] = ["50-virt-guard.conf", "zz-virt-guard.conf"];

/// One line of a unit's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// The section, without its brackets.
    pub section: String,
    /// What is set.
    pub key: String,
    /// To what; empty text takes back what was set before, where lists are meant.
    pub value: String,
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

impl Setting {
    /// For messages.
    pub fn place(&self) -> String {
        format!("{}:{}", self.path.display(), self.line)
    }
}

/// A unit as its files say.
#[derive(Debug)]
pub(super) struct Unit {
    /// Its name, with its type.
    pub name: String,
    settings: Vec<Setting>,
}

impl Unit {
    /// Reads the unit; nothing if it has no file.
    ///
    /// # Errors
    /// A file cannot be read, or holds a line that systemd would not take.
    pub fn load(draft: &Draft, name: &str) -> Result<Option<Self>, PinError> {
        let Some((path, text)) = fragment(draft, name)? else { return Ok(None) };
        let mut settings = parse(&path, &text)?;
        if text.trim().is_empty() {
            return Err(PinError::Refused(format!("{name}: masked, so it cannot run: {} is empty", path.display())));
        }
        for path in drop_ins(draft, name)?.into_values().filter(|path| !is_ours(path, name)) {
            if let Some(text) = draft.read(&path)? {
                settings.extend(parse(&path, &text)?);
            }
        }
        Ok(Some(Self { name: name.to_owned(), settings }))
    }

    /// The settings of the keys in a section, as far as no empty one of them came later.
    pub fn list(&self, section: &str, keys: &[&str]) -> Vec<&Setting> {
        let mut found = Vec::new();
        for setting in self.all(section, keys) {
            if setting.value.is_empty() {
                found.clear();
            } else {
                found.push(setting);
            }
        }
        found
    }

    /// What is set at last, where only that counts.
    pub fn last(&self, section: &str, key: &str) -> Option<&str> {
        self.all(section, &[key]).last().map(|setting| setting.value.as_str())
    }

    fn all(&self, section: &str, keys: &[&str]) -> impl Iterator<Item = &Setting> {
        self.settings.iter().filter(move |setting| setting.section == section && keys.contains(&setting.key.as_str()))
    }

    /// Where our drop-in goes so that nothing in the section comes after it and
    /// changes what it says of the keys.
    ///
    /// # Errors
    /// Something does, whatever ours is called.
    pub fn drop_in(&self, section: &str, keys: &[&str]) -> Result<PathBuf, PinError> {
        let folder = Path::new(OURS).join(format!("{}.d", self.name));
        let file_name = |setting: &Setting| setting.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let dropped = |setting: &&Setting| setting.path.extension().is_some_and(|end| end == "conf");
        let rivals: Vec<_> = self.all(section, keys).filter(dropped).collect();
        for name in NAMES {
            if rivals.iter().all(|rival| file_name(rival).is_some_and(|rival| rival.as_str() < name)) {
                return Ok(folder.join(name));
            }
        }
        let rival = rivals.last().map(|rival| (rival.place(), rival.key.clone())).unwrap_or_default();
        Err(PinError::Refused(format!(
            "{}: {}= is read after {}, which would have no effect: expected a name before it",
            rival.0, rival.1, NAMES[1]
        )))
    }
}

/// Whether this is a drop-in that a pin has written.
fn is_ours(path: &Path, unit: &str) -> bool {
    NAMES.iter().any(|name| path == Path::new(OURS).join(format!("{unit}.d")).join(name))
}

/// The unit's own file, an instance's if it has one, else its template's.
fn fragment(draft: &Draft, name: &str) -> Result<Option<(PathBuf, String)>, PinError> {
    for name in std::iter::once(name.to_owned()).chain(template(name)) {
        for place in PLACES {
            let path = Path::new(place).join(&name);
            if let Some(text) = draft.read(&path)? {
                return Ok(Some((path, text)));
            }
        }
    }
    Ok(None)
}

/// `postgresql@.service` of `postgresql@15-main.service`.
fn template(name: &str) -> Option<String> {
    let (base, instance) = name.split_once('@')?;
    let (instance, kind) = instance.rsplit_once('.')?;
    (!instance.is_empty()).then(|| format!("{base}@.{kind}"))
}

/// The drop-ins by their names; of two with one name the first place's counts.
fn drop_ins(draft: &Draft, name: &str) -> Result<BTreeMap<String, PathBuf>, PinError> {
    let mut found = BTreeMap::new();
    for folder in folders(name) {
        for place in PLACES {
            for path in draft.list(&Path::new(place).join(&folder))? {
                let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
                if name.ends_with(".conf") {
                    found.entry(name).or_insert(path);
                }
            }
        }
    }
    Ok(found)
}

/// The directories that drop-ins of a unit may be in: its own, its template's, those
/// of the beginnings of its name up to each `-`, its type's.
fn folders(name: &str) -> Vec<String> {
    let mut folders = vec![format!("{name}.d")];
    folders.extend(template(name).map(|template| format!("{template}.d")));
    let Some((stem, kind)) = name.rsplit_once('.') else { return folders };
    let stem = stem.split('@').next().unwrap_or(stem);
    let beginnings = stem.match_indices('-').map(|(at, _)| format!("{}.{kind}.d", &stem[..=at]));
    folders.extend(beginnings.collect::<Vec<_>>().into_iter().rev());
    folders.push(format!("{kind}.d"));
    folders
}

/// The settings of one file (systemd.syntax(7)).
fn parse(path: &Path, text: &str) -> Result<Vec<Setting>, PinError> {
    let wrong = |line, what: &str| PinError::Unreadable { path: path.to_owned(), line, what: what.to_owned() };
    let (mut section, mut settings) = (None, Vec::new());
    for (line, text) in logical_lines(text) {
        let text = text.trim();
        if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = Some(name.to_owned());
        } else if !text.is_empty() {
            let (key, value) =
                text.split_once('=').ok_or_else(|| wrong(line, "expected [SECTION] or SETTING=VALUE"))?;
            let section = section.clone().ok_or_else(|| wrong(line, "expected [SECTION] before the first setting"))?;
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            settings.push(Setting { section, key, value, path: path.to_owned(), line });
        }
    }
    Ok(settings)
}

/// Lines that end in a backslash go on in the next; comments within are left out.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let (mut lines, mut open) = (Vec::<(usize, String)>::new(), false);
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        let (line, goes_on) = line.strip_suffix('\\').map_or((line, false), |line| (line, true));
        match lines.last_mut() {
            Some((_, last)) if open => {
                last.push(' ');
                last.push_str(line);
            }
            _ => lines.push((index + 1, line.to_owned())),
        }
        open = goes_on;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{folders, parse};
    use std::path::Path;

    #[test]
    fn a_unit_is_read_as_systemd_reads_it() {
        let text =
            "# comment\r\n[Unit]\r\nDescription=a \\\n# within\n  b\n\n; other\n[Service]\nExecStart = /bin/x -a=b";
        let settings = parse(Path::new("/u"), text).unwrap();
        let told: Vec<_> = settings.iter().map(|s| (&*s.section, &*s.key, &*s.value, s.line)).collect();
        assert_eq!(told, [("Unit", "Description", "a    b", 3), ("Service", "ExecStart", "/bin/x -a=b", 9)]);
    }

    #[test]
    fn what_is_no_setting_is_told_with_its_line() {
        let error = parse(Path::new("/u.service"), "[Service]\nExecStart").unwrap_err().to_string();
        assert_eq!(error, "/u.service:2: expected [SECTION] or SETTING=VALUE");
        let error = parse(Path::new("/u.service"), "A=b").unwrap_err().to_string();
        assert_eq!(error, "/u.service:1: expected [SECTION] before the first setting");
    }

    #[test]
    fn drop_ins_are_looked_for_where_systemd_does() {
        assert_eq!(
            folders("a-b-c@x.service"),
            ["a-b-c@x.service.d", "a-b-c@.service.d", "a-b-.service.d", "a-.service.d", "service.d"]
        );
    }
}
