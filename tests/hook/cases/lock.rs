//! Somebody holds the lock and does not let go.

use std::fs::File;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::program::Run;
use crate::stage::runner::slowness;

const SECONDS: u64 = 2;

pub fn held(bench: &mut Bench) {
    let (other, guest) = (Guest::new(8), Guest::new(7));
    let wires = [bench.plug(&other), bench.plug(&guest)];
    bench.go("start", &other);
    bench.policy_with_deadline(SECONDS);
    // Another open of the file is another holder, in this process or not.
    let file = File::open(bench.root().join("run/virt-guard/lock")).expect("a lock");
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).expect("the lock is free");
    bench.go("prepare", &guest);
    for (operation, guest, stops) in
        [("start", &guest, true), ("started", &other, true), ("reconnect", &other, false), ("release", &other, false)]
    {
        let run = bench.run(operation, guest);
        println!("{operation}: {:.2} s: {}", run.elapsed.as_secs_f32(), run.stderr.trim());
        assert_eq!(run.status.code(), Some(i32::from(stops)), "{operation}: {}", run.stderr);
        assert_waited(&run);
    }
    bench.assert_closed(&guest, &wires[1]);
    bench.assert_guarded(&other, &wires[0]);
    drop(lock);
    bench.good_policy();
    bench.go("start", &guest);
    bench.assert_guarded(&guest, &wires[1]);
    bench.assert_in_order();
}

fn assert_waited(run: &Run) {
    let (soonest, latest) =
        (Duration::from_secs(SECONDS), Duration::from_millis(2300) + Duration::from_millis(200) * slowness());
    assert!(run.elapsed >= soonest && run.elapsed < latest, "{:?}", run.elapsed);
    assert!(run.stderr.contains("lock"), "{:?} does not say what is in the way", run.stderr);
}
