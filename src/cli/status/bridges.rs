//! The guarded bridges, and what each of their ports is.

use super::view::{BridgeView, PortRole, PortView};
use crate::facts::policy::Policy;
use crate::kernel::Links;
use crate::net::{BridgePattern, IfName};
use crate::plan::Base;
use crate::reconcile::{Error, Host};

/// The bridges that the policy is about; without a policy, those it was about
/// when it was applied last.
pub(super) fn view(host: &mut Host, policy: Option<&Policy>, links: &Links) -> Result<Vec<BridgeView>, Error> {
    let base = match policy {
        Some(policy) => Some(host.base(policy, links)),
        None => host.state().base().map(|record| record.base),
    };
    Ok(base.map_or_else(Vec::new, |base| all(host, &base, links)))
}

fn all(host: &Host, base: &Base, links: &Links) -> Vec<BridgeView> {
    let mut views = Vec::new();
    for guarded in &base.bridges {
        let names: Vec<_> =
            links.bridges().filter(|bridge| pattern_of(base, bridge) == Some(&guarded.pattern)).collect();
        let pattern = guarded.pattern.clone();
        let unknown_ports = guarded.unknown_ports;
        if names.is_empty() {
            views.push(BridgeView { pattern, unknown_ports, name: None, ports: Vec::new() });
            continue;
        }
        for name in names {
            let ports = links.ports(name).map(|(port, _)| port_view(host, base, port)).collect();
            views.push(BridgeView { pattern: pattern.clone(), unknown_ports, name: Some(name.clone()), ports });
        }
    }
    views
}

/// The most specific pattern that is about `bridge`.
fn pattern_of<'a>(base: &'a Base, bridge: &IfName) -> Option<&'a BridgePattern> {
    base.bridges.iter().map(|guarded| &guarded.pattern).find(|pattern| pattern.matches(bridge))
}

fn port_view(host: &Host, base: &Base, port: &IfName) -> PortView {
    let guest = host.state().port(port).map(|record| record.guest);
    let role = match &guest {
        Some(_) => PortRole::Guest,
        None if base.uplinks.contains(port) => PortRole::Uplink,
        None => PortRole::Unknown,
    };
    PortView { name: port.clone(), role, guest: guest.map(|guest| guest.name) }
}
