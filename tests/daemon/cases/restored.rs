//! Somebody takes rules away, puts some before ours, or opens what is closed: the
//! daemon hears of it, puts everything back and names who it was.

use std::fs;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use virt_guard::engine::EngineKind;

use crate::daemon::{Daemon, PATIENCE, differences, eventually, settles};
use crate::deed::Deed;
use crate::events::Events;
use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::kernel;
use crate::stage::runner::slowness;
use crate::support::Wire;

/// After this long the daemon takes what happens for a new story.
const CALM: Duration = Duration::from_millis(1500);

/// The guests, and the daemon that looks after them.
struct Scene<'a> {
    bench: &'a Bench,
    daemon: Daemon,
    guests: [Guest; 2],
    wires: [Wire; 2],
}

impl<'a> Scene<'a> {
    fn new(bench: &'a Bench) -> Self {
        let (guests, wires) = bench.two_running();
        Self { bench, daemon: Daemon::start(bench), guests, wires }
    }

    /// The deed does harm, which is seen while the daemon is held; once it may go
    /// on, all is put back and the event names who it was.
    fn undoes(&self, deed: &Deed) {
        let mut events = Events::from_now(self.bench);
        self.daemon.signal(Signal::SIGSTOP);
        let author = deed.done();
        let harm = differences(self.bench);
        assert!(!harm.is_empty(), "the test proves nothing: {deed} does no harm");
        self.daemon.signal(Signal::SIGCONT);
        let seconds = PATIENCE.as_secs() as u32;
        let healed = events.within(seconds, "healed", |event| event.author.as_ref() == Some(&author));
        println!("{deed}: {:?} ms: {}", healed.milliseconds, healed.message);
        let left = differences(self.bench);
        assert_eq!(left, "", "after {deed}, which was {harm}");
        self.assert_guarded();
        // One deed, and not a storm of them.
        thread::sleep(CALM * slowness().min(2));
    }

    fn assert_guarded(&self) {
        for (guest, wire) in self.guests.iter().zip(&self.wires) {
            self.bench.assert_guarded(guest, wire);
        }
    }
}

/// The number by which nft deletes the first rule of a chain.
fn handle(table: &str, chain: &str) -> String {
    let words: Vec<_> = ["-a", "list", "chain"].into_iter().chain(table.split(' ')).chain([chain]).collect();
    let text = kernel::told("nft", &words, "");
    let rule = text.lines().find(|line| line.contains("# handle") && !line.contains('{')).expect("a rule");
    rule.rsplit(' ').next().expect("a number").to_owned()
}

/// Everything, one table, one rule, one element; and what is added.
pub fn by_nft(bench: &mut Bench) {
    let scene = Scene::new(bench);
    scene.undoes(&Deed::nft(kernel::flush_text()));
    for line in [
        "nft delete table bridge virt_guard",
        "nft delete table inet virt_guard",
        "nft flush table bridge virt_guard",
        "nft flush chain bridge virt_guard vg_vnet7_from",
        "nft delete element bridge virt_guard vg_from_port { \"vnet7\" }",
        "nft delete element bridge virt_guard vg_uplinks { \"eth1\" }",
        "nft add element bridge virt_guard vg_from_port { \"vnet99\" : accept }",
        "nft insert rule bridge virt_guard vg_from accept",
        "nft insert rule bridge virt_guard vg_vnet7_from accept",
        "nft insert rule inet virt_guard vg_host accept",
    ] {
        scene.undoes(&Deed::typed(line));
    }
    for chain in ["vg_from", "vg_vnet7_frame_out"] {
        let handle = handle("bridge virt_guard", chain);
        scene.undoes(&Deed::typed(&format!("nft delete rule bridge virt_guard {chain} handle {handle}")));
    }
    scene.daemon.stop();
    bench.assert_in_order();
}

/// Nothing in it can open what ours closes, but it can drop what ours lets pass.
pub fn strange_chain(bench: &mut Bench) {
    let scene = Scene::new(bench);
    let head = "chain bridge virt_guard stranger";
    scene.undoes(&Deed::nft(format!("add {head} {{ type filter hook prerouting priority 0; policy drop; }}")));
    scene.daemon.stop();
}

