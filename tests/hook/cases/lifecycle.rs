//! A guest's whole life as libvirt tells the hook of it.

use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::kernel;

/// From prepare to release, and what is left: nothing. Standard output stays
/// empty all the way, above all in migrate and restore, where it would replace
/// the guest's XML.
pub fn whole(bench: &mut Bench) {
    kernel::add_iptables_strangers();
    let strangers = kernel::iptables_strangers();
    let guest = Guest::new(7);
    bench.go("prepare", &guest);
    assert_eq!(bench.recorded(&guest), [false, false], "prepare only looks");
    let wire = bench.plug(&guest);
    bench.go("start", &guest);
    assert_eq!(bench.recorded(&guest), [true, true]);
    bench.assert_guarded(&guest, &wire);
    bench.assert_in_order();
    let rules = kernel::rules(bench.engine);
    for operation in ["started", "migrate", "restore", "prepare", "reconnect", "attach", "something-new"] {
        bench.go(operation, &guest);
    }
    assert_eq!(kernel::rules(bench.engine), rules, "there was nothing to change");
    bench.assert_guarded(&guest, &wire);
    bench.go("stopped", &guest);
    bench.assert_gone(&guest);
    bench.assert_closed(&guest, &wire);
    bench.go("release", &guest);
    bench.assert_gone(&guest);
    bench.assert_in_order();
    assert_eq!(kernel::iptables_strangers(), strangers);
}

/// The operator broke the policy, or took it away, while the guests ran; one of
/// them had no longer any XML that could be read.
pub fn release_without_policy(bench: &mut Bench) {
    let guests = [7, 8, 9].map(Guest::new);
    for guest in &guests {
        bench.plug(guest);
        bench.go("start", guest);
    }
    bench.broken_policy();
    bench.go("stopped", &guests[0]);
    bench.assert_gone(&guests[0]);
    bench.go("release", &guests[0]);
    let run = bench.hook("stopped", &guests[1]).input("<domain").run();
    run.assert_goes_on();
    bench.assert_gone(&guests[1]);
    std::fs::remove_dir_all(bench.root().join("etc")).expect("a policy to take away");
    bench.go("release", &guests[2]);
    bench.assert_gone(&guests[2]);
}

/// libvirt releases what never started, too.
pub fn release_of_a_stranger(bench: &mut Bench) {
    let (stranger, guest) = (Guest::new(9), Guest::new(7));
    bench.go("release", &stranger);
    bench.hook("stopped", &stranger).input("").run().assert_goes_on();
    let wire = bench.plug(&guest);
    bench.go("start", &guest);
    bench.go("stopped", &stranger);
    bench.go("release", &stranger);
    bench.assert_guarded(&guest, &wire);
    bench.assert_in_order();
}
