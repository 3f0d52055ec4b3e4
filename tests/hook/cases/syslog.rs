//! The log is not there, or nobody reads it.

use std::os::unix::net::UnixDatagram;

use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::program::Run;

/// A start and its release, the faster of two.
fn start(bench: &Bench, guest: &Guest) -> Run {
    let run = || {
        let run = bench.run("start", guest);
        run.assert_goes_on();
        bench.go("release", guest);
        run
    };
    let (first, second) = (run(), run());
    if first.elapsed < second.elapsed { first } else { second }
}

pub fn full(bench: &mut Bench) {
    let guest = Guest::new(7);
    let wire = bench.plug(&guest);
    bench.go("start", &guest);
    bench.private_dev();
    let absent = start(bench, &guest);
    let log = UnixDatagram::bind("/dev/log").expect("a log");
    let read = start(bench, &guest);
    let sender = UnixDatagram::unbound().expect("a sender");
    sender.set_nonblocking(true).expect("a sender that does not wait");
    while sender.send_to(&[b'x'; 1000], "/dev/log").is_ok() {}
    let full = start(bench, &guest);
    drop(log);
    let dead = start(bench, &guest);
    for (what, run) in [("absent", &absent), ("there", &read), ("full", &full), ("dead", &dead)] {
        println!("= log {what}: {:.0} ms", run.elapsed.as_secs_f32() * 1000.0);
        assert!(run.elapsed < absent.elapsed * 2 + std::time::Duration::from_millis(100), "{what}: {:?}", run.elapsed);
    }
    bench.go("start", &guest);
    bench.assert_guarded(&guest, &wire);
}
