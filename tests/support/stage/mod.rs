//! A host with guests, a policy and an engine, and one process for each case that
//! is tried on it. What the tests of the hook and those of the daemon share; taken
//! in beside `support` with `#[path = "../support/stage/mod.rs"] mod stage;`.
//!
//! ```text
//! runner      one process for each case, and what becomes of it; case  its name
//! bench       the case's host: lab, root directory, policy, engine
//! guest       guests as XML        program   the hook's process
//! frame       frames as bytes      probe     which of them pass
//! kernel      what stands, flushed, and of somebody else
//! ```

#![allow(dead_code, reason = "no test binary uses all of it")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on says so and ends")]

pub mod bench;
pub mod case;
pub mod frame;
pub mod guest;
pub mod kernel;
pub mod probe;
pub mod program;
pub mod runner;
