//! The host between its guests and the world.
//!
//! ```text
//!   outside 203.0.113.200, .201, 10.50.0.9, 192.0.2.9      and of IPv6 likewise
//!      │
//!     eth0 203.0.113.1/24 2001:db8:113::1/64
//!   the host, which forwards
//!     br100 10.100.0.1/24 fd00:100::1/64
//!      ├── vnet7 ── guest 7: 10.100.0.7 fd00:100::7
//!      └── vnet8 ── guest 8: …
//! ```
//!
//! The world sends what is for 203.0.113.8–15 to the host, whoever bears those
//! addresses: so the packets of a dead connection go on arriving.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use virt_guard::net::Family;

use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::station::{CARD, Station, set};
use crate::support::lab::BRIDGE;

/// Both families, as every case tries them.
pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// The host's card in the world.
const UPSTREAM: &str = "eth0";
/// The host in the world.
const HOST: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x113, 0, 0, 0, 0, 1))];
/// The host at its bridge, as the lab has it.
const GATEWAY: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 100, 0, 1)), IpAddr::V6(Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0, 1))];
/// What the policies call the operator's own network, and every guest is in it.
const OWN: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 50, 0, 9)), IpAddr::V6(Ipv6Addr::new(0xfd50, 0, 0, 0, 0, 0, 0, 9))];
/// Somebody far away.
const FAR: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 9))];

/// An address of this family out of a pair.
fn of(family: Family, pair: [IpAddr; 2]) -> IpAddr {
    pair[usize::from(family == Family::V6)]
}

/// Floating IP number `last`, 10 to 15: 203.0.113.10 or 2001:db8:113::10.
pub fn floating(family: Family, last: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(203, 0, 113, last).into(),
        // Written alike, so 10 is 0x10 there.
        Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0x113, 0, 0, 0, 0, 0x10 + u16::from(last) - 10).into(),
    }
}

/// The world's address within 10.0.0.0/8 or fd00::/8.
pub fn own(family: Family) -> IpAddr {
    of(family, OWN)
}

/// The world's address that is in nobody's rules.
pub fn far(family: Family) -> IpAddr {
    of(family, FAR)
}

/// The network that [`own`] and all guests are in, and [`far`] is not.
pub fn own_network(family: Family) -> &'static str {
    match family {
        Family::V4 => "10.0.0.0/8",
        Family::V6 => "fd00::/8",
    }
}

/// The host's address in the world.
pub fn upstream(family: Family) -> IpAddr {
    of(family, HOST)
}

/// What is around the host.
#[derive(Debug)]
pub struct World {
    /// Everybody beyond the host's card.
    pub outside: Station,
    /// The host, which is the case's own namespace.
    pub host: Station,
}

impl World {
    /// The world, at a card that the bench's host gets.
    pub fn new(bench: &Bench) -> Self {
        let world = |last| {
            [
                Ipv4Addr::new(203, 0, 113, last).into(),
                Ipv6Addr::new(0x2001, 0xdb8, 0x113, 0, 0, 0, 0, last.into()).into(),
            ]
        };
        let outside = Station::new([world(200), world(201), OWN, FAR].concat());
        bench.lab.ip(&[format!("link add {UPSTREAM} type veth peer name {CARD} netns {}", outside.path())]);
        set(&format!("ipv6/conf/{UPSTREAM}/disable_ipv6"), "0");
        bench.lab.ip(&commands(&[
            "link set eth0 up",
            "address add 203.0.113.1/24 dev eth0",
            "address add 2001:db8:113::1/64 dev eth0 nodad",
        ]));
        outside.ip(&of_the_world(&outside));
        let via = |address: &IpAddr| format!("route add {address} via {}", outside.address(Family::of(*address)));
        bench.lab.ip(&OWN.iter().chain(&FAR).map(via).collect::<Vec<_>>());
        set("ipv4/ip_forward", "1");
        set("ipv6/conf/all/forwarding", "1");
        Self { outside, host: Station::here([HOST, GATEWAY].concat()) }
    }

    /// Plugs the guest into the bridge, with a stack that bears its addresses.
    pub fn plug(&self, bench: &Bench, guest: &Guest) -> Station {
        let station = Station::new(FAMILIES.map(|family| guest.address_of(family)).to_vec());
        let (port, mac) = (guest.port(), guest.mac());
        bench.lab.ip(&[
            format!("link add {port} type veth peer name {CARD} address {mac} netns {}", station.path()),
            format!("link set {port} master {BRIDGE} up"),
        ]);
        let mut list = commands(&["link set lo up", "link set eth0 up"]);
        for (address, gateway) in station.addresses().iter().zip(GATEWAY) {
            let (length, no_wait) = if gateway.is_ipv4() { (24, "") } else { (64, "nodad") };
            list.push(format!("address add {address}/{length} dev {CARD} {no_wait}"));
            list.push(format!("route add default via {gateway}"));
        }
        station.ip(&list);
        bench.wait_for_port(&port);
        station
    }

    /// What comes of a guest whose process died: its tap is gone.
    pub fn unplug(&self, bench: &Bench, guest: &Guest) {
        bench.lab.ip(&[format!("link delete {}", guest.port())]);
    }

    /// Has the host forget which station bears which address.
    pub fn forget_neighbours(&self, bench: &Bench) {
        bench.lab.ip(&[format!("neighbour flush dev {BRIDGE}")]);
    }
}

fn of_the_world(outside: &Station) -> Vec<String> {
    let mut list = commands(&["link set lo up", "link set eth0 up"]);
    for address in outside.addresses() {
        let near = OWN.iter().chain(&FAR).all(|far| far != address);
        let length = match (near, address) {
            (true, IpAddr::V4(_)) => "/24",
            (true, IpAddr::V6(_)) => "/64 nodad",
            (false, IpAddr::V4(_)) => "/32",
            (false, IpAddr::V6(_)) => "/128 nodad",
        };
        let (length, no_wait) = length.split_once(' ').unwrap_or((length, ""));
        list.push(format!("address add {address}{length} dev {CARD} {no_wait}"));
    }
    list.extend(commands(&[
        "route add default via 203.0.113.1",
        "route add 203.0.113.8/29 via 203.0.113.1",
        "route add default via 2001:db8:113::1",
        "route add 2001:db8:113::10/125 via 2001:db8:113::1",
    ]));
    list
}

fn commands(list: &[&str]) -> Vec<String> {
    list.iter().map(|command| (*command).to_owned()).collect()
}
