//! The old iptables tells nobody what it changes: only its lock is seen to be
//! opened, and every now and then somebody has to look.

use crate::daemon::{Daemon, settles};
use crate::deed::Deed;
use crate::stage::bench::Bench;
use crate::stage::kernel;

/// All, one table, one rule; the author is not known.
pub fn flush(bench: &mut Bench) {
    for program in ["iptables", "ip6tables", "ebtables"] {
        let version = kernel::told(program, &["--version"], "");
        // Where the old ones are the system's choice: ebtables-legacy-save asks for that.
        assert!(!version.contains("nf_tables"), "{program} is to be the old one: {version}");
    }
    let (guests, wires) = bench.two_running();
    let daemon = Daemon::start(bench);
    for line in [
        "iptables-legacy -F",
        "iptables-legacy -t mangle -F",
        "ip6tables-legacy -t mangle -F",
        "iptables-legacy -t mangle -D PREROUTING 1",
    ] {
        Deed::typed(line).done();
        settles(bench, line, &guests, &wires);
    }
    daemon.stop();
}
