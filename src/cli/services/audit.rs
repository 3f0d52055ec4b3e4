//! `virt-guard services audit`: who listens, judged by the policy and by what stands.

use std::path::Path;

use clap::Args;

use super::Format;
use super::view::View;
use crate::cli::paint::Paint;
use crate::cli::progress::Progress;
use crate::cli::report::json;
use crate::cli::{Exit, Report, host};
use crate::reconcile::Exposure;

/// List every listening socket of this host, judged: EXPOSED (guests reach it, and
/// the policy does not allow it), allowed (by the rule named), filtered (guests would
/// reach it without the host's wall), pinned (its unit keeps guests from it), local
/// (bound to what no guest reaches). Exits with 1 if one is EXPOSED.
#[derive(Debug, Args)]
pub struct Audit {}

impl Audit {
    pub(super) fn run(&self, root: &Path, format: Format) -> anyhow::Result<Report> {
        let progress = Progress::start("judging the services of this host");
        let services = host(root).services();
        drop(progress);
        let services = services?;
        let is_exposed = services.all.iter().any(|service| matches!(service.exposure, Exposure::Exposed(_)));
        let view = View::from(services);
        let text = if format == Format::Json { json(&view)? } else { Paint::of_output().text(&view) };
        Ok(Report { exit: if is_exposed { Exit::Found } else { Exit::Good }, ..Report::good(text) })
    }
}
