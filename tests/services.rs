//! The listening sockets of a host: that all are found with their owners, and that what
//! is said of who reaches them is what a guest's connections find.
//!
//! ```text
//!   this thread's namespace, "the host"            a namespace, "the guest"
//!   mgmt0  192.0.2.10/24 fe80::10
//!   br100  10.100.0.1/24 fd00::1/64 fe80::1
//!     └─ vnet7 ─────────────────────────────────── eth0  10.100.0.7/24 fd00::7/64 fe80::7
//! ```
//!
//! Root only; all of it vanishes with the thread. The listeners are the test's own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "support/listeners.rs"]
mod listeners;

use std::fs::{self, File};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::libc;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{SockaddrStorage, bind};
use serde_json::Value;
use tempfile::TempDir;
use virt_guard::kernel::{Listener, Netlink, owners};
use virt_guard::net::Protocol;

use listeners::{on_device, run, soon, v6only};

/// A connection within one machine is made in less, or never.
const PATIENCE: Duration = Duration::from_millis(1500);

fn ip(arguments: &str) -> String {
    run(Command::new("ip").args(arguments.split(' ')))
}

/// The guest's namespace.
struct Guest(File);

impl Guest {
    fn ip(&self, arguments: &str) {
        let namespace = format!("--net=/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd());
        run(Command::new("nsenter").arg(namespace).arg("ip").args(arguments.split(' ')));
    }

    /// Whether a connection begins from there.
    fn connects(&self, address: IpAddr, port: u16) -> bool {
        let connect = || {
            setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
            // Whatever is of one link is asked for on the only one.
            let index = nix::net::if_::if_nametoindex("eth0").unwrap();
            let to = match address {
                IpAddr::V6(address) => SocketAddr::V6(SocketAddrV6::new(address, port, 0, index)),
                IpAddr::V4(_) => SocketAddr::new(address, port),
            };
            TcpStream::connect_timeout(&to, PATIENCE).is_ok()
        };
        thread::scope(|scope| scope.spawn(connect).join().unwrap())
    }
}

/// Puts this thread on a host with a bridge and a management interface.
fn host() -> Guest {
    assert!(nix::unistd::geteuid().is_root(), "this needs root: it makes network namespaces");
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let make = || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        File::open("/proc/thread-self/ns/net").unwrap()
    };
    let guest = Guest(thread::spawn(make).join().unwrap());
    let there = format!("/proc/{}/fd/{}", std::process::id(), guest.0.as_raw_fd());
    ip("link set lo up");
    ip("link add mgmt0 type veth peer name mgmt1");
    ip("link set mgmt1 up");
    ip("link add br100 type bridge forward_delay 0");
    ip(&format!("link add vnet7 type veth peer name eth0 netns {there}"));
    ip("link set vnet7 master br100");
    for (name, addresses) in
        [("mgmt0", &["192.0.2.10/24", "fe80::10/64"][..]), ("br100", &["10.100.0.1/24", "fd00::1/64", "fe80::1/64"])]
    {
        ip(&format!("link set {name} addrgenmode none"));
        ip(&format!("link set {name} up"));
        addresses.iter().for_each(|address| drop(ip(&format!("address add {address} dev {name}{}", nodad(address)))));
    }
    ip("link set vnet7 addrgenmode none");
    ip("link set vnet7 up");
    guest.ip("link set eth0 addrgenmode none");
    guest.ip("link set eth0 up");
    for address in ["10.100.0.7/24", "fd00::7/64", "fe80::7/64"] {
        guest.ip(&format!("address add {address} dev eth0{}", nodad(address)));
    }
    guest.ip("route add 192.0.2.0/24 via 10.100.0.1");
    guest
}

fn nodad(address: &str) -> &'static str {
    if address.contains(':') { " nodad" } else { "" }
}

/// The listener of this port.
fn found(port: u16) -> Option<Listener> {
    let mut all = Netlink.listeners().unwrap();
    all.retain(|listener| listener.port == port);
    assert!(all.len() < 2, "{all:?}");
    all.pop()
}

fn inode(socket: &impl AsRawFd) -> u32 {
    let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
    let link = link.to_str().unwrap();
    link.strip_prefix("socket:[").unwrap().strip_suffix(']').unwrap().parse().unwrap()
}

/// What the program says of a host with this policy.
struct Audit {
    code: i32,
    said: Value,
}

impl Audit {
    fn of(root: &Path) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_virt-guard"));
        let output = program.args(["services", "audit", "--json", "--root"]).arg(root).output().unwrap();
        let said = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        Self { code: output.status.code().unwrap(), said }
    }

    /// The rows about a port.
    fn rows(&self, port: u16) -> Vec<&Value> {
        self.said["services"].as_array().unwrap().iter().filter(|row| row["port"] == port).collect()
    }

    /// What is said of a port in one row, and by which addresses it is reached at br100.
    fn state(&self, port: u16) -> (String, Vec<String>) {
        let rows = self.rows(port);
        assert_eq!(rows.len(), 1, "{port}: {rows:?}");
        let addresses = rows[0]["reached-at"]["br100"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&rows[0]["state"]), addresses.iter().map(text).collect())
    }

    fn states<const N: usize>(&self, ports: [u16; N]) -> [String; N] {
        ports.map(|port| self.state(port).0)
    }
}

