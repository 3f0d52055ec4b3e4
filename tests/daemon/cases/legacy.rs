//! The old iptables tells nobody what it changes: only its lock is seen to be
//! opened, and every now and then somebody has to look.

use std::os::unix::fs::symlink;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use crate::daemon::{Daemon, differences, eventually};
use crate::deed::Deed;
use crate::stage::bench::Bench;

/// The names by which the old programs are called instead of the new ones.
const NAMES: [&str; 6] =
    ["iptables", "iptables-restore", "iptables-save", "ip6tables", "ip6tables-restore", "ip6tables-save"];

/// In this case's mount namespace iptables is the old one.
fn old_iptables(bench: &Bench) {
    let bin = bench.aside("old");
    for name in NAMES {
        symlink("/usr/sbin/xtables-legacy-multi", bin.join(name)).expect("a name for the old program");
    }
    let none = None::<&Path>;
    mount(Some(&bin), "/usr/local/sbin", none, MsFlags::MS_BIND, none).expect("a mount over /usr/local/sbin");
}

/// All, one table, one rule; the author is not known.
pub fn flush(bench: &mut Bench) {
    old_iptables(bench);
    let (guests, wires) = bench.two_running();
    let daemon = Daemon::start(bench);
    for line in [
        "iptables-legacy -F",
        "iptables-legacy -t mangle -F",
        "ip6tables-legacy -t mangle -F",
        "iptables-legacy -t mangle -D PREROUTING 1",
    ] {
        Deed::typed(line).done();
        eventually(&format!("all is in order after {line}"), || differences(bench).is_empty());
        for (guest, wire) in guests.iter().zip(&wires) {
            bench.assert_guarded(guest, wire);
        }
    }
    daemon.stop();
}
