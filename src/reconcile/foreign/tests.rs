//! What counts as lost, and what is said to the restore program.

use std::time::Duration;

use super::*;
use crate::facts::Domain;
use crate::kernel::fake::Sequence;
use crate::kernel::{Deadline, Link, LinkKind, Links};

const WHOLE: &str = "*filter\n:FORWARD ACCEPT [0:0]\n:nova-inst - [0:0]\n:nova-local - [0:0]\n:other - [0:0]\n\
    -A FORWARD -j other\n-A FORWARD -j nova-local\n-A nova-inst -s 10.0.0.1/32 -j DROP\n\
    -A nova-local -m physdev --physdev-out vnet7 --physdev-is-bridged -j nova-inst\n-A nova-local -j RETURN\nCOMMIT\n";

fn table(text: &str) -> SavedTable {
    Saved::parse(text).tables.remove(&XtTable::Filter).unwrap_or_default()
}

fn links(names: &[&str]) -> Links {
    let link = || Link { kind: LinkKind::Virtual("tun".into()), master: None };
    Links::new(names.iter().map(|name| (name.parse().unwrap(), link())))
}

fn guest() -> Domain {
    let xml = "<domain><name>web</name><uuid>00000000-0000-4000-8000-000000000007</uuid><devices>\
        <interface type='bridge'><mac address='52:54:00:00:00:07'/><source bridge='br100'/><target dev='vnet7'/>\
        </interface></devices></domain>";
    Domain::parse(xml, "domain XML").unwrap()
}

/// What is lost between both texts while these interfaces are there.
fn mend(before: &str, now: &str, names: &[&str]) -> Mended {
    let links = links(names);
    let guests = Guests::new(&[guest()], &links);
    let mut record = snapshot(&table(before), |name| name.starts_with("nova-"));
    for (name, chain) in &mut record {
        chain.owners = guests.of(name, chain);
    }
    Look { family: Family::V4, table: XtTable::Filter, record: &record, now: &table(now), guests: &guests }.mend()
}

#[test]
fn what_an_agent_changes_is_not_lost() {
    for now in [WHOLE.to_owned(), WHOLE.replace("10.0.0.1", "10.0.0.2"), WHOLE.replace("-A nova-local -j RETURN\n", "")]
    {
        assert_eq!(mend(WHOLE, &now, &["vnet7"]).text, "");
    }
    let reworded = WHOLE.replace("-A FORWARD -j nova-local", "-A FORWARD -i br0 -j nova-local");
    assert_eq!(mend(WHOLE, &reworded, &["vnet7"]).text, "");
}

#[test]
fn chains_and_jumps_come_back_at_their_places() {
    let mended = mend(
        WHOLE,
        "*filter\n:FORWARD ACCEPT [0:0]\n:other - [0:0]\n-A FORWARD -j other\n-A FORWARD -j DROP\nCOMMIT\n",
        &["vnet7"],
    );
    assert_eq!(
        mended.text,
        "*filter\n-N nova-inst\n-N nova-local\n-A nova-inst -s 10.0.0.1/32 -j DROP\n\
         -A nova-local -m physdev --physdev-out vnet7 --physdev-is-bridged -j nova-inst\n-A nova-local -j RETURN\n\
         -I FORWARD 2 -j nova-local\nCOMMIT\n"
    );
    assert_eq!(mended.after["FORWARD"], ["-j other", "-j nova-local", "-j DROP"]);
    let emptied = "*filter\n:FORWARD ACCEPT [0:0]\n:nova-inst - [0:0]\n:nova-local - [0:0]\nCOMMIT\n";
    let text = mend(WHOLE, emptied, &["vnet7"]).text;
    assert!(!text.contains("-N ") && text.contains("-A FORWARD -j nova-local\n"), "{text}");
}

#[test]
fn a_chain_that_is_filled_again_is_its_agents_and_leads_to_what_comes_back() {
    let now = "*filter\n:FORWARD ACCEPT [0:0]\n:nova-local - [0:0]\n-A FORWARD -j nova-local\n-A nova-local -j DROP\nCOMMIT\n";
    let text = mend(WHOLE, now, &["vnet7"]).text;
    assert_eq!(
        text,
        "*filter\n-N nova-inst\n-A nova-inst -s 10.0.0.1/32 -j DROP\n\
         -I nova-local 1 -m physdev --physdev-out vnet7 --physdev-is-bridged -j nova-inst\nCOMMIT\n"
    );
}

#[test]
fn what_an_agent_takes_away_with_its_guest_is_not_lost() {
    let now = WHOLE
        .replace(":nova-inst - [0:0]\n", "")
        .replace("-A nova-inst -s 10.0.0.1/32 -j DROP\n", "")
        .replace("-A nova-local -m physdev --physdev-out vnet7 --physdev-is-bridged -j nova-inst\n", "");
    assert_eq!(mend(WHOLE, &now, &[]).text, "");
    assert!(mend(WHOLE, &now, &["vnet7"]).text.contains("-N nova-inst"));
}

