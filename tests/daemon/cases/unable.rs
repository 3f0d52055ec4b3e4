//! A program of iptables fails each time, or somebody flushes faster than rules can
//! be built: what can still be closed is closed, however often it is flushed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nix::mount::{MsFlags, mount, umount};
use virt_guard::engine::EngineKind;

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

/// Somebody puts an accept in the place of one of the rules that close all ports:
/// there are as many as before, and they are not closed any more.
pub fn opened(bench: &mut Bench) {
    let ([guest, other], [wire, other_wire]) = bench.two_running();
    let closes = |bench: &Bench| bench.host().close_if_open().expect("closed");
    kernel::flush();
    assert!(closes(bench), "flushed ports are open");
    bench.assert_closed(&guest, &wire);
    replace_a_rule(bench.engine);
    assert!(closes(bench), "the ports were opened");
    bench.assert_closed(&guest, &wire);
    bench.assert_closed(&other, &other_wire);
}

fn replace_a_rule(engine: EngineKind) {
    for chain in ["vg_from", "vg_to"] {
        match engine {
            EngineKind::Iptables => {
                kernel::told("ebtables", &["-t", "nat", "-D", chain, "1"], "");
                kernel::told("ebtables", &["-t", "nat", "-I", chain, "1", "-j", "ACCEPT"], "");
            }
            EngineKind::Nftables => {
                let listing = kernel::told("nft", &["-a", "list", "chain", "bridge", "virt_guard", chain], "");
                let (_, handle) = listing.trim_end().rsplit_once("# handle ").expect("a rule");
                let handle: String = handle.chars().take_while(char::is_ascii_digit).collect();
                let text = format!("replace rule bridge virt_guard {chain} handle {handle} accept");
                kernel::told("nft", &["-f", "-"], &text);
            }
        }
    }
}
