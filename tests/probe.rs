//! The host's services, tried from a guest's place: that what a probe finds is what is
//! there, behind the walls and without, and that nothing of it stays.
//!
//! ```text
//!   this thread's namespace, "the host"
//!   mgmt0  192.0.2.10/24, default route
//!   br100  10.100.0.1/24 fd00::1/64 fe80::1
//!   br200  no address but that of its link
//! ```
//!
//! Root only; all of it vanishes with the thread. The listeners are the test's own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "support/listeners.rs"]
mod listeners;

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{BindToDevice, Broadcast};
use serde_json::Value;
use tempfile::TempDir;

use listeners::{on_device, run, soon, v6only};

/// In emulation processes are ten times slower.
fn patience() -> Duration {
    let slow = std::env::var("LAB_SLOW").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    Duration::from_secs(20) * slow
}

fn ip(arguments: &str) -> String {
    run(Command::new("ip").args(arguments.split_whitespace()))
}

/// Puts this thread on a host with a management interface and two bridges.
fn host() {
    assert!(nix::unistd::geteuid().is_root(), "this needs root: it makes network namespaces");
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    ip("link set lo up");
    ip("link add mgmt0 type veth peer name mgmt1");
    ip("link add br100 type bridge forward_delay 0");
    ip("link add br200 type bridge forward_delay 0");
    for (name, addresses) in [
        ("mgmt0", &["192.0.2.10/24"][..]),
        ("br100", &["10.100.0.1/24", "fd00::1/64 nodad", "fe80::1/64 nodad"]),
        ("br200", &["fe80::2/64 nodad"]),
        ("mgmt1", &[]),
    ] {
        ip(&format!("link set {name} addrgenmode none"));
        ip(&format!("link set {name} up"));
        addresses.iter().for_each(|address| drop(ip(&format!("address add dev {name} {address}"))));
    }
    ip("route add default via 192.0.2.1");
}

/// A root directory with this policy.
fn root(policy: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/virt-guard");
    fs::create_dir_all(&folder).unwrap();
    let engine = match std::env::var("VIRT_GUARD_TEST_ENGINES") {
        Ok(engine) => format!("engine = \"{engine}\"\n"),
        Err(_) => String::new(),
    };
    fs::write(folder.join("virt-guard.toml"), engine + policy).unwrap();
    root
}

fn program(root: &Path, arguments: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_virt-guard"));
    program.args(arguments.split_whitespace()).arg("--root").arg(root);
    program
}

/// What a probe said, and its exit code.
struct Probe {
    code: i32,
    said: Value,
    complained: String,
}

impl Probe {
    fn of(root: &Path, arguments: &str) -> Self {
        Self::ended(program(root, &format!("services probe --json {arguments}")).output().unwrap())
    }

    fn ended(output: std::process::Output) -> Self {
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        Self { code: output.status.code().unwrap(), said, complained }
    }

    /// What came of a port at a bridge: its state, then each address with its outcome.
    fn port(&self, bridge: &str, port: u16) -> String {
        let all = self.said["services"].as_array().unwrap_or_else(|| panic!("{}", self.complained));
        let mut rows = all.iter().filter(|row| row["bridge"] == bridge && row["port"] == port);
        let Some(row) = rows.next() else { return "not tried".to_owned() };
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let attempts = row["attempts"].as_array().unwrap();
        let cells = attempts.iter().map(|cell| format!(" {}={}", word(&cell["address"]), word(&cell["outcome"])));
        word(&row["state"]) + &cells.collect::<String>()
    }

    fn remarks(&self, bridge: &str, key: &str) -> String {
        let stands = self.said["bridges"].as_array().unwrap();
        let stand = stands.iter().find(|stand| stand["bridge"] == bridge).unwrap();
        stand[key].to_string()
    }
}

fn apply(root: &Path) {
    run(&mut program(root, "apply"));
}

