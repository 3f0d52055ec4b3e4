//! What `docs/guarantees.md` promises is held by tests that exist.
//!
//! A row of its tables names them, as `` `where name` ``: a file or folder, and what stands
//! there of the case: its name in quotes or as a function's, the words of a step, or the
//! file alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

/// A reference of the document.
struct Held<'a> {
    place: &'a str,
    name: Option<&'a str>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> String {
    fs::read_to_string(root().join("docs/guarantees.md")).unwrap()
}

/// The references in a line: what is in backquotes and begins with a folder of code.
fn references(line: &str) -> Vec<Held<'_>> {
    let quoted = line.split('`').skip(1).step_by(2);
    let code = quoted.filter(|text| text.starts_with("tests/") || text.starts_with("src/"));
    code.map(|text| match text.split_once(' ') {
        Some((place, name)) => Held { place, name: Some(name) },
        None => Held { place: text, name: None },
    })
    .collect()
}

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| files(&entry.unwrap().path(), found));
    } else {
        found.push(path.to_owned());
    }
}

/// Whether the case is there. In a script of steps its name begins a step's.
fn exists(held: &Held<'_>) -> bool {
    let path = root().join(held.place);
    let Some(name) = held.name else { return path.exists() };
    let mut all = Vec::new();
    files(&path, &mut all);
    let patterns = [format!("\"{name}\""), format!("step \"{name}"), format!("fn {name}(")];
    let says = |text: String| patterns.iter().any(|pattern| text.contains(pattern));
    all.iter().any(|file| fs::read_to_string(file).is_ok_and(says))
}

#[test]
fn each_guarantee_is_held_by_tests_that_exist() {
    let document = document();
    let (guaranteed, rest) = document.split_once("\n## The threat model\n").unwrap();
    let rows: Vec<_> = guaranteed.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")).collect();
    let promises: Vec<_> = rows.iter().filter(|row| !row.starts_with("| guarantee")).collect();
    assert!(promises.len() > 25, "{promises:?}");
    for row in &promises {
        assert!(!references(row).is_empty(), "nothing holds: {row}");
    }
    let missing: Vec<_> = document.lines().flat_map(references).filter(|held| !exists(held)).collect();
    let missing: Vec<_> = missing.iter().map(|held| format!("{} {:?}", held.place, held.name)).collect();
    assert!(missing.is_empty(), "no such test: {missing:#?}");
    assert!(rest.contains("\n## Not guaranteed\n"));
}

#[test]
fn a_test_that_is_not_there_is_found_out() {
    for (line, there) in [
        ("`tests/hook a-name-is-only-a-name`", true),
        ("`tests/hook a-name-is-only`", false),
        ("`tests/daemon a-name-is-only-a-name`", false),
        ("`tests/nowhere.rs`", false),
    ] {
        assert_eq!(references(line).iter().all(exists), there, "{line}");
    }
}

/// What a document of the project refers to in it is there.
#[test]
fn what_documents_refer_to_is_there() {
    for name in ["README.md", "CONTRIBUTING.md", "docs/guarantees.md"] {
        let text = fs::read_to_string(root().join(name)).unwrap();
        let words = text.split(['`', '(', ')', ' ', '\n']);
        let ours = |word: &&str| {
            ["docs/", "tests/", "src/", "man/", "packaging/"].iter().any(|folder| word.starts_with(folder))
                && !word.contains('*')
        };
        for word in words.filter(ours) {
            let path = word.trim_end_matches(['.', ',', ';', ':']);
            assert!(root().join(path).exists(), "{name}: there is no {path}");
        }
    }
}
