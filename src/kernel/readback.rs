//! Telling the programs, and asking them what stands.

use std::fs;
use std::io;

use crate::engine::{EngineKind, Iptables, Step, Table, Tool};
use crate::net::Family;

use super::listing::Listing;
use super::nftables::{Reader, reading};
use super::programs::{Command, Deadline, RunError, Runner};
use super::support::Xtables;

/// Seconds that iptables waits for another's lock before it gives up.
pub(super) const LOCK_WAIT: &str = "10";

/// Tells the programs, one step after the other.
///
/// # Errors
/// The first step that fails. Steps before it have been done.
pub fn apply(runner: &mut dyn Runner, steps: &[Step], deadline: Deadline) -> Result<(), RunError> {
    steps.iter().try_for_each(|step| runner.run(&command(step), deadline).map(drop))
}

/// Tells the programs, each as soon as the one before has said all: for a caller who
/// looks at the kernel afterwards.
///
/// # Errors
/// As of [`apply`], as far as that can be told by then.
pub fn apply_unseen(runner: &mut dyn Runner, steps: &[Step], deadline: Deadline) -> Result<(), RunError> {
    steps.iter().try_for_each(|step| runner.run_until_silent(&command(step), deadline))
}

fn command(step: &Step) -> Command {
    let command = match step.tool {
        Tool::Nft => Command::new("nft", ["-f", "-"]),
        Tool::EbtablesRestore => Command::new("ebtables-restore", ["--noflush"]),
        Tool::IptablesRestore(family) => Command::new(restore_program(family), ["--noflush", "--wait", LOCK_WAIT]),
    };
    command.with_input(step.text.clone())
}

pub(super) fn restore_program(family: Family) -> &'static str {
    match family {
        Family::V4 => "iptables-restore",
        Family::V6 => "ip6tables-restore",
    }
}

pub(super) fn save_program(family: Family) -> &'static str {
    match family {
        Family::V4 => "iptables-save",
        Family::V6 => "ip6tables-save",
    }
}

/// Everything of ours that stands, and the built-in chains that lead to it.
///
/// # Errors
/// The kernel or a program fails for another reason than that there is nothing.
pub fn read_all(
    runner: &mut dyn Runner,
    engine: EngineKind,
    xtables: Xtables,
    deadline: Deadline,
) -> Result<Listing, RunError> {
    match (engine, xtables) {
        (EngineKind::Nftables, _) => read_tables(|reader| reader.all(&[Table::NftBridge, Table::NftInet])),
        (EngineKind::Iptables, Xtables::Nft) => read_tables(|reader| reader.all(&Iptables::TABLES)),
        (EngineKind::Iptables, Xtables::Legacy) => read_saved(runner, deadline),
    }
}

/// What stands of these chains and of the way to ports. nftables is asked chain
/// by chain, so that the cost does not grow with the number of guests; the old
/// iptables can only tell everything.
///
/// # Errors
/// The kernel or a program fails for another reason than that there is nothing.
pub fn read_chains(
    runner: &mut dyn Runner,
    engine: EngineKind,
    xtables: Xtables,
    chains: &[(Table, String)],
    deadline: Deadline,
) -> Result<Listing, RunError> {
    match (engine, xtables) {
        (EngineKind::Iptables, Xtables::Legacy) => read_saved(runner, deadline),
        _ => read_tables(|reader| reader.chains(chains)),
    }
}

fn read_tables(read: impl FnOnce(&mut Reader<'_>) -> io::Result<Listing>) -> Result<Listing, RunError> {
    reading(read).map_err(RunError::Netlink)
}

fn read_saved(runner: &mut dyn Runner, deadline: Deadline) -> Result<Listing, RunError> {
    let mut listing = Listing::default();
    let ebtables = runner.run(&Command::new("ebtables-save", []), deadline)?;
    listing.add_saved(&ebtables, |word| (word == "nat").then_some(Table::EbtablesNat));
    for family in Family::BOTH {
        let tables =
            [("mangle", Table::Mangle(family)), ("filter", Table::Filter(family)), ("nat", Table::Nat(family))];
        for (word, table) in tables.into_iter().filter(|(_, table)| is_there(*table)) {
            let saved = runner.run(&Command::new(save_program(family), ["-t", word]), deadline)?;
            listing.add_saved(&saved, |found| (found == word).then_some(table));
        }
    }
    Ok(listing)
}

/// To list a table makes the old iptables create it. Of translations there may be none,
/// and then the whole host would begin to translate.
fn is_there(table: Table) -> bool {
    let names = match table {
        Table::Nat(Family::V4) => "/proc/net/ip_tables_names",
        Table::Nat(Family::V6) => "/proc/net/ip6_tables_names",
        _ => return true,
    };
    fs::read_to_string(names).is_ok_and(|names| names.lines().any(|name| name == "nat"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::fake::Sequence;
    use std::time::Duration;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    #[test]
    fn each_step_goes_to_its_own_program() {
        let tools = [Tool::EbtablesRestore, Tool::IptablesRestore(Family::V6), Tool::Nft];
        let steps = tools.map(|tool| Step { tool, text: String::new() });
        let mut runner = Sequence::new([
            ("ebtables-restore --noflush", ""),
            ("ip6tables-restore --noflush --wait 10", ""),
            ("nft -f -", ""),
        ]);
        apply(&mut runner, &steps, soon()).unwrap();
    }
}
