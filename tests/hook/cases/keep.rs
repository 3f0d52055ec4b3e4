//! A guest that runs: whatever happens around it, it is neither killed (the hook
//! says 0 to reconnect and attach) nor opened.

use std::fs;

use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::kernel;
use crate::support::Wire;

/// What libvirt calls for a guest that runs.
const RUNNING: [&str; 2] = ["reconnect", "attach"];

fn assert_both_guarded(bench: &Bench, guests: &[Guest; 2], wires: &[Wire; 2]) {
    for (guest, wire) in guests.iter().zip(wires) {
        bench.assert_guarded(guest, wire);
    }
}

pub fn intact(bench: &mut Bench) {
    let (guests, wires) = bench.two_running();
    let rules = kernel::rules(bench.engine);
    for operation in RUNNING {
        bench.go(operation, &guests[0]);
    }
    assert_eq!(kernel::rules(bench.engine), rules);
    assert_both_guarded(bench, &guests, &wires);
    bench.assert_in_order();
}

/// `nft flush ruleset`; with the iptables engine one table alone, too.
pub fn flushed(bench: &mut Bench) {
    let (guests, wires) = bench.two_running();
    for operation in RUNNING {
        kernel::flush();
        let seen = bench.look(&guests[0], &wires[0]);
        assert!(!seen.leaked.is_empty(), "the test proves nothing: without rules all passes, but {seen}");
        bench.go(operation, &guests[0]);
        assert_both_guarded(bench, &guests, &wires);
        bench.assert_in_order();
    }
    for (program, arguments) in one_table(bench) {
        assert!(kernel::run(program, arguments, "").status.success(), "{program} {arguments:?}");
        bench.go("reconnect", &guests[0]);
        assert_both_guarded(bench, &guests, &wires);
    }
    bench.assert_in_order();
}

/// Flushes of a part only.
fn one_table(bench: &Bench) -> Vec<(&'static str, &'static [&'static str])> {
    match bench.engine {
        virt_guard::engine::EngineKind::Nftables => vec![
            ("nft", &["delete", "table", "inet", "virt_guard"]),
            ("nft", &["flush", "chain", "bridge", "virt_guard", "vg_vnet7_from"]),
            ("nft", &["delete", "element", "bridge", "virt_guard", "vg_to_port", "{ \"vnet7\" }"]),
        ],
        virt_guard::engine::EngineKind::Iptables => vec![
            ("ebtables", &["-t", "nat", "-F"]),
            ("iptables", &["-t", "mangle", "-F"]),
            ("ip6tables", &["-t", "mangle", "-F", "PREROUTING"]),
            ("iptables", &["-F", "INPUT"]),
        ],
    }
}

pub fn broken(bench: &mut Bench) {
    let (guests, wires) = bench.two_running();
    let rules = kernel::rules(bench.engine);
    bench.broken_policy();
    for operation in RUNNING {
        let run = bench.run(operation, &guests[0]);
        run.assert_goes_on();
        assert!(run.stderr.contains("/etc/virt-guard/virt-guard.toml:"), "{:?}", run.stderr);
    }
    assert_eq!(kernel::rules(bench.engine), rules);
    assert_both_guarded(bench, &guests, &wires);
}

pub fn broken_and_flushed(bench: &mut Bench) {
    let (guests, wires) = bench.two_running();
    bench.broken_policy();
    for operation in RUNNING {
        kernel::flush();
        bench.go(operation, &guests[0]);
        assert_both_guarded(bench, &guests, &wires);
    }
    bench.good_policy();
    bench.assert_in_order();
}

/// No policy, no rules, no records: all that is left to do is to close the port.
pub fn nothing_known(bench: &mut Bench) {
    let (guests, wires) = bench.two_running();
    for operation in RUNNING {
        bench.broken_policy();
        kernel::flush();
        fs::remove_dir_all(bench.root().join("run/virt-guard")).expect("records to take away");
        bench.go(operation, &guests[0]);
        bench.assert_closed(&guests[0], &wires[0]);
        bench.assert_closed(&guests[1], &wires[1]);
        bench.good_policy();
        guests.iter().for_each(|guest| bench.go(operation, guest));
        assert_both_guarded(bench, &guests, &wires);
        bench.assert_in_order();
    }
}

/// The XML cannot be read, but the guest's name is known.
pub fn unreadable(bench: &mut Bench) {
    let (guests, wires) = bench.two_running();
    for operation in RUNNING {
        kernel::flush();
        bench.hook(operation, &guests[0]).input("<domain><name>").run().assert_goes_on();
        for (guest, wire) in guests.iter().zip(&wires) {
            bench.assert_not_open(guest, wire);
        }
    }
    bench.go("reconnect", &guests[0]);
    assert_both_guarded(bench, &guests, &wires);
}

pub fn started(bench: &mut Bench) {
    let (guests, wires) = bench.two_running();
    kernel::flush();
    bench.go("started", &guests[0]);
    assert_both_guarded(bench, &guests, &wires);
    bench.assert_in_order();
}

/// Policy and rules went between start and started. A port that is closed is not
/// guarded either, so any exit will do; but open it must not be.
pub fn started_broken(bench: &mut Bench) {
    let (guests, wires) = bench.two_running();
    bench.broken_policy();
    bench.go("started", &guests[0]);
    kernel::flush();
    let run = bench.run("started", &guests[0]);
    println!("{}: {}", run.status, run.stderr);
    bench.assert_not_open(&guests[0], &wires[0]);
    let guarded = bench.look(&guests[0], &wires[0]).guarded();
    assert_eq!(run.went_on(), guarded, "the exit must say whether the port is guarded: {}", run.stderr);
}
