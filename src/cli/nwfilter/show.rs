//! `virt-guard nwfilter show`: the rules that a filter becomes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::Args;

use super::super::report::json;
use super::super::show::{Shown, ShownStep, engine, text};
use super::super::{Report, host};
use super::Subject;
use crate::engine::{Change, EngineKind};
use crate::model::{Filters, compile_filters, reject_verdict};
use crate::net::IfName;
use crate::plan::PortPlan;

/// Print the rules that a filter becomes at a port.
///
/// Only the filter's own rules, in the words of one engine; anti-spoofing and
/// groups of the policy stand beside them. The filter is looked for in
/// /etc/virt-guard/nwfilter and /etc/libvirt/nwfilter.
#[derive(Debug, Args)]
pub struct Show {
    /// The filter's name.
    filter: String,
    #[command(flatten)]
    subject: Subject,
    /// The name of the port.
    #[arg(long, value_name = "PORT", default_value = "vnet0")]
    port: IfName,
    /// For this engine [default: the one that the configuration and the kernel agree on].
    #[arg(long, value_name = "nftables|iptables")]
    engine: Option<EngineKind>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let mut host = host(root);
        let policy = host.policy()?;
        let engine = engine(&mut host, self.engine, policy.engine)?;
        let links = host.links()?;
        let base = host.base(&policy, &links);
        let references = [self.subject.reference(&self.filter)];
        let filters = Filters { library: &host.surroundings().filters, references: &references };
        let found = compile_filters(&filters, self.subject.mac, &[], reject_verdict(policy.guests.reject))?;
        let plan = PortPlan::new(self.port.clone(), &found.walls, Vec::new());
        let names = BTreeSet::from([self.port.clone()]);
        let members = BTreeMap::new();
        let change =
            Change { base: &base, before: &[], stands: false, after: Some(&plan), names: &names, members: &members };
        let steps = engine.change(&change)?;
        let shown = match self.json {
            true => json(&Shown { engine: engine.kind(), steps: steps.iter().map(ShownStep::from).collect() })?,
            false => text(&steps),
        };
        Ok(Report::good(shown))
    }
}