/// The same with the programs of iptables and ebtables, and behind their backs.
pub fn by_iptables(bench: &mut Bench) {
    let scene = Scene::new(bench);
    scene.undoes(&Deed::nft(kernel::flush_text()));
    for line in [
        "iptables -F",
        "iptables -t mangle -F",
        "ip6tables -F",
        "ip6tables -t mangle -F",
        "ebtables -t nat -F",
        "iptables -t mangle -D PREROUTING 1",
        "iptables -t mangle -F vg_vnet7_from",
        "iptables -t mangle -I PREROUTING 1 -j ACCEPT",
        "iptables -t mangle -I vg_vnet7_from 1 -j ACCEPT",
        "iptables -I INPUT 1 -j ACCEPT",
        "ebtables -t nat -I PREROUTING 1 -j ACCEPT",
        "ebtables -t nat -D PREROUTING 1",
    ] {
        scene.undoes(&Deed::typed(line));
        scene.leave_no_stranger();
    }
    let handle = handle("ip mangle", "vg_vnet7_from");
    scene.undoes(&Deed::typed(&format!("nft delete rule ip mangle vg_vnet7_from handle {handle}")));
    scene.daemon.stop();
    bench.assert_in_order();
}

impl Scene<'_> {
    /// An accept in a built-in chain is somebody else's rule: ours come before it
    /// again, and it may stay. The next deed must not find it.
    fn leave_no_stranger(&self) {
        for (program, table, chain) in
            [("iptables", "mangle", "PREROUTING"), ("iptables", "filter", "INPUT"), ("ebtables", "nat", "PREROUTING")]
        {
            kernel::run(program, &["-t", table, "-D", chain, "-j", "ACCEPT"], "");
        }
        eventually("all is in order without the stranger", || differences(self.bench).is_empty());
    }
}

/// Nobody holds the daemon: after each flush the packets say that it was there.
pub fn flush(bench: &mut Bench) {
    let scene = Scene::new(bench);
    for _ in 0..5 {
        let mut events = Events::from_now(bench);
        let author = Deed::nft(kernel::flush_text()).done();
        let healed = events.wait("healed");
        assert_eq!(healed.author, Some(author), "{}", healed.message);
        for guest in &scene.guests {
            let named = healed.ports.is_empty() || healed.ports.contains(&guest.port());
            assert!(named, "all were open, but only {:?} are named", healed.ports);
        }
        settles(bench, "a flush", &scene.guests, &scene.wires);
    }
    scene.daemon.stop();
}

/// Rules of others come and go, and nothing of ours moves.
pub fn strangers(bench: &mut Bench) {
    let scene = Scene::new(bench);
    let rules = kernel::rules(bench.engine);
    let mut events = Events::from_now(bench);
    for text in
        ["add table ip third", "add chain ip third c { type filter hook input priority 9; }", "delete table ip third"]
    {
        Deed::nft(text).done();
    }
    thread::sleep(Duration::from_millis(300) * slowness().min(4));
    let healed: Vec<_> = events.fresh().into_iter().filter(|event| event.kind == "healed").collect();
    assert!(healed.is_empty(), "there was nothing to heal: {healed:#?}");
    assert_eq!(kernel::rules(bench.engine), rules);
    scene.assert_guarded();
    scene.daemon.stop();
    if bench.engine == EngineKind::Iptables {
        kernel::add_iptables_strangers();
        let strangers = kernel::iptables_strangers();
        let daemon = Daemon::start(bench);
        Deed::typed("iptables -t mangle -F vg_vnet7_from").done();
        eventually("all is in order again", || differences(bench).is_empty());
        assert_eq!(kernel::iptables_strangers(), strangers);
        daemon.stop();
    }
}

/// Without it the kernel shows bridged packets to iptables no more.
pub fn sysctl(bench: &mut Bench) {
    let scene = Scene::new(bench);
    for name in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
        let path = format!("/proc/sys/net/bridge/{name}");
        fs::write(&path, "0").expect("a setting");
        eventually(&format!("{name} is set again"), || fs::read_to_string(&path).is_ok_and(|value| value == "1\n"));
    }
    settles(bench, "both settings", &scene.guests, &scene.wires);
    scene.daemon.stop();
}
