//! `virt-guard nwfilter list`, `diff` and `sync`: the definitions and libvirt.

use std::path::Path;

use clap::Args;

use super::super::exit::Usage;
use super::super::report::json;
use super::super::table::table;
use super::super::{Exit, Report};
use crate::facts::nwfilter::{Doing, Step};
use crate::libvirt::SYSTEM;
use crate::libvirt::nwfilter::{Error, Look, Outcome, look, sync};

/// List the definitions in /etc/virt-guard/nwfilter and how libvirt has them.
#[derive(Debug, Args)]
pub struct List {
    /// Print one JSON array.
    #[arg(long)]
    json: bool,
}

/// Show how libvirt's filters differ from the definitions in /etc/virt-guard/nwfilter.
///
/// Filters are compared by what they mean: a line with - is libvirt's only, one
/// with + the definition's only. Exits with 1 if something differs.
#[derive(Debug, Args)]
pub struct Diff {
    /// Print one JSON array.
    #[arg(long)]
    json: bool,
}

/// Bring libvirt's filters in step with the definitions in /etc/virt-guard/nwfilter.
///
/// They are defined in order of reference; equal ones are not touched. Filters
/// that were made from definitions and have none any more are undefined, unless
/// they are in use. A definition that is broken stops all, one that libvirt
/// refuses what comes after it.
#[derive(Debug, Args)]
pub struct Sync {
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON array.
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let Look { steps, held, .. } = look(SYSTEM, root).map_err(told)?;
        if self.json {
            return Ok(Report::good(json(&steps)?));
        }
        let ports = |name: &str| held.ports.iter().filter(|(_, filter)| *filter == name).count();
        let row = |step: &Step| [step.name.clone(), is(step.doing).to_owned(), ports(&step.name).to_string()];
        let head = ["FILTER", "IN LIBVIRT", "PORTS"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head).chain(steps.iter().map(row)).collect();
        Ok(Report::good(table(&rows)))
    }
}

impl Diff {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let steps: Vec<_> = look(SYSTEM, root).map_err(told)?.steps.into_iter().filter(|s| s.doing.differs()).collect();
        let exit = if steps.is_empty() { Exit::Good } else { Exit::Found };
        let text = if self.json { json(&steps)? } else { steps.iter().map(text).collect() };
        Ok(Report { text, complaints: Vec::new(), exit })
    }
}

impl Sync {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let outcomes: Vec<_> = match self.dry_run {
            true => {
                let steps = look(SYSTEM, root).map_err(told)?.steps.into_iter();
                steps.map(|step| Outcome { step, failed: None }).collect()
            }
            false => sync(SYSTEM, root).map_err(told)?,
        };
        let changed = outcomes.iter().filter(|outcome| outcome.step.doing.differs() && outcome.failed.is_none());
        let line = |outcome: &Outcome| format!("{}: {}\n", outcome.step.name, does(outcome.step.doing));
        let text = if self.json { json(&outcomes)? } else { changed.map(line).collect() };
        let complaint = |outcome: &Outcome| Some(format!("{}: {}", outcome.step.name, outcome.failed.as_ref()?));
        Ok(Report::good(text).complain(Exit::Failed, outcomes.iter().filter_map(complaint)))
    }
}

/// A broken definition is the operator's to put right.
fn told(error: Error) -> anyhow::Error {
    match error {
        Error::Configuration(why) => Usage(why).into(),
        error @ Error::Libvirt(_) => error.into(),
    }
}

fn text(step: &Step) -> String {
    let lines: String = step.why.iter().map(|line| format!("  {line}\n")).collect();
    format!("{}: {}\n{lines}", step.name, is(step.doing))
}

fn is(doing: Doing) -> &'static str {
    match doing {
        Doing::Keep => "as defined",
        Doing::Define => "not there",
        Doing::Update => "differs",
        Doing::Undefine => "no definition any more",
        Doing::Retain => "no definition any more, in use",
    }
}

fn does(doing: Doing) -> &'static str {
    match doing {
        Doing::Keep => "kept",
        Doing::Define => "define",
        Doing::Update => "put right",
        Doing::Undefine => "undefine",
        Doing::Retain => "stays, as it is in use",
    }
}
