//! Interfaces that never cross a Linux bridge: with a policy about them the guest
//! is not started; without one, or where the operator allows it, it is.

use crate::stage::bench::{self, Bench};
use crate::stage::guest::Guest;

/// Kinds of interfaces, and what stands in their XML.
const KINDS: [(&str, &str); 4] = [
    ("direct", "<source dev='eth1' mode='bridge'/><target dev='macvtap0'/>"),
    ("user", ""),
    ("bridge", "<source bridge='br-int'/><virtualport type='openvswitch'/><target dev='vnet7'/>"),
    ("vhostuser", "<source type='unix' path='/run/vhost.sock' mode='server'/>"),
];

/// The bench's policy without its word about all guests, and with this.
fn policy(bench: &Bench, more: &str) -> String {
    let policy = bench::policy(bench.engine, 300);
    let (before, _) = policy.split_once("[[guest]]").expect("an entry about all guests");
    format!("{before}{more}")
}

pub fn kinds(bench: &mut Bench) {
    let guests = KINDS.map(|(kind, content)| Guest::new(7).attached(kind, content));
    let about = "[[guest]]\nmatch = \"web*\"\ngroups = [\"web\"]\n";
    let allowed = format!("{about}[guests]\nunguardable = \"allow\"\n");
    bench.file("virt-guard.toml", policy(bench, about));
    for (guest, (kind, _)) in guests.iter().zip(KINDS) {
        for operation in ["prepare", "start", "migrate", "restore"] {
            let run = bench.run(operation, guest);
            println!("{kind}: {}", run.stderr.trim());
            run.assert_stops();
            assert!(run.stderr.contains("does not cross a Linux bridge"), "{}", run.stderr);
        }
        bench.go("reconnect", guest);
        bench.go("release", guest);
    }
    for policy_text in [policy(bench, ""), policy(bench, &allowed)] {
        bench.file("virt-guard.toml", policy_text);
        for guest in &guests {
            bench.go("prepare", guest);
            bench.go("start", guest);
            assert_eq!(bench.recorded(guest), [true, false]);
            bench.go("release", guest);
        }
    }
    bench.assert_in_order();
}

/// The tap is there, but libvirt's administrator connected it to nothing.
pub fn no_bridge(bench: &mut Bench) {
    let guest = Guest::new(7);
    let _wire = bench.plug(&guest);
    bench.lab.ip(&["link set vnet7 nomaster".to_owned()]);
    bench.go("prepare", &guest);
    let run = bench.run("start", &guest);
    println!("{}", run.stderr.trim());
    run.assert_stops();
    assert!(run.stderr.contains("vnet7 is not a port of a Linux bridge"), "{}", run.stderr);
    for policy_text in [policy(bench, ""), bench::policy(bench.engine, 300) + "[guests]\nunguardable = \"allow\"\n"] {
        bench.file("virt-guard.toml", policy_text);
        bench.go("start", &guest);
        bench.go("release", &guest);
    }
    bench.assert_gone(&guest);
}
