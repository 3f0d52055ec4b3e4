//! A host with a guarded bridge, in namespaces of its own: nothing it does can
//! reach the machine's network, and all of it vanishes with the process.
//!
//! ```text
//!            this thread's network namespace ("the host")
//!            br100 10.100.0.1/24 fd00:100::1/64
//!   vnet7 ───┤    ├─── eth1                a Wire at the far end of each,
//!   vnet99 ──┘    └─── …                   in a silent namespace of its own
//! ```
//!
//! Root only. Frames are injected and caught at the far ends ([`Wire`]), so there
//! is no stack that would answer by itself; the host is a real one and answers.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use virt_guard::net::Mac;

use super::Wire;
use super::wire::{NAME, path, silent_namespace};

/// The guarded bridge.
pub const BRIDGE: &str = "br100";
/// The bridge's MAC address.
pub const BRIDGE_MAC: Mac = Mac::new([0x02, 0, 0, 0, 0x64, 0x01]);
/// The host's addresses on the bridge.
pub const BRIDGE_ADDRESSES: [&str; 2] = ["10.100.0.1/24", "fd00:100::1/64"];

/// The host. There is one for each process or thread.
#[derive(Debug)]
pub struct Lab(());

impl Lab {
    /// Puts the calling thread, and all that it starts from now on, into a
    /// network and a mount namespace of its own, with a bridge and no ports.
    ///
    /// # Panics
    /// Without root, or if the kernel or `ip` refuses.
    pub fn new() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "the network lab needs root: it makes network namespaces");
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("namespaces of the lab's own");
        let none = None::<&str>;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(none, "/", none, private, none).expect("private mounts");
        // sysfs shows the network namespace that it was mounted from.
        mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none).expect("a sysfs of the lab's own");
        build_bridge();
        Self(())
    }

    /// The host that the calling thread is on already: that of `libvirt-lab`, whose
    /// libvirtd would not follow anywhere else.
    ///
    /// # Panics
    /// There is no `libvirt-lab` around this.
    pub fn of_libvirt() -> Self {
        assert!(std::env::var_os("LAB_LAN_PID").is_some(), "run this in tests/lab/libvirt-lab");
        ipv6("disable_ipv6", "1");
        Self(())
    }

    /// A port of the bridge that stands for a guest's tap, and the guest's end of
    /// it, which has the guest's MAC address.
    pub fn guest_port(&self, name: &str, mac: Mac) -> Wire {
        self.port(name, Some(mac))
    }

    /// A port of the bridge that leads out of the host, and the network there.
    /// virt-guard cannot tell it from a tap: name it in `uplinks`.
    pub fn uplink(&self, name: &str) -> Wire {
        self.port(name, None)
    }

    /// A port of the bridge that is nobody's, and its far end.
    pub fn unknown_port(&self, name: &str) -> Wire {
        self.port(name, None)
    }

    fn port(&self, name: &str, mac: Option<Mac>) -> Wire {
        self.ports(&[(name, mac)]).remove(0)
    }

    /// Several ports at once, which costs one process: their names and the MAC
    /// addresses of their far ends.
    pub fn ports(&self, ports: &[(&str, Option<Mac>)]) -> Vec<Wire> {
        let namespaces: Vec<_> = ports.iter().map(|_| silent_namespace()).collect();
        let plug = |((name, mac), namespace): (&(&str, Option<Mac>), _)| {
            let address = mac.map(|mac| format!("address {mac}")).unwrap_or_default();
            let far = format!("{address} netns {}", path(namespace));
            [format!("link add {name} type veth peer name {NAME} {far}"), format!("link set {name} master {BRIDGE} up")]
        };
        self.ip(&ports.iter().zip(&namespaces).flat_map(plug).collect::<Vec<_>>());
        namespaces.into_iter().map(Wire::open).collect()
    }

    /// Has `ip -batch` do these commands on the host, in one process.
    ///
    /// # Panics
    /// One of them fails.
    pub fn ip(&self, commands: &[String]) {
        batch("ip", commands);
    }

    /// Has `bridge -batch` do these commands on the host, in one process.
    ///
    /// # Panics
    /// One of them fails.
    pub fn bridge(&self, commands: &[String]) {
        batch("bridge", commands);
    }
}

/// Has `ip -batch` or `bridge -batch` do these commands in the calling thread's
/// network namespace, in one process.
///
/// # Panics
/// One of them fails.
pub fn batch(program: &str, commands: &[String]) {
    let mut child = Command::new(program)
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
    let text = commands.join("\n") + "\n";
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("the commands are taken");
    let status = child.wait().expect("the program ends");
    assert!(status.success(), "{program} refused one of:\n{text}");
}

/// A setting of IPv6 for interfaces that are yet to come.
fn ipv6(name: &str, value: &str) {
    fs::write(format!("/proc/sys/net/ipv6/conf/default/{name}"), value).expect("the lab's IPv6 settings");
}

/// The bridge speaks IPv6, if asked; its ports do not at all.
fn build_bridge() {
    for (name, value) in [("accept_ra", "0"), ("accept_dad", "0"), ("router_solicitations", "0")] {
        ipv6(name, value);
    }
    let mut commands = vec![
        "link set lo up".to_owned(),
        format!("link add {BRIDGE} address {BRIDGE_MAC} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"),
        format!("link set {BRIDGE} up"),
    ];
    let no_wait = |address: &str| if address.contains(':') { "nodad" } else { "" };
    let add = |address| format!("address add {address} dev {BRIDGE} {}", no_wait(address));
    commands.extend(BRIDGE_ADDRESSES.map(add));
    batch("ip", &commands);
    ipv6("disable_ipv6", "1");
}
