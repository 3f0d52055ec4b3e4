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
//! runner      one process for each case, and what becomes of it
//! bench       the case's host: lab, root directory, policy, engine
//! guest       guests as XML        program   the hook's process
//! frame       frames as bytes      probe     which of them pass
//! kernel      what stands, flushed, and of somebody else
//! sabotage    nft and the restore programs that fail, lie, hang or kill
//! cases/      what is tried, one file for each hole
//! ```

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on says so and ends")]

#[path = "../support/mod.rs"]
mod support;

mod bench;
mod cases;
mod frame;
mod guest;
mod kernel;
mod probe;
mod program;
mod runner;
mod sabotage;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == runner::ONE) {
        words.remove(0);
        runner::one(&words);
        return ExitCode::SUCCESS;
    }
    let filter = words.into_iter().find(|word| !word.starts_with('-')).unwrap_or_default();
    runner::all(&filter)
}
