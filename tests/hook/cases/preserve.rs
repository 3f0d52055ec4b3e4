//! An agent's restart, or anybody's flush, takes the chains that are the guests'
//! security groups, and a soft reboot brings the guest up without them.

use crate::stage::bench::{self, Bench};
use crate::stage::guest::Guest;
use crate::stage::kernel;
use crate::support::Wire;

/// The programs of each family: save, restore, and the one that changes a rule.
const FAMILIES: [[&str; 3]; 2] =
    [["iptables-save", "iptables-restore", "iptables"], ["ip6tables-save", "ip6tables-restore", "ip6tables"]];
/// The operations that find a guest without its groups.
const OPERATIONS: [&str; 3] = ["start", "reconnect", "attach"];

/// Something that is done with the programs of one family.
type Wipe = fn([&str; 3]);

/// What a Nova agent would put there for vnet7, beside rules of somebody else.
fn groups(address: &str) -> String {
    format!(
        "*nat\n:nova-compute-snat - [0:0]\n-A POSTROUTING -j nova-compute-snat\n-A nova-compute-snat -j RETURN\nCOMMIT\n\
         *filter\n:alien - [0:0]\n:nova-compute-FORWARD - [0:0]\n:nova-compute-inst-7 - [0:0]\n\
         :nova-compute-local - [0:0]\n:nova-filter-top - [0:0]\n-A INPUT -j alien\n-A FORWARD -j alien\n\
         -A FORWARD -j nova-filter-top\n-A FORWARD -j nova-compute-FORWARD\n-A FORWARD -m limit --limit 5/sec -j ACCEPT\n\
         -A alien -s {address} -m comment --comment \"-j not a jump\" -j DROP\n\
         -A nova-compute-FORWARD -i br100 -j ACCEPT\n-A nova-filter-top -j nova-compute-local\n\
         -A nova-compute-local -m physdev --physdev-out vnet7 --physdev-is-bridged -j nova-compute-inst-7\n\
         -A nova-compute-inst-7 -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment \"web one\" -j ACCEPT\n\
         -A nova-compute-inst-7 -p tcp -m tcp --dport 80 -j ACCEPT\n-A nova-compute-inst-7 -j DROP\nCOMMIT\n"
    )
}

/// The agent's chains and all that leads to them, in the order in which the save
/// programs print them.
fn agents() -> String {
    saved()
        .lines()
        .filter(|line| line.contains("nova-") || line.starts_with('*'))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// All rules of iptables and ip6tables, but what counts and what dates them.
fn saved() -> String {
    let text = FAMILIES.map(|[save, ..]| told(save, &[], ""));
    text.concat()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let words = line.split(' ').filter(|word| !(line.starts_with(':') && word.starts_with('[')));
            words.collect::<Vec<_>>().join(" ") + "\n"
        })
        .collect()
}

