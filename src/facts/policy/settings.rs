//! What `virt-guard.toml` sets for the whole host.
//!
//! Out: the typed settings and their defaults. How they are read is in `check`.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::{
    AntiSpoofing, GroupName, Guard, MetadataGroups, MidStream, Place, Placed, Reject, Unguardable, UnknownPorts,
};
use crate::net::{BridgePattern, EtherType, IfName, PortRange, Protocol, ValueError, serde_as_text};

/// Five adjacent bits of the packet mark (`nfmark`), which nothing else on the
/// host may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Marks {
    mask: u32,
}

impl TryFrom<u32> for Marks {
    type Error = &'static str;

    fn try_from(mask: u32) -> Result<Self, Self::Error> {
        Self::new(mask).ok_or("a mark is five adjacent bits")
    }
}

impl From<Marks> for u32 {
    fn from(marks: Marks) -> Self {
        marks.mask
    }
}

impl Marks {
    /// The marks within `mask`, or `None` unless exactly five adjacent bits are set.
    pub const fn new(mask: u32) -> Option<Self> {
        if mask != 0 && mask >> mask.trailing_zeros() == 0x1f { Some(Self { mask }) } else { None }
    }

    /// All five bits.
    pub const fn mask(self) -> u32 {
        self.mask
    }

    /// The lowest bit: the packet comes from a guest.
    pub const fn guest(self) -> u32 {
        self.lowest()
    }

    /// The second bit: the packet belongs to a known connection or to one that
    /// such a connection caused.
    pub const fn established(self) -> u32 {
        self.lowest() << 1
    }

    /// Three bits, of which `established` is one: what conntrack says of the
    /// packet, for programs that cannot ask it. All are clear if it says nothing.
    pub const fn connection(self) -> u32 {
        self.lowest() * 0b01110
    }

    /// In `connection`: the first packet of a connection.
    pub const fn new_connection(self) -> u32 {
        self.lowest() << 2
    }

    /// In `connection`: a packet of a known connection on its way back.
    pub const fn reply(self) -> u32 {
        self.established() | self.lowest() << 2
    }

    /// In `connection`: a packet that another connection caused.
    pub const fn related(self) -> u32 {
        self.established() | self.lowest() << 3
    }

    /// In `connection`: a packet of no connection it could belong to.
    pub const fn invalid(self) -> u32 {
        self.lowest() << 3
    }

    /// In `connection`: the first packet that is seen of a connection, and none that
    /// begins one.
    pub const fn mid_stream(self) -> u32 {
        self.new_connection() | self.invalid()
    }

    /// The highest bit: free for use within one traversal.
    pub const fn scratch(self) -> u32 {
        self.lowest() << 4
    }

    const fn lowest(self) -> u32 {
        1 << self.mask.trailing_zeros()
    }
}

impl Default for Marks {
    /// `0x1f000000`.
    fn default() -> Self {
        Self { mask: 0x1f00_0000 }
    }
}

/// How the daemon watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonPolicy {
    /// How often everything is compared although nobody told of a change.
    pub check_every: Duration,
    /// How long a service that begins to listen may go unnoticed; `None` if nobody is to
    /// watch for any.
    pub services_within: Option<Duration>,
    /// The file for its counters, in the text format of node_exporter, instead of
    /// the one below /run/virt-guard.
    pub metrics: Option<PathBuf>,
}

impl Default for DaemonPolicy {
    fn default() -> Self {
        Self { check_every: Duration::from_secs(60), services_within: Some(Duration::from_secs(1)), metrics: None }
    }
}

/// What holds on the bridges with names like this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgePolicy {
    /// Which bridges.
    pub pattern: BridgePattern,
    /// Which of their ports lead out of the host.
    pub uplinks: Uplinks,
    /// What happens on ports that are neither uplinks nor known guests'.
    pub unknown_ports: UnknownPorts,
    /// Where it is written; `None` for a default.
    pub place: Option<Place>,
}

/// The ports of a bridge that are no guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uplinks {
    /// Physical interfaces, bonds, VLANs and tunnels, as found on the host.
    Detected,
    /// Exactly these; the list may be empty.
    Listed(Vec<IfName>),
}

/// The bridges that are guarded when no file names any: `br100` and `virbr*`.
pub(super) fn default_bridges() -> Vec<BridgePolicy> {
    // A test holds that both parse: a constructor that cannot fail is not to be had.
    let patterns = ["br100", "virbr*"].into_iter().filter_map(|text| text.parse().ok());
    patterns
        .map(|pattern| BridgePolicy {
            pattern,
            uplinks: Uplinks::Detected,
            unknown_ports: UnknownPorts::Drop,
            place: None,
        })
        .collect()
}

/// What guests may reach on the host itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPolicy {
    /// The services; all others are dropped.
    pub allow: Vec<HostAllow>,
}

impl Default for HostPolicy {
    fn default() -> Self {
        let services = [HostService::Dhcp, HostService::Dns, HostService::Icmp];
        Self { allow: services.map(|service| HostAllow { service, place: None }).to_vec() }
    }
}

/// One service that guests may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAllow {
    /// The service.
    pub service: HostService,
    /// Where it is written; `None` for a default.
    pub place: Option<Place>,
}

/// A service of the host: `dhcp`, `dns`, `icmp`, `tcp/3260`, `tcp/8000-8010`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostService {
    /// DHCP and DHCPv6.
    Dhcp,
    /// DNS over UDP and TCP.
    Dns,
    /// ICMP and ICMPv6.
    Icmp,
    /// Ports of a transport protocol.
    Port {
        /// One that has ports.
        protocol: Protocol,
        /// The ports.
        ports: PortRange,
    },
}

