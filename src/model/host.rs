//! What guests may reach on the host itself.

use crate::facts::policy::{HostService, MidStream, Policy};
use crate::net::{Direction, Family, IcmpType, PortRange, Protocol};

use super::connection::mid_stream_rules;
use super::field::Field;
use super::groups::state_rules;
use super::guards::{dhcp_ports, icmpv6};
use super::rule::{Layer, Origin, Rule, Scope, Verdict, Wall};

/// Without these a guest and its host cannot find each other by IPv6: listener
/// reports, router and neighbour solicitation, neighbour advertisement.
const DISCOVERY: [u8; 6] = [131, 132, 133, 135, 136, 143];
/// Echo request of ICMP and of ICMPv6. Errors are related to a connection and
/// pass as such; other messages have no business with the host.
const ECHO: [(Family, u8); 2] = [(Family::V4, 8), (Family::V6, 128)];

/// The wall between the guests and the host's own services.
///
/// It is one for all guests, and only packets that came from a guest's port
/// meet it.
pub fn host_wall(policy: &Policy) -> Wall {
    let mut rules: Vec<Rule> = Family::BOTH.into_iter().flat_map(state_rules).collect();
    if policy.guests.mid_stream == MidStream::Drop {
        rules.extend(mid_stream_rules());
    }
    let discovery = Origin::built_in("neighbour discovery");
    rules.extend(DISCOVERY.map(|kind| icmpv6(kind, [], Verdict::Accept, &discovery)));
    for allowed in &policy.host.allow {
        let label = format!("host allows {}", allowed.service);
        let origin = Origin { label, place: allowed.place.clone() };
        rules.extend(Family::BOTH.into_iter().flat_map(|family| service(allowed.service, family, &origin)));
    }
    Wall {
        layer: Layer::Host,
        direction: Direction::Out,
        rules,
        branches: Vec::new(),
        otherwise: Verdict::Drop,
        otherwise_origin: Origin::built_in("the host does not allow this to guests"),
    }
}

fn service(service: HostService, family: Family, origin: &Origin) -> Vec<Rule> {
    let port = |protocol, ports| {
        let fields = [Field::Protocol(protocol), Field::DestinationPort(ports)];
        Rule::new(Scope::Ip(family), fields, Verdict::Accept, origin)
    };
    match service {
        HostService::Dhcp => vec![port(Protocol::UDP, PortRange::single(dhcp_ports(family).0))],
        HostService::Dns => [Protocol::UDP, Protocol::TCP].map(|protocol| port(protocol, PortRange::single(53))).into(),
        HostService::Icmp => {
            let echo = ECHO.iter().filter(|(of, _)| *of == family);
            echo.map(|(_, kind)| {
                let fields = [Field::Protocol(family.icmp()), Field::Icmp(IcmpType::any_code(*kind))];
                Rule::new(Scope::Ip(family), fields, Verdict::Accept, origin)
            })
            .collect()
        }
        HostService::Port { protocol, ports } => vec![port(protocol, ports)],
    }
}