#[test]
fn a_way_through_a_chain_that_nobody_preserves_is_told_of() {
    let through = WHOLE.replace("-A FORWARD -j nova-local", "-A other -j nova-local");
    let mended = mend(&through, "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", &["vnet7"]);
    assert!(mended.losses.iter().any(|loss| matches!(loss.what, Lost::Way(_))));
}

#[test]
fn of_two_equal_jumps_one_comes_back() {
    let twice = WHOLE.replace("-A FORWARD -j nova-local\n", "-A FORWARD -j nova-local\n-A FORWARD -j nova-local\n");
    assert_eq!(mend(&twice, WHOLE, &["vnet7"]).text, "*filter\n-A FORWARD -j nova-local\nCOMMIT\n");
}

/// Nothing may be run here.
struct Nobody;

impl crate::kernel::Runner for Nobody {
    fn run(&mut self, command: &crate::kernel::Command, _: Deadline) -> Result<String, crate::kernel::RunError> {
        panic!("{} was run", command.line())
    }
}

impl crate::reconcile::Interfaces for Nobody {
    fn links(&self) -> std::io::Result<Links> {
        Ok(links(&["vnet7"]))
    }

    fn addresses(&self) -> std::io::Result<crate::kernel::Addresses> {
        Ok(crate::kernel::Addresses::default())
    }
}

fn host(root: &std::path::Path, runner: Box<dyn crate::kernel::Runner>) -> Host {
    Host::with(root, Deadline::after(Duration::from_secs(5)), runner, Box::new(Nobody))
}

fn preserve(root: &std::path::Path, text: &str) {
    std::fs::create_dir_all(root.join("etc/virt-guard")).unwrap();
    std::fs::write(root.join("etc/virt-guard/virt-guard.toml"), text).unwrap();
}

#[test]
fn who_preserves_nothing_runs_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut host = host(root.path(), Box::new(Nobody));
    assert_eq!(host.keep_foreign().unwrap(), Kept::default());
    assert_eq!(host.lost_foreign().unwrap(), []);
    assert!(!root.path().join("run").exists());
}

#[test]
fn what_is_lost_is_put_back_and_read_back() {
    let root = tempfile::tempdir().unwrap();
    preserve(root.path(), "[[preserve]]\nchains = ['nova-*']\nfamilies = ['ipv4']\n");
    let empty = "*filter\n:FORWARD ACCEPT [0:0]\n:other - [0:0]\n-A FORWARD -j other\nCOMMIT\n";
    let runner = Sequence::new([
        ("iptables-save", WHOLE),
        ("iptables-save", empty),
        ("iptables-restore --noflush --wait 10", ""),
        ("iptables-save", WHOLE),
    ]);
    let mut host = host(root.path(), Box::new(runner));
    assert_eq!(host.keep_foreign().unwrap(), Kept { chains: 2, restored: Vec::new() });
    let restored: Vec<_> = host.keep_foreign().unwrap().restored.iter().map(Loss::to_string).collect();
    assert_eq!(
        restored,
        [
            "ipv4 filter nova-inst: the chain is gone",
            "ipv4 filter nova-local: the chain is gone",
            "ipv4 filter nova-local: the jump from FORWARD is gone"
        ]
    );
}

#[test]
fn what_was_put_back_and_does_not_stand_is_an_error_and_the_record_stays() {
    let root = tempfile::tempdir().unwrap();
    preserve(root.path(), "[[preserve]]\nchains = ['nova-*']\nfamilies = ['ipv4']\n");
    let (save, restore) = ("iptables-save", "iptables-restore --noflush --wait 10");
    let runner =
        Sequence::new([(save, WHOLE), (save, ""), (restore, ""), (save, ""), (save, ""), (restore, ""), (save, "")]);
    let mut host = host(root.path(), Box::new(runner));
    host.keep_foreign().unwrap();
    let record = host.state().preserved();
    assert!(record.is_some());
    assert!(host.keep_foreign().is_err());
    assert_eq!(host.state().preserved(), record);
}

#[test]
fn a_table_that_cannot_be_told_is_no_loss_but_an_error() {
    let root = tempfile::tempdir().unwrap();
    preserve(root.path(), "[[preserve]]\nchains = ['nova-*']\nfamilies = ['ipv4']\n");
    let told = "# Table `filter' is incompatible, use 'nft' tool.\n";
    let mut host = host(root.path(), Box::new(Sequence::new([("iptables-save", told)])));
    assert!(host.keep_foreign().unwrap_err().to_string().contains("incompatible"));
}
