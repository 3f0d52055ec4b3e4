//! One `<interface>` of a domain.

use serde::{Deserialize, Serialize};

use super::{FilterRef, InterfaceKind, Vlan};
use crate::facts::xml::Element;
use crate::facts::{FactError, Place};
use crate::net::{IfName, Mac};

/// A guest's interface, as libvirt has it at the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// What it is connected by.
    pub kind: InterfaceKind,
    /// The guest's address; never multicast.
    pub mac: Mac,
    /// The tap or macvtap on the host; not yet known before the guest starts.
    pub target: Option<IfName>,
    /// The bridge, where libvirt says one.
    pub bridge: Option<IfName>,
    /// The libvirt network, where it belongs to one; as written.
    pub network: Option<String>,
    /// The type of its virtual port, such as `openvswitch`; as written.
    pub virtualport: Option<String>,
    /// The VLANs that the host puts it in.
    pub vlan: Option<Vlan>,
    /// The filter it names.
    pub filterref: Option<FilterRef>,
    /// Where it stands.
    pub place: Place,
}

impl Interface {
    /// Reads an `<interface>`.
    ///
    /// The status files of libvirt keep apart what was asked for and, in
    /// `<actual>`, what a network made of it. As in libvirt's
    /// `virDomainNetGetActual…` functions, kind, bridge, VLANs and virtual port
    /// then come from `<actual>` alone, all else from the interface.
    pub(super) fn parse(element: &Element) -> Result<Self, FactError> {
        let asked: InterfaceKind = element.required("type")?;
        let actual = element.only_child("actual")?.filter(|_| asked == InterfaceKind::Network);
        let connection = actual.unwrap_or(element);
        let kind = connection.required("type")?;
        let source = element.only_child("source")?;
        let actual_source = connection.only_child("source")?;
        let virtualport = connection.only_child("virtualport")?;
        Ok(Self {
            kind,
            mac: mac(element)?,
            target: target(element, kind)?,
            bridge: actual_source.map(|source| source.parsed("bridge")).transpose()?.flatten(),
            network: source.and_then(|source| source.attribute("network")).map(str::to_owned),
            virtualport: virtualport.and_then(|port| port.attribute("type")).map(str::to_owned),
            vlan: connection.only_child("vlan")?.map(Vlan::parse).transpose()?,
            filterref: element.only_child("filterref")?.map(FilterRef::parse).transpose()?,
            place: element.place(),
        })
    }
}

fn mac(element: &Element) -> Result<Mac, FactError> {
    let address = element.required_child("mac")?;
    let mac: Mac = address.required("address")?;
    if mac.is_multicast() {
        return Err(address.error(format!("multicast MAC address {mac}, expected a guest's own")));
    }
    Ok(mac)
}

/// The name of the interface on the host, where `kind` has one.
///
/// Before the start it may be a pattern such as `tap%d`, of which the start
/// makes a name (libvirt's `virNetDevGenerateName`): no name yet.
fn target(element: &Element, kind: InterfaceKind) -> Result<Option<IfName>, FactError> {
    match element.only_child("target")? {
        Some(target) if kind.has_target() && !is_pattern(target) => target.parsed("dev"),
        _ => Ok(None),
    }
}

fn is_pattern(target: &Element) -> bool {
    target.attribute("dev").is_some_and(|dev| dev.contains("%d"))
}

#[cfg(test)]
mod tests {
    use super::super::VlanMode;
    use super::*;
    use crate::facts::xml;

    const MAC: &str = "<mac address='52:54:00:00:00:01'/>";

    fn interface(xml: &str) -> Result<Interface, String> {
        let element = xml::parse(xml.as_bytes(), "domain XML").unwrap();
        Interface::parse(&element).map_err(|error| error.to_string())
    }

    fn of_kind(kind: &str, content: &str) -> Result<Interface, String> {
        interface(&format!("<interface type='{kind}'>{MAC}{content}</interface>"))
    }

    #[test]
    fn a_live_network_interface_names_network_bridge_and_tap() {
        let nic = of_kind("network", "<source network='default' portid='x' bridge='virbr0'/><target dev='vnet0'/>");
        let nic = nic.unwrap();
        assert_eq!((nic.kind, nic.network.as_deref()), (InterfaceKind::Network, Some("default")));
        assert_eq!(nic.bridge, Some("virbr0".parse().unwrap()));
        assert_eq!(nic.target, Some("vnet0".parse().unwrap()));
    }

