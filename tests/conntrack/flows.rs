//! Flows to make entries of.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use virt_guard::kernel::Conntrack;
use virt_guard::net::{Detail, Family, Flow, Protocol, Tuple};

/// What two ends speak: the details of the original way and of the reply.
type Spoken = (Protocol, [Detail; 2]);

/// An address from text.
pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Ports there and back.
pub fn ports(protocol: Protocol, source: u16, destination: u16) -> Spoken {
    let back = Detail::Ports { source: destination, destination: source };
    (protocol, [Detail::Ports { source, destination }, back])
}

/// An echo of the family's ICMP.
pub fn echo(family: Family, id: u16) -> Spoken {
    let echo = |number| Detail::Icmp { number, code: 0, id };
    match family {
        Family::V4 => (Protocol::ICMP, [echo(8), echo(0)]),
        Family::V6 => (Protocol::ICMPV6, [echo(128), echo(129)]),
    }
}

/// A connection without translation, in zone 0.
pub fn plain(source: IpAddr, destination: IpAddr, spoken: Spoken) -> Flow {
    translated([source, destination], [destination, source], spoken)
}

/// A connection of these ends, source first, whose answers have those.
pub fn translated(original: [IpAddr; 2], reply: [IpAddr; 2], (protocol, details): Spoken) -> Flow {
    let tuple = |[source, destination]: [IpAddr; 2], detail| Tuple { source, destination, protocol, detail };
    Flow {
        zone: 0,
        id: 0,
        original: tuple(original, details[0]),
        reply: tuple(reply, details[1]),
        master: None,
        answered: true,
    }
}

/// The `number`th connection of other people, UDP or TCP.
pub fn foreign(family: Family, number: u32) -> Flow {
    let (source, destination) = match family {
        Family::V4 => (Ipv4Addr::from(0x0b00_0000 + number / 20).into(), Ipv4Addr::new(172, 16, 0, 1).into()),
        Family::V6 => {
            let address = |low: u32| IpAddr::V6(Ipv6Addr::from(0xfd0b_u128 << 112 | u128::from(low)));
            (address(0x10_0000 + number / 20), address(1))
        }
    };
    let protocol = [Protocol::UDP, Protocol::TCP][number as usize % 2];
    plain(source, destination, ports(protocol, 10_000 + (number % 20) as u16, 443))
}

/// The flow without the kernel's number.
pub fn unnumbered(flow: &Flow) -> Flow {
    Flow { id: 0, ..*flow }
}

/// All flows of a zone, of both families.
pub fn everything(conntrack: &mut Conntrack, zone: u16) -> Vec<Flow> {
    [Family::V4, Family::V6]
        .into_iter()
        .flat_map(|family| conntrack.all(family, zone).expect("the table is told"))
        .collect()
}
