//! The packet in question, from the words on the command line.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

use super::super::exit::Usage;
use super::ends::Ends;
use super::{Explain, IpAddr, Mac, Packet};
use crate::model::{ConnState, Head, IcmpMessage, IpPacket, Payload, Transport};
use crate::net::{Family, IcmpType, Protocol};

/// The first of the ports that systems take for connections of their own (RFC 6335).
const EPHEMERAL: u16 = 49152;
/// The sender's MAC address where nobody knows it: one of no station in particular.
const SOME_STATION: Mac = Mac::new([0x02, 0, 0, 0, 0, 0x01]);
/// Neighbour advertisement (RFC 4861), whose target is the sender unless it lies.
const ADVERTISEMENT: u8 = 136;

/// What conntrack says of a packet's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StateWord {
    /// The first packet of a connection.
    New,
    /// Both sides have been seen.
    Established,
    /// Another connection caused it, as an ICMP error is.
    Related,
    /// It belongs nowhere.
    Invalid,
    /// Conntrack does not look at it, as with neighbour discovery.
    Untracked,
}

impl From<StateWord> for ConnState {
    fn from(word: StateWord) -> Self {
        match word {
            StateWord::New => Self::New,
            StateWord::Established => Self::Established,
            StateWord::Related => Self::Related,
            StateWord::Invalid => Self::Invalid,
            StateWord::Untracked => Self::Untracked,
        }
    }
}

impl Explain {
    /// The packet between these ends.
    pub(super) fn packet(&self, ends: &Ends<'_>) -> Result<Packet, Usage> {
        let transport = self.transport(ends)?;
        let (source, destination) = (ends.source, ends.destination);
        let ip = IpPacket { source, destination, transport, dscp: 0, extension_headers: false };
        Ok(Packet {
            source_mac: self.mac.or(ends.source_mac).unwrap_or(SOME_STATION),
            destination_mac: ends.destination_mac.unwrap_or(SOME_STATION),
            payload: Payload::Ip(ip),
            state: self.state.map_or_else(|| usual_state(&transport), ConnState::from),
            is_reply: self.reply,
            connections: 1,
        })
    }

    fn transport(&self, ends: &Ends<'_>) -> Result<Transport, Usage> {
        let protocol = self.protocol;
        let message = matches!(protocol, Protocol::ICMP | Protocol::ICMPV6);
        if !message && self.icmp_type.is_some() {
            return Err(Usage(format!("protocol {protocol} has no --icmp-type")));
        }
        if !protocol.has_ports() && (self.port.is_some() || self.source_port.is_some()) {
            return Err(Usage(format!("protocol {protocol} has no ports; leave out --port and --source-port")));
        }
        if message {
            return Ok(Transport::Icmp(icmp(self.icmp_type, ends.source)));
        }
        if !protocol.has_ports() {
            return Ok(Transport::Other(protocol));
        }
        let destination = self.port.ok_or_else(|| Usage(format!("protocol {protocol} needs --port")))?;
        Ok(Transport::Ports {
            protocol,
            source: self.source_port.unwrap_or(EPHEMERAL),
            destination,
            head: Head::opening(protocol),
        })
    }
}

/// The message; an echo request if none is said.
fn icmp(kind: Option<IcmpType>, source: IpAddr) -> IcmpMessage {
    let echo = match Family::of(source) {
        Family::V4 => 8,
        Family::V6 => 128,
    };
    let IcmpType { number, code } = kind.unwrap_or(IcmpType::any_code(echo));
    let target = match source {
        IpAddr::V6(source) if number == ADVERTISEMENT => Some(source),
        _ => None,
    };
    IcmpMessage { number, code: code.unwrap_or(0), target }
}

/// Conntrack does not look at multicast listener and neighbour discovery (Linux,
/// `noct_valid_new` in nf_conntrack_proto_icmpv6.c).
fn usual_state(transport: &Transport) -> ConnState {
    match transport {
        Transport::Icmp(IcmpMessage { number: 130..=136 | 143, .. }) => ConnState::Untracked,
        _ => ConnState::New,
    }
}

/// The packet as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PacketView {
    /// Source MAC address of the frame.
    source_mac: Mac,
    /// Source address.
    source: IpAddr,
    /// Destination address.
    destination: IpAddr,
    /// Protocol.
    protocol: Protocol,
    /// Source port of tcp, udp or sctp.
    source_port: Option<u16>,
    /// Destination port of tcp, udp or sctp.
    destination_port: Option<u16>,
    /// Type and code of an ICMP message.
    icmp_type: Option<IcmpType>,
    /// What conntrack says of its connection.
    state: &'static str,
    /// Whether it is for this host, whose own wall it then has to pass as well.
    to_host: bool,
}

