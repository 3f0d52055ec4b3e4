//! Who is at the bridge: three guests, the network behind the uplink, a port that
//! is nobody's, and the host.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use virt_guard::net::{Family, Mac};

use super::support::lab::BRIDGE_MAC;

/// The port that leads out of the host.
pub const UPLINK: &str = "eth1";

/// Where a packet comes from or goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// The guest of this number.
    Guest(usize),
    /// A station behind the uplink.
    Lan,
    /// Whoever is at the unknown port.
    Unknown,
    /// The host.
    Host,
}

impl End {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Guest(0), Self::Guest(1), Self::Guest(2), Self::Lan, Self::Unknown, Self::Host];

    /// Who that is.
    pub const fn station(self) -> &'static Station {
        match self {
            Self::Guest(number) => &GUESTS[number],
            Self::Lan => &LAN,
            Self::Unknown => &UNKNOWN,
            Self::Host => &HOST,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.pad("the host"),
            other => write!(f, "{} at {}", other.station().name, other.station().port),
        }
    }
}

/// One of those at the bridge.
#[derive(Debug)]
pub struct Station {
    /// Its name.
    pub name: &'static str,
    /// The host's end of its cable.
    pub port: &'static str,
    /// Its MAC address.
    pub mac: Mac,
    /// The IPv4 address it has, whether or not the policy knows.
    pub v4: Ipv4Addr,
    /// The IPv6 address it has.
    pub v6: Ipv6Addr,
}

/// The guests. Their ports' names begin alike, as they do on a real host.
pub const GUESTS: [Station; 3] = [
    station("alpha", "vnet1", Mac::new([0x52, 0x54, 0, 0, 0, 1]), 11),
    station("beta", "vnet10", Mac::new([0x52, 0x54, 0, 0, 0, 2]), 12),
    station("gamma", "tap-c", Mac::new([0x52, 0x54, 0, 0, 0, 3]), 13),
];
const LAN: Station = station("lan", UPLINK, Mac::new([0x02, 0, 0, 0, 0, 0xaa]), 200);
const UNKNOWN: Station = station("stranger", "vnet99", Mac::new([0x52, 0x54, 0, 0, 0, 0x99]), 99);
const HOST: Station = station("host", "", BRIDGE_MAC, 1);

const fn station(name: &'static str, port: &'static str, mac: Mac, last: u8) -> Station {
    let (v4, v6) = (Ipv4Addr::new(10, 100, 0, last), Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0, last as u16));
    Station { name, port, mac, v4, v6 }
}

impl Station {
    /// Its address of `family`.
    pub const fn address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => IpAddr::V4(self.v4),
            Family::V6 => IpAddr::V6(self.v6),
        }
    }
}
