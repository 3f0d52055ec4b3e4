//! Whether the programs that the engine runs are there, and which versions they are.

use super::checkup::Checkup;
use super::finding::Finding;
use crate::engine::EngineKind;
use crate::kernel::inspect::version;

/// What may be run, and the package that it is in.
const TOOLS: [(&str, &str); 5] = [
    ("nft", "nftables"),
    ("iptables", "iptables"),
    ("ip6tables", "iptables"),
    ("ebtables", "ebtables"),
    ("ip", "iproute2"),
];

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    let engine = checkup.engine();
    let said = TOOLS.map(|(tool, _)| version(&mut checkup.programs, tool, checkup.deadline).ok());
    judge(engine, &said)
}

/// Judges what each of [`TOOLS`] said of its version; nothing of one that is not there.
fn judge(engine: Option<EngineKind>, said: &[Option<String>; TOOLS.len()]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut there = Vec::new();
    for ((tool, package), version) in TOOLS.iter().zip(said) {
        match version {
            Some(version) if version.starts_with(tool) => there.push(version.clone()),
            Some(version) => there.push(format!("{tool}: {version}")),
            None if engine.is_some_and(|engine| needs(engine, tool)) => {
                findings.push(Finding::error(format!("{tool} cannot be run"), format!("install {package}")));
            }
            None => there.push(format!("no {tool}, which is not needed here")),
        }
    }
    findings.extend(mixed(said).filter(|_| engine == Some(EngineKind::Iptables)));
    findings.push(Finding::ok(there.join(", ")));
    findings
}

fn needs(engine: EngineKind, tool: &str) -> bool {
    match engine {
        EngineKind::Nftables => tool == "nft",
        EngineKind::Iptables => tool.ends_with("tables"),
    }
}

/// Two kinds of one tool write to two places of the kernel.
fn mixed(said: &[Option<String>; TOOLS.len()]) -> Option<Finding> {
    let tables = TOOLS.iter().zip(said).filter(|((tool, _), _)| tool.ends_with("tables"));
    let versions: Vec<_> = tables.filter_map(|(_, version)| version.as_ref()).collect();
    let new = versions.iter().filter(|version| version.contains("nf_tables")).count();
    (new != 0 && new != versions.len()).then(|| {
        Finding::warning(
            "iptables, ip6tables and ebtables are not of one kind (nf_tables or legacy)",
            "update-alternatives --config iptables, and the same for ip6tables and ebtables",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    fn said(versions: [&str; 5]) -> [Option<String>; 5] {
        versions.map(|version| (!version.is_empty()).then(|| version.to_owned()))
    }

    fn levels(engine: EngineKind, versions: [&str; 5]) -> Vec<Level> {
        judge(Some(engine), &said(versions)).iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn only_what_the_engine_runs_is_missed() {
        let none = ["nftables v1", "", "", "", "ip 6"];
        assert_eq!(levels(EngineKind::Nftables, none), [Level::Ok]);
        assert_eq!(levels(EngineKind::Iptables, none), [Level::Error, Level::Error, Level::Error, Level::Ok]);
        assert_eq!(levels(EngineKind::Nftables, ["", "", "", "", ""]), [Level::Error, Level::Ok]);
        let remedy = &judge(Some(EngineKind::Nftables), &said(["", "", "", "", ""]))[0].remedy;
        assert_eq!(remedy.as_deref(), Some("install nftables"));
    }

    #[test]
    fn tools_of_two_kinds_are_told_of() {
        let new = "iptables v1.8.9 (nf_tables)";
        let mixed = ["nftables v1", new, new, "ebtables 1.8.9 (legacy)", "ip"];
        assert_eq!(levels(EngineKind::Iptables, mixed), [Level::Warning, Level::Ok]);
        assert_eq!(levels(EngineKind::Nftables, mixed), [Level::Ok]);
        assert_eq!(levels(EngineKind::Iptables, ["nft", new, new, new, "ip"]), [Level::Ok]);
    }
}
