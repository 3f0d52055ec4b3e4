//! `virt-guard explain`: what becomes of one packet, and which rule decides.
//!
//! In: a guest and the parts of a packet. Out: the verdict of
//! [`evaluate_walls`], the executable specification of both engines; the kernel
//! is not asked and need not hold any of it.

mod ends;
mod packet;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::exit::Usage;
use super::report::json;
use super::{Exit, Report, guests, host};
use crate::facts::Domain;
use crate::facts::policy::Policy;
use crate::model::{
    Decision, Guarding, GuestPolicy, Members, Origin, Packet, Verdict, Wall, evaluate_walls, host_wall, resolve,
};
use crate::net::{Direction, IcmpType, IfName, Mac, Protocol};
use ends::{End, Ends};
use packet::{PacketView, StateWord};

/// Say what becomes of one packet, and which rule decides.
///
/// The policy in the files decides, not what the kernel holds. The guest is one
/// that virt-guard was told of, or that of --domain-xml. Exits with 0 if the packet
/// is accepted, with 1 if it is dropped.
#[derive(Debug, Args)]
pub struct Explain {
    /// The guest, by name or UUID.
    #[arg(long, value_name = "NAME", required_unless_present = "domain_xml")]
    guest: Option<String>,
    /// A domain's XML, for a guest that is not known yet.
    #[arg(long, value_name = "FILE")]
    domain_xml: Option<PathBuf>,
    /// The guest's interface, by port or MAC address [default: the one that has the guest's address].
    #[arg(long, value_name = "PORT|MAC")]
    interface: Option<String>,
    /// The way of the packet: in to the guest, or out of it.
    #[arg(long, value_name = "in|out")]
    direction: Direction,
    /// The source: an address, a guest or host [default: the guest's own address].
    #[arg(long, value_name = "ADDR|NAME|host")]
    from: Option<End>,
    /// The destination, likewise.
    #[arg(long, value_name = "ADDR|NAME|host")]
    to: Option<End>,
    /// What the packet carries: tcp, udp, sctp, icmp, icmpv6, … or a number.
    #[arg(long)]
    protocol: Protocol,
    /// The destination port of tcp, udp or sctp.
    #[arg(long)]
    port: Option<u16>,
    /// The source port [default: 49152].
    #[arg(long)]
    source_port: Option<u16>,
    /// Type, or type/code, of an ICMP message [default: echo request].
    #[arg(long, value_name = "TYPE")]
    icmp_type: Option<IcmpType>,
    /// What conntrack says of the packet's connection [default: new].
    #[arg(long)]
    state: Option<StateWord>,
    /// The packet goes back to the one who began the connection.
    #[arg(long)]
    reply: bool,
    /// The frame's source MAC address [default: the sender's own].
    #[arg(long)]
    mac: Option<Mac>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What becomes of the packet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Explanation {
    /// Name of the guest.
    guest: String,
    /// Its port; null before it has one.
    port: Option<IfName>,
    /// The way of the packet.
    direction: Direction,
    /// The packet.
    packet: PacketView,
    /// What becomes of it.
    verdict: Verdict,
    /// The layer that decided: the one that dropped it, or the last it passed.
    layer: Option<crate::model::Layer>,
    /// The rule that decided.
    rule: String,
    /// The file in which the rule stands; null if it holds by itself.
    file: Option<String>,
    /// The line.
    line: Option<u32>,
}

impl Explain {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let host = host(root);
        let policy = host.policy()?;
        let mut known = host.guests(&[])?;
        let domain = self.domain(&mut known)?;
        let guest = resolve(&policy, host.surroundings(), &domain)?;
        let others: Vec<_> =
            known.iter().filter_map(|domain| resolve(&policy, host.surroundings(), domain).ok()).collect();
        let ends = Ends::find(self, &domain, &guest, &others)?;
        let packet = self.packet(&ends)?;
        let decision = decide(&policy, &ends, &members(&others), &packet);
        let explanation = explanation(self, &guest, &ends, &packet, &decision);
        let text = if self.json { json(&explanation)? } else { text(&explanation, &decision.origin) };
        let exit = if decision.verdict == Verdict::Accept { Exit::Good } else { Exit::Found };
        Ok(Report { text, complaints: Vec::new(), exit })
    }

    /// The guest; one from a file is then among the known ones.
    fn domain(&self, known: &mut Vec<Domain>) -> anyhow::Result<Domain> {
        if let Some(path) = &self.domain_xml {
            let file = path.display().to_string();
            let xml = fs::read(path).map_err(|error| Usage(format!("{file}: {error}")))?;
            let domain = Domain::parse(xml, &file)?;
            known.retain(|other| other.uuid != domain.uuid);
            known.push(domain);
        }
        let last = known.last().map(|domain| domain.uuid.to_string());
        let wanted = self.guest.clone().or(last).unwrap_or_default();
        let unknown = |error| Usage(format!("{error}; a guest that is not known can be given by --domain-xml"));
        Ok(guests::find(known, &wanted).map_err(unknown)?.clone())
    }
}

/// Who is in which group.
fn members(guests: &[GuestPolicy]) -> Members {
    let mut members = Members::default();
    for (set, address) in guests.iter().flat_map(|guest| &guest.interfaces).flat_map(|interface| &interface.members) {
        members.insert(set.clone(), *address);
    }
    members
}

fn decide(policy: &Policy, ends: &Ends<'_>, members: &Members, packet: &Packet) -> Decision {
    let own: &[Wall] = match &ends.interface.guarding {
        Guarding::Walls(walls) => walls,
        Guarding::Impossible(reason) => {
            let origin = Origin::built_in(&format!("NOT guarded: {reason}"));
            return Decision { verdict: Verdict::Accept, layer: None, origin };
        }
    };
    let host = ends.to_host.then(|| host_wall(policy));
    let walls = own.iter().filter(|wall| wall.direction == ends.direction).chain(&host);
    evaluate_walls(walls, members, packet)
}

fn explanation(
    query: &Explain,
    guest: &GuestPolicy,
    ends: &Ends<'_>,
    packet: &Packet,
    decision: &Decision,
) -> Explanation {
    let place = decision.origin.place.as_ref();
    Explanation {
        guest: guest.id.name.clone(),
        port: ends.interface.target.clone(),
        direction: query.direction,
        packet: PacketView::new(packet, ends),
        verdict: decision.verdict,
        layer: decision.layer,
        rule: decision.origin.label.clone(),
        file: place.map(|place| place.file.clone()),
        line: place.map(|place| place.line),
    }
}

fn text(explanation: &Explanation, origin: &Origin) -> String {
    let way = match explanation.direction {
        Direction::In => "in to",
        Direction::Out => "out of",
    };
    let port = explanation.port.as_ref().map_or(String::new(), |port| format!(" at {port}"));
    let layer = explanation.layer.map_or("none".to_owned(), |layer| layer.to_string());
    let packet = &explanation.packet;
    format!(
        "packet   {packet}\nway      {way} {:?}{port}\nverdict  {}\nlayer    {layer}\nrule     {origin}\n",
        explanation.guest, explanation.verdict
    )
}
