//! Translations as iptables and ip6tables say them, in their nat tables; and in filter
//! that what is led to a guest passes there.
//!
//! Only the first packet of a connection comes here, so a list does. A guest that
//! reaches another by an address outside needs no translation of its own: bridged
//! answers pass conntrack as well.

use crate::engine::{ChainText, Table};
use crate::model::{Floating, Forwarding, NatTable};
use crate::net::{Family, IfName};
use crate::plan::NatChain;

use std::net::IpAddr;

/// The chains of the families in which something is translated.
pub(super) fn chains(table: &NatTable) -> Vec<ChainText> {
    Family::BOTH.into_iter().flat_map(|family| of_family(table, family)).collect()
}

fn of_family(table: &NatTable, family: Family) -> Vec<ChainText> {
    let floating = table.floating().iter().filter(|floating| Family::of(floating.address) == family).map(lead);
    let forwards = table.forwards().iter().filter(|forward| forward.family() == family).map(forward);
    let lead: Vec<_> = floating.chain(forwards).collect();
    if lead.is_empty() {
        return Vec::new();
    }
    let known = table.known_as().into_iter().filter(|(_, address)| Family::of(*address) == family);
    let leave = known.map(leave).chain(table.fixed(family).into_iter().map(own)).collect();
    let through = table.fixed(family).into_iter().flat_map(through).collect();
    let chain = |table, chain: NatChain, rules| ChainText { table, name: chain.name(), hook: None, rules };
    let nat = Table::Nat(family);
    vec![
        chain(nat, NatChain::Lead, lead),
        chain(nat, NatChain::Leave, leave),
        chain(Table::Filter(family), NatChain::Forward, through),
    ]
}

/// libvirt's networks with NAT let nothing in that was not begun within, and Docker
/// lets nothing through at all. The guest's own walls stand behind this.
fn through(fixed: IpAddr) -> [String; 2] {
    ["-d", "-s"].map(|end| format!("{end} {fixed} -m conntrack --ctstate DNAT -j ACCEPT"))
}

fn lead(floating: &Floating) -> String {
    format!("-d {} -m comment --comment \"floating IP\" -j DNAT --to-destination {}", floating.address, floating.fixed)
}

fn forward(forward: &Forwarding) -> String {
    let address = match forward.address {
        Some(address) => format!("-d {address}"),
        None => format!("! -d {} -m addrtype --dst-type LOCAL", forward.family().loopback()),
    };
    let ports = forward.ports.with_separator(':');
    format!(
        "{address} -p {} --dport {ports} -m comment --comment \"forward\" -j DNAT --to-destination {}",
        forward.protocol,
        target(forward)
    )
}

/// Behind a slash stands the port by which the others of a range are counted
/// (iptables-extensions(8), DNAT; Linux 4.19).
fn target(forward: &Forwarding) -> String {
    let (fixed, to) = (forward.fixed, forward.to_ports);
    if forward.keeps_ports() {
        return fixed.to_string();
    }
    let host = match fixed {
        IpAddr::V4(fixed) => fixed.to_string(),
        IpAddr::V6(fixed) => format!("[{fixed}]"),
    };
    match to.first() == to.last() {
        true => format!("{host}:{to}"),
        false => format!("{host}:{to}/{}", forward.ports.first()),
    }
}

/// What is bridged stays among guests, where each has its own address.
fn leave(((uplink, fixed), address): ((IfName, IpAddr), IpAddr)) -> String {
    format!(
        "-s {fixed} -o {uplink} -m physdev ! --physdev-is-bridged -m comment --comment \"floating IP\" -j SNAT \
         --to-source {address}"
    )
}

/// The host that reaches a guest by its floating IP would use that very address.
fn own(fixed: IpAddr) -> String {
    format!("-d {fixed} -m conntrack --ctstate DNAT -m addrtype --src-type LOCAL -j MASQUERADE")
}
