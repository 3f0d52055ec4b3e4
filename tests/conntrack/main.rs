//! What virt-guard lists and deletes of the kernel's connections, held against
//! entries made by hand, and how long that takes beside many of other people's.
//!
//! Needs root. Each case has a network namespace of its own; with arguments, only
//! those cases are run whose names begin with one of them.

#![allow(clippy::expect_used, reason = "a test says what it expected")]

#[path = "../support/mod.rs"]
mod support;

mod cases;
mod flows;
mod measure;

use std::process::ExitCode;
use std::thread;

use nix::sched::{CloneFlags, unshare};
use support::entries::Room;
use virt_guard::kernel::Conntrack;
use virt_guard::net::Family;

/// A case, and its name.
type Case = (&'static str, fn());

fn main() -> ExitCode {
    // Asked, the kernel loads what it needs; then there is a limit to look at.
    let mut conntrack = Conntrack::open().expect("a connection to conntrack");
    conntrack.all(Family::V4, 0).expect("the kernel tracks connections");
    let _room = Room::for_entries(measure::ENTRIES + 10_000);
    let asked: Vec<_> = std::env::args().skip(1).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|begin| name.starts_with(begin));
    let (mut passed, mut failed) = (0, 0);
    // One after the other: some measure.
    for (name, case) in cases::ALL.into_iter().chain(measure::ALL).filter(|(name, _)| wanted(name)) {
        if in_own_namespace(case) {
            passed += 1;
        } else {
            failed += 1;
            println!("FAILED {name}");
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn in_own_namespace(case: fn()) -> bool {
    let run = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace of its own: this needs root");
        case();
    };
    thread::spawn(run).join().is_ok()
}
