//! The daemon on a kernel that is really there, beside everybody who takes its
//! rules away: with a flush, one by one, in a loop, by a firewall of their own;
//! and killed itself again and again.
//!
//! `daemon [FILTER]` runs the cases whose names contain FILTER, as `hook` does: each
//! in a process, namespaces and a root directory of its own, once for each engine
//! of VIRT_GUARD_TEST_ENGINES. DAEMON_IDLE_SECONDS (10) is how long it is watched
//! while it has nothing to do, DAEMON_GUESTS (200) how many there are where time is
//! measured with many, DAEMON_TRIES (20) how often it is measured with one.
//!
//! ```text
//! support/stage   the case's host, guests, frames; the processes that run cases
//! daemon          the daemon's process        events   what it wrote down
//! deed            what somebody does to its rules, and who that was
//! watch           when the kernel's rules changed, and by whom
//! flood           spoofed frames at full rate, and which of them pass
//! usage           processor time, memory, wake-ups of a process
//! cases/          what is tried, one file for each hole
//! ```

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on says so and ends")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/stage/mod.rs"]
mod stage;

mod cases;
mod daemon;
mod deed;
mod events;
mod flood;
mod usage;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    stage::runner::main(cases::ALL)
}
