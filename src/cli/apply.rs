//! `virt-guard apply`: the rules of guests that run into the kernel.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::report::json;
use super::show::{self, ShownStep};
use super::table::count;
use super::{Exit, Report, check, flows, guests, host};
use crate::engine::Step;
use crate::facts::{Domain, running};
use crate::reconcile::{Arrival, Drift, Host, Outcome};

/// Put the rules of all guests that run, or of one, into the kernel.
///
/// Guests that ran before virt-guard came are adopted: libvirt is asked for them,
/// or, if it cannot be reached, /run/libvirt/qemu is. A broken policy changes
/// nothing.
#[derive(Debug, Args)]
pub struct Apply {
    /// Only this guest, by name or UUID.
    guest: Option<String>,
    /// Do not ask libvirt, which is not there yet at boot; with a broken policy close
    /// the bridges that were guarded last.
    #[arg(long, conflicts_with_all = ["guest", "dry_run"])]
    early: bool,
    /// Only print the differences and the steps that would be taken.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Applied {
    /// How many ports have rules.
    ports: usize,
    /// Whether the kernel had to be changed.
    changed: bool,
    /// Interfaces that cannot be guarded and that the policy lets be, and why.
    unguarded: Vec<String>,
    /// How many connections were cut, as no rule admits them any more.
    cut: usize,
    /// Guests whose policy cannot be resolved, and why.
    problems: Vec<String>,
}

/// What would be done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Planned {
    /// Each difference between the kernel and what ought to stand there.
    differences: Vec<String>,
    /// Guests that run and would be told of, by name.
    adopts: Vec<String>,
    /// The steps, in this order; none if there is no difference.
    steps: Vec<ShownStep>,
}

impl Apply {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let mut host = host(root);
        if self.early {
            return self.early(&mut host, root);
        }
        // Before the policy: what cannot be adopted is not to be missed for it.
        let found = guests::running(root)?;
        let known = host.guests(&found.running.domains)?;
        let guest = self.guest.as_deref().map(|wanted| guests::find(&known, wanted)).transpose()?;
        let report = match (guest, self.dry_run) {
            (_, true) => self.plan(&mut host, &found.running.domains, guest)?,
            (Some(guest), false) => self.one(&mut host, guest)?,
            (None, false) => self.all(&mut host, &found.running.domains)?,
        };
        let report = report.complain(Exit::Failed, found.running.problems);
        Ok(report.complain(Exit::Good, found.source.complaint()))
    }

    fn early(&self, host: &mut Host, root: &Path) -> anyhow::Result<Report> {
        let running = running::running(root).unwrap_or_default();
        let outcome = host.apply_early(&running.domains)?;
        self.outcome(host, outcome)
    }

    fn all(&self, host: &mut Host, running: &[Domain]) -> anyhow::Result<Report> {
        let outcome = host.apply_all(running)?;
        self.outcome(host, outcome)
    }

    fn outcome(&self, host: &mut Host, outcome: Outcome) -> anyhow::Result<Report> {
        let policy = host.policy()?;
        let links = host.links()?;
        let desired = host.guests(&[])?.into_iter().filter_map(|guest| host.desired(&policy, &links, &guest).ok());
        let unguarded = desired.flat_map(|desired| {
            let id = desired.policy.id;
            desired.unguarded.into_iter().map(move |interface| format!("guest {id}: {interface}"))
        });
        let (ports, changed) = (outcome.ports, outcome.changed);
        let unguarded = unguarded.collect();
        let cut = cut(host);
        self.applied(Applied { ports, changed, unguarded, cut, problems: outcome.problems })
    }

    fn one(&self, host: &mut Host, guest: &Domain) -> anyhow::Result<Report> {
        let desired = host.guard(guest, Arrival::Running)?;
        let unguarded = desired.unguarded.iter().map(|interface| format!("guest {}: {interface}", desired.policy.id));
        let unguarded = unguarded.collect();
        let (cut, problems) = (cut(host), host.takes_problems());
        self.applied(Applied { ports: desired.ports.len(), changed: true, unguarded, cut, problems })
    }

    fn applied(&self, applied: Applied) -> anyhow::Result<Report> {
        let text = if self.json { json(&applied)? } else { done(&applied) };
        let notes = applied.unguarded.into_iter().map(|interface| format!("NOT guarded: {interface}"));
        Ok(Report::good(text).complain(Exit::Good, notes).complain(Exit::Usage, applied.problems))
    }

    fn plan(&self, host: &mut Host, running: &[Domain], guest: Option<&Domain>) -> anyhow::Result<Report> {
        let policy = host.policy()?;
        let engine = host.engine(policy.engine)?;
        let mut new: Vec<Domain> = check::unknown(host, running).into_iter().cloned().collect();
        new.retain(|domain| guest.is_none_or(|guest| guest.uuid == domain.uuid));
        let differences = host.check_all()?;
        let mut steps = Vec::new();
        if guest.is_some() || !(differences.is_empty() && new.is_empty()) {
            steps = host.steps(engine.as_ref(), guest, running)?;
        }
        let planned = Planned {
            differences: differences.iter().map(Drift::to_string).collect(),
            adopts: new.iter().map(|domain| domain.name.clone()).collect(),
            steps: steps.iter().map(ShownStep::from).collect(),
        };
        let mut report = Report::good(if self.json { json(&planned)? } else { plan_text(&planned, &steps) });
        for (problem, exit) in check::problems(host, &policy, running)? {
            report = report.complain(exit, [problem]);
        }
        Ok(report)
    }
}

fn done(applied: &Applied) -> String {
    let how = if applied.changed { "the rules were put in place" } else { "nothing had to be changed" };
    let cut = if applied.cut > 0 { format!(", {} cut", count(applied.cut, "connection")) } else { String::new() };
    format!("{} guarded, {how}{cut}\n", count(applied.ports, "port"))
}

/// How many connections were cut; which ones, the system's log says.
fn cut(host: &mut Host) -> usize {
    let cut = flows::log_evidence(host);
    cut.iter().map(|revocation| revocation.killed.len()).sum()
}

/// Comments and steps, so that the whole can be read and each step replayed.
fn plan_text(planned: &Planned, steps: &[Step]) -> String {
    let differences = planned.differences.iter().map(|difference| format!("# differs: {difference}\n"));
    let adopted = planned.adopts.iter().map(|name| format!("# adopts: guest {name:?}\n"));
    let mut text: String = differences.chain(adopted).collect();
    if steps.is_empty() {
        text.push_str("# nothing has to be changed\n");
        return text;
    }
    text.push('\n');
    text.push_str(&show::text(steps));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Tool;

    #[test]
    fn what_was_done_is_one_line() {
        let applied = |ports, changed| Applied {
            ports,
            changed,
            unguarded: Vec::new(),
            cut: 3 * ports % 9,
            problems: Vec::new(),
        };
        assert_eq!(done(&applied(3, false)), "3 ports guarded, nothing had to be changed\n");
        assert_eq!(done(&applied(1, true)), "1 port guarded, the rules were put in place, 3 connections cut\n");
    }

    #[test]
    fn a_plan_quotes_the_names_of_tenants() {
        let steps = [Step { tool: Tool::Nft, text: "x\n".into() }];
        let planned = Planned { differences: vec!["a".into()], adopts: vec!["w\n".into()], steps: Vec::new() };
        let expected = "# differs: a\n# adopts: guest \"w\\n\"\n\n# nft -f -\nx\n";
        assert_eq!(plan_text(&planned, &steps), expected);
        assert!(plan_text(&planned, &[]).ends_with("# nothing has to be changed\n"));
    }
}
