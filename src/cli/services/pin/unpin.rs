//! `virt-guard services unpin`: services given back.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::Format;
use crate::cli::report::{chain, json};
use crate::cli::{Exit, Report, host};
use crate::pins::Name;
use crate::reconcile::{Changed, Error, Unpinned};
use crate::state::PinRecord;

/// Give pinned services back: their files as they were before, byte for byte.
///
/// Refuses if somebody has changed one of the files since.
#[derive(Debug, Args)]
pub(in crate::cli::services) struct Unpin {
    /// Pinned services, as `virt-guard services pins` names them, or their units.
    #[arg(value_name = "UNIT|SERVICE", required_unless_present = "all")]
    services: Vec<Name>,
    /// All that are pinned.
    #[arg(long, conflicts_with = "services")]
    all: bool,
    /// Replace files that somebody has changed since, too; a copy is kept beside each.
    #[arg(long)]
    force: bool,
    /// Only say what would be put back.
    #[arg(long)]
    dry_run: bool,
}

/// A service that was, or would be, given back.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct UnpinView {
    name: String,
    /// The files that are put back.
    files: Vec<PathBuf>,
    /// Whether that was done.
    unpinned: bool,
    /// What the operator has to know.
    notes: Vec<String>,
    error: Option<String>,
}

impl Unpin {
    pub fn run(&self, root: &Path, format: Format) -> anyhow::Result<Report> {
        let changed = if self.force { Changed::SetAside } else { Changed::Refuse };
        let names: Vec<_> = self.services.iter().map(Name::to_string).collect();
        let mut host = host(root);
        let mut told = Vec::new();
        if !self.dry_run {
            told = host.tend_pins()?.0;
        }
        let plan = host.plan_unpin(&names, changed)?;
        let report = if self.dry_run {
            let views: Vec<_> = plan.iter().map(UnpinView::of).collect();
            written(&views, "would be put back", format)?
        } else {
            done(&plan, host.unpin(&names, changed)?, format)?
        };
        Ok(report.complain(Exit::Good, told))
    }
}

fn done(plan: &[PinRecord], results: Vec<Result<Unpinned, Error>>, format: Format) -> anyhow::Result<Report> {
    let mut views: Vec<_> = plan.iter().map(UnpinView::of).collect();
    for (view, result) in views.iter_mut().zip(&results) {
        match result {
            Ok(unpinned) => (view.unpinned, view.notes) = (true, unpinned.told.clone()),
            Err(error) => view.error = Some(chain(error)),
        }
    }
    let mut report = written(&views, "put back", format)?;
    for result in results {
        report = match result {
            Ok(unpinned) => report.complain(Exit::Found, unpinned.told),
            Err(error) => report.complain(Exit::of_guest(&error), [chain(&error)]),
        };
    }
    Ok(report)
}

fn written(views: &[UnpinView], what: &str, format: Format) -> anyhow::Result<Report> {
    if format == Format::Json {
        return Ok(Report::good(json(&views)?));
    }
    let line = |view: &UnpinView| {
        let files: Vec<_> = view.files.iter().map(|path| path.display().to_string()).collect();
        format!("{}: {what}: {}\n", view.name, files.join(", "))
    };
    let text: String = views.iter().filter(|view| view.error.is_none()).map(line).collect();
    Ok(Report::good(if views.is_empty() { "nothing is pinned\n".to_owned() } else { text }))
}

impl UnpinView {
    fn of(pin: &PinRecord) -> Self {
        Self {
            name: pin.name.clone(),
            files: pin.files.iter().map(|file| file.path.clone()).collect(),
            unpinned: false,
            notes: Vec::new(),
            error: None,
        }
    }
}