/// Nothing of a probe is there any more.
fn assert_clean(root: &Path) {
    assert!(!ip("-o link").contains("vgprobe"), "{}", ip("-o link"));
    for folder in ["guests", "ports", "probes", "addresses"] {
        let left = fs::read_dir(root.join("run/virt-guard").join(folder)).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{folder}");
    }
}

/// A service of UDP that answers every datagram with what `answer` makes of it.
struct Echo {
    ends: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Echo {
    fn at(address: &str, answer: fn(&UdpSocket, &[u8], SocketAddr)) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let seen = ends.clone();
        let serve = move || {
            let mut buffer = [0; 2048];
            while !seen.load(Ordering::Relaxed) {
                match socket.recv_from(&mut buffer) {
                    Ok((length, from)) => answer(&socket, &buffer[..length], from),
                    Err(error) => assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)),
                }
            }
        };
        Self { ends, thread: Some(thread::spawn(serve)) }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.take().map(thread::JoinHandle::join);
    }
}

fn same(socket: &UdpSocket, content: &[u8], from: SocketAddr) {
    socket.send_to(content, from).unwrap();
}

/// Offers an address to whoever asks, as far as the number of the question goes.
fn offer(socket: &UdpSocket, content: &[u8], _: SocketAddr) {
    setsockopt(socket, Broadcast, &true).unwrap();
    setsockopt(socket, BindToDevice, &"br100".into()).unwrap();
    let mut reply = content.to_vec();
    reply[0] = 2;
    socket.send_to(&reply, "255.255.255.255:68").unwrap();
}

/// Everything that a host can listen with, each at a port of its own.
struct Services {
    _tcp: Vec<TcpListener>,
    _special: Vec<OwnedFd>,
    _udp: Vec<UdpSocket>,
    _echo: Vec<Echo>,
}

impl Services {
    fn begin() -> Self {
        let tcp = ["0.0.0.0:8001", "[::]:8002", "192.0.2.10:8003", "127.0.0.1:8004", "[fd00::1]:8005"];
        Self {
            _tcp: tcp.map(|address| TcpListener::bind(address).unwrap()).into(),
            _special: vec![v6only("[::]:8006"), on_device("0.0.0.0:8007", "br100"), on_device("0.0.0.0:8008", "mgmt0")],
            _udp: ["0.0.0.0:9001", "192.0.2.10:9002"].map(|address| UdpSocket::bind(address).unwrap()).into(),
            _echo: vec![Echo::at("0.0.0.0:9003", same)],
        }
    }
}

/// What is found of [`Services`] at br100 where no wall is in the way.
const OPEN: [(u16, &str); 11] = [
    (8001, "exposed 10.100.0.1=answered 192.0.2.10=answered"),
    (8002, "exposed 10.100.0.1=answered 192.0.2.10=answered fd00::1=answered fe80::1=answered"),
    (8003, "exposed 192.0.2.10=answered"),
    (8004, "not tried"),
    (8005, "exposed fd00::1=answered"),
    (8006, "exposed fd00::1=answered fe80::1=answered"),
    (8007, "exposed 10.100.0.1=answered 192.0.2.10=answered"),
    (8008, "closed 10.100.0.1=refused 192.0.2.10=refused"),
    (9001, "exposed 10.100.0.1=delivered 192.0.2.10=delivered"),
    (9002, "exposed 192.0.2.10=delivered"),
    (9003, "exposed 10.100.0.1=answered 192.0.2.10=answered"),
];

fn assert_open(probe: &Probe) {
    for (port, expected) in OPEN {
        assert_eq!(probe.port("br100", port), expected, "{port}");
    }
    assert_eq!(probe.code, 1, "{}", probe.complained);
}

