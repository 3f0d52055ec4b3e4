//! `virt-guard daemon`: the watcher, in the foreground.

use std::path::Path;

use anyhow::Context;
use clap::Args;

use super::Report;
use crate::daemon;

/// Watch, and put back whatever differs from the policy.
///
/// Runs in the foreground until SIGTERM or SIGINT; SIGHUP has it look at
/// everything anew. It hears of changes from the kernel, from libvirt and from the
/// files below /etc/virt-guard, and compares everything once a minute besides.
/// When it ends, whatever way, the rules stay.
#[derive(Debug, Args)]
pub struct Daemon {
    /// libvirt's URI.
    #[arg(long, value_name = "URI", default_value = "qemu:///system")]
    connect: String,
}

impl Daemon {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        daemon::run(root, &self.connect).context("the daemon cannot watch")?;
        Ok(Report::good(String::new()))
    }
}
