//! `virt-guard doctor`: everything that an operator would look at if guests were not
//! guarded as they should be, each with what to do about it.
//!
//! In: this host, its programs, its kernel, libvirt. Out: findings, most telling first.
//! Nothing is changed. Each check is a function in a file of its own, and [`CHECKS`]
//! lists them; what a check needs it takes from [`Checkup`].

mod bridges;
mod checkup;
mod confinement;
mod daemon;
mod engine;
mod finding;
mod firewalls;
mod found;
mod guests;
mod heals;
mod hooks;
mod libvirt;
mod policy;
mod rules;
mod services;
mod settings;
mod tools;
mod units;

use std::path::Path;

use anyhow::bail;
use clap::Args;
use nix::unistd::geteuid;

use super::Report;
use super::paint::Paint;
use super::progress::Progress;
use super::report::json;
use checkup::Checkup;
use finding::{Checked, Finding, View};

/// Find out why something might not be guarded, and what to do about it.
///
/// Looks at the policy, the kernel, its settings, the programs needed, libvirt, the hook
/// and whether libvirt has found it, the daemon, other firewalls, AppArmor and SELinux,
/// and at what guests reach. Nothing is changed. Exits with 0 if everything is in order, 1
/// if something was found, 3 if something could not be looked at.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Looks at one thing.
type Check = fn(&mut Checkup) -> Vec<Finding>;

/// What is looked at: first what everything else depends on.
const CHECKS: [(&str, Check); 17] = [
    ("policy", policy::check),
    ("engine", engine::check),
    ("tools", tools::check),
    ("settings", settings::check),
    ("libvirt", libvirt::check),
    ("hook", hooks::check),
    ("hook-found", found::check),
    ("confinement", confinement::check),
    ("units", units::check),
    ("daemon", daemon::check),
    ("last-heal", heals::check),
    ("rules", rules::check),
    ("firewalls", firewalls::check),
    ("bridges", bridges::check),
    ("guests", guests::check),
    ("unguardable", guests::unguardable),
    ("services", services::check),
];

impl Doctor {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        if !geteuid().is_root() {
            bail!("only root can look at rules, processes and logs: run it as root");
        }
        let progress = Progress::start("asking libvirt for guests");
        let mut checkup = Checkup::begin(root)?;
        let mut findings = Vec::new();
        for (check, look) in CHECKS {
            progress.step(format!("looking at: {check}"));
            findings.extend(look(&mut checkup).into_iter().map(|finding| Checked { check, finding }));
        }
        let view = View::new(findings);
        let text = if self.json { json(&view)? } else { Paint::of_output().text(&view) };
        Ok(Report { exit: view.exit(), ..Report::good(text) })
    }
}
