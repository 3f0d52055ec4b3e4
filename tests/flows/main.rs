//! What is revoked is dead: thousands of real connections to a guest, from it and
//! beside it, before and after an address, a rule, a membership or a guest is taken
//! away; and the floating IPs and forwards that most of them go over.
//!
//! `flows [FILTER]` runs the cases whose names contain FILTER, as `hook` does: each
//! in a process, namespaces and a root directory of its own, once for each engine
//! of VIRT_GUARD_TEST_ENGINES. FLOWS_SESSIONS (1000) is how many connections there
//! are of each kind where many are asked for, FLOWS_WATCH (30) for how many seconds
//! the dead are watched while both ends go on sending.
//!
//! ```text
//! support/stage   the case's host, guests, hook; the processes that run cases
//! world           the network around the host; station  who is in it
//! sessions        connections that speak all the time, and what arrived when
//! overhear        all that reaches a station, and packets of no connection
//! policy          the case's policy            operator  virt-guard, as typed
//! cases/          what is tried, one file for each hole
//! ```

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on says so and ends")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/stage/mod.rs"]
mod stage;

mod cases;
mod operator;
mod overhear;
mod policy;
mod sessions;
mod station;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    stage::runner::main(cases::ALL)
}
