//! Addresses of the outside on this host: that a neighbour is answered for them, by
//! address and by proxy, and learns at once when one has come from elsewhere.
//!
//! ```text
//!   this thread's namespace, "the host"            a namespace, "the neighbour"
//!   br100 (a bridge)
//!   up0  198.51.100.1/24 2001:db8::1/64 ────────── eth0  198.51.100.2/24 2001:db8::2/64
//! ```
//!
//! Root only; all of it vanishes with the thread.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::fs::{self, File};
use std::net::{IpAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use virt_guard::facts::policy::Announce;
use virt_guard::kernel::{LinkWatch, Netlink, announce, enable_forwarding, forwarding, put_address, take_address};
use virt_guard::net::{Family, IfName};

const UPLINK: &str = "up0";
const UPLINK_MAC: &str = "02:00:00:00:00:01";
/// Of nobody that is there.
const FORMER_MAC: &str = "02:00:00:00:00:99";
/// An address in the neighbour's own network: it asks for it by itself.
const NEAR: [&str; 2] = ["198.51.100.10", "2001:db8::10"];
/// Longer than a neighbour asks and a proxy waits (0.8 s at most).
const PATIENCE: Duration = Duration::from_secs(8);

/// The neighbour's namespace.
struct Neighbour(File);

impl Neighbour {
    fn ip(&self, arguments: &str) -> String {
        let namespace = format!("--net=/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd());
        output(Command::new("nsenter").arg(namespace).arg("ip").args(arguments.split(' ')))
    }

    /// Sends a packet there, for which it must ask who has the address.
    fn sends_to(&self, address: IpAddr) {
        let send = || {
            setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
            let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            // What it is told of a packet before is not asked here.
            let _ = UdpSocket::bind(any).unwrap().send_to(b"?", (address, 9));
        };
        thread::scope(|scope| scope.spawn(send).join().unwrap());
    }

    /// What it knows of the address, once that holds `text`.
    fn comes_to_know(&self, address: IpAddr, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let known = self.ip(&format!("neigh show {address}"));
            if known.contains(text) || Instant::now() > end {
                return known;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn forgets(&self, address: IpAddr) {
        self.ip(&format!("neigh flush to {address}"));
    }
}

/// Waits for what the kernel does in its own time.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not yet: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn ip(arguments: &str) -> String {
    output(Command::new("ip").args(arguments.split(' ')))
}

/// Puts this thread on a host with an uplink and a bridge.
fn host() -> Neighbour {
    assert!(nix::unistd::geteuid().is_root(), "this needs root: it makes network namespaces");
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let make = || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        File::open("/proc/thread-self/ns/net").unwrap()
    };
    let neighbour = Neighbour(thread::spawn(make).join().unwrap());
    let there = format!("/proc/{}/fd/{}", std::process::id(), neighbour.0.as_raw_fd());
    ip(&format!("link add {UPLINK} address {UPLINK_MAC} type veth peer name eth0 netns {there}"));
    ip("link add br100 type bridge");
    ip("link set br100 up");
    ip("link set lo up");
    ip(&format!("link set {UPLINK} up"));
    ip(&format!("address add 198.51.100.1/24 dev {UPLINK}"));
    ip(&format!("address add 2001:db8::1/64 dev {UPLINK} nodad"));
    neighbour.ip("link set eth0 up");
    neighbour.ip("address add 198.51.100.2/24 dev eth0");
    neighbour.ip("address add 2001:db8::2/64 dev eth0 nodad");
    until("the uplink is up", || ip(&format!("link show {UPLINK}")).contains("state UP"));
    neighbour
}

fn name(text: &str) -> IfName {
    text.parse().unwrap()
}

fn near() -> [IpAddr; 2] {
    NEAR.map(|address| address.parse().unwrap())
}

fn put(address: IpAddr, how: Announce) {
    put_address(address, &name(UPLINK), how, Some(&name("br100"))).unwrap();
}

fn take(address: IpAddr, how: Announce) {
    take_address(address, &name(UPLINK), how, Some(&name("br100"))).unwrap();
}

/// Everything that may have been put there. What each link has comes in its own time.
fn everything() -> String {
    let told = [
        "-o address show",
        "-4 route show table all",
        "-6 route show table all",
        "neigh show proxy",
        "-6 neigh show proxy",
    ]
    .map(ip)
    .concat();
    told.lines()
        .filter(|line| !line.contains("fe80::") && !line.contains("ff00::"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// In a mode a neighbour is answered, and no longer once the address is taken away.
fn is_answered_until_taken(how: Announce) {
    let neighbour = host();
    Family::BOTH.into_iter().for_each(|family| enable_forwarding(family).unwrap());
    let before = everything();
    for address in near() {
        neighbour.sends_to(address);
        put(address, how);
        let stands = everything();
        assert!(!stands.contains("tentative"), "it is not answered for yet:\n{stands}");
        neighbour.forgets(address);
        neighbour.sends_to(address);
        let known = neighbour.comes_to_know(address, UPLINK_MAC);
        assert!(known.contains(UPLINK_MAC), "{how}: {known}");
        put(address, how);
        assert_eq!(everything(), stands, "twice is once");
        take(address, how);
        neighbour.forgets(address);
        neighbour.sends_to(address);
        let known = neighbour.comes_to_know(address, "FAILED");
        assert!(known.contains("FAILED"), "{how}: {known}");
        take(address, how);
        assert_eq!(everything(), before, "something is left of {address}");
    }
}

#[test]
fn an_address_on_the_uplink_is_answered_for_until_it_is_taken_away() {
    is_answered_until_taken(Announce::Address);
}

#[test]
fn an_address_by_proxy_is_answered_for_until_it_is_taken_away() {
    is_answered_until_taken(Announce::Proxy);
}

#[test]
fn an_address_that_a_router_sends_here_is_not_touched() {
    let _neighbour = host();
    let before = everything();
    for address in near() {
        put_address(address, &name(UPLINK), Announce::None, None).unwrap();
        assert_eq!(everything(), before);
        take_address(address, &name(UPLINK), Announce::None, None).unwrap();
    }
}

#[test]
fn neighbours_that_know_another_host_learn_at_once() {
    for how in [Announce::Address, Announce::Proxy] {
        let neighbour = thread::spawn(move || {
            let neighbour = host();
            for address in near() {
                neighbour.ip(&format!("neigh replace {address} dev eth0 lladdr {FORMER_MAC} nud stale"));
                put(address, how);
                let known = neighbour.comes_to_know(address, UPLINK_MAC);
                assert!(known.contains(UPLINK_MAC), "{how}: {known}");
            }
        });
        neighbour.join().unwrap();
    }
}

#[test]
fn what_is_announced_is_what_the_kernel_takes() {
    let neighbour = host();
    // A packet whose sum is wrong would not be listened to.
    for address in near() {
        neighbour.ip(&format!("neigh replace {address} dev eth0 lladdr {FORMER_MAC} nud reachable"));
        announce(address, &name(UPLINK)).unwrap();
        let known = neighbour.comes_to_know(address, UPLINK_MAC);
        assert!(known.contains(UPLINK_MAC), "{known}");
    }
}

#[test]
fn addresses_and_uplinks_are_told() {
    let _neighbour = host();
    ip("route add default via 198.51.100.2 metric 100");
    ip("-6 route add default dev br100 metric 5");
    ip("-6 route add default dev up0 metric 50");
    ip("-6 route add unreachable default metric 1");
    let addresses = Netlink.addresses().unwrap();
    let of = |text: &str| addresses.interface_of(text.parse().unwrap()).map(ToString::to_string);
    let uplink = |text: &str| addresses.uplink_for(text.parse().unwrap()).map(|name| name.to_string());
    assert_eq!(of("198.51.100.1").as_deref(), Some("up0"));
    assert_eq!(of("2001:db8::1").as_deref(), Some("up0"));
    assert_eq!(of("198.51.100.2"), None, "it is the neighbour's");
    assert_eq!(uplink(NEAR[0]).as_deref(), Some("up0"));
    assert_eq!(uplink("203.0.113.10").as_deref(), Some("up0"));
    assert_eq!(uplink("2001:db8:1::10").as_deref(), Some("br100"));
    put(near()[0], Announce::Address);
    put(near()[1], Announce::Address);
    let addresses = Netlink.addresses().unwrap();
    for address in near() {
        let found: Vec<_> = addresses.iter().filter(|found| found.address == address).collect();
        assert_eq!((found.len(), found[0].prefix, found[0].interface.as_str()), (1, Family::of(address).bits(), "up0"));
    }
}

#[test]
fn an_address_of_another_prefix_stays_as_it_is() {
    let _neighbour = host();
    let own = ["198.51.100.1", "2001:db8::1"].map(|address| address.parse().unwrap());
    let before = everything();
    for address in own {
        put(address, Announce::Address);
        take(address, Announce::Address);
        assert_eq!(everything(), before, "{address}");
    }
}

#[test]
fn the_hosts_own_connections_do_not_begin_from_a_floating_address() {
    let _neighbour = host();
    for (address, peer, own) in
        [(near()[0], "198.51.100.11", "198.51.100.1"), (near()[1], "2001:db8::11", "2001:db8::1")]
    {
        put(address, Announce::Address);
        let route = ip(&format!("route get {peer}"));
        assert!(route.contains(&format!("src {own} ")), "{route}");
    }
}

#[test]
fn a_guest_that_moves_to_another_bridge_takes_its_route_along() {
    let _neighbour = host();
    ip("link add br200 type bridge");
    ip("link set br200 up");
    let before = everything();
    for (address, family) in near().into_iter().zip(["-4", "-6"]) {
        put(address, Announce::Proxy);
        put_address(address, &name(UPLINK), Announce::Proxy, Some(&name("br200"))).unwrap();
        let routes = ip(&format!("{family} route show {address}"));
        assert!(routes.contains("dev br200") && !routes.contains("br100"), "{routes}");
        take_address(address, &name(UPLINK), Announce::Proxy, None).unwrap();
    }
    assert_eq!(everything(), before);
}

#[test]
fn what_cannot_be_done_leaves_nothing_and_says_why() {
    let _neighbour = host();
    let before = everything();
    let error = |interface: &str, how, bridge: Option<&str>| {
        let bridge = bridge.map(name);
        near().map(|address| put_address(address, &name(interface), how, bridge.as_ref()).unwrap_err().to_string())
    };
    let [v4, v6] = error(UPLINK, Announce::Proxy, None);
    assert_eq!(v4, "198.51.100.10 cannot be put on up0: no bridge leads to its guest");
    assert_eq!(v6, "2001:db8::10 cannot be put on up0: no bridge leads to its guest");
    let [v4, _] = error(UPLINK, Announce::Proxy, Some("br9"));
    assert!(v4.starts_with("198.51.100.10 cannot be put on up0: br9: "), "{v4}");
    let [v4, _] = error("up9", Announce::Address, None);
    assert!(v4.starts_with("198.51.100.10 cannot be put on up9: up9: "), "{v4}");
    assert_eq!(everything(), before);
    for how in [Announce::Address, Announce::Proxy] {
        let gone = |address| take_address(address, &name("up9"), how, Some(&name("br9"))).unwrap();
        near().into_iter().for_each(gone);
    }
}

#[test]
fn forwarding_is_switched_on_unless_routes_would_be_lost() {
    let _neighbour = host();
    fs::write("/proc/sys/net/ipv6/conf/up0/accept_ra", "1").unwrap();
    for family in Family::BOTH {
        assert!(!forwarding(family), "a new namespace does not forward {family}");
    }
    ip("-6 route add default via 2001:db8::2 dev up0 proto ra");
    enable_forwarding(Family::V4).unwrap();
    assert!(forwarding(Family::V4));
    let error = enable_forwarding(Family::V6).unwrap_err().to_string();
    assert_eq!(
        error,
        "net.ipv6.conf.all.forwarding: up0 has its routes from router advertisements and would lose them; \
         set net.ipv6.conf.up0.accept_ra = 2, or give it routes of its own"
    );
    assert!(!forwarding(Family::V6));
    fs::write("/proc/sys/net/ipv6/conf/up0/accept_ra", "2").unwrap();
    enable_forwarding(Family::V6).unwrap();
    assert!(forwarding(Family::V6));
}

#[test]
fn addresses_that_come_and_go_are_told_of() {
    let _neighbour = host();
    let mut watch = LinkWatch::start().unwrap();
    for text in ["198.51.100.9/32", "2001:db8::9/128"] {
        for change in ["add", "del"] {
            while watch.changed().unwrap() {}
            ip(&format!("address {change} {text} dev br100"));
            let mut ready = [PollFd::new(watch.fd(), PollFlags::POLLIN)];
            poll(&mut ready, PollTimeout::from(5000_u16)).unwrap();
            assert!(watch.changed().unwrap(), "{change} {text}");
        }
    }
}