#[test]
fn what_a_guest_reaches_is_found_and_nothing_of_it_behind_walls() {
    host();
    let _services = Services::begin();
    let root = root("");
    let before = Probe::of(root.path(), "");
    assert_open(&before);
    assert_eq!(before.said["walls"], Value::Null, "nothing is applied by probing");
    assert!(!root.path().join("run/virt-guard/base.json").exists());
    apply(root.path());
    let behind = Probe::of(root.path(), "--bridge br100");
    for (port, open) in OPEN.into_iter().filter(|(_, open)| *open != "not tried") {
        let addresses = open.split(' ').skip(1).map(|cell| cell.split_once('=').unwrap().0);
        let silent: String = addresses.map(|address| format!(" {address}=silent")).collect();
        assert_eq!(behind.port("br100", port), format!("closed{silent}"), "{port}");
    }
    assert_eq!((behind.code, &behind.said["walls"]), (0, &"standing".into()), "{}", behind.complained);
    assert_clean(root.path());
    let aside = Probe::of(root.path(), "--bridge br100 --without-walls");
    assert_open(&aside);
    assert_eq!(aside.said["walls"], "aside");
    assert_clean(root.path());
    run(&mut program(root.path(), "check"));
}

#[test]
fn dhcp_and_dns_have_to_answer_where_somebody_serves_them() {
    host();
    let root = root("");
    let (dns, dhcp) = (Echo::at("10.100.0.1:53", same), Echo::at("0.0.0.0:67", offer));
    apply(root.path());
    let probe = Probe::of(root.path(), "--bridge br100");
    assert_eq!(probe.port("br100", 53), "reached 10.100.0.1=answered");
    let offered = "reached 10.100.0.1=answered 192.0.2.10=answered 255.255.255.255=answered";
    assert_eq!(probe.port("br100", 67), offered);
    assert_eq!(probe.code, 0, "{}", probe.complained);
    drop((dns, dhcp));
    let _deaf = ["10.100.0.1:53", "192.0.2.10:67"].map(|at| soon(at, || UdpSocket::bind(at).ok()));
    let probe = Probe::of(root.path(), "--bridge br100");
    assert_eq!(probe.port("br100", 53), "failing 10.100.0.1=silent");
    assert_eq!(probe.port("br100", 67), "closed 192.0.2.10=silent", "it is there for another network");
    assert_eq!(probe.code, 1);
}

#[test]
fn a_socket_that_throws_datagrams_away_is_told_from_one_that_is_silent() {
    host();
    let root = root("");
    let filtered = UdpSocket::bind("0.0.0.0:9001").unwrap();
    // One instruction: nothing of any packet is taken (socket(7), SO_ATTACH_FILTER).
    let mut nothing = libc::sock_filter { code: 6, jt: 0, jf: 0, k: 0 };
    let filter = libc::sock_fprog { len: 1, filter: &raw mut nothing };
    let length = size_of::<libc::sock_fprog>() as libc::socklen_t;
    // SAFETY: the program and its only instruction are whole and outlive the call.
    let attached = unsafe {
        let (level, option) = (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER);
        libc::setsockopt(filtered.as_raw_fd(), level, option, (&raw const filter).cast(), length)
    };
    assert_eq!(attached, 0, "{}", std::io::Error::last_os_error());
    let probe = Probe::of(root.path(), "--bridge br100");
    assert_eq!(probe.port("br100", 9001), "closed 10.100.0.1=dropped 192.0.2.10=dropped");
    assert_eq!(probe.code, 0, "{}", probe.complained);
}

/// A filter that lets a guest send IPv4 from its own addresses, and nothing else.
const OWN_ADDRESS: &str = "<filter name='own-address'>
<rule action='accept' direction='inout' priority='100'><arp/></rule>
<rule action='accept' direction='out' priority='200'><ip srcipaddr='$IP'/></rule>
<rule action='drop' direction='out' priority='1000'><mac/></rule>
</filter>";

