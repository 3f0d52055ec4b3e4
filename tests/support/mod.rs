//! What integration tests share. A test binary takes it in with
//! `#[path = "../support/mod.rs"] mod support;`.
//!
//! Nothing here knows virt-guard's rules; it only provides a place to try them.

#![allow(dead_code, reason = "no test binary uses all of it")]
#![allow(clippy::expect_used, reason = "a test says what it expected")]

pub mod entries;
pub mod lab;
pub mod sums;
pub mod wire;

pub use wire::Wire;
