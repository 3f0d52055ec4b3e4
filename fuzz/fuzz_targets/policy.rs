//! Any bytes as the operator's settings: an error or a policy, and never a panic.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use virt_guard::facts::policy::Policy;

/// A root whose one file is written anew for each input.
static ROOT: LazyLock<TempDir> = LazyLock::new(|| {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(root.path().join("etc/virt-guard")).expect("a folder");
    root
});

fuzz_target!(|toml: &[u8]| {
    fs::write(ROOT.path().join("etc/virt-guard/virt-guard.toml"), toml).expect("a file");
    let _ = Policy::load(ROOT.path());
});
