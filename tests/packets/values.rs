//! The values at which a policy's verdict may change: its addresses, the ends of
//! its networks and ranges, and what lies just beyond them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use virt_guard::facts::policy::{GroupRule, HostService, Peer, Policy};
use virt_guard::net::{Family, PortRange, Protocol};

use super::aim::{self, Target};
use super::rng::Rng;

/// The values.
#[derive(Debug, Clone, Default)]
pub struct Values {
    addresses: Vec<IpAddr>,
    ports: Vec<u16>,
    protocols: Vec<Protocol>,
    icmp: [Vec<(u8, u8)>; 2],
    /// Rules to aim at.
    pub targets: Vec<Target>,
}

/// ICMP of each family that is worth a try whatever the policy says.
const ICMP: [&[u8]; 2] =
    [&[0, 3, 5, 8, 9, 11, 13, 17, 30], &[1, 2, 3, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 139, 143, 200]];
const PROTOCOLS: [u8; 4] = [2, 47, 50, 99];
const PORTS: [u16; 14] = [0, 22, 53, 66, 67, 68, 69, 80, 443, 545, 546, 547, 548, 65535];

impl Values {
    /// Those of `policy`.
    pub fn of(policy: &Policy) -> Self {
        let mut values = Self { ports: PORTS.to_vec(), ..Self::default() };
        values.targets = aim::targets(policy);
        values.protocols = PROTOCOLS.map(Protocol).to_vec();
        for (known, types) in values.icmp.iter_mut().zip(ICMP) {
            known.extend(types.iter().map(|number| (*number, 0)));
        }
        let groups = policy.groups.values();
        groups
            .flat_map(|group| group.ingress.iter().chain(group.egress.iter().flatten()))
            .for_each(|rule| values.add(rule));
        for allowed in &policy.host.allow {
            if let HostService::Port { ports, .. } = allowed.service {
                values.add_ports(ports);
            }
        }
        values
    }

    fn add(&mut self, rule: &GroupRule) {
        if let Peer::Net(net) = rule.peer {
            self.addresses.extend(edges(net));
        }
        rule.ports.iter().for_each(|ports| self.add_ports(*ports));
        self.protocols.extend(rule.protocol.filter(|protocol| !protocol.has_ports() && protocol.family().is_none()));
        let family = usize::from(rule.family == Some(Family::V6));
        let codes = rule.icmp_types.iter().flat_map(|kind| {
            let code = kind.code.unwrap_or(0);
            [(kind.number, code), (kind.number, code.wrapping_add(1)), (kind.number.wrapping_add(1), code)]
        });
        self.icmp[family].extend(codes);
    }

    fn add_ports(&mut self, ports: PortRange) {
        self.ports.extend(ends(ports));
    }

    /// An address of `family` near something that the policy names.
    pub fn address(&self, rng: &mut Rng, family: Family) -> IpAddr {
        let known: Vec<_> = self.addresses.iter().copied().filter(|address| Family::of(*address) == family).collect();
        let other = match family {
            Family::V4 => Ipv4Addr::new(198, 51, 100, rng.byte()).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, rng.word()).into(),
        };
        if rng.chance(20) { other } else { rng.pick_or(&known, other) }
    }

    /// A port near something that the policy names.
    pub fn port(&self, rng: &mut Rng) -> u16 {
        rng.pick(&self.ports)
    }

    /// A protocol without ports and without a family.
    pub fn protocol(&self, rng: &mut Rng) -> Protocol {
        rng.pick(&self.protocols)
    }

    /// A type and a code of the family's ICMP.
    pub fn icmp(&self, rng: &mut Rng, family: Family) -> (u8, u8) {
        let (number, code) = rng.pick(&self.icmp[usize::from(family == Family::V6)]);
        (number, if rng.chance(10) { rng.byte() } else { code })
    }
}

/// The first and the last port of a range, and their neighbours.
pub fn ends(ports: PortRange) -> [u16; 4] {
    [ports.first().wrapping_sub(1), ports.first(), ports.last(), ports.last().wrapping_add(1)]
}

/// The first and the last address of a network, and their neighbours.
pub fn edges(net: IpNet) -> [IpAddr; 4] {
    let (first, last) = (net.network(), net.broadcast());
    [beside(first, false), first, last, beside(last, true)]
}

fn beside(address: IpAddr, up: bool) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let bits = v4.to_bits();
            Ipv4Addr::from_bits(if up { bits.wrapping_add(1) } else { bits.wrapping_sub(1) }).into()
        }
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            Ipv6Addr::from_bits(if up { bits.wrapping_add(1) } else { bits.wrapping_sub(1) }).into()
        }
    }
}
