//! `virt-guard preserve`: chains of others that outlive a flush.

use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::report::json;
use super::show::{self, ShownStep};
use super::table::{count, table};
use super::{Exit, Report, host};
use crate::reconcile::{Host, Loss};
use crate::state::{Preserved, PreservedChain, PreservedTable};

/// Look after the chains of other agents that [[preserve]] in the policy names.
///
/// They are recorded while they are whole: whatever their agent changes is
/// recorded anew, unless a chain is gone, or its rules are, or what led to it is.
/// The hook puts that back when a guest starts.
#[derive(Debug, Args)]
pub struct Preserve {
    #[command(subcommand)]
    action: Action,
    /// Print one JSON object.
    #[arg(long, global = true)]
    json: bool,
}

/// What to do about them.
#[derive(Debug, Subcommand)]
enum Action {
    /// List the chains on record.
    List,
    /// Name what is lost of them; nothing is changed.
    Diff,
    /// Put back what is lost, and record the rest anew.
    Restore {
        /// Only print what the restore programs would be told.
        #[arg(long)]
        dry_run: bool,
    },
    /// Take what stands now for whole, whatever was lost.
    ///
    /// After an agent was uninstalled, for example.
    Forget,
}

/// What was found or done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Told {
    Preserved(Vec<PreservedTable>),
    Lost(Vec<Loss>),
    Restored(Vec<Loss>),
    Steps(Vec<ShownStep>),
    Recorded(usize),
}

impl Preserve {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let mut host = host(root);
        let (told, text) = self.action.run(&mut host)?;
        let exit = match &told {
            Told::Lost(lost) if !lost.is_empty() => Exit::Found,
            _ => Exit::Good,
        };
        let text = if self.json { json(&told)? } else { text };
        Ok(Report { exit, ..Report::good(text) })
    }
}

impl Action {
    fn run(&self, host: &mut Host) -> anyhow::Result<(Told, String)> {
        Ok(match self {
            Self::List => {
                let record = host.state().preserved().unwrap_or_default();
                let text = list(&record);
                (Told::Preserved(record.tables), text)
            }
            Self::Diff => {
                let lost = host.lost_foreign()?;
                let text = lines(&lost, "", "nothing is lost\n");
                (Told::Lost(lost), text)
            }
            Self::Restore { dry_run: true } => {
                let steps = host.foreign_steps()?;
                let text = if steps.is_empty() { "# nothing is lost\n".to_owned() } else { show::text(&steps) };
                (Told::Steps(steps.iter().map(ShownStep::from).collect()), text)
            }
            Self::Restore { dry_run: false } => {
                let kept = host.keep_foreign()?;
                let text = lines(&kept.restored, "put back: ", "nothing was lost\n");
                (Told::Restored(kept.restored), text + &recorded(kept.chains))
            }
            Self::Forget => {
                let chains = host.forget_foreign()?;
                (Told::Recorded(chains), recorded(chains))
            }
        })
    }
}

fn recorded(chains: usize) -> String {
    format!("{} on record\n", count(chains, "chain"))
}

fn lines(losses: &[Loss], before: &str, none: &str) -> String {
    match losses {
        [] => none.to_owned(),
        losses => losses.iter().map(|loss| format!("{before}{loss}\n")).collect(),
    }
}

fn list(record: &Preserved) -> String {
    let mut rows = vec![["family", "table", "chain", "rules", "from", "guest's port"].map(str::to_owned)];
    for PreservedTable { family, table, chains } in &record.tables {
        rows.extend(chains.iter().map(|(name, chain)| {
            let (from, owners) = (from(chain), owners(chain));
            [family.to_string(), table.to_string(), name.clone(), chain.rules.len().to_string(), from, owners]
        }));
    }
    if rows.len() == 1 { "no chain is on record\n".to_owned() } else { table(&rows) }
}

/// The places that lead to the chain: `FORWARD:2`.
fn from(chain: &PreservedChain) -> String {
    let places = chain.jumps.iter().map(|jump| format!("{}:{}", jump.from, jump.position));
    places.collect::<Vec<_>>().join(",")
}

fn owners(chain: &PreservedChain) -> String {
    let taps = chain.owners.iter().map(|owner| owner.tap.to_string()).collect::<Vec<_>>().join(",");
    if chain.absent_since.is_some() { format!("{taps} (gone)") } else { taps }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Jump, Owner};

    #[test]
    fn the_list_tells_where_a_chain_is_reached_from() {
        let jump = Jump { from: "FORWARD".into(), position: 2, rule: "-j nova-x".into() };
        let owners = vec![Owner { guest: None, tap: "vnet7".parse().unwrap() }];
        let chain = PreservedChain { rules: vec!["-j DROP".into()], jumps: vec![jump], owners, absent_since: Some(1) };
        let chains = [("nova-x".to_owned(), chain)].into();
        let table =
            PreservedTable { family: crate::net::Family::V4, table: crate::facts::policy::XtTable::Filter, chains };
        let text = list(&Preserved { tables: vec![table] });
        assert!(text.ends_with("ipv4    filter  nova-x  1      FORWARD:2  vnet7 (gone)\n"), "{text}");
        assert_eq!(list(&Preserved::default()), "no chain is on record\n");
    }
}
