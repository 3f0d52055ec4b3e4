//! The hook dies at each program that it runs: before the program did anything,
//! while it reads its input, and after. Whatever is left, nothing passes that the
//! policy forbids; and the next run puts all in order.

use std::time::{Duration, Instant};

use crate::sabotage::{Mode, Sabotage};
use crate::stage::bench::{self, Bench};
use crate::stage::guest::Guest;
use crate::stage::runner::slowness;
use crate::support::Wire;

/// More programs than any run of the hook starts.
const MANY: usize = 40;

/// Dead before the program's work or after it. What is dead after one program is
/// as dead as before the next, so where all is slow the second is enough.
fn modes() -> &'static [Mode] {
    if slowness() == 1 { &[Mode::Kill, Mode::After] } else { &[Mode::After] }
}

/// Runs `operation` again and again and kills it in each way at each program it
/// runs; after each death `check` is called. Says how often it died.
fn everywhere(bench: &Bench, sabotage: &Sabotage, (operation, guest): (&str, &Guest), check: impl Fn()) {
    let mut deaths = 0;
    for (at, mode) in (1..MANY).flat_map(|at| modes().iter().map(move |mode| (at, *mode))) {
        sabotage.plan(at, "any", mode);
        let run = bench.run(operation, guest);
        let calls = sabotage.calls();
        sabotage.stop();
        if run.status.code().is_some() {
            assert!(calls.len() < at, "the program {at} of {calls:?} did not kill the hook: {}", run.stderr);
            break;
        }
        deaths += 1;
        println!("{mode:?} at {at} of {calls:?}");
        check();
    }
    println!("= died {deaths} times");
    assert!(deaths >= modes().len(), "it never died");
}

/// A guest that is new on a host where others run.
pub fn start(bench: &mut Bench) {
    let (other, guest) = (Guest::new(8), Guest::new(7));
    let wires = [bench.plug(&other), bench.plug(&guest)];
    bench.go("start", &other);
    let sabotage = Sabotage::new(bench.aside("sabotage"));
    everywhere(bench, &sabotage, ("start", &guest), || {
        bench.assert_not_open(&guest, &wires[1]);
        bench.assert_guarded(&other, &wires[0]);
        recovers(bench, &guest, &wires[1]);
        bench.go("release", &guest);
        bench.assert_closed(&guest, &wires[1]);
    });
    // The last run, which nothing killed.
    bench.go("release", &guest);
    bench.assert_gone(&guest);
}

/// A guest that runs, whose policy has become another: now tcp/22 passes, and at
/// the next turn it does not again. What both forbid never passes.
pub fn update(bench: &mut Bench) {
    let ([guest, other], wires) = bench.two_running();
    let sabotage = Sabotage::new(bench.aside("sabotage"));
    let open = bench::policy(bench.engine, 300) + EXTRA;
    bench.file("virt-guard.toml", &open);
    everywhere(bench, &sabotage, ("reconnect", &guest), || {
        assert_only_leaks(bench, &guest, &wires[0], &["tcp/22 to the guest"]);
        bench.good_policy();
        recovers(bench, &guest, &wires[0]);
        bench.assert_guarded(&other, &wires[1]);
        bench.file("virt-guard.toml", &open);
    });
}

/// About guest 7 only, so that the base stays what it is.
const EXTRA: &str = "[[group]]\nname = \"ssh\"\ningress = [ { protocol = \"tcp\", ports = \"22\" } ]\n\
                     [[guest]]\nmatch = \"web7\"\ngroups = [\"ssh\"]\n";

/// Everything is built anew, as the host's services became others.
pub fn rebuild(bench: &mut Bench) {
    let ([guest, other], wires) = bench.two_running();
    let sabotage = Sabotage::new(bench.aside("sabotage"));
    let open = bench::policy(bench.engine, 300) + "[host]\nallow = [\"dhcp\", \"dns\", \"icmp\", \"udp/9999\"]\n";
    bench.file("virt-guard.toml", &open);
    everywhere(bench, &sabotage, ("reconnect", &guest), || {
        for (guest, wire) in [(&other, &wires[1]), (&guest, &wires[0])] {
            assert_only_leaks(bench, guest, wire, &["a service of the host"]);
        }
        bench.good_policy();
        recovers(bench, &guest, &wires[0]);
        bench.assert_guarded(&other, &wires[1]);
        bench.file("virt-guard.toml", &open);
    });
}

