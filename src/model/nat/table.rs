//! All translations of this host, and whether a connection goes by one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Floating, Forwarding, Translations};
use crate::net::{Detail, Family, Flow, IfName, Tuple};

/// All translations of this host. No address and no port leads to two places.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatTable {
    floating: Vec<Floating>,
    forwards: Vec<Forwarding>,
}

/// How a connection goes that concerns an address of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Translated {
    /// By a translation that stands, by somebody else's, or by none.
    Rightly,
    /// By one that is gone, or that leads elsewhere now.
    ByNone(IpAddr),
}

impl NatTable {
    /// The translations of all interfaces, in a fixed order. If two claim the same
    /// address, or the same port, the first has it.
    pub fn of<'a>(all: impl IntoIterator<Item = &'a Translations>) -> Self {
        let mut table = Self::default();
        for translations in all {
            for floating in &translations.floating {
                if table.leads_to(floating.address).is_none() {
                    table.floating.push(floating.clone());
                }
            }
            for forward in &translations.forwards {
                if !table.forwards.iter().any(|other| overlap(other, forward)) {
                    table.forwards.push(forward.clone());
                }
            }
        }
        table.floating.sort();
        table.forwards.sort();
        table
    }

    /// Whether nothing is translated.
    pub fn is_empty(&self) -> bool {
        self.floating.is_empty() && self.forwards.is_empty()
    }

    /// The floating IPs, sorted by address.
    pub fn floating(&self) -> &[Floating] {
        &self.floating
    }

    /// The forwards.
    pub fn forwards(&self) -> &[Forwarding] {
        &self.forwards
    }

    /// Where a floating IP leads to.
    pub fn leads_to(&self, address: IpAddr) -> Option<IpAddr> {
        self.floating.iter().find(|floating| floating.address == address).map(|floating| floating.fixed)
    }

    /// By which address a guest's own is known at an uplink: the lowest that leads
    /// to it.
    pub fn known_as(&self) -> BTreeMap<(IfName, IpAddr), IpAddr> {
        let mut known = BTreeMap::new();
        for floating in &self.floating {
            if let Some(uplink) = &floating.uplink {
                known.entry((uplink.clone(), floating.fixed)).or_insert(floating.address);
            }
        }
        known
    }

    /// The guests' own addresses of `family` that something leads to.
    pub fn fixed(&self, family: Family) -> BTreeSet<IpAddr> {
        let all = self.floating.iter().map(|floating| floating.fixed);
        let all = all.chain(self.forwards.iter().map(|forward| forward.fixed));
        all.filter(|address| Family::of(*address) == family).collect()
    }

    /// How `flow` goes. `revoked` are floating IPs and forwards that led somewhere
    /// before and do not now.
    pub fn judge(&self, flow: &Flow, revoked: &Self) -> Translated {
        let (to, from) = (flow.original.destination, flow.reply.destination);
        let led = flow.reply.source;
        let gone = |address: IpAddr| revoked.leads_to(address).is_some() && self.leads_to(address).is_none();
        // What nobody translated goes to an address outside and to no guest; but once
        // that leads to a guest, it is in the way.
        if self.leads_to(to).is_some_and(|fixed| fixed != led) || gone(to) && led != to {
            return Translated::ByNone(to);
        }
        let translated = from != flow.original.source;
        if translated && (gone(from) || self.leads_to(from).is_some_and(|fixed| fixed != flow.original.source)) {
            return Translated::ByNone(from);
        }
        if revoked.forwards_as(flow) && !self.forwards_as(flow) {
            return Translated::ByNone(to);
        }
        Translated::Rightly
    }

    /// Whether a forward leads as `flow` goes.
    fn forwards_as(&self, flow: &Flow) -> bool {
        let (Some(asked), Some(got)) = (flow.original.destination_port(), source_port(&flow.reply)) else {
            return false;
        };
        self.forwards.iter().any(|forward| {
            forward.protocol == flow.original.protocol
                && forward.address.is_none_or(|address| address == flow.original.destination)
                && forward.fixed == flow.reply.source
                && forward.target(asked) == Some(got)
        })
    }
}

const fn source_port(tuple: &Tuple) -> Option<u16> {
    match tuple.detail {
        Detail::Ports { source, .. } => Some(source),
        _ => None,
    }
}

