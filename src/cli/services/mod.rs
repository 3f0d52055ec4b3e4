//! `virt-guard services`: which of the host's own services guests can reach, and what is
//! done about it.

mod audit;
mod owner;
mod pin;
mod probe;
mod view;

use std::path::Path;

use clap::{Args, Subcommand};

use super::Report;

/// Show which of the host's own services guests can reach, and keep them from guests.
#[derive(Debug, Args)]
pub struct Services {
    #[command(subcommand)]
    action: Action,
    /// Print one JSON object.
    #[arg(long, global = true)]
    json: bool,
}

/// What to do about them.
#[derive(Debug, Subcommand)]
enum Action {
    Audit(audit::Audit),
    Probe(probe::Probe),
    Pin(pin::Pin),
    Unpin(pin::Unpin),
    Pins(pin::Pins),
    Confirm(pin::Confirm),
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Table,
    Json,
}

impl Services {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let format = if self.json { Format::Json } else { Format::Table };
        match &self.action {
            Action::Audit(command) => command.run(root, format),
            Action::Probe(command) => command.run(root, format),
            Action::Pin(command) => command.run(root, format),
            Action::Unpin(command) => command.run(root, format),
            Action::Pins(_) => pin::Pins::run(root, format),
            Action::Confirm(_) => pin::Confirm::run(root, format),
        }
    }
}
