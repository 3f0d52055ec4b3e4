//! Taps that come and go while the daemon runs.

use std::thread;
use std::time::Duration;

use crate::daemon::{Daemon, settles};
use crate::flood::{self, Rate};
use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::runner::slowness;

/// One that no guest on record has, and which speaks before it is plugged in: not
/// one of its frames passes. Once the hook tells of its guest it is guarded.
pub fn closed(bench: &mut Bench) {
    let (first, later) = (Guest::new(7), Guest::new(9));
    let first_wire = bench.plug(&first);
    bench.go("start", &first);
    let daemon = Daemon::start(bench);
    let wire = bench.plug(&later);
    bench.lab.ip(&["link set vnet9 nomaster".to_owned()]);
    let ((), leaks) = flood::during(bench, (&later, &wire), Rate::Full, || {
        bench.lab.ip(&["link set vnet9 master br100".to_owned()]);
        thread::sleep(Duration::from_millis(300) * slowness().min(4));
    });
    println!("= {} frames sent, {} passed", leaks.sent, leaks.passed);
    assert!(leaks.sent > 100, "only {} frames were sent", leaks.sent);
    assert_eq!(leaks.passed, 0);
    bench.assert_closed(&later, &wire);
    bench.go("start", &later);
    bench.assert_guarded(&later, &wire);
    bench.assert_guarded(&first, &first_wire);
    daemon.stop();
    bench.assert_in_order();
}

/// Deleted and made again under its name, as by a restart of the network: with
/// nobody but the daemon to look after it.
pub fn again(bench: &mut Bench) {
    let guest = Guest::new(7);
    let wire = bench.plug(&guest);
    bench.go("start", &guest);
    let daemon = Daemon::start(bench);
    bench.lab.ip(&["link delete vnet7".to_owned()]);
    drop(wire);
    let wire = bench.plug(&guest);
    settles(bench, "its tap came again", &[guest], &[wire]);
    daemon.stop();
}
