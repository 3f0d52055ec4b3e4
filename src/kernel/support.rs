//! What this kernel can do, found by asking it rather than by its version.

use std::fs;
use std::io;
use std::path::Path;

use super::programs::{Command, Deadline, Runner};
use crate::engine::BridgeNames;

/// A transaction that is checked and never committed, with what the engine needs.
const NFTABLES: &str = "table bridge virt_guard_probe {
\tchain probe {
\t\ttype filter hook prerouting priority -150;
\t\tct state established return
\t\tmeta ibrname \"br0\" drop
\t}
}
";
/// The same with the bridge's name only.
const NAMES: &str = "table bridge virt_guard_probe {
\tchain probe {
\t\ttype filter hook prerouting priority -150;
\t\tmeta ibrname \"br0\" drop
\t}
}
";
/// Whether bridged packets go through iptables and ip6tables (linux/br_netfilter).
pub const CALLS: [&str; 2] =
    ["/proc/sys/net/bridge/bridge-nf-call-iptables", "/proc/sys/net/bridge/bridge-nf-call-ip6tables"];

/// How iptables keeps its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Xtables {
    /// In tables of nftables, which can be asked for one chain.
    Nft,
    /// In tables of its own, which can be read as a whole.
    Legacy,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Capabilities {
    /// Why the nftables engine cannot work here; `None` if it can.
    pub nftables_lacks: Option<String>,
    /// Whether ebtables can ask for the bridge.
    pub bridge_names: BridgeNames,
    /// How ebtables, iptables and ip6tables keep their rules.
    pub xtables: Xtables,
}

/// What was found, and whether it will be found again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// The kernel itself answered.
    Certain(Capabilities),
    /// Somebody was in the way: no permission, no program, no time.
    Uncertain(Capabilities),
}

/// Asks the programs and the kernel what they can do. Nothing is changed.
pub fn probe(runner: &mut dyn Runner, deadline: Deadline) -> Probe {
    let mut check = |text: &str| {
        let command = Command::new("nft", ["--check", "-f", "-"]).with_input(text);
        runner
            .run(&command, deadline)
            .err()
            .map(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
    };
    let nftables_lacks = check(NFTABLES);
    let names_lack = if nftables_lacks.is_some() { check(NAMES) } else { None };
    let xtables = xtables(runner, deadline);
    // ebtables of the old kind has a match of its own for it.
    let matchable = names_lack.is_none() || xtables == Xtables::Legacy;
    let bridge_names = if matchable { BridgeNames::Matchable } else { BridgeNames::Unknown };
    let certain = [&nftables_lacks, &names_lack].into_iter().flatten().all(|lack| is_refusal(lack));
    let found = Capabilities { nftables_lacks, bridge_names, xtables };
    if certain { Probe::Certain(found) } else { Probe::Uncertain(found) }
}

/// What the kernel says of an expression that it does not have: EPROTO from
/// connection tracking, EOPNOTSUPP or ENOENT from a module that is not there.
fn is_refusal(lack: &str) -> bool {
    ["Protocol error", "Operation not supported", "No such file"].iter().any(|word| lack.contains(word))
        && lack.contains("Could not process rule")
}

/// All three must be of the nft kind to be read as such.
fn xtables(runner: &mut dyn Runner, deadline: Deadline) -> Xtables {
    let mut is_nft = |program: &str| {
        let version = runner.run(&Command::new(program, ["--version"]), deadline);
        version.is_ok_and(|version| version.contains("nf_tables"))
    };
    if ["ebtables", "iptables", "ip6tables"].into_iter().all(&mut is_nft) { Xtables::Nft } else { Xtables::Legacy }
}

/// Whether bridged packets go through iptables and ip6tables, in this network
/// namespace.
pub fn bridge_netfilter_stands() -> bool {
    CALLS.iter().all(|path| fs::read_to_string(path).is_ok_and(|text| text.trim() == "1"))
}

/// Has bridged packets go through iptables and ip6tables, in this network
/// namespace.
///
/// # Errors
/// br_netfilter cannot be had, or the setting does not stay.
pub fn enable_bridge_netfilter(runner: &mut dyn Runner, deadline: Deadline) -> io::Result<()> {
    if !Path::new(CALLS[0]).exists() {
        // Its failure shows in the next lines, with the path that is missing.
        let _ = runner.run(&Command::new("modprobe", ["br_netfilter"]), deadline);
    }
    for path in CALLS {
        enable(Path::new(path)).map_err(|error| {
            let hint = "the iptables engine needs br_netfilter";
            io::Error::new(error.kind(), format!("{path}: {error}; {hint}"))
        })?;
    }
    Ok(())
}

fn enable(path: &Path) -> io::Result<()> {
    if fs::read_to_string(path)?.trim() == "1" {
        return Ok(());
    }
    fs::write(path, "1")?;
    let now = fs::read_to_string(path)?;
    if now.trim() == "1" { Ok(()) } else { Err(io::Error::other(format!("is {} after 1 was written", now.trim()))) }
}
