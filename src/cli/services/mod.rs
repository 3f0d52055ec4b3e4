//! `virt-guard services`: which of the host's own services guests can reach, and what is
//! done about it.

mod pin;
mod view;

use std::path::Path;

use clap::{Args, Subcommand};

use super::report::json;
use super::{Exit, Report, host};
use crate::reconcile::Exposure;
use view::View;

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
    /// List every listening socket of this host, judged: EXPOSED (guests reach it, and
    /// the policy does not allow it), allowed (by the rule named), filtered (guests would
    /// reach it without the host's wall), pinned (its unit keeps guests from it), local (bound
    /// to what no guest reaches). Exits
    /// with 1 if one is EXPOSED.
    Audit,
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
            Action::Audit => self.audit(root),
            Action::Pin(command) => command.run(root, format),
            Action::Unpin(command) => command.run(root, format),
            Action::Pins(_) => pin::Pins::run(root, format),
            Action::Confirm(_) => pin::Confirm::run(root, format),
        }
    }

    fn audit(&self, root: &Path) -> anyhow::Result<Report> {
        let services = host(root).services()?;
        let is_exposed = services.all.iter().any(|service| matches!(service.exposure, Exposure::Exposed(_)));
        let view = View::from(services);
        let text = if self.json { json(&view)? } else { view.to_string() };
        Ok(Report { exit: if is_exposed { Exit::Found } else { Exit::Good }, ..Report::good(text) })
    }
}
