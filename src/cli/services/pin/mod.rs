//! `virt-guard services pin`, `unpin`, `pins` and `confirm`: services kept from guests.

mod diff;
mod list;
mod unpin;
mod view;

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::Format;
use crate::cli::paint::Paint;
use crate::cli::pending::{Answer, Asked, ask, time};
use crate::cli::report::{chain, json};
use crate::cli::{Exit, Report, host};
use crate::pins::Name;
use crate::reconcile::{Confirmation, Error, Host, PINS, PinPlan, PinTo, Pinned};
use view::{ServiceView, State, View, plan_text};

pub(super) use list::{Confirm, Pins};
pub(super) use unpin::Unpin;

/// By which the pins are confirmed from another session.
const CONFIRM: &str = "virt-guard services confirm";
/// Keep services from guests by their own configuration and by systemd.
///
/// Shows the changes as a diff, has the service check them, restarts it, and proves from a
/// guest's place at each bridge, with virt-guard's walls aside, that no guest reaches it. If
/// anything of that fails all is put back as it was, and it exits with 3. Exits with 1 if
/// nothing could be proven, as a service does not listen now, or if --all leaves something.
#[derive(Debug, Args)]
pub(super) struct Pin {
    /// Units, as ssh.service or rpcbind.socket, or services by name, as sshd.
    #[arg(value_name = "UNIT|SERVICE", required_unless_present = "all")]
    services: Vec<Name>,
    /// All that guests reach, or would reach without the host's wall, and that has a unit;
    /// what the policy allows guests is left alone.
    #[arg(long, conflicts_with = "services")]
    all: bool,
    /// Where they listen from then on: an address or an interface of this host where no guest
    /// is. May be given several times [default: all addresses that are on no guest-facing
    /// bridge].
    #[arg(long, value_name = "ADDRESS|INTERFACE")]
    to: Vec<PinTo>,
    /// Only show what would be changed.
    #[arg(long)]
    dry_run: bool,
    /// Undo it unless somebody confirms it in this time, such as 60s: by Enter on this
    /// terminal, or by virt-guard services confirm from another session.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "dry_run")]
    confirm_within: Option<Duration>,
}

impl Pin {
    pub fn run(&self, root: &Path, format: Format) -> anyhow::Result<Report> {
        let mut host = host(root);
        let mut told = Vec::new();
        if !self.dry_run {
            told = host.tend_pins()?.0;
        }
        let (plans, left) = self.plans(&mut host)?;
        let report = if self.dry_run { planned(&plans, left, format)? } else { self.pin(root, (plans, left), format)? };
        Ok(report.complain(Exit::Good, told))
    }

    /// The plans, and what --all leaves as it is.
    fn plans(&self, host: &mut Host) -> anyhow::Result<(Vec<PinPlan>, Vec<String>)> {
        if !self.all {
            let plans: Result<Vec<_>, _> = self.services.iter().map(|name| host.plan_pin(name, &self.to)).collect();
            return Ok((plans?, Vec::new()));
        }
        let pinnable = host.pinnable()?;
        let (mut plans, mut left) = (Vec::new(), pinnable.others);
        for name in &pinnable.names {
            match host.plan_pin(name, &self.to) {
                Ok(plan) => plans.push(plan),
                Err(error) => left.push(chain(&error)),
            }
        }
        Ok((plans, left))
    }

    fn pin(&self, root: &Path, (plans, left): (Vec<PinPlan>, Vec<String>), format: Format) -> anyhow::Result<Report> {
        if format == Format::Table {
            // Before anything is done: whoever watches sees what.
            plans.iter().for_each(|plan| print!("{}", plan_text(plan, Paint::of_output())));
        }
        let confirmation = self.confirm_within.map_or(Confirmation::Given, Confirmation::Within);
        let done = host(root).pin(&plans, confirmation)?;
        let view = View {
            services: plans.iter().zip(&done).map(|(plan, result)| ServiceView::done(plan, result)).collect(),
            left,
            confirmation: None,
        };
        let waits = self.confirm_within.is_some() && view.services.iter().any(|service| service.state == State::Pinned);
        let (asked, told) = if waits { answer(root, &view, format)? } else { (None, Vec::new()) };
        let report = report(View { confirmation: asked, ..view }, format, &done)?;
        let exit = if asked == Some(Asked::Undone) { Exit::Failed } else { Exit::Good };
        Ok(report.complain(exit, told))
    }
}

fn planned(plans: &[PinPlan], left: Vec<String>, format: Format) -> anyhow::Result<Report> {
    let services: Vec<_> = plans.iter().map(ServiceView::planned).collect();
    let text = match format {
        Format::Json => json(&View { services, left: left.clone(), confirmation: None })?,
        Format::Table => {
            let diffs = plans.iter().map(|plan| plan_text(plan, Paint::of_output()));
            diffs.chain(services.iter().filter_map(ServiceView::line)).collect()
        }
    };
    Ok(Report::good(text).complain(Exit::Found, left))
}

/// Asks whether the pins stay, and does as is answered.
fn answer(root: &Path, view: &View, format: Format) -> anyhow::Result<(Option<Asked>, Vec<String>)> {
    if format == Format::Table {
        view.services.iter().filter_map(ServiceView::line).for_each(|line| print!("{line}"));
    }
    let undone = |told: Vec<String>| (Some(Asked::Undone), told);
    Ok(match ask(host(root).state(), PINS, CONFIRM)? {
        Answer::Later => (Some(Asked::Waiting), Vec::new()),
        Answer::Keep if host(root).confirm_pins()?.is_some() => (Some(Asked::Confirmed), Vec::new()),
        Answer::Keep | Answer::Undo => undone(host(root).decline_pins()?),
        Answer::Settled if host(root).pins()?.is_empty() => undone(vec!["undone from elsewhere".to_owned()]),
        Answer::Settled => (Some(Asked::Confirmed), Vec::new()),
    })
}

fn report(view: View, format: Format, done: &[Result<Pinned, Error>]) -> anyhow::Result<Report> {
    let lines = view.services.iter().filter_map(ServiceView::line);
    let text = match (format, view.confirmation) {
        (Format::Json, _) => json(&view)?,
        (Format::Table, None) if view.services.is_empty() => "nothing to pin\n".to_owned(),
        (Format::Table, None) => lines.collect(),
        (Format::Table, Some(Asked::Waiting)) => String::new(),
        (Format::Table, Some(Asked::Confirmed)) => "confirmed\n".to_owned(),
        (Format::Table, Some(Asked::Undone)) => String::new(),
    };
    let unproven = view.services.iter().any(|service| service.error.is_none() && !service.proven);
    let mut report = Report::good(text);
    if unproven {
        report.exit = Exit::Found;
    }
    for error in done.iter().filter_map(|result| result.as_ref().err()) {
        report = report.complain(Exit::of_guest(error), [chain(error)]);
    }
    Ok(report.complain(Exit::Found, view.left))
}
