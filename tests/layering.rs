//! The rooms of the library and the way imports go between them.
//!
//! Imports point to the left only: net ← facts ← model ← plan ← engine ← kernel ←
//! state ← reconcile ← hook, cli, libvirt. A leaf imports nothing. Programs are
//! run in one place, and nothing but a test gives up with a panic.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from left to right; those of one entry do not know each other, but
/// for what `MAY` says.
const ORDER: [&[&str]; 9] = [
    &["net", "digest"],
    &["facts"],
    &["model", "pins"],
    &["plan"],
    &["engine"],
    &["kernel"],
    &["state"],
    &["reconcile"],
    &["hook", "daemon", "cli", "libvirt"],
];
/// Who writes to the system's log.
const LOG: (&str, [&str; 4]) = ("log", ["hook", "daemon", "cli", "libvirt"]);
/// The shells that another may use: the operator's program asks libvirt and runs
/// the daemon, which listens to libvirt.
const MAY: [(&str, &str); 3] = [("cli", "libvirt"), ("cli", "daemon"), ("daemon", "libvirt")];
/// Where programs are run.
const SPAWNER: &str = "kernel/programs.rs";

/// A source file without comments, strings and tests.
struct Source {
    /// Below `src`.
    path: PathBuf,
    code: String,
}

impl Source {
    /// The path as text.
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The names of the modules that the file is within, itself included.
    fn modules(&self) -> Vec<String> {
        let parts = self.path.with_extension("");
        let mut names: Vec<_> = parts.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        names.pop_if(|last| last == "mod");
        names
    }
}