fn told(program: &str, arguments: &[&str], input: &str) -> String {
    let output = kernel::run(program, arguments, input);
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn preserve(bench: &Bench) {
    let chains = "[[preserve]]\nchains = [\"nova-*\", \"neutron-*\", \"i-*-VM\"]\n";
    bench.file("virt-guard.toml", bench::policy(bench.engine, 300) + chains);
}

/// A guest that runs with its groups, all of it on record.
fn running(bench: &Bench) -> (Guest, Wire) {
    preserve(bench);
    for ([_, restore, _], address) in FAMILIES.iter().zip(["192.0.2.9", "2001:db8::9"]) {
        told(restore, &["--noflush"], &groups(address));
    }
    let guest = Guest::new(7);
    let wire = bench.plug(&guest);
    bench.go("start", &guest);
    (guest, wire)
}

/// The ways in which the groups go and the rest stays.
fn wipes() -> Vec<(&'static str, Wipe)> {
    vec![
        ("the chains of one guest are emptied", |[_, _, program]| {
            told(program, &["-F", "nova-compute-inst-7"], "");
        }),
        ("only the jumps go", |[_, _, program]| {
            told(program, &["-D", "FORWARD", "-j", "nova-filter-top"], "");
            told(program, &["-D", "FORWARD", "-j", "nova-compute-FORWARD"], "");
        }),
        ("the agent cleans up", |[_, restore, _]| {
            told(
                restore,
                &["--noflush"],
                "*filter\n:nova-compute-FORWARD - [0:0]\n:nova-compute-inst-7 - [0:0]\n:nova-compute-local - [0:0]\n\
                 :nova-filter-top - [0:0]\n-D FORWARD -j nova-filter-top\n-D FORWARD -j nova-compute-FORWARD\n\
                 -X nova-compute-FORWARD\n-X nova-compute-inst-7\n-X nova-compute-local\n-X nova-filter-top\nCOMMIT\n",
            );
        }),
        ("only the guest's own chain goes, with its jump", |[_, restore, _]| {
            told(
                restore,
                &["--noflush"],
                "*filter\n:nova-compute-inst-7 - [0:0]\n-F nova-compute-local\n-X nova-compute-inst-7\nCOMMIT\n",
            );
        }),
    ]
}

/// Byte for byte, and nothing else is touched, whatever libvirt calls.
pub fn wiped(bench: &mut Bench) {
    let (guest, wire) = running(bench);
    let before = saved();
    for (way, wipe) in wipes() {
        for operation in OPERATIONS {
            FAMILIES.into_iter().for_each(wipe);
            assert_ne!(saved(), before, "{way}: nothing was taken");
            bench.go(operation, &guest);
            assert_eq!(saved(), before, "{way}, {operation}");
        }
    }
    bench.assert_guarded(&guest, &wire);
    bench.assert_in_order();
}

/// `-F`, `-F` and `-X`, an empty table loaded: what others had is gone with it and
/// is not ours to put back; the agent's chains are.
pub fn flushed(bench: &mut Bench) {
    let (guest, wire) = running(bench);
    let ours = agents();
    let flushes: [Wipe; 3] = [
        |[_, _, program]| {
            ["filter", "nat"].iter().for_each(|table| drop(told(program, &["-t", table, "-F"], "")));
        },
        |[_, _, program]| {
            for (table, word) in [("filter", "-F"), ("filter", "-X"), ("nat", "-F"), ("nat", "-X")] {
                told(program, &["-t", table, word], "");
            }
        },
        |[_, restore, _]| {
            told(restore, &[], "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n*nat\nCOMMIT\n");
        },
    ];
    for flush in flushes {
        for operation in OPERATIONS {
            FAMILIES.into_iter().for_each(flush);
            bench.go(operation, &guest);
            assert_eq!(agents(), ours, "{operation}");
            assert!(!saved().contains("not a jump"), "what somebody else flushed of his own stays flushed");
        }
    }
    bench.assert_guarded(&guest, &wire);
    bench.assert_in_order();
}

/// The guest is down while the agent restarts, and another guest starts
/// meanwhile; then it comes up with the same tap.
pub fn rebooted(bench: &mut Bench) {
    let (guest, wire) = running(bench);
    let before = agents();
    bench.go("stopped", &guest);
    bench.go("release", &guest);
    bench.lab.ip(&[format!("link del {}", guest.port())]);
    drop(wire);
    FAMILIES.into_iter().for_each(|[_, _, program]| drop(told(program, &["-F"], "")));
    FAMILIES.into_iter().for_each(|[_, _, program]| drop(told(program, &["-X"], "")));
    let other = Guest::new(8);
    let _other = bench.plug(&other);
    bench.go("start", &other);
    assert!(!saved().contains("vnet7"), "a guest that is down needs no rules");
    let wire = bench.plug(&guest);
    bench.go("start", &guest);
    assert_eq!(agents(), before);
    bench.assert_guarded(&guest, &wire);
}

/// Chains that lost what led to them, in a way that cannot be put back.
pub fn unrestorable(bench: &mut Bench) {
    preserve(bench);
    let groups = "*filter\n:alien - [0:0]\n:nova-x - [0:0]\n-A FORWARD -j alien\n-A alien -j nova-x\n-A nova-x -j DROP\nCOMMIT\n";
    told("iptables-restore", &["--noflush"], groups);
    let guest = Guest::new(7);
    let wire = bench.plug(&guest);
    bench.go("start", &guest);
    told("iptables", &["-F"], "");
    told("iptables", &["-X"], "");
    let run = bench.run("start", &guest);
    run.assert_stops();
    assert!(run.stderr.contains("the chain alien that led to it is gone"), "{}", run.stderr);
    // A guest that runs is not killed for it, and is guarded by our own rules.
    bench.go("reconnect", &guest);
    bench.assert_guarded(&guest, &wire);
    bench.host().forget_foreign().expect("what stands is accepted");
    bench.go("start", &guest);
}