pub fn release(bench: &mut Bench) {
    let ([guest, other], wires) = bench.two_running();
    let sabotage = Sabotage::new(bench.aside("sabotage"));
    everywhere(bench, &sabotage, ("stopped", &guest), || {
        bench.assert_not_open(&guest, &wires[0]);
        bench.go("release", &guest);
        bench.assert_closed(&guest, &wires[0]);
        bench.assert_guarded(&other, &wires[1]);
        bench.go("start", &guest);
    });
    bench.assert_gone(&guest);
    bench.assert_in_order();
}

/// More guests than fit into a pipe, but where all is slow: the program gets the beginning of its input
/// and then the end of the file, as the hook that would have written on is dead.
pub fn large(bench: &mut Bench) {
    let ([guest, first], wires) = bench.two_running();
    bench.crowd(300..if slowness() == 1 { 620 } else { 330 });
    bench.assert_guarded(&first, &wires[1]);
    let sabotage = Sabotage::new(bench.aside("sabotage"));
    bench.file("virt-guard.toml", bench::policy(bench.engine, 300) + "[host]\nallow = [\"dns\", \"udp/9999\"]\n");
    for at in [1, 4] {
        sabotage.plan(at, "any", Mode::Cut);
        let run = bench.run("reconnect", &guest);
        let calls = sabotage.calls();
        sabotage.stop();
        if run.status.code().is_some() {
            break;
        }
        println!("= died at {calls:?}");
        std::thread::sleep(Duration::from_millis(500) * slowness().min(6));
        for (guest, wire) in [(&first, &wires[1]), (&guest, &wires[0])] {
            assert_only_leaks(bench, guest, wire, &["a service of the host"]);
        }
    }
    bench.good_policy();
    recovers(bench, &guest, &wires[0]);
    bench.assert_guarded(&first, &wires[1]);
}

/// The hook is dead, the program that it had started is slow and still at work:
/// what it was told must not undo what the next hook does.
pub fn late(bench: &mut Bench) {
    let guest = Guest::new(7);
    let wire = bench.plug(&guest);
    bench.go("start", &guest);
    let sabotage = Sabotage::new(bench.aside("sabotage"));
    let programs: &[usize] = if slowness() == 1 { &[1, 2, 3, 4] } else { &[1, 4] };
    for at in programs.iter().copied() {
        bench.file("virt-guard.toml", bench::policy(bench.engine, 300) + EXTRA);
        sabotage.plan(at, "any", Mode::Late);
        let run = bench.run("reconnect", &guest);
        if run.status.code().is_some() {
            break;
        }
        let calls = sabotage.calls();
        sabotage.pause();
        bench.good_policy();
        recovers(bench, &guest, &wire);
        let end = Instant::now() + Duration::from_millis(1500) * slowness();
        while !sabotage.late_is_over() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let seen = bench.look(&guest, &wire);
        assert!(seen.guarded(), "what the dead hook had {} do came after all: {seen}", calls.concat());
        bench.assert_in_order();
        sabotage.stop();
    }
}

fn assert_only_leaks(bench: &Bench, guest: &Guest, wire: &Wire, which: &[&str]) {
    let mut seen = bench.look(guest, wire);
    seen.leaked.retain(|name| !which.contains(name));
    assert!(seen.leaked.is_empty(), "{} is open: {seen}", guest.port());
}

/// The next run puts everything in order.
fn recovers(bench: &Bench, guest: &Guest, wire: &Wire) {
    bench.go("start", guest);
    bench.assert_guarded(guest, wire);
    bench.assert_in_order();
}
