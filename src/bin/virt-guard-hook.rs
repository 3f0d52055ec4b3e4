//! The program that libvirt runs as its qemu, network and daemon hook.
//!
//! It refers to nothing of libvirt and is not linked to it: a hook that calls
//! libvirt waits for the daemon that waits for the hook.

use std::path::PathBuf;
use std::process::ExitCode;

use virt_guard::hook::{Call, Driver, Exit, Operation, run};

const USAGE: &str = "usage: virt-guard-hook [--root DIR] qemu|network|daemon NAME OPERATION [SUB-OPERATION [EXTRA]]
       virt-guard-hook --version";
const VERSION: &str = concat!("virt-guard-hook ", env!("CARGO_PKG_VERSION"));

fn main() -> ExitCode {
    if std::env::args_os().skip(1).eq(["--version"]) {
        println!("{VERSION}");
        return ExitCode::SUCCESS;
    }
    let Some(call) = call(std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned())) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&call) {
        Exit::GoOn => ExitCode::SUCCESS,
        Exit::Stop => ExitCode::FAILURE,
    }
}

fn call(words: impl Iterator<Item = String>) -> Option<Call> {
    let mut words = words.peekable();
    let root = match words.next_if(|word| word == "--root") {
        Some(_) => PathBuf::from(words.next()?),
        None => PathBuf::from("/"),
    };
    let driver: Driver = words.next()?.parse().ok()?;
    let name = words.next()?;
    let operation = Operation::read(driver, &words.next()?);
    Some(Call { root, driver, name, operation })
}
