//! Settings in files of lines: which there are, and how one is changed.
//!
//! In: files and their grammar. Out: what is set, in the order in which the service
//! reads it, with all that is included; and the same files with one setting changed.
//! What had been set stays behind as a comment.

use std::path::{Path, PathBuf};

use super::PinError;
use super::draft::Draft;
use super::text::Text;

/// How deep files may include each other.
const DEEPEST: usize = 10;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing.
    Nothing,
    /// A section begins.
    Section(String),
    /// Something is set.
    Set(String, String),
    /// It goes on with what the line before set.
    Continued(String),
    /// Another file is read here.
    File(PathBuf),
    /// The files of a directory are read here, those with this ending.
    Directory(PathBuf, &'static str),
    /// It is none of these; the text says what was expected.
    Wrong(&'static str),
}

/// How the lines of a file are read.
pub(super) type Grammar = fn(&str) -> Line;

/// Something that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// In which section; empty before the first.
    pub section: String,
    /// What, as the grammar spells it.
    pub key: String,
    /// To what.
    pub value: String,
    /// The file.
    pub path: PathBuf,
    /// Its first line in the file, from 0.
    pub index: usize,
    /// How many lines it takes.
    pub lines: usize,
}

impl Setting {
    /// It says what cannot be dealt with.
    pub fn unreadable(&self, what: &str) -> PinError {
        let what = format!("{} = {}: {what}", self.key, self.value);
        PinError::Unreadable { path: self.path.clone(), line: self.index + 1, what }
    }
}

/// All that is set by a file and by what it includes; nothing if it is not there.
///
/// # Errors
/// A line is not of the grammar; files include each other without an end.
pub(super) fn read(draft: &Draft, path: &Path, grammar: Grammar) -> Result<Vec<Setting>, PinError> {
    let mut reader = Reader { draft, grammar, settings: Vec::new(), section: String::new() };
    reader.file(path, 0)?;
    Ok(reader.settings)
}

/// All that is set by several files, read one after the other.
pub(super) fn read_all(draft: &Draft, paths: &[PathBuf], grammar: Grammar) -> Result<Vec<Setting>, PinError> {
    let read: Vec<_> = paths.iter().map(|path| read(draft, path, grammar)).collect::<Result<_, _>>()?;
    Ok(read.concat())
}

struct Reader<'a, 'b> {
    draft: &'a Draft<'b>,
    grammar: Grammar,
    settings: Vec<Setting>,
    section: String,
}

impl Reader<'_, '_> {
    fn file(&mut self, path: &Path, depth: usize) -> Result<(), PinError> {
        let Some(text) = self.draft.read(path)? else { return Ok(()) };
        self.section.clear();
        for (index, line) in text.lines().enumerate() {
            let wrong =
                |what: &str| PinError::Unreadable { path: path.to_owned(), line: index + 1, what: what.to_owned() };
            match (self.grammar)(line) {
                Line::Nothing => {}
                Line::Section(name) => self.section = name,
                Line::Set(key, value) => self.set(path, index, (key, value)),
                Line::Continued(more) => self.go_on(path, index, &more).ok_or_else(|| wrong("continues no setting"))?,
                Line::Wrong(expected) => return Err(wrong(expected)),
                Line::File(_) | Line::Directory(..) if depth == DEEPEST => {
                    return Err(wrong("expected at most 10 files within each other"));
                }
                Line::File(file) => self.within(path, &[file], depth)?,
                Line::Directory(folder, ending) => {
                    let files = self.draft.list(&beside(path, &folder))?;
                    let files: Vec<_> = files.into_iter().filter(|file| is_read(file, ending)).collect();
                    self.within(path, &files, depth)?;
                }
            }
        }
        Ok(())
    }

    /// Reads other files, and comes back to the same section.
    fn within(&mut self, path: &Path, files: &[PathBuf], depth: usize) -> Result<(), PinError> {
        let section = self.section.clone();
        for file in files {
            self.file(&beside(path, file), depth + 1)?;
        }
        self.section = section;
        Ok(())
    }

    fn set(&mut self, path: &Path, index: usize, (key, value): (String, String)) {
        let section = self.section.clone();
        self.settings.push(Setting { section, key, value, path: path.to_owned(), index, lines: 1 });
    }

    fn go_on(&mut self, path: &Path, index: usize, more: &str) -> Option<()> {
        let last = self.settings.last_mut().filter(|last| last.path == path)?;
        last.lines = index + 1 - last.index;
        last.value.push('\n');
        last.value.push_str(more);
        Some(())
    }
}

/// A path within a file is meant from the file's directory.
fn beside(path: &Path, other: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).join(other)
}

/// Files whose names begin with a dot are nobody's.
fn is_read(file: &Path, ending: &str) -> bool {
    file.file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        name.ends_with(ending) && !name.starts_with('.')
    })
}

/// Sets anew what is set: `line` stands where the last of `old` stood, which counts
/// no more, nor do the others of the same file.
pub(super) fn replace(draft: &mut Draft, old: &[&Setting], lines: &[String]) -> Result<(), PinError> {
    let Some(last) = old.last() else { return Ok(()) };
    let mut text = Text::new(&draft.read(&last.path)?.unwrap_or_default());
    for setting in old.iter().filter(|setting| setting.path == last.path) {
        (setting.index..setting.index + setting.lines).for_each(|index| text.comment_out(index));
    }
    for (at, line) in lines.iter().enumerate() {
        text.insert(last.index + last.lines + at, line);
    }
    draft.put(&last.path, text.to_string())
}

