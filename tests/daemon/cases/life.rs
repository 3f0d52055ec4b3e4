//! The daemon's own beginning and end, and what it tells.

use nix::sys::signal::Signal;

use crate::daemon::{Daemon, differences, eventually, settles, virt_guard};
use crate::deed::Deed;
use crate::events::Events;
use crate::stage::bench::Bench;
use crate::stage::kernel;

/// It says that it is ready when all is in order, and not before.
pub fn start(bench: &mut Bench) {
    let (guests, wires) = bench.two_running();
    kernel::flush();
    let daemon = Daemon::start(bench);
    assert_eq!(differences(bench), "", "it said that it was ready");
    for (guest, wire) in guests.iter().zip(&wires) {
        bench.assert_guarded(guest, wire);
    }
    let first = Events::all(bench).fresh().into_iter().next().expect("an event");
    assert!(first.time.len() >= "2026-01-01T00:00:00.000000Z".len() && first.time.ends_with('Z'), "{}", first.time);
    daemon.stop();
}

/// With a policy that cannot be read and no rule standing, the last good ones are
/// put back or the bridges are closed; nothing passes that should not.
pub fn start_broken(bench: &mut Bench) {
    let (guests, wires) = bench.two_running();
    bench.broken_policy();
    kernel::flush();
    let mut daemon = Daemon::launch(bench);
    let leaks = || guests.iter().zip(&wires).any(|(guest, wire)| !bench.look(guest, wire).leaked.is_empty());
    eventually("nothing passes that should not", || !leaks());
    bench.good_policy();
    eventually("a mended policy is followed", || differences(bench).is_empty());
    daemon.wait_until_ready();
    settles(bench, "the policy was mended", &guests, &wires);
    daemon.stop();
}

/// A host boots, /run is empty, and the policy cannot be read: `apply --early`, which
/// runs before libvirt, closes the bridges that were guarded last.
pub fn early(bench: &mut Bench) {
    let ([guest, other], [wire, other_wire]) = bench.two_running();
    bench.assert_guarded(&guest, &wire);
    std::fs::remove_dir_all(bench.root().join("run/virt-guard")).expect("an empty /run");
    kernel::flush();
    bench.broken_policy();
    let output = virt_guard(bench, &["apply", "--early"]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    bench.assert_closed(&guest, &wire);
    bench.assert_closed(&other, &other_wire);
    bench.good_policy();
    assert!(virt_guard(bench, &["apply", "--early"]).status.success(), "with a policy that can be read");
    bench.assert_closed(&guest, &wire);
}

/// SIGHUP: whatever was not noticed before is now.
pub fn reload(bench: &mut Bench) {
    let ([guest, _], [wire, _other]) = bench.two_running();
    let daemon = Daemon::start(bench);
    let mut events = Events::from_now(bench);
    for _ in 0..3 {
        daemon.signal(Signal::SIGHUP);
        events.within(10, "noted", |event| event.message.contains("SIGHUP"));
    }
    assert_eq!(differences(bench), "");
    bench.assert_guarded(&guest, &wire);
    daemon.stop();
}

/// Rules and records stay when it ends, whichever way.
pub fn end(bench: &mut Bench) {
    let ([guest, other], [wire, other_wire]) = bench.two_running();
    let rules = kernel::rules(bench.engine);
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL] {
        let daemon = Daemon::start(bench);
        let mut events = Events::from_now(bench);
        match signal {
            Signal::SIGTERM => daemon.stop(),
            Signal::SIGKILL => drop(daemon),
            signal => {
                daemon.signal(signal);
                events.wait("stopped");
                daemon.ended();
            }
        }
        assert_eq!(kernel::rules(bench.engine), rules, "{signal} changed the rules");
        bench.assert_guarded(&guest, &wire);
        bench.assert_guarded(&other, &other_wire);
    }
    assert_eq!(differences(bench), "");
}

/// `events` and `status` tell what was healed and who it was.
pub fn told(bench: &mut Bench) {
    let _running = bench.two_running();
    let daemon = Daemon::start(bench);
    let mut events = Events::from_now(bench);
    let author = Deed::nft(kernel::flush_text()).done();
    let healed = events.wait("healed");
    let text = |words: &[&str]| {
        let output = virt_guard(bench, words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let lines = text(&["events", "--json"]);
    assert!(lines.lines().any(|line| line.contains(&healed.time)), "{lines}");
    for words in [&["events"][..], &["status"]] {
        let told = text(words);
        assert!(told.contains(&author.pid.to_string()), "{words:?} does not name {author:?}: {told}");
    }
    daemon.stop();
}
