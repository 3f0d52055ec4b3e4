//! `virt-guard nwfilter check`: what is wrong with filters.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::super::exit::Usage;
use super::super::report::{chain, json};
use super::super::{Exit, Report};
use super::Subject;
use crate::engine::{BridgeNames, Engine, EngineKind, Iptables, Nftables};
use crate::facts::nwfilter::{Filter, Library};
use crate::facts::policy::{Marks, MidStream, Policy};
use crate::model::{FilterWalls, Filters, Verdict, compile_filters, host_wall, routed_wall};
use crate::net::IfName;
use crate::plan::{Base, PortPlan};

/// Say what is wrong with filters, each in a file.
///
/// A filter is read, resolved with all that it refers to (in the files that are
/// named, then in /etc/virt-guard/nwfilter and /etc/libvirt/nwfilter) and said in
/// each engine's words. Exits with 1 if there is a problem.
#[derive(Debug, Args)]
pub struct Check {
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    subject: Subject,
    /// Only ask this engine [default: both].
    #[arg(long, value_name = "nftables|iptables")]
    engine: Option<EngineKind>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Found {
    /// How many filters were read.
    filters: usize,
    /// What is wrong, each with file and line.
    problems: Vec<String>,
}

impl Check {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let mut library = Library::new(root);
        let mut problems = Vec::new();
        let mut names = Vec::new();
        for path in &self.files {
            let file = path.display().to_string();
            let bytes = fs::read(path).map_err(|error| Usage(format!("{file}: {error}")))?;
            match Filter::parse(&bytes, &file) {
                Ok(filter) => {
                    names.push(filter.name.clone());
                    library = library.with(filter);
                }
                Err(error) => problems.push(error.to_string()),
            }
        }
        for name in &names {
            problems.extend(self.problems(&library, name));
        }
        let exit = if problems.is_empty() { Exit::Good } else { Exit::Found };
        let found = Found { filters: names.len(), problems };
        let text = if self.json { json(&found)? } else { text(&found) };
        Ok(Report { text, complaints: Vec::new(), exit })
    }

    /// What is wrong with one filter and all that it refers to.
    fn problems(&self, library: &Library, name: &str) -> Vec<String> {
        let filters = Filters { library, references: &[self.subject.reference(name)] };
        let walls = match compile_filters(&filters, self.subject.mac, &[], Verdict::Reject) {
            Ok(FilterWalls { walls, .. }) => walls,
            Err(error) => return vec![error.to_string()],
        };
        let engines: [Box<dyn Engine>; 2] =
            [Box::new(Nftables), Box::new(Iptables { bridge_names: BridgeNames::Matchable })];
        let asked = engines.iter().filter(|engine| self.engine.is_none_or(|only| only == engine.kind()));
        let Ok(port) = "vnet0".parse::<IfName>() else { return Vec::new() };
        let plan = PortPlan::new(port, &walls, Vec::new());
        asked.filter_map(|engine| engine.port_chains(&some_base(), &plan).err().map(|error| chain(&error))).collect()
    }
}

/// A base for engines to print on; the filters do not depend on what is in it.
fn some_base() -> Base {
    Base {
        bridges: Vec::new(),
        uplinks: Default::default(),
        foreign: Default::default(),
        open: Default::default(),
        marks: Marks::default(),
        mid_stream: MidStream::Drop,
        host: Base::host_chain(&host_wall(&Policy::default())),
        routed: Base::routed_chain(&routed_wall(&Policy::default())),
        sets: Default::default(),
    }
}

fn text(found: &Found) -> String {
    let mut text: String = found.problems.iter().map(|problem| format!("{problem}\n")).collect();
    if found.problems.is_empty() {
        let plural = if found.filters == 1 { "" } else { "s" };
        text = format!("{} filter{plural}, no problem\n", found.filters);
    }
    text
}
