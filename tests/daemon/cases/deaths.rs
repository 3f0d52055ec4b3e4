//! The daemon is killed at any moment, again and again, and started again at once.
//!
//! What it can promise: rules that stand go on standing, and what it was changing
//! is closed. What nobody can: a flush while no daemon runs leaves a hole until the
//! next one is up. So there is one case without flushes, in which no frame passes,
//! and one with, in which all is in order at the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::daemon::{Daemon, differences, eventually, virt_guard};
use crate::flood::{self, Rate};
use crate::stage::bench::{Bench, policy};
use crate::stage::kernel;
use crate::stage::runner::slowness;

/// How often it dies.
const DEATHS: u32 = 200;
/// Longer than a daemon needs to be ready.
const LIFE: Duration = Duration::from_millis(120);

/// Numbers without order (xorshift), whose seed is told.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos() as u64 | 1;
        println!("= seed {seed}");
        Self(seed)
    }

    fn part_of(&mut self, whole: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        whole.mul_f64((self.0 >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// Kills so many daemons, each after a while of its own, while `disturb` is called
/// again and again beside.
fn kill_many(bench: &Bench, deaths: u32, disturb: impl Fn()) {
    let over = AtomicBool::new(false);
    let (root, notify) = (bench.root(), bench.aside("daemon").join("notify"));
    let mut random = Random::new();
    thread::scope(|scope| {
        let killer = scope.spawn(|| {
            for _ in 0..deaths {
                let daemon = Daemon::launch_in(&root, &notify);
                thread::sleep(random.part_of(LIFE * slowness()));
                drop(daemon);
            }
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) && !killer.is_finished() {
            disturb();
        }
        killer.join().expect("the killer");
    });
}

fn deaths(many: u32) -> u32 {
    if slowness() == 1 { many } else { many / 20 }
}

/// Guests start and stop, the operator applies, the policy changes to and fro.
pub fn without_flushes(bench: &mut Bench) {
    let ([guest, other], [wire, _other_wire]) = bench.two_running();
    let open = policy(bench.engine, 300) + "[host]\nallow = [\"dhcp\", \"dns\", \"icmp\", \"udp/9998\"]\n";
    let ((), leaks) = flood::during(bench, (&guest, &wire), Rate::Gentle, || {
        kill_many(bench, deaths(DEATHS), || {
            bench.go("stopped", &other);
            bench.go("start", &other);
            bench.file("virt-guard.toml", &open);
            virt_guard(bench, &["apply"]);
            bench.good_policy();
            bench.go("reconnect", &guest);
        });
    });
    println!("= {} deaths; of {} spoofed frames {} passed", deaths(DEATHS), leaks.sent, leaks.passed);
    ends_in_order(bench);
    bench.assert_guarded(&guest, &wire);
    assert!(leaks.sent > 100, "only {} frames were sent", leaks.sent);
    assert_eq!(leaks.passed, 0, "frames passed while no flush was outstanding");
}

/// Somebody flushes beside; open for how long is told and not judged.
pub fn with_flushes(bench: &mut Bench) {
    let ([guest, other], [wire, other_wire]) = bench.two_running();
    let ((), leaks) = flood::during(bench, (&guest, &wire), Rate::Gentle, || {
        kill_many(bench, deaths(DEATHS), || {
            kernel::flush();
            bench.run("reconnect", &other);
            thread::sleep(Duration::from_millis(50));
        });
    });
    println!("= of {} spoofed frames {} passed; open at a stretch: {:?}", leaks.sent, leaks.passed, leaks.longest);
    ends_in_order(bench);
    bench.assert_guarded(&guest, &wire);
    bench.assert_guarded(&other, &other_wire);
}

/// The next daemon puts all in order.
fn ends_in_order(bench: &Bench) {
    let daemon = Daemon::start(bench);
    eventually("all is in order at the end", || differences(bench).is_empty());
    daemon.stop();
}
