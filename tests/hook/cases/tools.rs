//! Programs that fail, say that all went well without having done anything, or
//! never end. The start is refused, in time, and the port is not open.

use std::time::Duration;

use crate::sabotage::{Mode, Sabotage};
use crate::stage::bench::{self, Bench};
use crate::stage::guest::Guest;
use crate::stage::runner::slowness;
use crate::support::Wire;
use virt_guard::engine::EngineKind;

/// The programs that change rules.
fn programs(engine: EngineKind) -> &'static [&'static str] {
    match engine {
        EngineKind::Nftables => &["nft"],
        EngineKind::Iptables => &["ebtables-restore", "iptables-restore", "ip6tables-restore"],
    }
}

/// A guest that runs and a port that is to become one's, and the scripts.
fn stage(bench: &Bench) -> ([Guest; 2], [Wire; 2], Sabotage) {
    let guests = [8, 7].map(Guest::new);
    let wires = [bench.plug(&guests[0]), bench.plug(&guests[1])];
    bench.go("start", &guests[0]);
    (guests, wires, Sabotage::new(bench.aside("sabotage")))
}

/// A policy that has something to change at every port, though nothing that a
/// frame of the tests would notice.
fn changed(bench: &Bench, deadline: u64) -> String {
    bench::policy(bench.engine, deadline) + "[guests]\ndhcp-server = \"accept\"\n"
}

/// With programs as they should be, the one that runs and the one that starts are guarded.
fn recovers(bench: &Bench, sabotage: &Sabotage, [other, guest]: [&Guest; 2], wires: &[Wire; 2]) {
    sabotage.stop();
    bench.good_policy();
    bench.go("reconnect", other);
    bench.go("start", guest);
    bench.assert_guarded(guest, &wires[1]);
    bench.assert_guarded(other, &wires[0]);
    bench.go("release", guest);
}

/// Starts a guest with programs that are not as they should be, and reconnects
/// the one that runs.
fn refused(bench: &Bench, mode: Mode, within: Duration) {
    let ([other, guest], wires, sabotage) = stage(bench);
    for program in programs(bench.engine) {
        sabotage.plan(0, program, mode);
        let run = bench.run("start", &guest);
        println!("{mode:?} {program}: {:.2} s: {}", run.elapsed.as_secs_f32(), run.stderr);
        run.assert_stops();
        assert!(run.elapsed < within, "{program}: {:?}", run.elapsed);
        bench.assert_not_open(&guest, &wires[1]);
        bench.assert_not_open(&other, &wires[0]);
        bench.file("virt-guard.toml", changed(bench, 300));
        let run = bench.run("reconnect", &other);
        println!("{mode:?} {program}: {:.2} s: {}", run.elapsed.as_secs_f32(), run.stderr);
        run.assert_goes_on();
        assert!(run.elapsed < within, "{program}: {:?}", run.elapsed);
        bench.assert_not_open(&other, &wires[0]);
        recovers(bench, &sabotage, [&other, &guest], &wires);
    }
    bench.assert_in_order();
}

pub fn failing(bench: &mut Bench) {
    refused(bench, Mode::Fail, Duration::from_secs(10) * slowness());
}

/// The exit code says nothing; what the kernel shows does.
pub fn lying(bench: &mut Bench) {
    refused(bench, Mode::Lie, Duration::from_secs(10) * slowness());
}

/// The deadline is for all of a hook's programs together.
pub fn hanging(bench: &mut Bench) {
    let seconds = if slowness() == 1 { 1 } else { 4 };
    let ([other, guest], wires, sabotage) = stage(bench);
    for program in programs(bench.engine) {
        bench.file("virt-guard.toml", changed(bench, seconds));
        sabotage.plan(0, program, Mode::Hang);
        for (operation, guest, wire, stops) in
            [("start", &guest, &wires[1], true), ("reconnect", &other, &wires[0], false)]
        {
            let run = bench.run(operation, guest);
            println!("{operation} {program}: {:.2} s: {}", run.elapsed.as_secs_f32(), run.stderr);
            assert_eq!(run.status.code(), Some(i32::from(stops)), "{}", run.stderr);
            let late = run.elapsed.saturating_sub(Duration::from_secs(seconds));
            assert!(late < Duration::from_millis(200) * slowness(), "{late:?} past the deadline");
            bench.assert_not_open(guest, wire);
        }
        recovers(bench, &sabotage, [&other, &guest], &wires);
    }
    bench.assert_in_order();
}

/// The guest is gone whatever the hook says, and so it says 0. What is left must
/// stand in nobody's way, least of all that of the port's next owner.
pub fn failing_release(bench: &mut Bench) {
    let ([guest, other], wires) = bench.two_running();
    let sabotage = Sabotage::new(bench.aside("sabotage"));
    let next = Guest::new(9).attached("bridge", "<source bridge='br100'/><target dev='vnet7'/>");
    for mode in [Mode::Fail, Mode::Lie] {
        for program in programs(bench.engine) {
            sabotage.plan(0, program, mode);
            let run = bench.run("stopped", &guest);
            println!("{mode:?} {program}: {}", run.stderr);
            run.assert_goes_on();
            if mode == Mode::Fail {
                // Who is lied to cannot know; the port has no guest any more.
                bench.assert_not_open(&guest, &wires[0]);
            }
            bench.assert_guarded(&other, &wires[1]);
            sabotage.stop();
            bench.go("start", &next);
            bench.assert_in_order();
            assert_eq!(bench.recorded(&guest), [false, true], "the port belongs to its next owner");
            bench.go("stopped", &next);
            bench.assert_in_order();
            bench.go("start", &guest);
            bench.assert_guarded(&guest, &wires[0]);
        }
    }
}
