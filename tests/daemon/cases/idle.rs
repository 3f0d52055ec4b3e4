//! A thousand guarded ports and nobody who disturbs: what the daemon costs then.

use std::thread;
use std::time::Duration;

use crate::daemon::{Daemon, crowd, differences};
use crate::stage::bench::Bench;
use crate::stage::runner::slowness;
use crate::usage;

/// How long it is watched, in seconds.
const SECONDS: &str = "DAEMON_IDLE_SECONDS";
/// In KiB. Twenty MiB were aimed at; libvirt's client and what it is linked to are
/// fifteen of those that are measured, shared with every other user of them. The program
/// itself, with what only the operator's commands use, is read in by the page.
const MEMORY: u64 = 29 * 1024;

/// Looked at after what it still had to do at its start.
pub fn thousand(bench: &mut Bench) {
    let numbers = if slowness() == 1 { 100..1100 } else { 100..400 };
    crowd(bench, numbers.clone());
    let daemon = Daemon::start(bench);
    assert_eq!(differences(bench), "");
    thread::sleep(Duration::from_secs(2));
    let seconds: u32 = std::env::var(SECONDS).map_or(10, |text| text.parse().expect(SECONDS));
    let before = usage::of(daemon.pid());
    thread::sleep(Duration::from_secs(seconds.into()));
    let after = usage::of(daemon.pid());
    let (woke, displaced) = (after.slept - before.slept, after.displaced - before.displaced);
    let spent = (after.processor - before.processor) * 1000.0;
    println!(
        "= {} ports for {seconds} s: {} KiB, {spent:.0} ms of processor, woke {woke} times, displaced {displaced} times",
        numbers.len(),
        after.memory
    );
    assert!(after.memory <= MEMORY, "{} KiB", after.memory);
    let share = spent / 1000.0 / f64::from(seconds);
    assert!(share <= 0.05 * f64::from(slowness()), "it is busy with nothing: {:.1} % of a processor", share * 100.0);
    assert!(woke <= 10 + u64::from(seconds) * 2, "it woke {woke} times in {seconds} s");
    daemon.stop();
}
