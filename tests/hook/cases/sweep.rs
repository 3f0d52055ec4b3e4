//! The hook dies at any moment, not only where it runs a program.

use std::time::Duration;

use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::runner::slowness;
use crate::support::Wire;

/// How many moments, on hardware.
const MOMENTS: u32 = 40;

/// How long a start takes that nobody disturbs, and the moments at which to kill:
/// from none at all to a fifth beyond.
fn moments(bench: &Bench, guest: &Guest) -> Vec<Duration> {
    let start = |_| {
        let run = bench.run("start", guest);
        run.assert_goes_on();
        bench.go("release", guest);
        run.elapsed
    };
    let mut times: Vec<_> = (0..3).map(start).collect();
    times.sort();
    let whole = times[1];
    let count = if slowness() == 1 { MOMENTS } else { MOMENTS / 8 };
    println!("= {count} moments within {:.0} ms", whole.as_secs_f32() * 1200.0);
    (0..count).map(|moment| whole * moment * 6 / (count - 1) / 5).collect()
}

fn recovers(bench: &Bench, guest: &Guest, wire: &Wire) {
    bench.go("start", guest);
    bench.assert_guarded(guest, wire);
    bench.assert_in_order();
}

/// A guest that is new on a host where others run.
pub fn start(bench: &mut Bench) {
    let (other, guest) = (Guest::new(8), Guest::new(7));
    let wires = [bench.plug(&other), bench.plug(&guest)];
    bench.go("start", &other);
    let mut states = [0; 3];
    for moment in moments(bench, &guest) {
        let run = bench.hook("start", &guest).start().kill_after(moment);
        if run.went_on() {
            bench.assert_guarded(&guest, &wires[1]);
        }
        let seen = bench.look(&guest, &wires[1]);
        assert!(seen.leaked.is_empty(), "killed after {moment:?}, vnet7 is open: {seen}");
        states[if run.went_on() { 2 } else { usize::from(seen.guarded()) }] += 1;
        bench.assert_guarded(&other, &wires[0]);
        recovers(bench, &guest, &wires[1]);
        bench.go("release", &guest);
    }
    println!("= {} times closed, {} times guarded, {} times done before", states[0], states[1], states[2]);
    bench.assert_gone(&guest);
}

/// The first guest of a host on which there is nothing of ours yet; frames pass
/// before, so only what comes after counts.
pub fn bare(bench: &mut Bench) {
    let guest = Guest::new(7);
    let wire = bench.plug(&guest);
    bench.go("start", &guest);
    for moment in moments(bench, &guest).into_iter().step_by(3) {
        bench.host().remove_all().expect("all of ours goes");
        bench.hook("start", &guest).start().kill_after(moment);
        recovers(bench, &guest, &wire);
        bench.go("release", &guest);
        bench.assert_in_order();
    }
}
