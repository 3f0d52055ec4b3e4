//! `virt-guard apply`: the rules of guests that run into the kernel.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::pending::{Answer, Asked, ask, time};
use super::progress::Progress;
use super::report::json;
use super::show::{self, ShownStep};
use super::table::count;
use super::{Exit, Report, chain, check, flows, guests, host};
use crate::engine::Step;
use crate::facts::{Domain, running};
use crate::reconcile::{Arrival, Drift, Host, Outcome, POLICY};

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
    /// Undo it unless somebody confirms it in this time, such as 60s: by Enter on this
    /// terminal, or by virt-guard apply --confirm from another session. What is undone are
    /// the files of /etc/virt-guard, and the rules with them: they are put back as they were
    /// last known to be good.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with_all = ["guest", "early", "dry_run"])]
    confirm_within: Option<Duration>,
    /// Keep what waits to be confirmed. Exits with 1 if nothing does.
    #[arg(long, conflicts_with_all = ["guest", "early", "dry_run", "confirm_within"])]
    confirm: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// By which a policy is confirmed from another session.
const CONFIRM: &str = "virt-guard apply --confirm";

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
    /// What became of the question whether it stays; null if it was not asked.
    confirmation: Option<Asked>,
}

/// What was confirmed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Confirmed {
    /// Null if nothing waited for it.
    confirmed: Option<String>,
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
        if self.confirm {
            return self.confirm(&mut host);
        }
        let progress = Progress::start("asking libvirt for guests");
        // Before the policy: what cannot be adopted is not to be missed for it.
        let found = guests::running(root)?;
        let known = host.guests(&found.running.domains)?;
        let guest = self.guest.as_deref().map(|wanted| guests::find(&known, wanted)).transpose()?;
        progress.step("putting rules in place");
        let report = match (guest, self.dry_run) {
            (_, true) => self.plan(&mut host, &found.running.domains, guest)?,
            (Some(guest), false) => self.one(&mut host, guest)?,
            (None, false) => match self.confirm_within {
                Some(within) => {
                    let outcome = host.try_policy(&found.running.domains, within)?;
                    let applied = Self::applied(&mut host, outcome)?;
                    drop(progress);
                    self.ask(root, applied)?
                }
                None => self.all(&mut host, &found.running.domains)?,
            },
        };
        let report = report.complain(Exit::Failed, found.running.problems);
        Ok(report.complain(Exit::Good, found.source.complaint()))
    }

    fn early(&self, host: &mut Host, root: &Path) -> anyhow::Result<Report> {
        // What nobody confirmed before the machine went down is undone first. If it cannot
        // be, the bridges are closed all the same.
        let told = host.tend_policy().map_or_else(|error| vec![chain(&error)], |(told, _)| told);
        let running = running::running(root).unwrap_or_default();
        let outcome = host.apply_early(&running.domains)?;
        Ok(self.report(host, outcome)?.complain(Exit::Good, told))
    }

    fn confirm(&self, host: &mut Host) -> anyhow::Result<Report> {
        let confirmed = host.confirm_policy()?.map(|pending| pending.what);
        let text = match &confirmed {
            _ if self.json => json(&Confirmed { confirmed: confirmed.clone() })?,
            Some(what) => format!("{what}: confirmed\n"),
            None => "nothing waits to be confirmed\n".to_owned(),
        };
        let exit = if confirmed.is_some() { Exit::Good } else { Exit::Found };
        Ok(Report { exit, ..Report::good(text) })
    }

    /// Asks whether what was applied stays.
    fn ask(&self, root: &Path, applied: Applied) -> anyhow::Result<Report> {
        if !self.json {
            // Whoever is asked sees what about.
            print!("{}", done(&applied));
        }
        let (asked, told) = answer(root)?;
        let exit = if asked == Asked::Undone { Exit::Failed } else { Exit::Good };
        let mut report = self.told(Applied { confirmation: Some(asked), ..applied })?;
        if !self.json {
            report.text = if asked == Asked::Confirmed { "confirmed\n".to_owned() } else { String::new() };
        }
        Ok(report.complain(exit, told))
    }

    fn all(&self, host: &mut Host, running: &[Domain]) -> anyhow::Result<Report> {
        let outcome = host.apply_for_good(running)?;
        self.report(host, outcome)
    }

    fn report(&self, host: &mut Host, outcome: Outcome) -> anyhow::Result<Report> {
        let applied = Self::applied(host, outcome)?;
        self.told(applied)
    }

    fn applied(host: &mut Host, outcome: Outcome) -> anyhow::Result<Applied> {
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
        Ok(Applied { ports, changed, unguarded, cut, problems: outcome.problems, confirmation: None })
    }

    fn one(&self, host: &mut Host, guest: &Domain) -> anyhow::Result<Report> {
        let desired = host.guard(guest, Arrival::Running)?;
        let unguarded = desired.unguarded.iter().map(|interface| format!("guest {}: {interface}", desired.policy.id));
        let unguarded = unguarded.collect();
        let (cut, problems) = (cut(host), host.takes_problems());
        let ports = desired.ports.len();
        self.told(Applied { ports, changed: true, unguarded, cut, problems, confirmation: None })
    }

    fn told(&self, applied: Applied) -> anyhow::Result<Report> {
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

/// Asks whether the policy stays, and does as is answered.
fn answer(root: &Path) -> anyhow::Result<(Asked, Vec<String>)> {
    let undone = || (Asked::Undone, vec![host(root).undone()]);
    Ok(match ask(host(root).state(), POLICY, CONFIRM)? {
        Answer::Later => (Asked::Waiting, Vec::new()),
        Answer::Keep if host(root).confirm_policy()?.is_some() => (Asked::Confirmed, Vec::new()),
        Answer::Keep | Answer::Undo => {
            host(root).decline_policy()?;
            undone()
        }
        // Whoever undoes a policy keeps the files.
        Answer::Settled if host(root).state().undone_policy().exists() => undone(),
        Answer::Settled => (Asked::Confirmed, Vec::new()),
    })
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
            confirmation: None,
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
