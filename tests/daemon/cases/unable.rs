//! A program of iptables fails each time, or somebody flushes faster than rules can
//! be built: what can still be closed is closed, however often it is flushed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nix::mount::{MsFlags, mount, umount};

use crate::daemon::{Daemon, eventually, settles};
use crate::events::Events;
use crate::stage::bench::Bench;
use crate::stage::kernel;

/// Where programs are looked up first.
const FIRST: &str = "/usr/local/sbin";

fn break_program(bench: &Bench, name: &str) {
    let bin = bench.aside("broken");
    let path = bin.join(name);
    fs::write(&path, "#!/bin/sh\necho broken >&2\nexit 1\n").expect("a program that fails");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program to run");
    mount(Some(&bin), FIRST, None::<&Path>, MsFlags::MS_BIND, None::<&Path>).expect("a mount over /usr/local/sbin");
}

/// Frames are closed by ebtables alone, which works all the time.
pub fn flushed(bench: &mut Bench) {
    let (guests, wires) = bench.two_running();
    let daemon = Daemon::start(bench);
    break_program(bench, "ip6tables-restore");
    let mut events = Events::from_now(bench);
    for count in 1..=3 {
        kernel::flush();
        if count == 1 {
            events.wait("failed");
        }
        for (guest, wire) in guests.iter().zip(&wires) {
            let closed = || bench.look(guest, wire).leaked.is_empty();
            eventually(&format!("{} is closed after flush {count}", guest.port()), closed);
        }
    }
    umount(FIRST).expect("the program works again");
    kernel::flush();
    settles(bench, "the program works again", &guests, &wires);
    daemon.stop();
}
