//! The interfaces of this network namespace and which bridges they are ports of,
//! asked of the kernel by rtnetlink.

use std::collections::BTreeMap;
use std::io;

use nix::sys::socket::SockProtocol;

use super::netlink::{Request, Socket, attributes, text, u32_at};
use crate::net::IfName;

/// linux/rtnetlink.h
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
/// linux/if_link.h
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
/// `struct ifinfomsg`
const IFINFO: usize = 16;

/// What drives an interface: the kernel's word, or none for hardware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkKind {
    /// A device with a driver of its own, such as an Ethernet card.
    Physical,
    /// A kind that rtnetlink names: `tun`, `veth`, `bridge`, `bond`, `vlan`, …
    Virtual(String),
}

impl LinkKind {
    /// Whether a port of this kind leads out of this host rather than to a guest.
    pub fn is_uplink(&self) -> bool {
        match self {
            Self::Physical => true,
            Self::Virtual(kind) => {
                ["bond", "team", "vlan", "vxlan", "geneve", "gretap", "ip6gretap", "macsec", "batadv"]
                    .contains(&kind.as_str())
            }
        }
    }

    /// Whether it is a Linux bridge.
    pub fn is_bridge(&self) -> bool {
        *self == Self::Virtual("bridge".to_owned())
    }
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What drives it.
    pub kind: LinkKind,
    /// What it is a port of.
    pub master: Option<IfName>,
}

/// The interfaces of this network namespace by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links(BTreeMap<IfName, Link>);

impl Links {
    /// The links with these names.
    pub fn new(links: impl IntoIterator<Item = (IfName, Link)>) -> Self {
        Self(links.into_iter().collect())
    }

    /// The link of this name.
    pub fn get(&self, name: &IfName) -> Option<&Link> {
        self.0.get(name)
    }

    /// All Linux bridges.
    pub fn bridges(&self) -> impl Iterator<Item = &IfName> {
        self.0.iter().filter(|(_, link)| link.kind.is_bridge()).map(|(name, _)| name)
    }

    /// All ports of `bridge`.
    pub fn ports<'a>(&'a self, bridge: &'a IfName) -> impl Iterator<Item = (&'a IfName, &'a Link)> {
        self.0.iter().filter(move |(_, link)| link.master.as_ref() == Some(bridge))
    }

    /// The Linux bridge that `port` is a port of.
    pub fn bridge_of(&self, port: &IfName) -> Option<&IfName> {
        let master = self.get(port)?.master.as_ref()?;
        self.get(master)?.kind.is_bridge().then_some(master)
    }
}

/// A connection to the kernel's list of interfaces.
#[derive(Debug, Clone, Copy, Default)]
pub struct Netlink;

impl Netlink {
    /// The interfaces as they are now. Those whose name no rule could bear are
    /// left out; as ports of a guarded bridge they stay closed.
    ///
    /// # Errors
    /// The kernel does not answer, or answers with an error.
    pub fn links(self) -> io::Result<Links> {
        let mut socket = Socket::open(SockProtocol::NetlinkRoute)?;
        let messages = socket.dump(&Request::new(RTM_GETLINK, &[0; IFINFO]))?;
        let links = messages.iter().filter(|message| message.kind == RTM_NEWLINK);
        Ok(assemble(&links.filter_map(|message| link(&message.body)).collect::<Vec<_>>()))
    }
}

/// A link as one message tells it, its master still a number.
struct Raw {
    index: u32,
    name: String,
    master: Option<u32>,
    kind: LinkKind,
}

fn link(message: &[u8]) -> Option<Raw> {
    let index = u32_at(message, 4)?;
    let mut raw = Raw { index, name: String::new(), master: None, kind: LinkKind::Physical };
    for (kind, value) in attributes(message.get(IFINFO..)?) {
        match kind {
            IFLA_IFNAME => raw.name = text(value),
            IFLA_MASTER => raw.master = u32_at(value, 0),
            IFLA_LINKINFO => {
                let info = attributes(value).find(|(kind, _)| *kind == IFLA_INFO_KIND);
                raw.kind = info.map_or(LinkKind::Physical, |(_, kind)| LinkKind::Virtual(text(kind)));
            }
            _ => {}
        }
    }
    Some(raw)
}

fn assemble(found: &[Raw]) -> Links {
    let names: BTreeMap<u32, IfName> =
        found.iter().filter_map(|raw| Some((raw.index, raw.name.parse().ok()?))).collect();
    let link =
        |raw: &Raw| Link { kind: raw.kind.clone(), master: raw.master.and_then(|index| names.get(&index).cloned()) };
    Links::new(found.iter().filter_map(|raw| Some((names.get(&raw.index)?.clone(), link(raw)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_loopback() {
        let links = Netlink.links().unwrap();
        let lo = links.get(&"lo".parse().unwrap()).unwrap();
        assert_eq!(lo, &Link { kind: LinkKind::Physical, master: None });
    }

    #[test]
    fn taps_and_veths_are_no_uplinks() {
        for (kind, uplink) in
            [("tun", false), ("veth", false), ("dummy", false), ("bond", true), ("vlan", true), ("vxlan", true)]
        {
            assert_eq!(LinkKind::Virtual(kind.to_owned()).is_uplink(), uplink, "{kind}");
        }
        assert!(LinkKind::Physical.is_uplink());
    }
}
