//! The old iptables tells nobody what it changes: only its lock is seen to be
//! opened, and every now and then somebody has to look.

use std::os::unix::fs::symlink;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use crate::daemon::{Daemon, settles};
use crate::deed::Deed;
use crate::stage::bench::Bench;

/// The old programs, by the names by which they are called; ebtables has no one
/// program for all.
const NAMES: [(&str, &str); 9] = [
    ("iptables", "xtables-legacy-multi"),
    ("iptables-restore", "xtables-legacy-multi"),
    ("iptables-save", "xtables-legacy-multi"),
    ("ip6tables", "xtables-legacy-multi"),
    ("ip6tables-restore", "xtables-legacy-multi"),
    ("ip6tables-save", "xtables-legacy-multi"),
    ("ebtables", "ebtables-legacy"),
    ("ebtables-restore", "ebtables-legacy-restore"),
    ("ebtables-save", "ebtables-legacy-save"),
];

/// In this case's mount namespace iptables and ebtables are the old ones.
fn old_programs(bench: &Bench) {
    let bin = bench.aside("old");
    for (name, program) in NAMES {
        symlink(Path::new("/usr/sbin").join(program), bin.join(name)).expect("a name for the old program");
    }
    let none = None::<&Path>;
    mount(Some(&bin), "/usr/local/sbin", none, MsFlags::MS_BIND, none).expect("a mount over /usr/local/sbin");
}

/// All, one table, one rule; the author is not known.
pub fn flush(bench: &mut Bench) {
    old_programs(bench);
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
