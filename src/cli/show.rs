//! `virt-guard show`: the rules as text that can be replayed by hand.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::report::json;
use super::{Report, check, guests, host};
use crate::engine::{Engine, EngineKind, Nftables, Step};
use crate::facts::policy::EngineChoice;
use crate::reconcile::{Error, Host};

/// Print the rules as text that can be replayed by hand.
///
/// Before each step a comment names the program that takes it on its standard
/// input. The guests are those that virt-guard was told of, so that libvirt need
/// not run. Nothing is changed.
#[derive(Debug, Args)]
pub struct Show {
    /// Only the rules of this guest, by name or UUID, on a base that stands.
    guest: Option<String>,
    /// For this engine [default: the one that the configuration and the kernel agree on].
    #[arg(long, value_name = "nftables|iptables")]
    engine: Option<EngineKind>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What would be said to which program, in this order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Shown {
    /// The engine.
    pub engine: EngineKind,
    /// The steps.
    pub steps: Vec<ShownStep>,
}

/// What one program is told at once.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ShownStep {
    /// The program and its arguments.
    pub program: String,
    /// Its standard input.
    pub input: String,
}

impl From<&Step> for ShownStep {
    fn from(step: &Step) -> Self {
        Self { program: step.tool.to_string(), input: step.text.clone() }
    }
}

impl Show {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let mut host = host(root);
        let policy = host.policy()?;
        let guests = host.guests(&[])?;
        let guest = self.guest.as_deref().map(|wanted| guests::find(&guests, wanted)).transpose()?;
        let engine = engine(&mut host, self.engine, policy.engine)?;
        let steps = host.steps(engine.as_ref(), guest, &[])?;
        let problems = check::problems(&mut host, &policy, &[])?;
        let text = match self.json {
            true => json(&Shown { engine: engine.kind(), steps: steps.iter().map(ShownStep::from).collect() })?,
            false => text(&steps),
        };
        let mut report = Report::good(text);
        for (problem, exit) in problems {
            report = report.complain(exit, [problem]);
        }
        Ok(report)
    }
}

/// The engine that was asked for; whether it works here does not matter to a text.
pub(super) fn engine(
    host: &mut Host,
    wanted: Option<EngineKind>,
    choice: EngineChoice,
) -> Result<Box<dyn Engine>, Error> {
    match wanted {
        None => host.engine(choice),
        Some(EngineKind::Nftables) => Ok(Box::new(Nftables)),
        Some(EngineKind::Iptables) => host.engine(EngineChoice::Iptables),
    }
}

/// The steps, each behind the name of its program.
pub(super) fn text(steps: &[Step]) -> String {
    steps.iter().map(Step::to_string).collect::<Vec<_>>().join("\n")
}
