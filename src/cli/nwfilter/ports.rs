//! `virt-guard nwfilter verify` and `rebuild`: libvirt's own rules of ports.

use clap::Args;

use super::super::exit::Usage;
use super::super::report::json;
use super::super::table::count;
use super::super::{Exit, Report};
use crate::libvirt::SYSTEM;
use crate::libvirt::nwfilter::{Port, rebuild, verify};

/// Say whether libvirt's own rules of each filtered port are in the kernel.
///
/// Exits with 1 if something is missing, 3 if that cannot be told.
#[derive(Debug, Args)]
pub struct Verify {
    /// Print one JSON array.
    #[arg(long)]
    json: bool,
}

/// Have libvirt put its own rules of ports into the kernel again.
///
/// By default those ports that verify finds something missing of. A port's binding
/// is deleted and made again: no other port is touched.
#[derive(Debug, Args)]
pub struct Rebuild {
    /// These ports, whether something is missing or not.
    #[arg(value_name = "PORT", conflicts_with = "all")]
    ports: Vec<String>,
    /// All ports.
    #[arg(long)]
    all: bool,
    /// Say which ports it would be, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(&self) -> anyhow::Result<Report> {
        let ports = verify(SYSTEM).map_err(anyhow::Error::msg)?;
        let lacking = ports.iter().any(|port| !port.missing.is_empty());
        let text = match self.json {
            true => json(&ports)?,
            false if lacking => lines(&ports),
            false => format!("{}, nothing is missing\n", count(ports.len(), "filtered port")),
        };
        let exit = if lacking { Exit::Found } else { Exit::Good };
        let unknown = ports.iter().filter_map(|port| Some(format!("{}: {}", port.port, port.unknown.as_ref()?)));
        Ok(Report { text, complaints: Vec::new(), exit }.complain(Exit::Failed, unknown))
    }
}

impl Rebuild {
    pub(super) fn run(&self) -> anyhow::Result<Report> {
        let ports = verify(SYSTEM).map_err(anyhow::Error::msg)?;
        if let Some(unknown) = self.ports.iter().find(|name| !ports.iter().any(|port| port.port == **name)) {
            return Err(Usage(format!("libvirt filters no port {unknown:?}")).into());
        }
        if self.dry_run {
            let chosen: Vec<_> = ports.iter().filter(|port| self.chosen(port)).map(|port| &port.port).collect();
            let text: String = chosen.iter().map(|port| format!("{port}\n")).collect();
            return Ok(Report::good(if self.json { json(&chosen)? } else { text }));
        }
        let healed = rebuild(SYSTEM, |port| self.chosen(port)).map_err(anyhow::Error::msg)?;
        let text: String = healed.rebuilt.iter().map(|port| format!("{port}: rebuilt\n")).collect();
        let report = Report::good(if self.json { json(&healed)? } else { text });
        let lacking = lines(&healed.lacking);
        let lacking = lacking.lines().map(|line| format!("still: {line}"));
        Ok(report.complain(Exit::Found, lacking).complain(Exit::Failed, healed.failed))
    }

    fn chosen(&self, port: &Port) -> bool {
        match self.ports.is_empty() {
            true => self.all || !port.missing.is_empty(),
            false => self.ports.contains(&port.port),
        }
    }
}

fn lines(ports: &[Port]) -> String {
    let lines = |port: &Port| port.missing.iter().map(|lack| format!("{}: {lack}\n", port.port)).collect::<String>();
    ports.iter().map(lines).collect()
}
