//! Small cases, each a directory of `tests/cases`: a domain, a policy, filters, and the
//! exact text that each engine makes of them, to be read in a review.
//!
//! `VIRT_GUARD_BLESS=1 cargo test --test golden` writes the texts anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use virt_guard::engine::{BridgeNames, Engine, Iptables, Nftables};
use virt_guard::facts::Domain;
use virt_guard::kernel::{Addresses, Capabilities, Deadline, Link, LinkKind, Links, Programs, Xtables};
use virt_guard::reconcile::{Host, Interfaces};

/// A host with br100, an Ethernet card in it and one tap.
struct SmallHost;

impl Interfaces for SmallHost {
    fn links(&self) -> io::Result<Links> {
        let link =
            |kind: LinkKind, master: Option<&str>| Link { kind, master: master.map(|name| name.parse().unwrap()) };
        let virtual_kind = |kind: &str| LinkKind::Virtual(kind.to_owned());
        Ok(Links::new([
            ("br100".parse().unwrap(), link(virtual_kind("bridge"), None)),
            ("eth1".parse().unwrap(), link(LinkKind::Physical, Some("br100"))),
            ("vnet7".parse().unwrap(), link(virtual_kind("tun"), Some("br100"))),
        ]))
    }

    fn addresses(&self) -> io::Result<Addresses> {
        Ok(Addresses::default())
    }
}

fn root_of(case: &Path) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let etc = root.path().join("etc/virt-guard");
    fs::create_dir_all(&etc).unwrap();
    fs::copy(case.join("policy.toml"), etc.join("virt-guard.toml")).unwrap();
    fs::create_dir(etc.join("nwfilter")).unwrap();
    for filter in fs::read_dir(case.join("nwfilter")).into_iter().flatten().map(Result::unwrap) {
        fs::copy(filter.path(), etc.join("nwfilter").join(filter.file_name())).unwrap();
    }
    root
}

/// The text for the case's guest, or for the whole host in a case without one, and in
/// one whose name says so: what is not a port's stands there.
fn text(case: &Path, engine: &dyn Engine) -> String {
    let root = root_of(case);
    let deadline = Deadline::after(Duration::from_secs(10));
    let mut host = Host::with(root.path(), deadline, Box::new(Programs::default()), Box::new(SmallHost));
    let found = Capabilities { nftables_lacks: None, bridge_names: BridgeNames::Matchable, xtables: Xtables::Nft };
    host.state().set_capabilities(&found).unwrap();
    let domain = fs::read(case.join("domain.xml")).ok().map(|xml| Domain::parse(xml, "domain.xml").unwrap());
    if let Some(domain) = &domain {
        host.state().set_guest(&domain.uuid, Some(domain)).unwrap();
    }
    let policy = host.policy().unwrap();
    if let Some(domain) = &domain {
        // One that cannot be resolved would be printed as closed.
        host.desired(&policy, &SmallHost.links().unwrap(), domain).unwrap();
    }
    let alone = domain.as_ref().filter(|_| !case.to_string_lossy().ends_with("whole-host"));
    let steps = host.steps(engine, alone, &[]).unwrap();
    let text: String = steps.iter().map(ToString::to_string).collect();
    // Nor one that the engine cannot say.
    assert!(!text.contains("quarantine"), "{text}");
    text
}

fn compare(case: &Path, file: &str, engine: &dyn Engine) {
    let path = case.join(file);
    let made = text(case, engine);
    if std::env::var_os("VIRT_GUARD_BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(made, expected, "{} differs; VIRT_GUARD_BLESS=1 writes it anew", path.display());
}

#[test]
fn every_case_is_printed_as_written_down() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut found: Vec<PathBuf> = fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(found.len() >= 8, "only {} cases", found.len());
    for case in found {
        compare(&case, "nftables.txt", &Nftables);
        compare(&case, "iptables.txt", &Iptables { bridge_names: BridgeNames::Matchable });
    }
}
