//! `virt-guard services`: which of the host's own services guests can reach.

mod view;

use std::path::Path;

use clap::{Args, Subcommand};

use super::report::json;
use super::{Exit, Report, host};
use crate::reconcile::Exposure;
use view::View;

/// Show which of the host's own services guests can reach.
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
}

impl Services {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let Action::Audit = self.action;
        let services = host(root).services()?;
        let is_exposed = services.all.iter().any(|service| matches!(service.exposure, Exposure::Exposed(_)));
        let view = View::from(services);
        let text = if self.json { json(&view)? } else { view.to_string() };
        Ok(Report { exit: if is_exposed { Exit::Found } else { Exit::Good }, ..Report::good(text) })
    }
}