impl HostService {
    fn port(text: &str) -> Option<Self> {
        let (protocol, ports) = text.split_once('/')?;
        let protocol = protocol.parse().ok().filter(|protocol: &Protocol| protocol.has_ports())?;
        Some(Self::Port { protocol, ports: ports.parse().ok()? })
    }
}

impl FromStr for HostService {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expected = "dhcp, dns, icmp or ports of tcp, udp or sctp such as tcp/3260 or tcp/8000-8010";
        match text {
            "dhcp" => Ok(Self::Dhcp),
            "dns" => Ok(Self::Dns),
            "icmp" => Ok(Self::Icmp),
            _ => Self::port(text).ok_or_else(|| ValueError::new("host service", text, expected)),
        }
    }
}

impl fmt::Display for HostService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp => f.pad("dhcp"),
            Self::Dns => f.pad("dns"),
            Self::Icmp => f.pad("icmp"),
            Self::Port { protocol, ports } => f.pad(&format!("{protocol}/{ports}")),
        }
    }
}

serde_as_text!(HostService);

/// What holds for every guest interface unless an entry says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestDefaults {
    /// The layers in which a guest must use its own address.
    pub anti_spoofing: BTreeSet<AntiSpoofing>,
    /// The groups an interface is in by default.
    pub groups: Vec<Placed<GroupName>>,
    /// The nwfilters of interfaces whose XML names none.
    pub filters: Vec<Placed<String>>,
    /// Whether guests may send IPv6 router advertisements.
    pub router_advertisements: Guard,
    /// Whether guests may answer DHCP requests.
    pub dhcp_server: Guard,
    /// The protocols guests may speak on Ethernet.
    pub ethertypes: EtherTypes,
    /// What to do with groups in a domain's own XML.
    pub metadata_groups: MetadataGroups,
    /// What to do with packets that an nwfilter rejects.
    pub reject: Reject,
    /// What to do with interfaces that cannot be guarded.
    pub unguardable: Unguardable,
    /// What becomes of packets that belong to no known connection and begin none.
    pub mid_stream: MidStream,
}

impl Default for GuestDefaults {
    fn default() -> Self {
        Self {
            anti_spoofing: [AntiSpoofing::Mac, AntiSpoofing::Arp, AntiSpoofing::Ip].into(),
            groups: Vec::new(),
            filters: Vec::new(),
            router_advertisements: Guard::Drop,
            dhcp_server: Guard::Drop,
            ethertypes: EtherTypes::default(),
            metadata_groups: MetadataGroups::Ignore,
            reject: Reject::Refuse,
            unguardable: Unguardable::Refuse,
            mid_stream: MidStream::Drop,
        }
    }
}

/// The Ethernet protocols that pass to and from guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EtherTypes {
    /// All that are untagged.
    Any,
    /// These; never a VLAN tag.
    Only(BTreeSet<EtherType>),
}

impl Default for EtherTypes {
    /// ARP, RARP, IPv4 and IPv6.
    fn default() -> Self {
        Self::Only([EtherType::ARP, EtherType::RARP, EtherType::IPV4, EtherType::IPV6].into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_five_bits_lowest_first() {
        let marks = Marks::default();
        let bits = [marks.guest(), marks.connection(), marks.scratch()];
        assert_eq!(bits, [0x0100_0000, 0x0e00_0000, 0x1000_0000]);
        assert_eq!(bits.into_iter().fold(0, |mask, bit| mask | bit), marks.mask());
    }

    #[test]
    fn no_two_states_of_a_connection_are_marked_alike() {
        let marks = Marks::default();
        let known = [marks.new_connection(), marks.established(), marks.reply(), marks.related(), marks.invalid()];
        let states: Vec<_> = known.into_iter().chain([0, marks.mid_stream()]).collect();
        let distinct: BTreeSet<_> = states.iter().collect();
        assert_eq!(distinct.len(), states.len());
        assert!(states.iter().all(|state| state & !marks.connection() == 0));
        let known = states.iter().filter(|state| *state & marks.established() != 0).count();
        assert_eq!(known, 3, "established, reply, related");
    }

    #[test]
    fn only_five_adjacent_bits_are_marks() {
        for mask in [0, 1, 0xf, 0x3f, 0x2f, 0xf0f, 0x1b, 0x8000_000f, u32::MAX] {
            assert_eq!(Marks::new(mask), None, "{mask:#x} was accepted");
        }
        for mask in [0x1f, 0x3e, 0xf800_0000] {
            assert_eq!(Marks::new(mask).unwrap().mask(), mask);
        }
        assert_eq!(Marks::new(0xf800_0000).unwrap().scratch(), 0x8000_0000);
    }

    #[test]
    fn the_default_bridges_are_br100_and_those_of_libvirt() {
        let patterns: Vec<_> = default_bridges().iter().map(|bridge| bridge.pattern.to_string()).collect();
        assert_eq!(patterns, ["br100", "virbr*"]);
    }

    #[test]
    fn a_host_service_prints_as_it_is_read() {
        for text in ["dhcp", "dns", "icmp", "tcp/3260", "udp/123", "tcp/8000-8010", "sctp/5"] {
            assert_eq!(text.parse::<HostService>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_host_service_without_ports_is_refused() {
        for text in ["", "ssh", "tcp", "tcp/", "/22", "icmp/8", "tcp/22,23", "any/1", "tcp/9-1"] {
            assert!(text.parse::<HostService>().is_err(), "{text:?} was accepted");
        }
        assert_eq!(
            "ssh".parse::<HostService>().unwrap_err().to_string(),
            "invalid host service \"ssh\", expected dhcp, dns, icmp or ports of tcp, udp or sctp such as tcp/3260 \
             or tcp/8000-8010"
        );
    }
}
