//! libvirt runs hooks in parallel: no update of one may undo another's.

use std::thread;
use std::time::Instant;

use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::kernel;
use crate::stage::program::{Hook, Run};
use crate::stage::runner::slowness;

/// How many guests start at once: fifty, but fewer in emulation, where that takes
/// minutes.
fn count() -> u16 {
    if slowness() == 1 { 50 } else { 20 }
}

/// Runs `operation` for all guests at the same time.
fn all_at_once(bench: &Bench, operation: &str, guests: &[Guest]) {
    let begin = Instant::now();
    let (root, operation) = (&bench.root(), &operation);
    let runs: Vec<Run> = thread::scope(|scope| {
        let run = |guest| scope.spawn(move || Hook::new(root, operation, guest).run());
        let threads: Vec<_> = guests.iter().map(run).collect();
        threads.into_iter().map(|thread| thread.join().expect("a run")).collect()
    });
    println!("= {} times {operation} at once: {:.1} s", guests.len(), begin.elapsed().as_secs_f32());
    runs.iter().for_each(Run::assert_goes_on);
}

pub fn guests(bench: &mut Bench) {
    let guests: Vec<_> = (100..100 + count()).map(Guest::new).collect();
    let ports = guests.iter().flat_map(|guest| {
        let port = guest.port();
        [format!("link add {port} type veth peer name far{port}"), format!("link set {port} master br100 up")]
    });
    bench.lab.ip(&ports.collect::<Vec<_>>());
    all_at_once(bench, "start", &guests);
    bench.assert_in_order();
    let rules = kernel::rules(bench.engine);
    for guest in &guests {
        assert_eq!(bench.recorded(guest), [true, true], "{}", guest.port());
        assert!(rules.contains(&format!("vg_{}_sg_in", guest.port())), "{} has no rules", guest.port());
    }
    all_at_once(bench, "reconnect", &guests);
    assert_eq!(kernel::rules(bench.engine), rules, "there was nothing to change");
    all_at_once(bench, "stopped", &guests);
    bench.assert_in_order();
    guests.iter().step_by(7).for_each(|guest| bench.assert_gone(guest));
    let rules = kernel::rules(bench.engine);
    assert!(!rules.contains("vg_vnet") && !rules.contains("10.100.0.1"), "something is left: {rules}");
}
