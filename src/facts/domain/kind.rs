//! The kinds of interfaces that libvirt knows.

use std::fmt;
use std::str::FromStr;

use crate::net::{ValueError, serde_as_text};

/// What an interface is connected by: the `type` of `<interface>`
/// (libvirt's formatdomain, "Network interfaces").
///
/// The list is closed: of a kind that a later libvirt may add nobody knows yet
/// whether its packets cross a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InterfaceKind {
    /// A tap on a bridge of the host.
    Bridge,
    /// A tap on the bridge of a libvirt network; what else a network can be
    /// shows as that other kind once the guest runs.
    Network,
    /// A tap that the host's administrator connects.
    Ethernet,
    /// A macvtap on an interface of the host.
    Direct,
    /// A user-mode stack in a process: slirp or passt.
    User,
    /// A PCI device given to the guest.
    Hostdev,
    /// A vhost-user socket, usually of a switch in user space.
    Vhostuser,
    /// A network of the hypervisor's own.
    Internal,
    /// A TCP socket that waits for another QEMU.
    Server,
    /// A TCP socket connected to another QEMU.
    Client,
    /// A UDP multicast group.
    Mcast,
    /// A UDP unicast tunnel.
    Udp,
    /// A vDPA device of the host.
    Vdpa,
    /// Connected to nothing.
    Null,
    /// A VMware distributed switch.
    Vds,
}

const NAMES: [(&str, InterfaceKind); 15] = [
    ("bridge", InterfaceKind::Bridge),
    ("network", InterfaceKind::Network),
    ("ethernet", InterfaceKind::Ethernet),
    ("direct", InterfaceKind::Direct),
    ("user", InterfaceKind::User),
    ("hostdev", InterfaceKind::Hostdev),
    ("vhostuser", InterfaceKind::Vhostuser),
    ("internal", InterfaceKind::Internal),
    ("server", InterfaceKind::Server),
    ("client", InterfaceKind::Client),
    ("mcast", InterfaceKind::Mcast),
    ("udp", InterfaceKind::Udp),
    ("vdpa", InterfaceKind::Vdpa),
    ("null", InterfaceKind::Null),
    ("vds", InterfaceKind::Vds),
];

impl InterfaceKind {
    /// Whether QEMU opens a tap for it, whose name is the `<target>`.
    pub const fn has_tap(self) -> bool {
        matches!(self, Self::Bridge | Self::Network | Self::Ethernet)
    }

    /// Whether its `<target>` names an interface of the host: a tap or a macvtap.
    /// Elsewhere a `<target>` means nothing or something else, such as a port of
    /// a switch in user space.
    pub const fn has_target(self) -> bool {
        self.has_tap() || matches!(self, Self::Direct)
    }
}

impl FromStr for InterfaceKind {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expected = "bridge, network, ethernet, direct, user, hostdev, vhostuser, internal, server, client, mcast, \
                        udp, vdpa, null or vds";
        let known = NAMES.iter().find(|(name, _)| *name == text);
        known.map(|(_, kind)| *kind).ok_or_else(|| ValueError::new("interface type", text, expected))
    }
}

impl fmt::Display for InterfaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(NAMES.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name))
    }
}

serde_as_text!(InterfaceKind);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_name_and_the_error_lists_them_all() {
        let error = "wormhole".parse::<InterfaceKind>().unwrap_err().to_string();
        for (name, kind) in NAMES {
            assert_eq!(name.parse(), Ok(kind));
            assert_eq!(kind.to_string(), name);
            assert!(error.contains(name), "{error}");
        }
        assert!("Bridge".parse::<InterfaceKind>().is_err());
    }
}