/// Whether one connection could go by both.
fn overlap(one: &Forwarding, other: &Forwarding) -> bool {
    let addresses = one.address.is_none() || other.address.is_none() || one.address == other.address;
    one.family() == other.family() && one.protocol == other.protocol && addresses && one.ports.overlaps(other.ports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{PortRange, Protocol};

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn led(pairs: &[(&str, &str)]) -> NatTable {
        let floating = |(outside, fixed): &(&str, &str)| Floating {
            address: address(outside),
            fixed: address(fixed),
            uplink: "eth0".parse().ok(),
        };
        NatTable::of([&Translations { floating: pairs.iter().map(floating).collect(), forwards: Vec::new() }])
    }

    fn tuple(source: &str, destination: &str, ports: [u16; 2]) -> Tuple {
        Tuple {
            source: address(source),
            destination: address(destination),
            protocol: Protocol::TCP,
            detail: Detail::Ports { source: ports[0], destination: ports[1] },
        }
    }

    fn flow(original: Tuple, reply: Tuple) -> Flow {
        Flow { zone: 0, id: 1, original, reply, master: None, answered: true }
    }

    const CLIENT: &str = "198.51.100.7";
    const FLOATING: &str = "203.0.113.10";

    fn inbound(fixed: &str) -> Flow {
        flow(tuple(CLIENT, FLOATING, [40000, 80]), tuple(fixed, CLIENT, [80, 40000]))
    }

    fn outbound(fixed: &str) -> Flow {
        flow(tuple(fixed, CLIENT, [40000, 80]), tuple(CLIENT, FLOATING, [80, 40000]))
    }

    #[test]
    fn a_connection_by_a_floating_ip_that_is_gone_goes_by_none() {
        let (now, before) = (NatTable::default(), led(&[(FLOATING, "10.0.0.5")]));
        let gone = Translated::ByNone(address(FLOATING));
        assert_eq!(now.judge(&inbound("10.0.0.5"), &before), gone);
        assert_eq!(now.judge(&outbound("10.0.0.5"), &before), gone);
        let east_west = flow(tuple("10.0.0.5", "10.0.0.6", [1, 2]), tuple("10.0.0.6", "10.0.0.5", [2, 1]));
        assert_eq!(now.judge(&east_west, &before), Translated::Rightly);
    }

    #[test]
    fn what_is_sent_to_an_address_that_leads_nowhere_is_nobodys_until_it_leads_somewhere() {
        let plain = flow(tuple(CLIENT, FLOATING, [40000, 80]), tuple(FLOATING, CLIENT, [80, 40000]));
        let table = led(&[(FLOATING, "10.0.0.5")]);
        assert_eq!(NatTable::default().judge(&plain, &table), Translated::Rightly);
        assert_eq!(table.judge(&plain, &NatTable::default()), Translated::ByNone(address(FLOATING)));
    }

    #[test]
    fn a_connection_that_led_to_another_guest_goes_by_none() {
        let now = led(&[(FLOATING, "10.0.0.6")]);
        let gone = Translated::ByNone(address(FLOATING));
        for (flow, judged) in [
            (inbound("10.0.0.5"), gone),
            (outbound("10.0.0.5"), gone),
            (inbound("10.0.0.6"), Translated::Rightly),
            (outbound("10.0.0.6"), Translated::Rightly),
        ] {
            assert_eq!(now.judge(&flow, &NatTable::default()), judged, "{flow:?}");
        }
    }

    #[test]
    fn what_somebody_else_translates_is_left_alone() {
        let theirs = flow(tuple(CLIENT, "203.0.113.99", [40000, 80]), tuple("172.17.0.2", CLIENT, [80, 40000]));
        assert_eq!(NatTable::default().judge(&theirs, &led(&[(FLOATING, "10.0.0.5")])), Translated::Rightly);
    }

    #[test]
    fn a_guest_is_known_by_one_address_at_each_uplink() {
        let table = led(&[("203.0.113.11", "10.0.0.5"), (FLOATING, "10.0.0.5")]);
        let known: Vec<_> = table.known_as().into_values().collect();
        assert_eq!(known, [address(FLOATING)]);
    }

    #[test]
    fn an_address_leads_to_one_place_whoever_claims_it() {
        let claim = |fixed: &str| led(&[(FLOATING, fixed)]).floating.remove(0);
        let translations = |fixed| Translations { floating: vec![claim(fixed)], forwards: Vec::new() };
        let table = NatTable::of([&translations("10.0.0.5"), &translations("10.0.0.6")]);
        assert_eq!((table.floating().len(), table.leads_to(address(FLOATING))), (1, Some(address("10.0.0.5"))));
    }

    #[test]
    fn a_forward_that_is_gone_takes_its_connections_with_it() {
        let forward = |to: u16| Forwarding {
            address: None,
            protocol: Protocol::TCP,
            ports: PortRange::new(8000, 8010).unwrap(),
            fixed: address("10.0.0.5"),
            to_ports: PortRange::new(to, to + 10).unwrap(),
        };
        let table = |to| NatTable::of([&Translations { floating: Vec::new(), forwards: vec![forward(to)] }]);
        let by = flow(tuple(CLIENT, "192.0.2.1", [40000, 8003]), tuple("10.0.0.5", CLIENT, [83, 40000]));
        assert_eq!(table(80).judge(&by, &table(80)), Translated::Rightly);
        assert_eq!(table(90).judge(&by, &table(80)), Translated::ByNone(address("192.0.2.1")));
        assert_eq!(NatTable::default().judge(&by, &NatTable::default()), Translated::Rightly);
    }
}