/// Sets what is not set anywhere: at the end of the section, which is made if there is
/// none; without a section, at the end of the file.
pub(super) fn add(
    draft: &mut Draft,
    path: &Path,
    grammar: Grammar,
    (section, lines): (&str, &[String]),
) -> Result<(), PinError> {
    let old = draft.read(path)?;
    let mut text = Text::new(old.as_deref().unwrap_or(super::wall::header()));
    let mut at = end_of(&text, grammar, section);
    if at.is_none() && !section.is_empty() {
        text.insert(text.len(), &format!("[{section}]"));
        at = Some(text.len());
    }
    let at = at.unwrap_or(text.len());
    for (index, line) in lines.iter().enumerate() {
        text.insert(at + index, line);
    }
    draft.put(path, text.to_string())
}

/// Behind the last line of a section that says something.
fn end_of(text: &Text, grammar: Grammar, wanted: &str) -> Option<usize> {
    let (mut section, mut end) = (String::new(), None);
    for (index, line) in text.lines() {
        match grammar(line) {
            Line::Section(name) => section = name,
            Line::Nothing => continue,
            _ => {}
        }
        if section == wanted && !wanted.is_empty() {
            end = Some(index + 1);
        }
    }
    end
}

/// `KEY = VALUE` and `[SECTION]`, as most know it: comments begin with `#` or `;`, at
/// the beginning of a line, and a line that begins with a blank continues the last.
pub(super) fn ini(line: &str) -> Line {
    let text = line.trim();
    if text.is_empty() || text.starts_with(['#', ';']) {
        return Line::Nothing;
    }
    if line.starts_with([' ', '\t']) {
        return Line::Continued(text.to_owned());
    }
    if let Some(section) = text.strip_prefix('[') {
        return section
            .split_once(']')
            .map_or(Line::Wrong("expected [SECTION]"), |(name, _)| Line::Section(name.into()));
    }
    match text.split_once(['=', ':']) {
        Some((key, value)) => Line::Set(key.trim().to_owned(), value.trim().to_owned()),
        None => Line::Wrong("expected [SECTION] or KEY = VALUE"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, add, ini, read, replace};
    use crate::pins::draft::Draft;
    use crate::pins::tests::{Tree, target};
    use crate::pins::{Framework, Recipe};
    use proptest::prelude::*;
    use std::path::Path;

    fn changed(text: &str, change: fn(&mut Draft)) -> String {
        let (tree, target) = (Tree::new([("/c", text)]), target(&["10.0.0.5"]));
        let mut draft = Draft::new(&target, Framework::Absent, &tree);
        change(&mut draft);
        let Recipe { edits, .. } = draft.finish();
        edits.into_iter().next().map_or_else(|| text.to_owned(), |edit| edit.text)
    }

    fn replaced(draft: &mut Draft) {
        let settings = read(draft, Path::new("/c"), ini).unwrap();
        let old: Vec<_> = settings.iter().filter(|setting| setting.key == "k").collect();
        replace(draft, &old, &["k = new".into()]).unwrap();
    }

    fn added(draft: &mut Draft) {
        add(draft, Path::new("/c"), ini, ("a", &["k = new".into()])).unwrap();
    }

    #[test]
    fn what_was_set_becomes_a_comment() {
        assert_eq!(
            changed("[a]\r\nk = 1,\r\n  2\r\nk=3\r\n[b]\r\nx=1", replaced),
            "[a]\r\n# virt-guard: k = 1,\r\n# virt-guard:   2\r\n# virt-guard: k=3\r\nk = new\r\n[b]\r\nx=1"
        );
    }

    #[test]
    fn what_was_not_set_is_set_in_its_section() {
        assert_eq!(changed("[a]\nx=1\n# y\n\n[b]\n", added), "[a]\nx=1\nk = new\n# y\n\n[b]\n");
        assert_eq!(changed("[b]\nx=1", added), "[b]\nx=1\n[a]\nk = new\n");
    }

    #[test]
    fn what_is_no_setting_is_told_with_its_line() {
        let (tree, target) = (Tree::new([("/c", "[a]\nword\n")]), target(&["10.0.0.5"]));
        let draft = Draft::new(&target, Framework::Absent, &tree);
        let error = read(&draft, Path::new("/c"), ini).unwrap_err().to_string();
        assert_eq!(error, "/c:2: expected [SECTION] or KEY = VALUE");
    }

    #[test]
    fn files_do_not_include_each_other_for_ever() {
        let (tree, target) = (Tree::new([("/c", "x")]), target(&["10.0.0.5"]));
        let draft = Draft::new(&target, Framework::Absent, &tree);
        let error = read(&draft, Path::new("/c"), |_| Line::File("c".into())).unwrap_err().to_string();
        assert_eq!(error, "/c:1: expected at most 10 files within each other");
    }

    proptest! {
        #[test]
        fn a_change_leaves_all_else_as_it_is(
            lines in prop::collection::vec("(x ?= ?[a-z]{0,3}|\\[[ab]\\]|#[a-z= ]{0,4}|;|)", 0..9),
            ending in "\r?\n",
        ) {
            let text = lines.join(&ending);
            let changed = changed(&text, added);
            let mut rest = changed.lines();
            prop_assert!(text.lines().all(|line| rest.any(|other| other == line)), "{changed:?}");
        }
    }
}
