//! What libvirt itself puts into the kernel for a filter at a port, and what of
//! it is missing.
//!
//! In: the rules of a filter with all its references, and what the save programs
//! print. Out: each thing that lacks, in words. Names and jumps are those of
//! libvirt's nwfilter driver (nwfilter_ebiptables_driver.c); its rules are
//! counted, never understood. Nothing is changed.

use std::collections::BTreeSet;

use super::readback::save_program;
use super::{Command, Deadline, Listing, RunError, Runner};
use crate::engine::Table;
use crate::facts::nwfilter::{FilterProtocol, FilterRule, RuleDirection};
use crate::net::Family;

/// The deepest way through chains that is followed; libvirt's goes down one level.
const DEEPEST: usize = 8;

/// What stands of iptables, ip6tables and of ebtables' nat.
///
/// # Errors
/// A program fails.
pub fn read_instances(runner: &mut dyn Runner, deadline: Deadline) -> Result<Listing, RunError> {
    let mut listing = Listing::default();
    let saved = runner.run(&Command::new("ebtables-save", []), deadline)?;
    listing.add_saved(&saved, |word| (word == "nat").then_some(Table::EbtablesNat));
    for family in Family::BOTH {
        let saved = runner.run(&Command::new(save_program(family), ["-t", "filter"]), deadline)?;
        listing.add_saved(&saved, |word| (word == "filter").then_some(Table::Filter(family)));
    }
    Ok(listing)
}

/// What the rules of a filter need in the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The directions that the Ethernet layer has rules in: never `inout`.
    ethernet: BTreeSet<&'static str>,
    /// The families that the IP layer has rules in, each with the first letters
    /// of the chains that hold some.
    ip: BTreeSet<(Family, &'static str)>,
    families: BTreeSet<Family>,
}

impl Needs {
    /// Adds what a rule needs.
    pub fn add(&mut self, rule: &FilterRule) {
        let (to, from) = (rule.direction != RuleDirection::Out, rule.direction != RuleDirection::In);
        let Some(family) = family(rule.protocol) else {
            self.ethernet.extend(from.then_some("I").into_iter().chain(to.then_some("O")));
            return;
        };
        self.families.insert(family);
        // libvirt leaves ICMP out of the direction that its type cannot go.
        if matches!(rule.protocol, FilterProtocol::Icmp(_)) && to && from {
            return;
        }
        // What follows from the state in the other direction is not asked for.
        let chains = [("FI", from), ("HI", from), ("FO", to)];
        self.ip.extend(chains.iter().filter(|(_, holds)| *holds).map(|(chain, _)| (family, *chain)));
    }

    /// What lacks of it at `port`, each in words.
    pub fn missing(&self, port: &str, listing: &Listing) -> Vec<String> {
        let mut missing = Vec::new();
        for direction in &self.ethernet {
            let root = format!("libvirt-{direction}-{port}");
            let (hook, way) = if *direction == "I" { ("PREROUTING", "-i") } else { ("POSTROUTING", "-o") };
            let jump = format!("{way} {port} -j {root}");
            missing.extend(without(listing, Table::EbtablesNat, (hook, &jump)));
            missing.extend(emptied(listing, &root));
        }
        for family in &self.families {
            let table = Table::Filter(*family);
            missing.extend(links(port).iter().filter_map(|(chain, end)| without(listing, table, (chain, end))));
        }
        for (family, chain) in &self.ip {
            let (table, chain) = (Table::Filter(*family), format!("{chain}-{port}"));
            missing.extend(lines(listing, table, &chain).is_empty().then(|| empty(table, &chain)));
        }
        missing
    }
}

/// The family of a rule of the IP layer.
fn family(protocol: FilterProtocol) -> Option<Family> {
    use FilterProtocol as P;
    match protocol {
        P::Tcp(f) | P::Udp(f) | P::UdpLite(f) | P::Sctp(f) | P::Icmp(f) | P::Esp(f) | P::Ah(f) | P::All(f) => Some(f),
        P::Igmp => Some(Family::V4),
        P::None | P::Mac | P::Vlan | P::Stp | P::Arp | P::Rarp | P::Ip | P::Ipv6 => None,
    }
}

/// The rules that lead from the built-in chains to a port's: chain, and what one
/// of its lines has.
fn links(port: &str) -> [(&'static str, String); 8] {
    [
        ("INPUT", "-j libvirt-host-in".to_owned()),
        ("FORWARD", "-j libvirt-in".to_owned()),
        ("FORWARD", "-j libvirt-out".to_owned()),
        ("FORWARD", "-j libvirt-in-post".to_owned()),
        ("libvirt-host-in", format!("--physdev-in {port} -g HI-{port}")),
        ("libvirt-in", format!("--physdev-in {port} -g FI-{port}")),
        ("libvirt-in-post", format!("--physdev-in {port} -j ACCEPT")),
        ("libvirt-out", format!("--physdev-out {port} --physdev-is-bridged -g FO-{port}")),
    ]
}

fn lines<'a>(listing: &'a Listing, table: Table, chain: &str) -> &'a [String] {
    listing.chains.get(&(table, chain.to_owned())).map_or(&[], Vec::as_slice)
}

fn without(listing: &Listing, table: Table, (chain, end): (&str, &str)) -> Option<String> {
    let found = lines(listing, table, chain).iter().any(|line| line.ends_with(&format!(" {end}")));
    (!found).then(|| format!("{}: {chain} has no \"{end}\"", tool(table)))
}

/// The chains of ebtables from `root` on that hold no rule.
fn emptied(listing: &Listing, root: &str) -> Vec<String> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![root.to_owned()]);
    for _ in 0..DEEPEST {
        let chains = std::mem::take(&mut next);
        for chain in chains.into_iter().filter(|chain| seen.insert(chain.clone())).collect::<Vec<_>>() {
            let jumps = lines(listing, Table::EbtablesNat, &chain).iter().filter_map(|line| line.rsplit_once("-j "));
            let own = jumps.map(|(_, target)| target).filter(|target| target.starts_with(['I', 'O']));
            next.extend(own.filter(|target| target.contains('-')).map(str::to_owned));
        }
    }
    let none = seen.iter().filter(|chain| lines(listing, Table::EbtablesNat, chain).is_empty());
    none.map(|chain| empty(Table::EbtablesNat, chain)).collect()
}

fn empty(table: Table, chain: &str) -> String {
    format!("{}: {chain} is empty or not there", tool(table))
}

fn tool(table: Table) -> &'static str {
    match table {
        Table::Filter(Family::V6) => "ip6tables",
        Table::Filter(Family::V4) => "iptables",
        _ => "ebtables",
    }
}

#[cfg(test)]
mod tests;
