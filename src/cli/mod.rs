//! What the operator types: words to a command, a command to a report, a report
//! to an exit code.
//!
//! In: the command line. Out: text or JSON on standard output, complaints on
//! standard error, and one of four exit codes. Nothing here decides about rules;
//! each command asks [`Host`] and shows what it says.

mod apply;
mod check;
mod daemon;
mod doctor;
mod events;
mod exit;
mod explain;
mod floating;
mod flows;
mod guests;
mod install;
mod nwfilter;
mod paint;
mod pending;
mod preserve;
mod progress;
mod report;
mod services;
mod show;
mod status;
mod table;
mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::kernel::Deadline;
use crate::reconcile::Host;

pub use exit::Exit;
use report::{Report, chain};

/// How long a command may take. An operator waits longer than libvirt does, and
/// can interrupt.
const PATIENCE: Duration = Duration::from_secs(120);

/// Keeps the firewall rules of libvirt/KVM guests in the kernel.
///
/// libvirt runs virt-guard-hook whenever a guest starts or stops; this program is
/// for the operator. It shows what stands, holds it against the policy in
/// /etc/virt-guard, and puts it in place.
#[derive(Debug, Parser)]
#[command(name = "virt-guard", version, after_help = EXIT_CODES)]
pub struct Args {
    /// Take all files of the host from below this directory.
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or
    /// never.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: paint::When,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 as it should be; 1 something was found (a difference, an unguarded guest, \
                          a dropped packet); 2 wrong usage or configuration; 3 it could not be done.";

/// The commands.
#[allow(missing_docs, reason = "each is described where it is, and clap takes its help from there")]
#[derive(Debug, Subcommand)]
pub enum Command {
    Status(status::Status),
    Check(check::Check),
    Apply(apply::Apply),
    Show(show::Show),
    Explain(explain::Explain),
    Floating(floating::Floating),
    Flows(flows::Flows),
    Services(services::Services),
    Daemon(daemon::Daemon),
    Doctor(doctor::Doctor),
    Events(events::Events),
    Nwfilter(nwfilter::Nwfilter),
    Preserve(preserve::Preserve),
    Install(install::Install),
    Uninstall(install::Uninstall),
    WatchPending(watch::WatchPending),
}

/// Does what was typed, prints what there is to say.
pub fn run(args: &Args) -> Exit {
    let root = &args.root;
    paint::Paint::choose(args.color);
    let result = match &args.command {
        Command::Status(command) => command.run(root),
        Command::Check(command) => command.run(root),
        Command::Apply(command) => command.run(root),
        Command::Show(command) => command.run(root),
        Command::Explain(command) => command.run(root),
        Command::Floating(command) => command.run(root),
        Command::Flows(command) => command.run(root),
        Command::Services(command) => command.run(root),
        Command::Daemon(command) => command.run(root),
        Command::Doctor(command) => command.run(root),
        Command::Events(command) => command.run(root),
        Command::Nwfilter(command) => command.run(root),
        Command::Preserve(command) => command.run(root),
        Command::Install(command) => command.run(root),
        Command::Uninstall(command) => command.run(root),
        Command::WatchPending(command) => command.run(root),
    };
    match result {
        Ok(report) => report.deliver(),
        Err(error) => {
            eprintln!("virt-guard: {}", chain(error.as_ref()));
            Exit::of(&error)
        }
    }
}

/// The host whose files are below `root`.
fn host(root: &Path) -> Host {
    Host::new(root, Deadline::after(PATIENCE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_root_may_stand_before_and_behind_the_command() {
        for words in [["virt-guard", "--root", "/x", "check"], ["virt-guard", "check", "--root", "/x"]] {
            assert_eq!(Args::parse_from(words).root, Path::new("/x"));
        }
    }
}
