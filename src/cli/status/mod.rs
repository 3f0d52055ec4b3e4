//! `virt-guard status`: what is guarded, by what, and whether it is in order.
//!
//! In: policy, records, interfaces, the kernel, whatever of them can be had. Out:
//! one [`View`], as a small table or as JSON. A broken policy is reported, and
//! the rest of the answer is given all the same.

mod bridges;
mod guests;
mod view;

use std::fs;
use std::path::Path;

use clap::Args;
use nix::unistd::geteuid;

use super::paint::Paint;
use super::progress::Progress;
use super::report::json;
use super::{Exit, Report, chain, host};
use crate::facts::policy::Policy;
use crate::reconcile::{Drift, Error, Host};
use crate::state::events::{Event, Kind};
use view::{EngineView, HostView, PolicyView, RulesView, ServicesView, View};

/// So many of the daemon's last deeds are shown.
const HEALS: usize = 5;

/// Show what is guarded, by which engine, and whether it is in order.
///
/// With a broken policy it tells what is on record. Exits with 1 if the kernel
/// differs from the policy, a guest is not guarded that is to be, or guests reach a
/// service of this host that the policy does not allow or that is pinned.
#[derive(Debug, Args)]
pub struct Status {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let mut host = host(root);
        let progress = Progress::start("asking libvirt for guests");
        let found = super::guests::running(root)?;
        progress.step("comparing the kernel with the policy");
        let policy = host.policy();
        let links = host.links()?;
        let (rules, exit) = rules(&mut host, policy.as_ref().err());
        let known = guests::Known { host: &host, links: &links, in_sync: rules.in_sync };
        let (guests, worst) = known.view(policy.as_ref().ok(), &found.running.domains)?;
        progress.step("judging the services of this host");
        let (services, exposed) = services(&mut host, policy.as_ref().err(), &rules);
        let exit = exit.max(exposed).max(worst).max(policy.as_ref().err().map_or(Exit::Good, Exit::of_guest));
        let view = View {
            host: HostView { kernel: kernel_release(), version: env!("CARGO_PKG_VERSION") },
            engine: engine(&mut host, policy.as_ref()),
            policy: policy_view(policy.as_ref()),
            rules,
            services,
            bridges: bridges::view(&mut host, policy.as_ref().ok(), &links)?,
            guests,
            heals: heals(&host),
        };
        let text = if self.json { json(&view)? } else { Paint::of_output().text(&view) };
        let report = Report { text, complaints: Vec::new(), exit };
        let report = report.complain(Exit::Failed, found.running.problems);
        Ok(report.complain(Exit::Good, found.source.complaint()))
    }
}

/// What was done lately. Without a record there is nothing to tell.
fn heals(host: &Host) -> Vec<Event> {
    let mut events = host.state().events().unwrap_or_default();
    events.retain(|event| matches!(event.kind, Kind::Closed | Kind::Healed | Kind::Storm | Kind::Failed));
    events.split_off(events.len().saturating_sub(HEALS))
}

/// The kernel's release, as uname(1) prints it (proc(5)).
fn kernel_release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease");
    release.map_or_else(|_| "unknown".to_owned(), |release| release.trim().to_owned())
}

fn engine(host: &mut Host, policy: Result<&Policy, &Error>) -> EngineView {
    let Ok(policy) = policy else {
        let applied = host.state().base().map(|record| record.engine);
        return EngineView { name: applied, reason: "what was applied last, as the policy is broken".to_owned() };
    };
    // Whoever is not root is refused by nft, which would look like a kernel that
    // lacks something.
    if !geteuid().is_root() && host.state().capabilities().is_none() {
        return EngineView { name: None, reason: "only root can ask the kernel what it can do".to_owned() };
    }
    let choice = policy.engine;
    let lacks = host.capabilities().nftables_lacks;
    match host.engine(choice) {
        Err(error) => EngineView { name: None, reason: chain(&error) },
        Ok(engine) => {
            let why = match lacks {
                Some(lacks) => format!("{choice}; nftables lacks: {lacks}"),
                None => format!("{choice}; this kernel can do either"),
            };
            EngineView { name: Some(engine.kind()), reason: why }
        }
    }
}

fn policy_view(policy: Result<&Policy, &Error>) -> PolicyView {
    match policy {
        Ok(policy) => PolicyView { error: None, groups: policy.groups.len(), guests: policy.entries.len() },
        Err(error) => PolicyView { error: Some(chain(error)), groups: 0, guests: 0 },
    }
}

/// Whether the kernel holds what it ought to; without a policy nobody can say.
fn rules(host: &mut Host, broken: Option<&Error>) -> (RulesView, Exit) {
    let unknown = |error| RulesView { in_sync: None, differences: Vec::new(), error: Some(error) };
    if broken.is_some() {
        return (unknown("not compared, as the policy is broken; the last good rules stay".to_owned()), Exit::Good);
    }
    match host.check_all() {
        Err(error) => (unknown(chain(&error)), Exit::of_guest(&error)),
        Ok(drifts) => {
            let exit = if drifts.is_empty() { Exit::Good } else { Exit::Found };
            let differences: Vec<_> = drifts.iter().map(Drift::to_string).collect();
            (RulesView { in_sync: Some(drifts.is_empty()), differences, error: None }, exit)
        }
    }
}

/// How many of the host's services guests reach, by the walls as they stand.
fn services(host: &mut Host, broken: Option<&Error>, rules: &RulesView) -> (ServicesView, Exit) {
    let unknown = |error| ServicesView { counts: None, error: Some(error) };
    if broken.is_some() {
        return (unknown("not judged, as the policy is broken".to_owned()), Exit::Good);
    }
    let exposures = match rules.in_sync {
        Some(true) => host.exposures_behind_walls(),
        _ => host.exposures(),
    };
    match exposures {
        Err(error) => (unknown(chain(&error)), Exit::of_guest(&error)),
        Ok(counts) => {
            let exit = if counts.exposed + counts.broken_pins > 0 { Exit::Found } else { Exit::Good };
            (ServicesView { counts: Some(counts), error: None }, exit)
        }
    }
}
