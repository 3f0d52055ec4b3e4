//! `virt-guard services probe`: the host's services, tried from where guests are.

mod html;
mod page;
mod view;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::Format;
use crate::cli::paint::Paint;
use crate::cli::progress::Progress;
use crate::cli::report::json;
use crate::cli::{Exit, Report};
use crate::kernel::Deadline;
use crate::net::IfName;
use crate::reconcile::{Finding, Host, ProbeRequest, Progress as Tried, Walls};
use view::View;

/// Hundreds of sockets by dozens of addresses at several bridges take minutes if all are
/// silent.
const PATIENCE: Duration = Duration::from_secs(600);

/// Prove from a guest's place which of this host's services guests reach.
///
/// At each guest-facing bridge a port is made, guarded as a guest's is and addressed like
/// one. From there every listening socket of this host is tried by every address of this
/// host, IPv4 and IPv6; DHCP is asked for an address, which is not taken. The port is gone
/// afterwards, and nothing leaves this machine.
///
/// What came of it is told in these words. answered: a connection was accepted, or a
/// datagram answered. delivered: no answer, but the host told of a closed port of the same
/// address, so that datagrams get there. dropped: the socket's own filter, such as
/// IPAddressDeny= of its unit, threw the datagrams away. refused: reset or "port
/// unreachable", nobody listens there. rejected: "administratively prohibited". silent:
/// nothing came back.
///
/// A service is EXPOSED if it was reached (answered or delivered) and the policy does not
/// allow that; FAILING if it is DHCP or DNS for guests, allowed, and does not answer; reached
/// or closed otherwise. Exits with 1 if one is EXPOSED or FAILING, with 3 if something could
/// not be tried.
#[derive(Debug, Args)]
pub struct Probe {
    /// Only from this bridge; may be given several times.
    #[arg(long, value_name = "NAME")]
    bridge: Vec<IfName>,
    /// Write the matrix to this file as well, as a page for browsers.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Without the walls around the probe's own port: what services do by themselves.
    /// Guests' ports stay as they are.
    #[arg(long)]
    without_walls: bool,
}

impl Probe {
    pub(super) fn run(&self, root: &Path, format: Format) -> anyhow::Result<Report> {
        let walls = if self.without_walls { Walls::Aside } else { Walls::Standing };
        let request = ProbeRequest { bridges: self.bridge.clone(), walls, only: Vec::new() };
        let progress = Progress::start("making a port at each guest-facing bridge");
        let tell = |now: Tried<'_>| progress.step(format!("{}: {} of {} tried", now.bridge, now.over, now.all));
        let probed = Host::new(root, Deadline::after(PATIENCE)).probe_telling(&request, &tell);
        drop(progress);
        let view = View::from(probed?);
        if let Some(file) = &self.html {
            page::write(file, &html::page(&view)).with_context(|| file.display().to_string())?;
        }
        let text = if format == Format::Json { json(&view)? } else { Paint::of_output().text(&view) };
        let is_wrong = view.rows.iter().any(|row| row.finding() != Finding::Fine);
        let report = Report { exit: if is_wrong { Exit::Found } else { Exit::Good }, ..Report::good(text) };
        Ok(report.complain(Exit::Failed, view.lacks()))
    }
}
