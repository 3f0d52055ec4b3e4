//! The operator's program.

use std::process::ExitCode;

use clap::Parser;
use virt_guard::cli::{Args, run};

fn main() -> ExitCode {
    run(&Args::parse()).into()
}