    #[test]
    fn before_the_start_there_is_no_tap() {
        assert_eq!(of_kind("bridge", "<source bridge='br0'/>").unwrap().target, None);
        assert_eq!(of_kind("bridge", "<source bridge='br0'/><target dev='tap%d'/>").unwrap().target, None);
    }

    #[test]
    fn what_a_network_made_of_an_interface_wins_over_what_was_asked() {
        let nic = of_kind(
            "network",
            "<source network='ovs' bridge='no'/><vlan><tag id='1'/></vlan><virtualport type='802.1Qbh'/>\
             <target dev='vnet3'/><filterref filter='clean-traffic'/>\
             <actual type='bridge'><source bridge='br-int'/><vlan><tag id='7'/></vlan>\
             <virtualport type='openvswitch'><parameters profileid='p'/></virtualport></actual>",
        )
        .unwrap();
        assert_eq!((nic.kind, nic.network.as_deref()), (InterfaceKind::Bridge, Some("ovs")));
        assert_eq!(nic.bridge, Some("br-int".parse().unwrap()));
        assert_eq!(nic.virtualport.as_deref(), Some("openvswitch"));
        assert_eq!(nic.vlan, Some(Vlan { mode: VlanMode::Access, tags: vec![7], native: None }));
        assert_eq!(nic.filterref.unwrap().filter, "clean-traffic");
        assert_eq!(nic.target, Some("vnet3".parse().unwrap()));
    }

    #[test]
    fn nothing_of_what_was_asked_shines_through_what_was_made_of_it() {
        let content = "<source network='n' bridge='br9'/><vlan><tag id='1'/></vlan><virtualport type='802.1Qbg'/>\
                       <actual type='direct'><source dev='eth0' mode='bridge'/></actual><target dev='macvtap0'/>";
        let nic = of_kind("network", content).unwrap();
        assert_eq!((nic.kind, nic.bridge, nic.vlan, nic.virtualport), (InterfaceKind::Direct, None, None, None));
        assert_eq!(nic.target, Some("macvtap0".parse().unwrap()));
    }

    #[test]
    fn only_a_network_makes_something_of_an_interface() {
        let nic = of_kind("bridge", "<source bridge='br0'/><actual type='user'/>").unwrap();
        assert_eq!((nic.kind, nic.bridge), (InterfaceKind::Bridge, Some("br0".parse().unwrap())));
    }

    #[test]
    fn a_target_that_is_no_interface_of_the_host_is_ignored() {
        for kind in ["hostdev", "vhostuser", "user", "vdpa", "null", "mcast"] {
            assert_eq!(of_kind(kind, "<target dev='not an interface; at all'/>").unwrap().target, None, "{kind}");
        }
    }

    #[test]
    fn what_cannot_be_guarded_by_name_is_refused() {
        for (xml, expected) in [
            (format!("<interface>{MAC}</interface>"), "<interface> without attribute type"),
            (format!("<interface type='x'>{MAC}</interface>"), "invalid interface type \"x\", expected bridge,"),
            ("<interface type='user'/>".to_owned(), "<interface> without <mac>"),
            ("<interface type='user'><mac/></interface>".to_owned(), "<mac> without attribute address"),
            (
                "<interface type='user'>\n<mac address='53:54:00:00:00:01'/></interface>".to_owned(),
                "domain XML:2:1: multicast MAC address 53:54:00:00:00:01",
            ),
            ("<interface type='user'><mac address='x'/></interface>".to_owned(), "invalid MAC address"),
            (format!("<interface type='user'>{MAC}{MAC}</interface>"), "a second <mac>"),
            (
                format!("<interface type='bridge'>{MAC}\n<target dev='vnet*'/></interface>"),
                "domain XML:2:1: invalid interface name \"vnet*\"",
            ),
            (
                format!("<interface type='bridge'>{MAC}<source bridge='br0&quot; accept'/></interface>"),
                "invalid interface name",
            ),
            (format!("<interface type='network'>{MAC}<actual/></interface>"), "<actual> without attribute type"),
            (
                format!("<interface type='bridge'>{MAC}<target dev='a'/><target dev='b'/></interface>"),
                "a second <target>",
            ),
        ] {
            let error = interface(&xml).unwrap_err();
            assert!(error.contains(expected), "{xml}: {error}");
        }
    }
}
