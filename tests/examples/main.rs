//! What manual pages and guides show is done, and does what they say.
//!
//! Root only: each page has a host of its own, in namespaces. `page` says how an example
//! is written.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod page;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::fs;
use std::path::{Path, PathBuf};

use page::{Step, of_manual, of_markdown, printed};
use world::World;

fn pages(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

/// Takes the steps of a page on a host of their own; what went wrong.
fn carry_out(page: &Path, steps: &[Step]) -> Vec<String> {
    let world = World::new();
    let failed = steps.iter().filter_map(|step| world.take(step).err());
    failed.map(|error| format!("{}: {error}", page.display())).collect()
}

/// Each page on a thread, as namespaces are a thread's own.
fn carry_out_all(pages: Vec<(PathBuf, Vec<Step>)>) {
    let threads: Vec<_> =
        pages.into_iter().map(|(page, steps)| std::thread::spawn(move || carry_out(&page, &steps))).collect();
    let failed: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn what_a_manual_page_shows_is_so() {
    let all = pages("man").into_iter().map(|page| {
        let steps = of_manual(&fs::read_to_string(&page).unwrap()).unwrap();
        let commands = steps.iter().filter(|step| matches!(step, Step::Command(_))).count();
        assert!(commands > 0, "{} shows no command", page.display());
        (page, steps)
    });
    let all: Vec<_> = all.collect();
    assert!(all.len() >= 4, "{all:?}");
    carry_out_all(all);
}

#[test]
fn what_a_guide_shows_is_so() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let all =
        pages("docs").into_iter().chain([readme]).filter(|page| page.extension().is_some_and(|kind| kind == "md"));
    let steps = all.map(|page| (page.clone(), of_markdown(&fs::read_to_string(&page).unwrap()).unwrap()));
    carry_out_all(steps.filter(|(_, steps)| !steps.is_empty()).collect());
}

#[test]
fn an_example_that_does_not_hold_is_found_out() {
    let page = "\n.EX\n# /etc/x\na \\- b\n$ cat \\e\n    etc/x\na ...\nexit status 1\n.EE\n";
    let steps = of_manual(page).unwrap();
    let [Step::File { path, text }, Step::Command(command)] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!((path.as_str(), text.as_str()), ("/etc/x", "a - b\n"));
    assert_eq!((command.line.as_str(), command.status), ("cat \\\n    etc/x", 1));
    assert_eq!(carry_out(Path::new("page"), &steps).len(), 1, "cat ends with 0");
    assert!(of_manual("\n.EX\nwhatever\n.EE\n").is_err());
    let lines = |text: &str| text.split('|').map(str::to_owned).collect::<Vec<_>>();
    for (expected, found, same) in
        [("a|...|c", "a|b|b|c", true), ("...", "", true), ("a", "a|b", false), ("a...|b", "abc|b", true)]
    {
        let found: Vec<_> = found.split('|').filter(|line| !line.is_empty()).collect();
        assert_eq!(printed(&lines(expected), &found), same, "{expected} {found:?}");
    }
}
