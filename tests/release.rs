//! `packaging/release`, in a tree of its own with the files in which a version stands.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A copy of the project's files in which a version stands, committed.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir(tree.0.path().join("man")).unwrap();
        let pages = fs::read_dir(here.join("man")).unwrap().map(|page| page.unwrap().file_name());
        let pages = pages.map(|page| Path::new("man").join(page));
        for name in ["Cargo.toml", "Cargo.lock", "CHANGELOG.md"].iter().map(Path::new).map(Path::to_owned).chain(pages)
        {
            fs::copy(here.join(&name), tree.0.path().join(&name)).unwrap();
        }
        // Whatever was released of late, something is to come.
        let changes = "# Changelog\n\n## Unreleased\n\n### Added\n- A word.\n";
        fs::write(tree.0.path().join("CHANGELOG.md"), changes).unwrap();
        tree.git("init -q");
        tree.commit();
        tree
    }

    fn git(&self, words: &str) {
        let who = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
        let status = Command::new("git").current_dir(self.0.path()).args(who).args(words.split(' ')).status().unwrap();
        assert!(status.success(), "git {words}");
    }

    fn commit(&self) {
        self.git("add -A");
        self.git("commit -q -m x");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    fn release(&self, words: &str) -> Output {
        let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/release"));
        script.args(words.split(' ')).env("RELEASE_TREE", self.0.path()).output().unwrap()
    }

    /// It is refused for this reason, and nothing is changed.
    fn assert_refused(&self, words: &str, reason: &str) {
        let before = self.read("Cargo.toml");
        let output = self.release(words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words}: {said}");
        assert!(said.contains(reason), "{words}: {said}");
        assert_eq!(self.read("Cargo.toml"), before);
    }
}

#[test]
fn a_release_sets_version_and_day_wherever_they_stand() {
    let tree = Tree::new();
    assert_eq!(tree.release("9.8.7 --dry-run").status.code(), Some(0));
    assert!(!tree.read("Cargo.toml").contains("9.8.7"), "a dry run changes nothing");
    assert_eq!(tree.release("9.8.7 --prepare").status.code(), Some(0));
    assert!(tree.read("Cargo.toml").contains("\nname = \"virt-guard\"\nversion = \"9.8.7\"\n"));
    assert_eq!(tree.read("Cargo.toml").matches("9.8.7").count(), 1);
    assert!(tree.read("Cargo.lock").contains("name = \"virt-guard\"\nversion = \"9.8.7\"\n"));
    assert_eq!(tree.read("Cargo.lock").matches("9.8.7").count(), 1);
    let changes = tree.read("CHANGELOG.md");
    assert!(changes.contains("## Unreleased\n\n## 9.8.7 - 2"), "{changes}");
    for page in ["virt-guard.8", "virt-guard-hook.8", "virt-guard.toml.5", "virt-guard-policy.7"] {
        let text = tree.read(&format!("man/{page}"));
        let title = text.lines().find(|line| line.starts_with(".TH ")).unwrap();
        assert!(title.ends_with(" \"virt-guard 9.8.7\" virt-guard"), "{title}");
    }
}

#[test]
fn what_is_wrong_is_said_before_anything_is_changed() {
    let tree = Tree::new();
    for words in ["", "v1.2.3", "1.2", "01.2.3", "1.2.3-rc1"] {
        tree.assert_refused(words, "expected a version such as 1.2.3");
    }
    tree.assert_refused("9.8.7 --now", "expected --prepare or --dry-run");
    tree.assert_refused("0.0.1", "is not after");
    tree.git("tag v9.8.7");
    tree.assert_refused("9.8.7", "there is a tag v9.8.7 already");
    fs::write(tree.0.path().join("x"), "").unwrap();
    tree.assert_refused("9.8.8", "something is not committed");
    fs::write(tree.0.path().join("CHANGELOG.md"), "# Changelog\n\n## Unreleased\n\n## 0.1.0 - 2026-01-01\n- x\n")
        .unwrap();
    tree.commit();
    tree.assert_refused("9.8.8", "nothing stands below");
}
