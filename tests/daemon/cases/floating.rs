//! What leads to a guest from outside goes, though no rule around a port does: its
//! address, or its translations alone.

use virt_guard::engine::EngineKind;

use crate::daemon::{Daemon, differences, eventually};
use crate::stage::bench::Bench;
use crate::stage::kernel;

/// An address of the documentation's, reached on `eth0`.
const ADDRESS: &str = "203.0.113.10";
const FLOATING: &str = "[[floating-ip]]\naddress = \"203.0.113.10\"\nguest = \"web7\"\n";

fn bears_it() -> bool {
    kernel::told("ip", &["-o", "address", "show", "dev", "eth0"], "").contains(&format!("{ADDRESS}/32"))
}

fn leads(engine: EngineKind) -> bool {
    match engine {
        EngineKind::Nftables => kernel::told("nft", &["list", "ruleset"], "").contains(&format!("{ADDRESS} : ")),
        EngineKind::Iptables => {
            kernel::told("iptables-save", &["-t", "nat"], "").contains(&format!("-d {ADDRESS}/32 "))
        }
    }
}

/// Written into the policy it is there; taken away by anybody it comes back; taken out
/// of the policy it is gone.
pub fn back(bench: &mut Bench) {
    bench.lab.ip(&[
        "link add eth0 type veth peer name far0",
        "link set far0 up",
        "link set eth0 up",
        "address add 203.0.113.1/24 dev eth0",
    ]
    .map(str::to_owned));
    let _running = bench.two_running();
    let daemon = Daemon::start(bench);
    bench.file("policy.d/floating.toml", FLOATING);
    eventually("the address is put there", bears_it);
    eventually("it leads to the guest", || leads(bench.engine));
    bench.lab.ip(&[format!("address del {ADDRESS}/32 dev eth0")]);
    eventually("an address that somebody took comes back", bears_it);
    match bench.engine {
        EngineKind::Nftables => drop(kernel::told("nft", &["-f", "-"], "flush map inet virt_guard vg_floating_ipv4\n")),
        EngineKind::Iptables => drop(kernel::told("iptables", &["-t", "nat", "-F"], "")),
    }
    eventually("translations that somebody took come back", || leads(bench.engine) && bears_it());
    kernel::flush();
    eventually("they come back with everything", || leads(bench.engine) && bears_it());
    eventually("all is in order", || differences(bench).is_empty());
    bench.no_file("policy.d/floating.toml");
    eventually("it goes with the policy", || !leads(bench.engine) && !bears_it());
    assert_eq!(differences(bench), "");
    daemon.stop();
}