#[test]
fn imports_point_to_the_left() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for source in sources() {
        let room = source.modules()[0].clone();
        if room == "bin" || room == "lib" {
            continue;
        }
        for target in targets(&source) {
            seen += 1;
            if !allowed(&room, &target) {
                wrong.push(format!("{}: {room} imports {target}", source.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(seen > 100, "only {seen} imports were found");
}

#[test]
fn every_room_has_its_place() {
    let placed: BTreeSet<_> =
        ORDER.iter().flat_map(|rooms| rooms.iter().copied()).chain([LOG.0, "bin", "lib"]).collect();
    for source in sources() {
        assert!(placed.contains(source.modules()[0].as_str()), "{} is in no room that this test knows", source.name());
    }
}

#[test]
fn the_programs_see_the_shells_only() {
    for source in sources().iter().filter(|source| source.path.starts_with("bin")) {
        for room in after(&source.code, "virt_guard::") {
            assert!(["hook", "cli"].contains(&room.as_str()), "{}: {room}", source.name());
        }
    }
}

#[test]
fn programs_are_run_in_one_place() {
    for source in sources().iter().filter(|source| source.path != Path::new(SPAWNER)) {
        let own = source.code.contains("process::Command") || source.code.contains("process::{");
        assert!(!own && !source.code.contains("exec("), "{} runs programs", source.name());
    }
}

#[test]
fn libvirt_is_named_in_one_room() {
    for source in sources().iter().filter(|source| !source.path.starts_with("libvirt")) {
        let within_word =
            |at: usize| source.code[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        let mut names = source.code.match_indices("virt::").chain(source.code.match_indices("virt_sys"));
        assert!(names.all(|(at, _)| within_word(at)), "{}", source.name());
    }
}

#[test]
fn only_tests_give_up_with_a_panic() {
    let mut wrong = Vec::new();
    for source in sources() {
        for call in [".unwrap()", ".expect("] {
            if source.code.contains(call) {
                wrong.push(format!("{}: {call}", source.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn rank(room: &str) -> Option<usize> {
    ORDER.iter().position(|rooms| rooms.contains(&room))
}

fn allowed(room: &str, target: &str) -> bool {
    if room == target || MAY.contains(&(room, target)) {
        return true;
    }
    if target == LOG.0 {
        return LOG.1.contains(&room);
    }
    // Leaves import nothing, so whatever has no rank is refused.
    matches!((rank(room), rank(target)), (Some(room), Some(target)) if target < room)
        || room == "net" && target == "digest"
}

/// The rooms that a file names.
fn targets(source: &Source) -> BTreeSet<String> {
    let mut names = after(&source.code, "crate::");
    let depth = source.modules().len();
    // As many `super` as the file is deep, or one more within an inline module,
    // lead to the crate.
    for supers in [depth, depth + 1] {
        names.extend(after(&source.code, &"super::".repeat(supers)));
    }
    let rooms: BTreeSet<_> = ORDER.iter().flat_map(|rooms| rooms.iter().copied()).chain([LOG.0]).collect();
    names.into_iter().filter(|name| rooms.contains(name.as_str())).collect()
}

/// The names that follow `prefix`, be it one or a list in braces.
fn after(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for rest in code.split(prefix).skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => names.extend(top_level(list)),
            None => names.extend(first_word(rest)),
        }
    }
    names
}

/// The first words of a list's entries, up to the brace that closes it.
fn top_level(list: &str) -> Vec<String> {
    let mut depth = 1;
    let mut entries = vec![String::new()];
    for letter in list.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => entries.push(String::new()),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if let Some(entry) = entries.last_mut().filter(|_| letter != ',') {
            entry.push(letter);
        }
    }
    entries.iter().filter_map(|entry| first_word(entry.trim())).collect()
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// All of `src`, tests left out.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    let mut tests: BTreeSet<PathBuf> = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let code = bare(&fs::read_to_string(&path).unwrap());
                let path = path.strip_prefix(&root).unwrap().to_owned();
                let (code, modules) = without_tests(&code);
                tests.extend(modules.into_iter().map(|module| path.with_file_name(module)));
                sources.push(Source { path, code });
            }
        }
    }
    sources.retain(|source| !tests.iter().any(|test| source.path.with_extension("").starts_with(test)));
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(sources.len() > 50, "only {} files found", sources.len());
    sources
}

/// The code without what is for tests, and the names of files that are.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let (mut kept, mut modules) = (String::new(), Vec::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let item = lines.next().unwrap_or_default();
        if item.trim_end().ends_with('{') {
            let end = format!("{}}}", " ".repeat(item.len() - item.trim_start().len()));
            lines.by_ref().take_while(|line| *line != end).for_each(drop);
        } else if let Some(name) = item.trim_end().strip_suffix(';').and_then(|item| item.rsplit_once("mod ")) {
            modules.push(name.1.to_owned());
        }
    }
    (kept, modules)
}

/// The code without comments and without what stands in strings.
fn bare(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut code = String::new();
    let mut at = 0;
    while let Some(letter) = letters.get(at) {
        let rest = &letters[at..];
        let skipped = match letter {
            '/' if rest.starts_with(&['/', '/']) => rest.iter().take_while(|letter| **letter != '\n').count(),
            'r' if is_raw(&code, rest) => raw_string(rest),
            '"' => string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if skipped == 0 {
            code.push(*letter);
        }
        at += skipped.max(1);
    }
    code
}

/// Whether `rest` begins a raw string rather than a word with an r.
fn is_raw(before: &str, rest: &[char]) -> bool {
    let in_word = before.ends_with(|letter: char| letter.is_alphanumeric() && letter != 'b' || letter == '_');
    let hashes = rest.iter().skip(1).take_while(|letter| **letter == '#').count();
    !in_word && rest.get(1 + hashes) == Some(&'"')
}

fn raw_string(rest: &[char]) -> usize {
    let hashes = rest.iter().skip(1).take_while(|letter| **letter == '#').count();
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let start = hashes + 2;
    let length = rest[start..].windows(end.len()).position(|window| window == end).unwrap_or(rest.len() - start);
    start + length + end.len()
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while let Some(letter) = rest.get(at) {
        match letter {
            '"' => return at + 1,
            '\\' => at += 2,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a character, or nothing if it is a lifetime.
fn character(rest: &[char]) -> usize {
    match rest {
        ['\'', '\\', ..] => rest.iter().skip(3).position(|letter| *letter == '\'').map_or(1, |end| end + 4),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

mod of_itself {
    use super::*;

    #[test]
    fn comments_strings_and_characters_are_left_out() {
        let text = "a // x\nb \"y\\\"\" c r#\"z\"z\"# d '\"' e 'w' <'f> '\\'' g br\"h\" \"i";
        assert_eq!(bare(text), "a \nb  c  d  e  <'f>  g b ");
    }

    #[test]
    fn tests_are_left_out_and_their_files_named() {
        let code =
            "a\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod more {\n    x\n}\nb\n#[cfg(test)]\npub(crate) mod fake;\n";
        assert_eq!(without_tests(code), ("a\nb\n".to_owned(), vec!["tests".to_owned(), "fake".to_owned()]));
    }

    #[test]
    fn lists_are_read_at_their_top() {
        let names = after("use crate::{net::{a, b}, facts, model::x};\nuse crate::plan::y;", "crate::");
        assert_eq!(names, ["facts", "model", "net", "plan"].map(str::to_owned).into());
    }

    #[test]
    fn a_way_to_the_right_or_aside_is_refused() {
        for (room, target) in
            [("net", "facts"), ("engine", "kernel"), ("hook", "cli"), ("libvirt", "cli"), ("model", "log")]
        {
            assert!(!allowed(room, target), "{room} may import {target}");
        }
        for (room, target) in
            [("facts", "net"), ("state", "kernel"), ("cli", "libvirt"), ("hook", "log"), ("cli", "net")]
        {
            assert!(allowed(room, target), "{room} may not import {target}");
        }
    }

    #[test]
    fn supers_that_leave_the_room_are_seen() {
        let source = |path: &str, code: &str| Source { path: path.into(), code: code.into() };
        let seen = targets(&source("facts/policy/check/rule.rs", "use super::super::super::super::model::Rule;"));
        assert_eq!(seen, ["model".to_owned()].into());
        assert!(targets(&source("facts/policy/check/rule.rs", "use super::super::source::Source;")).is_empty());
    }
}
