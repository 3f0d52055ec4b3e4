//! The operator changes the policy's files, and runs no command.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::daemon::{Daemon, differences, eventually, settles};
use crate::events::Events;
use crate::stage::bench::{Bench, policy};
use crate::stage::guest::Guest;
use crate::stage::kernel;
use crate::stage::runner::slowness;
use crate::support::Wire;

/// Lets tcp/22 in to guest 7.
const SSH: &str = "[[group]]\nname = \"ssh\"\ningress = [ { protocol = \"tcp\", ports = \"22\" } ]\n\
                   [[guest]]\nmatch = \"web7\"\ngroups = [\"ssh\"]\n";

fn open_to_ssh(bench: &Bench, guest: &Guest, wire: &Wire) -> bool {
    bench.look(guest, wire).leaked.contains("tcp/22 to the guest")
}

/// Written, replaced by another file, put into a directory that was not there, and
/// taken away.
pub fn followed(bench: &mut Bench) {
    let ([guest, other], [wire, other_wire]) = bench.two_running();
    let daemon = Daemon::start(bench);
    let (good, open) = (policy(bench.engine, 300), policy(bench.engine, 300) + SSH);
    bench.file("virt-guard.toml", &open);
    eventually("a file that is written is followed", || open_to_ssh(bench, &guest, &wire));
    bench.file("virt-guard.new", &good);
    let etc = bench.root().join("etc/virt-guard");
    fs::rename(etc.join("virt-guard.new"), etc.join("virt-guard.toml")).expect("another file in its place");
    eventually("a file that is replaced is followed", || !open_to_ssh(bench, &guest, &wire));
    bench.file("policy.d/ssh.toml", SSH);
    eventually("a new directory is followed", || open_to_ssh(bench, &guest, &wire));
    bench.no_file("policy.d/ssh.toml");
    eventually("a file that is gone is followed", || !open_to_ssh(bench, &guest, &wire));
    // While rules are changed the port is closed, to ssh as to everything.
    settles(bench, "the policy changed", &[guest, other], &[wire, other_wire]);
    assert_eq!(differences(bench), "");
    daemon.stop();
}

/// What cannot be read changes nothing, and flushed rules come back as they were;
/// mended, it is followed.
pub fn broken(bench: &mut Bench) {
    let (guests, wires) = bench.two_running();
    let daemon = Daemon::start(bench);
    let rules = kernel::rules(bench.engine);
    let mut events = Events::from_now(bench);
    bench.broken_policy();
    let event = events.wait("failed");
    assert!(event.message.contains("virt-guard.toml:"), "it does not say where: {}", event.message);
    thread::sleep(Duration::from_millis(200) * slowness().min(4));
    assert_eq!(kernel::rules(bench.engine), rules, "a broken policy changed the rules");
    kernel::flush();
    eventually("flushed rules come back with a broken policy", || {
        guests.iter().zip(&wires).all(|(guest, wire)| bench.look(guest, wire).leaked.is_empty())
    });
    for (guest, wire) in guests.iter().zip(&wires) {
        bench.assert_guarded(guest, wire);
    }
    bench.file("virt-guard.toml", policy(bench.engine, 300) + SSH);
    eventually("a mended policy is followed", || open_to_ssh(bench, &guests[0], &wires[0]));
    bench.good_policy();
    eventually("and the next one", || !open_to_ssh(bench, &guests[0], &wires[0]));
    assert_eq!(differences(bench), "");
    daemon.stop();
}
