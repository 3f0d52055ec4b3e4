//! A hook that calls libvirt waits for the daemon that waits for the hook. So the
//! hook's program is not linked to libvirt at all, although the library that it
//! is built from can be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

/// The libraries that the dynamic linker loads for a program.
fn needed(program: &str) -> Vec<String> {
    let output = Command::new("readelf").args(["--dynamic", "--wide", program]).env("LC_ALL", "C").output();
    let output = output.unwrap_or_else(|error| panic!("readelf: {error}; this test needs binutils"));
    assert!(output.status.success(), "readelf {program}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let name = |line: &str| Some(line.split_once("(NEEDED)")?.1.split_once('[')?.1.trim_end_matches(']').to_owned());
    text.lines().filter_map(name).collect()
}

#[test]
fn the_hook_is_not_linked_to_libvirt() {
    let libraries = needed(env!("CARGO_BIN_EXE_virt-guard-hook"));
    assert!(libraries.iter().any(|name| name.starts_with("libc.so")), "readelf was not understood: {libraries:?}");
    assert!(!libraries.iter().any(|name| name.contains("libvirt")), "{libraries:?}");
}

#[cfg(feature = "libvirt")]
#[test]
fn the_operators_program_is() {
    let libraries = needed(env!("CARGO_BIN_EXE_virt-guard"));
    assert!(libraries.iter().any(|name| name.starts_with("libvirt.so")), "{libraries:?}");
}