/// A root directory with this policy.
fn root(policy: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/virt-guard");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("virt-guard.toml"), policy).unwrap();
    root
}

fn apply(root: &Path) {
    run(Command::new(env!("CARGO_BIN_EXE_virt-guard")).args(["apply", "--root"]).arg(root));
}

#[test]
fn every_kind_of_listener_is_found_with_what_it_is_bound_to() {
    let _guest = host();
    let tcp = TcpListener::bind("0.0.0.0:8001").unwrap();
    let udp = UdpSocket::bind("10.100.0.1:8002").unwrap();
    let dual = TcpListener::bind("[::]:8003").unwrap();
    let v6 = v6only("[::]:8004");
    let bound = on_device("0.0.0.0:8005", "br100");
    let mapped = TcpListener::bind("[::ffff:192.0.2.10]:8006").unwrap();
    let expected = |protocol, address: &str, port, inode| Listener {
        protocol,
        address: address.parse().unwrap(),
        port,
        v6only: false,
        interface: None,
        inode,
        uid: 0,
    };
    assert_eq!(found(8001), Some(expected(Protocol::TCP, "0.0.0.0", 8001, inode(&tcp))));
    assert_eq!(found(8002), Some(expected(Protocol::UDP, "10.100.0.1", 8002, inode(&udp))));
    assert_eq!(found(8003), Some(expected(Protocol::TCP, "::", 8003, inode(&dual))));
    assert_eq!(found(8004), Some(Listener { v6only: true, ..expected(Protocol::TCP, "::", 8004, inode(&v6)) }));
    let interface = Some("br100".parse().unwrap());
    assert_eq!(found(8005), Some(Listener { interface, ..expected(Protocol::TCP, "0.0.0.0", 8005, inode(&bound)) }));
    assert_eq!(found(8006), Some(expected(Protocol::TCP, "192.0.2.10", 8006, inode(&mapped))));
    assert_eq!(Netlink.listeners().unwrap().len(), 6, "and nothing else");
}

#[test]
fn who_waits_for_somebody_in_particular_is_no_listener() {
    let _guest = host();
    let listener = TcpListener::bind("127.0.0.1:8001").unwrap();
    let client = TcpStream::connect("127.0.0.1:8001").unwrap();
    let accepted = listener.accept().unwrap();
    let connected = UdpSocket::bind("127.0.0.1:8002").unwrap();
    assert!(found(8002).is_some());
    connected.connect("127.0.0.1:9").unwrap();
    assert_eq!(found(8002), None);
    drop(listener);
    soon("no listener", || Netlink.listeners().unwrap().is_empty().then_some(()));
    drop((client, accepted));
}

#[test]
fn a_datagram_socket_with_short_checksums_is_found() {
    let _guest = host();
    // SAFETY: it makes a descriptor, or none.
    let number = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, libc::IPPROTO_UDPLITE) };
    assert!(number >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: it was made just now and nobody else has it.
    let made = unsafe { OwnedFd::from_raw_fd(number) };
    let address: SocketAddr = "0.0.0.0:8001".parse().unwrap();
    bind(made.as_raw_fd(), &SockaddrStorage::from(address)).unwrap();
    let listener = found(8001).unwrap();
    assert_eq!((listener.protocol, listener.inode), (Protocol::UDPLITE, inode(&made)));
}

#[test]
fn a_socket_is_of_all_processes_that_hold_it() {
    let _guest = host();
    let listener = TcpListener::bind("0.0.0.0:8001").unwrap();
    let inode = inode(&listener);
    let shared = std::process::Stdio::from(OwnedFd::from(listener.try_clone().unwrap()));
    let mut child = Command::new("sleep").arg("60").stdin(shared).spawn().unwrap();
    let holds = || owners(&[inode].into()).unwrap().remove(&inode).unwrap();
    // Before it is sleep it is a copy of this program.
    let end = std::time::Instant::now() + PATIENCE;
    while !holds().iter().any(|owner| owner.command == "sleep") && std::time::Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
    let held = holds();
    child.kill().unwrap();
    child.wait().unwrap();
    let mut pids: Vec<_> = held.iter().map(|owner| owner.pid).collect();
    pids.sort_unstable();
    let mut expected = [std::process::id(), child.id()];
    expected.sort_unstable();
    assert_eq!(pids, expected);
    let sleep = held.iter().find(|owner| owner.pid == child.id()).unwrap();
    assert_eq!(sleep.command, "sleep");
}

