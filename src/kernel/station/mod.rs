//! A station at a bridge: a network namespace with one interface, from which this host is
//! seen as a guest sees it.
//!
//! In: the name of the port, a MAC address, what to be called and where to send. Out: what
//! came back. The namespace is held by an open file and both ends of the cable are its
//! children: they vanish with the process, however it ends. Nothing is sent but to the
//! addresses that the caller names.

mod call;
mod claim;
mod link;
mod socket;

use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};

use super::Deadline;
use crate::net::{Family, IfName, Mac};
use link::Borne;

pub use call::{Call, Fate};
pub use link::leads_by;

/// The interface at the station's end.
const NAME: &str = "eth0";
/// A port of a bridge with the spanning tree protocol is quiet for twice its forward
/// delay, which is 15 s by default.
const UNTIL_FORWARDING: Duration = Duration::from_secs(35);
/// The kernel asks once whether somebody has an address, and waits [`QUIET`].
const UNTIL_SETTLED: Duration = Duration::from_secs(3);
/// Within one machine whoever has an address says so in far less, in milliseconds.
const QUIET: &str = "300";
/// How long a neighbour may take to answer: three questions of the kernel's.
const UNTIL_NEIGHBOUR: Duration = Duration::from_millis(1500);
/// Between two looks.
const PACE: Duration = Duration::from_millis(20);
/// Of the station's namespace: it believes nobody's router, and is soon sure of its own
/// addresses (Documentation/networking/ip-sysctl).
const SETTINGS: [(&str, &str); 6] = [
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
    ("ipv6/conf/default/router_solicitation_delay", "0"),
    ("ipv6/conf/default/use_tempaddr", "0"),
    ("ipv6/conf/default/addr_gen_mode", "0"),
    ("ipv6/neigh/default/retrans_time_ms", QUIET),
];

/// A station, not yet plugged in.
#[derive(Debug)]
pub struct Station {
    namespace: File,
    port: IfName,
    mac: Mac,
}

impl Station {
    /// A station of this MAC address, whose cable ends in this network namespace as `port`;
    /// as long frames as on `bridge` go through it.
    ///
    /// # Errors
    /// This process may not make namespaces or interfaces, or there is one of that name.
    pub fn open(port: &IfName, mac: Mac, bridge: &IfName) -> io::Result<Self> {
        let here = File::open("/proc/thread-self/ns/net")?;
        let mtu = link::mtu(bridge)?;
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            settle();
            link::set_up("lo")?;
            link::make_cable(&link::Cable { port, mac, mtu, host: &here })?;
            File::open("/proc/thread-self/ns/net")
        };
        let namespace = on_a_thread(make)?;
        Ok(Self { namespace, port: port.clone(), mac })
    }

    /// The name of the cable's end on the host.
    pub fn port(&self) -> &IfName {
        &self.port
    }

    /// The station's MAC address.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Makes the port one of `bridge`'s. Nothing is sent yet.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn plug(&self, bridge: &IfName) -> io::Result<()> {
        link::plug(&self.port, bridge)
    }

    /// Begins to send and receive, and waits until the bridge lets it and the station is
    /// sure of its address of the link.
    ///
    /// # Errors
    /// The kernel refuses, or the bridge keeps the port quiet for too long.
    pub fn wake(&self, deadline: Deadline) -> io::Result<()> {
        self.inside(|| link::set_up(NAME))?;
        let forwards = || link::forwards(&self.port);
        if !eventually(UNTIL_FORWARDING.min(deadline.remaining()), forwards)? {
            let message = format!("{}: the bridge does not forward what comes from there", self.port);
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        self.inside(|| eventually(UNTIL_SETTLED, || Ok(link::borne(NAME)?.iter().all(|borne| !borne.is_tentative()))))
            .map(drop)
    }

    /// Has the station bear `address`; whether nobody else turned out to have it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn bear(&self, address: IpAddr, prefix: u8) -> io::Result<bool> {
        let settled = || {
            let borne = link::borne(NAME)?;
            Ok(borne.iter().find(|borne| borne.address == address).is_none_or(|borne| !borne.is_tentative()))
        };
        self.inside(|| {
            link::bear(NAME, address, prefix)?;
            let is_settled = eventually(UNTIL_SETTLED, settled)?;
            let stays = link::borne(NAME)?.iter().any(|borne| borne.address == address && !borne.is_refused());
            Ok(is_settled && stays)
        })
    }

    /// The addresses of the station that it is sure of.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn addresses(&self) -> io::Result<Vec<IpAddr>> {
        let sure = |borne: &Borne| !borne.is_tentative() && !borne.is_refused();
        let borne = self.inside(|| link::borne(NAME))?;
        Ok(borne.iter().filter(|borne| sure(borne)).map(|borne| borne.address).collect())
    }

    /// Sends all of the family of `gateway` there; whether it is found at the bridge.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn route_by(&self, gateway: IpAddr) -> io::Result<bool> {
        self.inside(|| {
            link::route_by(NAME, gateway)?;
            link::look_for(NAME, gateway)?;
            eventually(UNTIL_NEIGHBOUR, || link::is_found(NAME, gateway))
        })
    }

    /// Has the station send what is for 127.0.0.0/8 to its gateway, and take it from there:
    /// for a host that answers to it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn give_up_loopback(&self) -> io::Result<()> {
        self.inside(|| {
            fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1")?;
            link::take_loopback()
        })
    }

    /// Takes the cable away, and with it both of its ends.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn unplug(self) -> io::Result<()> {
        self.inside(|| link::delete(NAME))
    }

    /// Makes all the calls, and gives what became of each. `tell` hears how many are over.
    ///
    /// # Errors
    /// A socket cannot be had, or not all is over by the deadline.
    pub fn call(&self, calls: &[Call], deadline: Deadline, tell: &(dyn Fn(usize) + Sync)) -> io::Result<Vec<Fate>> {
        self.inside(|| call::all(calls, deadline, tell))
    }

    /// Calls `work` in the station's namespace.
    fn inside<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        on_a_thread(|| {
            setns(&self.namespace, CloneFlags::CLONE_NEWNET)?;
            work()
        })
    }
}

/// The first of `candidates` that nobody at `bridge` has (RFC 5227), asked by this host.
///
/// # Errors
/// There is no such bridge, or raw packets cannot be sent.
pub fn free_address(bridge: &IfName, candidates: &[Ipv4Addr]) -> io::Result<Option<Ipv4Addr>> {
    claim::free(bridge.as_str(), candidates)
}

/// Where there is no IPv6 nothing of it needs to be set.
fn settle() {
    for (name, value) in SETTINGS {
        let _ = fs::write(format!("/proc/sys/net/{name}"), value);
    }
}

/// A namespace is a thread's own: this one ends before it could be used for something else.
fn on_a_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let joined = thread::scope(|scope| scope.spawn(work).join());
    joined.unwrap_or_else(|_| Err(io::Error::other("a thread of the probe ended early")))
}

/// Whether something becomes true within `time`.
fn eventually(time: Duration, mut is_so: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    let end = Instant::now() + time;
    loop {
        if is_so()? {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        thread::sleep(PACE);
    }
}

/// linux/socket.h
const fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

/// An address as the kernel takes it.
fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
