//! One way of a connection, as conntrack keeps it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::{Family, Protocol};

/// What of the transport header tells connections between two addresses apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Detail {
    /// The ports of TCP, UDP, SCTP and their like.
    Ports {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
    },
    /// An exchange of ICMP or ICMPv6.
    Icmp {
        /// Message type.
        number: u8,
        /// Message code.
        code: u8,
        /// Identifier of an echo.
        id: u16,
    },
    /// Nothing but the protocol.
    Nothing,
}

/// One way of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// Who sends.
    pub source: IpAddr,
    /// Who receives; of the same family.
    pub destination: IpAddr,
    /// What is spoken.
    pub protocol: Protocol,
    /// What tells it from others.
    pub detail: Detail,
}

impl Tuple {
    /// The family of both addresses.
    pub const fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// The same way turned around, as an answer that nobody translates.
    pub const fn turned(&self) -> Self {
        let detail = match self.detail {
            Detail::Ports { source, destination } => Detail::Ports { source: destination, destination: source },
            other => other,
        };
        Self { source: self.destination, destination: self.source, protocol: self.protocol, detail }
    }

    /// The destination port, if the protocol has ports.
    pub const fn destination_port(&self) -> Option<u16> {
        match self.detail {
            Detail::Ports { destination, .. } => Some(destination),
            _ => None,
        }
    }
}

impl fmt::Display for Tuple {
    /// `tcp 192.0.2.7:40000 > 10.100.0.11:80`, as tcpdump(8) draws the arrow.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, destination, protocol, detail } = *self;
        match detail {
            Detail::Ports { source: from, destination: to } => {
                let (source, destination) = (SocketAddr::new(source, from), SocketAddr::new(destination, to));
                write!(f, "{protocol} {source} > {destination}")
            }
            Detail::Icmp { number, code, id } => {
                write!(f, "{protocol} {source} > {destination} type {number}/{code} id {id}")
            }
            Detail::Nothing => write!(f, "{protocol} {source} > {destination}"),
        }
    }
}

/// A connection that conntrack knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// The zone it is in; 0 unless somebody's rules put it elsewhere.
    pub zone: u16,
    /// The number by which the kernel tells it from one that had the same tuple before.
    pub id: u32,
    /// The way of its first packet, as that packet was before any translation.
    pub original: Tuple,
    /// The way of the answers, as an answer is before any translation. Without
    /// translation it is the original one turned around.
    pub reply: Tuple,
    /// The original way of the connection that announced this one, as FTP does.
    pub master: Option<Tuple>,
    /// Whether an answer was seen; what is dropped behind conntrack gets none.
    pub answered: bool,
}

impl Flow {
    /// Whether it goes by `address` and has other ends: to it, or under its name.
    pub fn is_translated_by(&self, address: IpAddr) -> bool {
        let to = self.original.destination == address && self.reply.source != address;
        let from = self.reply.destination == address && self.original.source != address;
        to || from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tuple_reads_as_people_write_it() {
        let (source, destination) = ("fd00::7".parse().unwrap(), "fd00::1".parse().unwrap());
        let tuple = |protocol, detail| Tuple { source, destination, protocol, detail }.to_string();
        let ports = Detail::Ports { source: 40000, destination: 80 };
        assert_eq!(tuple(Protocol::TCP, ports), "tcp [fd00::7]:40000 > [fd00::1]:80");
        let echo = Detail::Icmp { number: 128, code: 0, id: 9 };
        assert_eq!(tuple(Protocol::ICMPV6, echo), "icmpv6 fd00::7 > fd00::1 type 128/0 id 9");
        assert_eq!(tuple(Protocol(47), Detail::Nothing), "gre fd00::7 > fd00::1");
    }
}
