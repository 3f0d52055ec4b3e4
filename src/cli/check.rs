//! `virt-guard check`: the kernel held against the policy.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::progress::Progress;
use super::report::json;
use super::{Exit, Report, chain, guests, host};
use crate::facts::Domain;
use crate::facts::policy::Policy;
use crate::reconcile::{Drift, Error, Host};

/// Hold the kernel against the policy and name every difference.
///
/// A guest that runs and that virt-guard was never told of is a difference, too.
/// Nothing is changed.
#[derive(Debug, Args)]
pub struct Check {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Checked {
    /// Whether there is no difference and no problem.
    in_order: bool,
    /// Each difference between the kernel and what ought to stand there.
    differences: Vec<String>,
    /// Guests whose policy cannot be resolved, and why.
    problems: Vec<String>,
}

impl Check {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let mut host = host(root);
        let progress = Progress::start("asking libvirt for guests");
        let found = guests::running(root)?;
        progress.step("comparing the kernel with the policy");
        let policy = host.policy()?;
        let mut differences: Vec<String> = host.check_all()?.iter().map(Drift::to_string).collect();
        let unknown = unknown(&host, &found.running.domains);
        differences.extend(unknown.into_iter().map(not_told));
        let problems = problems(&mut host, &policy, &found.running.domains)?;
        let in_order = differences.is_empty() && problems.is_empty() && found.running.problems.is_empty();
        let exit = problems.iter().map(|(_, exit)| *exit).max().unwrap_or(Exit::Good);
        let problems = problems.into_iter().map(|(problem, _)| problem).collect();
        let checked = Checked { in_order, differences, problems };
        let text = if self.json { json(&checked)? } else { text(&checked) };
        let found_exit = if checked.differences.is_empty() { Exit::Good } else { Exit::Found };
        let report = Report { text, complaints: Vec::new(), exit: found_exit };
        Ok(report.complain(exit, checked.problems).complain(Exit::Failed, found.running.problems))
    }
}

fn text(checked: &Checked) -> String {
    match checked.differences.as_slice() {
        [] if checked.in_order => "in order\n".to_owned(),
        differences => differences.iter().map(|difference| format!("{difference}\n")).collect(),
    }
}

/// The guests that run although nobody told of them, so that nothing guards them.
pub(super) fn unknown<'a>(host: &Host, running: &'a [Domain]) -> Vec<&'a Domain> {
    running.iter().filter(|domain| host.state().guest(&domain.uuid).is_none()).collect()
}

fn not_told(domain: &Domain) -> String {
    format!("guest {:?} ({}) runs and is not guarded; virt-guard apply adopts it", domain.name, domain.uuid)
}

/// What stands in the way of single guests, and what each means for the exit code.
pub(super) fn problems(host: &mut Host, policy: &Policy, running: &[Domain]) -> Result<Vec<(String, Exit)>, Error> {
    let links = host.links()?;
    let problem = |domain: &Domain| {
        let error = host.desired(policy, &links, domain).err()?;
        Some((format!("guest {:?}: {}", domain.name, chain(&error)), Exit::of_guest(&error)))
    };
    Ok(host.guests(running)?.iter().filter_map(problem).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_order_is_said_so_and_a_problem_is_not_in_order() {
        let checked = |differences: &[&str], problems: &[&str]| Checked {
            in_order: differences.is_empty() && problems.is_empty(),
            differences: differences.iter().map(ToString::to_string).collect(),
            problems: problems.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(text(&checked(&[], &[])), "in order\n");
        assert_eq!(text(&checked(&[], &["guest \"a\": x"])), "");
        assert_eq!(text(&checked(&["a", "b"], &[])), "a\nb\n");
    }
}