#[test]
fn a_probe_has_addresses_that_are_known_as_a_guests_are() {
    host();
    let _ssh = [TcpListener::bind("[::]:22").unwrap(), TcpListener::bind("[fd00::1]:53").unwrap()];
    let root = root("[host]\nallow = [\"dns\", \"tcp/22\"]\n[guests]\nfilters = [\"own-address\"]\n");
    let folder = root.path().join("etc/virt-guard/nwfilter");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("own-address.xml"), OWN_ADDRESS).unwrap();
    apply(root.path());
    let probe = Probe::of(root.path(), "--bridge br100");
    let expected = "reached 10.100.0.1=answered 192.0.2.10=answered fd00::1=silent fe80::1=silent";
    assert_eq!(probe.port("br100", 22), expected, "{}", probe.complained);
    assert_eq!(probe.port("br100", 53), "closed fd00::1=silent", "no service fails by what guests may not");
    let note = probe.remarks("br100", "notes");
    assert!(note.contains("fd00::1 is not found from there: nothing gets to this host by ipv6"), "{note}");
    assert_eq!(probe.code, 0, "{}", probe.complained);
    assert_clean(root.path());
}

/// A probe that is at work: its port is there, and what is kept of it.
fn at_work(root: &Path, arguments: &str, folder: &str) -> Child {
    let mut command = program(root, &format!("services probe --json --bridge br100 {arguments}"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let folder = root.join("run/virt-guard").join(folder);
    let end = Instant::now() + patience();
    let is_kept = || fs::read_dir(&folder).is_ok_and(|mut files| files.next().is_some());
    while !(is_kept() && ip("-o link").contains("vgprobe")) {
        assert!(Instant::now() < end && child.try_wait().unwrap().is_none(), "the probe is never at work");
        thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn what_a_killed_probe_leaves_is_swept() {
    host();
    let _services = Services::begin();
    let root = root("");
    apply(root.path());
    let modes = [("", "ports"), ("--without-walls", "probes")];
    for ((arguments, folder), later) in modes.into_iter().flat_map(|mode| [0, 150, 900].map(|later| (mode, later))) {
        let mut child = at_work(root.path(), arguments, folder);
        thread::sleep(Duration::from_millis(later));
        child.kill().unwrap();
        child.wait().unwrap();
        let end = Instant::now() + patience();
        while ip("-o link").contains("vgprobe") {
            assert!(Instant::now() < end, "the port outlives its probe");
            thread::sleep(Duration::from_millis(10));
        }
        apply(root.path());
        assert_clean(root.path());
        run(&mut program(root.path(), "check"));
    }
}

#[test]
fn two_probes_at_once_do_not_meet() {
    host();
    let _services = Services::begin();
    let root = root("");
    apply(root.path());
    let begin = |arguments: &str| {
        let mut command = program(root.path(), &format!("services probe --json --bridge br100 {arguments}"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = [begin(""), begin(""), begin("--without-walls")];
    let [one, two, aside] = both.map(|child| Probe::ended(child.wait_with_output().unwrap()));
    assert_eq!((one.code, two.code), (0, 0), "{}{}", one.complained, two.complained);
    assert_ne!(one.remarks("br100", "addresses"), two.remarks("br100", "addresses"));
    assert_open(&aside);
    assert_clean(root.path());
    run(&mut program(root.path(), "check"));
}

#[test]
fn a_bridge_at_which_something_cannot_be_tried_is_told() {
    host();
    let _services = Services::begin();
    let root = root("[bridges.br100]\n[bridges.br200]\n[[guest]]\nmatch = \"web\"\naddresses = [\"10.200.0.2\"]\n");
    ip("address flush dev br100 scope global");
    ip("address add 10.200.0.1/30 dev br100");
    let probe = Probe::of(root.path(), "");
    assert_eq!(probe.code, 3, "{}", probe.complained);
    let lack = "no address of 10.200.0.0/30 is free: IPv4 was not tried";
    assert!(probe.complained.contains(&format!("virt-guard: br100: {lack}")), "{}", probe.complained);
    assert_eq!(probe.port("br100", 8002), "exposed fe80::1=answered");
    assert_eq!(probe.port("br200", 8002), "exposed fe80::2=answered");
    let note = probe.remarks("br200", "notes");
    assert!(note.contains("what answers guests there would leave by mgmt0: IPv4 was not tried"), "{note}");
    // Without a way out an answer cannot leave.
    ip("route del default");
    let probe = Probe::of(root.path(), "--bridge br200");
    assert_eq!(probe.port("br200", 8003), "closed 192.0.2.10=silent", "nor does it come back");
    ip("route add 169.254.0.0/16 dev br200");
    let probe = Probe::of(root.path(), "--bridge br200");
    assert_eq!(probe.port("br200", 8003), "exposed 192.0.2.10=answered", "by an address of another network");
}

#[test]
fn an_address_that_somebody_has_is_not_taken() {
    host();
    let root = root("");
    ip("address flush dev br100 scope global");
    ip("address add 10.200.0.1/29 dev br100");
    ip("link add vnet7 type veth peer name guest7");
    ip("link set vnet7 master br100");
    // A neighbour that has all addresses of the network but one.
    let guest = Command::new("unshare").args(["-n", "sleep", "600"]).spawn().unwrap();
    let moved = || Command::new("ip").args(["link", "set", "guest7", "netns", &guest.id().to_string()]).output();
    let end = Instant::now() + patience();
    while fs::read_link(format!("/proc/{}/ns/net", guest.id())).unwrap()
        == fs::read_link("/proc/thread-self/ns/net").unwrap()
    {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(5));
    }
    assert!(moved().unwrap().status.success());
    let there = |arguments: &str| {
        let pid = guest.id().to_string();
        run(Command::new("nsenter").args(["-t", &pid, "-n", "ip"]).args(arguments.split(' ')))
    };
    [2, 3, 5, 6].iter().for_each(|number| drop(there(&format!("address add 10.200.0.{number}/29 dev guest7"))));
    there("link set guest7 up");
    ip("link set vnet7 up");
    let _ssh = TcpListener::bind("0.0.0.0:22").unwrap();
    let probe = Probe::of(root.path(), "--bridge br100");
    let addresses = probe.remarks("br100", "addresses");
    let mut guest = guest;
    guest.kill().unwrap();
    guest.wait().unwrap();
    assert!(addresses.contains("\"10.200.0.4\""), "{addresses}");
    assert_eq!(probe.port("br100", 22), "exposed 10.200.0.1=answered 192.0.2.10=answered");
}

#[test]
fn wrong_words_are_one_error_and_leave_nothing() {
    host();
    let root = root("");
    for name in ["br9", "mgmt0"] {
        let probe = Probe::of(root.path(), &format!("--bridge {name}"));
        let expected =
            format!("virt-guard: {name}: no bridge of this host that guests are at, expected one of: br100\n");
        assert_eq!((probe.code, probe.complained), (2, expected));
    }
    let probe = Probe::of(root.path(), "--bridge br100 --html /no/such/folder/x.html");
    assert_eq!(probe.code, 3);
    assert!(probe.complained.starts_with("virt-guard: /no/such/folder/x.html: "), "{}", probe.complained);
    assert_clean(root.path());
}

#[test]
fn the_page_has_the_same_cells() {
    host();
    let _services = Services::begin();
    let root = root("");
    let file = root.path().join("matrix.html");
    let probe = Probe::of(root.path(), &format!("--bridge br100 --html {}", file.display()));
    let page = fs::read_to_string(&file).unwrap();
    let mut cells = 0;
    for row in probe.said["services"].as_array().unwrap() {
        for cell in row["attempts"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let wanted = format!(
                "data-bridge=\"br100\" data-service=\"{}/{}\" data-address=\"{}\" data-outcome=\"{}\"",
                text(&row["protocol"]),
                row["port"],
                text(&cell["address"]),
                text(&cell["outcome"])
            );
            assert!(page.contains(&wanted), "{wanted}");
            cells += 1;
        }
    }
    assert_eq!(page.matches("data-outcome=").count(), cells);
}