#[test]
fn what_is_said_to_be_reached_is_what_a_guest_reaches() {
    let guest = host();
    let _std = ["0.0.0.0:8001", "[::]:8002", "192.0.2.10:8003", "10.100.0.1:8004", "127.0.0.1:8005", "[fd00::1]:8006"]
        .map(|address| TcpListener::bind(address).unwrap());
    let _v6 = [v6only("[::]:8007"), on_device("0.0.0.0:8008", "br100"), on_device("[::]:8009", "mgmt0")];
    let root = root("");
    let audit = Audit::of(root.path());
    let addresses = ["192.0.2.10", "10.100.0.1", "fd00::1", "fe80::1"].map(|text| text.parse::<IpAddr>().unwrap());
    for port in 8001..=8009 {
        let (_, mut said) = audit.state(port);
        said.sort();
        let reached = addresses.into_iter().filter(|address| guest.connects(*address, port));
        let mut reached: Vec<_> = reached.map(|address| address.to_string()).collect();
        reached.sort();
        assert_eq!(said, reached, "port {port}");
    }
    let [all, management] = [8002, 8003].map(|port| audit.state(port).1);
    assert_eq!((all.len(), management), (4, vec!["192.0.2.10".to_owned()]));
    let other_link = IpAddr::V6("fe80::10".parse::<Ipv6Addr>().unwrap());
    assert!(!guest.connects(other_link, 8002), "it is of another link");
}

#[test]
fn loopback_is_said_to_be_reached_where_it_is() {
    let guest = host();
    let _local = TcpListener::bind("127.0.0.1:8001").unwrap();
    let root = root("");
    assert_eq!(Audit::of(root.path()).state(8001), ("local".to_owned(), Vec::new()));
    fs::write("/proc/sys/net/ipv4/conf/br100/route_localnet", "1").unwrap();
    // The guest has to send there what it would keep for itself.
    let namespace = format!("--net=/proc/{}/fd/{}", std::process::id(), guest.0.as_raw_fd());
    let there = "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ip route del local 127.0.0.0/8 table local; \
                 ip route add 127.0.0.0/8 via 10.100.0.1 src 10.100.0.7";
    Command::new("nsenter").arg(namespace).args(["sh", "-c", there]).output().unwrap();
    assert!(guest.connects("127.0.0.1".parse().unwrap(), 8001));
    assert_eq!(Audit::of(root.path()).state(8001), ("exposed".to_owned(), vec!["127.0.0.1".to_owned()]));
}

#[test]
fn services_are_judged_by_the_wall_as_long_as_it_stands() {
    let _guest = host();
    let _allowed = [TcpListener::bind("0.0.0.0:8080").unwrap(), TcpListener::bind("10.100.0.1:53").unwrap()];
    let _filtered = TcpListener::bind("192.0.2.10:22").unwrap();
    let _local = TcpListener::bind("127.0.0.1:8001").unwrap();
    let ports = [8080, 53, 22, 8001];
    let root = root("[host]\nallow = [\"dhcp\", \"dns\", \"icmp\", \"tcp/8080\"]\n");
    let before = Audit::of(root.path());
    assert_eq!(before.rows(8001)[0]["pinned-by"], serde_json::json!(["address 127.0.0.1"]));
    assert_eq!(before.rows(22)[0]["pinned-by"], serde_json::json!([]), "its address is reached all the same");
    assert_eq!((before.states(ports), before.code), (["allowed", "allowed", "exposed", "local"].map(str::to_owned), 1));
    assert_eq!(before.said["walls-stand"], false);
    apply(root.path());
    let standing = Audit::of(root.path());
    let states = ["allowed", "allowed", "filtered", "local"].map(str::to_owned);
    assert_eq!((standing.states(ports), standing.code), (states, 0), "{}", standing.said["walls-lack"]);
    let row = standing.rows(8080)[0];
    assert_eq!(row["rule"]["label"], "host allows tcp/8080");
    let place = &row["rule"]["place"];
    assert!(place["file"].as_str().unwrap().ends_with("/etc/virt-guard/virt-guard.toml"), "{place}");
    assert_eq!((&place["line"], &row["owners"][0]["pid"]), (&2.into(), &std::process::id().into()));
    // Either engine has its rules there.
    run(Command::new("nft").args(["flush", "ruleset"]));
    let flushed = Audit::of(root.path());
    assert_eq!((flushed.states([22]), flushed.code), (["exposed".to_owned()], 1));
}

#[test]
fn a_port_that_is_nobodys_and_open_meets_no_wall() {
    let _guest = host();
    let _ssh = TcpListener::bind("0.0.0.0:22").unwrap();
    let root = root("[bridges.br100]\nunknown-ports = \"accept\"\n");
    apply(root.path());
    let audit = Audit::of(root.path());
    assert_eq!((audit.state(22).0.as_str(), audit.code), ("exposed", 1));
    let reason = "vnet7 of br100 is no guest's port, and unknown-ports = \"accept\"";
    assert_eq!((&audit.rows(22)[0]["reason"], &audit.said["walls-stand"]), (&reason.into(), &true.into()));
    ip("link set vnet7 nomaster");
    apply(root.path());
    let audit = Audit::of(root.path());
    assert_eq!((audit.state(22).0.as_str(), audit.code), ("filtered", 0), "{}", audit.said["walls-lack"]);
}
