//! `virt-guard services pins` and `confirm`.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::Format;
use super::view::{PinView, pins};
use crate::cli::report::json;
use crate::cli::{Exit, Report, host};

/// List the services that are pinned: where to, since when, whether that is confirmed, and
/// whether a probe has proven it.
#[derive(Debug, Args)]
pub(in crate::cli::services) struct Pins {}

/// Keep the pins that wait to be confirmed. Exits with 1 if none does.
#[derive(Debug, Args)]
pub(in crate::cli::services) struct Confirm {}

/// What was confirmed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Confirmed {
    /// Nothing, if nothing waited for it.
    confirmed: Option<String>,
}

impl Pins {
    pub fn run(root: &Path, format: Format) -> anyhow::Result<Report> {
        let views: Vec<_> = host(root).pins()?.into_iter().map(PinView::from).collect();
        Ok(Report::good(if format == Format::Json { json(&views)? } else { pins(&views) }))
    }
}

impl Confirm {
    pub fn run(root: &Path, format: Format) -> anyhow::Result<Report> {
        let confirmed = host(root).confirm_pins()?.map(|pending| pending.what);
        let text = match (format, &confirmed) {
            (Format::Json, _) => json(&Confirmed { confirmed: confirmed.clone() })?,
            (Format::Table, Some(what)) => format!("{what}: confirmed\n"),
            (Format::Table, None) => "nothing waits to be confirmed\n".to_owned(),
        };
        let exit = if confirmed.is_some() { Exit::Good } else { Exit::Found };
        Ok(Report { exit, ..Report::good(text) })
    }
}
