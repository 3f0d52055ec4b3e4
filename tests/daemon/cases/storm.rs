//! Somebody who flushes again and again, as two firewalls do that do not know of
//! each other: the daemon goes on, and does not take the whole machine for it.

use std::time::{Duration, Instant};

use crate::daemon::{Daemon, differences, eventually, settles};
use crate::events::Events;
use crate::flood::{self, Rate};
use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::kernel;
use crate::stage::runner::slowness;
use crate::usage;

/// How long the storm lasts.
const STORM: Duration = Duration::from_secs(10);

/// One apply, some 40 ms, was aimed at, and with fifty flushes a second is not met:
/// a program that is to close finds other tables than it read, and is told again.
/// Some 200 ms were measured.
const APPLY: Duration = Duration::from_millis(600);

/// One guest, and somebody who flushes as fast as a program can.
pub fn flushes(bench: &mut Bench) {
    let guest = Guest::new(7);
    let wire = bench.plug(&guest);
    bench.go("start", &guest);
    let daemon = Daemon::start(bench);
    let mut events = Events::from_now(bench);
    let before = usage::of(daemon.pid());
    let begin = Instant::now();
    let mut count = 0;
    let ((), leaks) = flood::during(bench, (&guest, &wire), Rate::Gentle, || {
        while begin.elapsed() < STORM {
            kernel::flush();
            count += 1;
        }
    });
    let (after, time) = (usage::of(daemon.pid()), begin.elapsed().as_secs_f64());
    let end = Instant::now();
    eventually("all is in order after the storm", || differences(bench).is_empty());
    println!("= {count} flushes in {time:.1} s, in order {:.0} ms later", end.elapsed().as_secs_f64() * 1000.0);
    let processors = (after.processor - before.processor) / time;
    println!("= the daemon and its programs used {:.0} % of a processor", processors * 100.0);
    println!("= of {} spoofed frames {} passed; open at a stretch: {:?}", leaks.sent, leaks.passed, leaks.longest);
    let healed = events.fresh();
    let kinds = |kind: &str| healed.iter().filter(|event| event.kind == kind).count();
    println!(
        "= {} events: {} healed, {} storm, {} failed",
        healed.len(),
        kinds("healed"),
        kinds("storm"),
        kinds("failed")
    );
    for event in healed.iter().filter(|event| event.kind == "failed") {
        println!("= {}", event.message);
    }
    settles(bench, "the storm", &[guest], &[wire]);
    assert!(leaks.longest <= APPLY * slowness(), "open for {:?}", leaks.longest);
    assert!(processors <= 1.0, "{processors:.2} processors");
    assert!(end.elapsed() < Duration::from_secs(5) * slowness(), "seconds after the end all is in order");
    daemon.stop();
}
