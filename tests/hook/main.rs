//! The hook as libvirt runs it, on a kernel that is really there, with everything
//! that can go wrong around it: broken policy, hostile XML, programs that fail,
//! lie or hang, somebody who flushes the rules, death at every step.
//!
//! `hook [FILTER]` runs the cases whose names contain FILTER. Root only. Each
//! case runs in a process, a network and a mount namespace and a root directory
//! of its own, once for each engine: those that VIRT_GUARD_TEST_ENGINES lists,
//! or, without it, those that this kernel supports.
//!
//! ```text
//! support/stage   the case's host, guests, frames; the processes that run cases
//! sabotage        nft and the restore programs that fail, lie, hang or kill
//! cases/          what is tried, one file for each hole
//! ```

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on says so and ends")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/stage/mod.rs"]
mod stage;

mod cases;
mod sabotage;

use std::process::ExitCode;

fn main() -> ExitCode {
    stage::runner::main(cases::ALL)
}
