//! What a start costs, and that it costs the same on a full host.

use std::time::Duration;

use virt_guard::engine::EngineKind;

use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::runner::slowness;

/// How many starts are measured.
const STARTS: usize = 10;
/// How many guests make a full host.
const MANY: u16 = 300;

/// The median of some starts of a guest that is new each time.
fn median(bench: &Bench, guest: &Guest) -> Duration {
    let count = if slowness() == 1 { STARTS } else { STARTS / 2 };
    let start = |_| {
        let run = bench.run("start", guest);
        run.assert_goes_on();
        bench.go("release", guest);
        run.elapsed
    };
    let mut times: Vec<Duration> = (0..count).map(start).collect();
    times.sort();
    times[count / 2]
}

pub fn start(bench: &mut Bench) {
    let (first, guest) = (Guest::new(8), Guest::new(7));
    let _wires = [bench.plug(&first), bench.plug(&guest)];
    bench.go("start", &first);
    let few = median(bench, &guest);
    bench.crowd(1000..1000 + MANY);
    let many = median(bench, &guest);
    let milliseconds = |time: Duration| time.as_secs_f32() * 1000.0;
    println!("= a start: {:.0} ms with 1 guest, {:.0} ms with {MANY}", milliseconds(few), milliseconds(many));
    bench.assert_in_order();
    if bench.engine == EngineKind::Nftables {
        // nft reads the names of all chains and the elements of the sets it adds to before
        // it changes anything: what is ours in it does not grow.
        assert!(many * 2 < few * 5, "{few:?} with 1 guest, {many:?} with {MANY}");
    }
}