impl PacketView {
    /// Shows a packet between these ends.
    pub fn new(packet: &Packet, ends: &Ends<'_>) -> Self {
        let transport = packet.ip().map(|ip| ip.transport);
        let ports = match transport {
            Some(Transport::Ports { source, destination, .. }) => Some((source, destination)),
            _ => None,
        };
        let icmp_type = match transport {
            Some(Transport::Icmp(message)) => Some(IcmpType { number: message.number, code: Some(message.code) }),
            _ => None,
        };
        Self {
            source_mac: packet.source_mac,
            source: ends.source,
            destination: ends.destination,
            protocol: packet.ip().map_or(Protocol(0), IpPacket::protocol),
            source_port: ports.map(|(source, _)| source),
            destination_port: ports.map(|(_, destination)| destination),
            icmp_type,
            state: word(packet.state),
            to_host: ends.to_host,
        }
    }
}

const fn word(state: ConnState) -> &'static str {
    match state {
        ConnState::New => "new",
        ConnState::Established => "established",
        ConnState::Related => "related",
        ConnState::Invalid => "invalid",
        ConnState::Untracked => "untracked",
    }
}

impl fmt::Display for PacketView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = |port: Option<u16>| port.map_or(String::new(), |port| format!(" port {port}"));
        write!(f, "{}", self.protocol)?;
        if let Some(kind) = self.icmp_type {
            write!(f, " type {kind}")?;
        }
        write!(f, " from {}{}", self.source, port(self.source_port))?;
        write!(f, " to {}{}", self.destination, port(self.destination_port))?;
        if self.to_host {
            f.write_str(" (this host)")?;
        }
        write!(f, ", {}, by {}", self.state, self.source_mac)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Args, Command};
    use super::*;
    use crate::model::InterfacePolicy;
    use crate::net::Direction;
    use clap::Parser;

    fn interface() -> InterfacePolicy {
        InterfacePolicy::bare("52:54:00:00:00:01", &[])
    }

    fn packet(words: &str, source: &str) -> Result<Packet, String> {
        let line = format!("virt-guard explain --guest a --direction out {words}");
        let Command::Explain(query) = Args::parse_from(line.split_whitespace()).command else { panic!("no explain") };
        let interface = interface();
        let source: IpAddr = source.parse().unwrap();
        let ends = Ends {
            direction: Direction::Out,
            interface: &interface,
            source,
            destination: source,
            source_mac: Some(interface.mac),
            destination_mac: None,
            to_host: false,
        };
        query.packet(&ends).map_err(|error| error.to_string())
    }

    #[test]
    fn ports_are_those_of_the_words_and_an_ephemeral_source() {
        let ip = *packet("--protocol tcp --port 80", "10.0.0.1").unwrap().ip().unwrap();
        let head = Head::opening(Protocol::TCP);
        let expected = Transport::Ports { protocol: Protocol::TCP, source: EPHEMERAL, destination: 80, head };
        assert_eq!(ip.transport, expected);
    }

    #[test]
    fn an_icmp_message_is_an_echo_request_of_its_family_unless_said() {
        for (words, source, number, code, state) in [
            ("--protocol icmp", "10.0.0.1", 8, 0, ConnState::New),
            ("--protocol icmpv6", "fd00::1", 128, 0, ConnState::New),
            ("--protocol icmp --icmp-type 3/4", "10.0.0.1", 3, 4, ConnState::New),
            ("--protocol icmpv6 --icmp-type 136", "fd00::1", 136, 0, ConnState::Untracked),
        ] {
            let packet = packet(words, source).unwrap();
            let Transport::Icmp(message) = packet.ip().unwrap().transport else { panic!("{words}") };
            assert_eq!((message.number, message.code, packet.state), (number, code, state), "{words}");
            assert_eq!(message.target.is_some(), number == ADVERTISEMENT);
        }
    }

    #[test]
    fn the_frame_is_the_senders_unless_it_lies() {
        assert_eq!(packet("--protocol 47", "10.0.0.1").unwrap().source_mac, interface().mac);
        let lie = packet("--protocol 47 --mac 02:00:00:00:00:09 --state invalid", "10.0.0.1").unwrap();
        assert_eq!((lie.source_mac.to_string().as_str(), lie.state), ("02:00:00:00:00:09", ConnState::Invalid));
    }

    #[test]
    fn pieces_that_are_missing_or_do_not_fit_are_named() {
        for (words, expected) in [
            ("--protocol tcp", "protocol tcp needs --port"),
            ("--protocol gre --port 1", "protocol gre has no ports; leave out --port and --source-port"),
            ("--protocol udp --port 1 --icmp-type 8", "protocol udp has no --icmp-type"),
        ] {
            assert_eq!(packet(words, "10.0.0.1").unwrap_err(), expected);
        }
    }
}
