//! The members of security groups, as chains that answer by a bit of the mark.
//!
//! Neither ebtables nor a restore program knows sets. The chain is walked only
//! for the first packet of a connection that everything else in a rule lets in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::engine::{ChainText, Change, Table};
use crate::facts::policy::Marks;
use crate::model::SetName;
use crate::net::Family;
use crate::plan::{Name, Plan};

/// The chains of all sets of a plan.
pub(super) fn all(plan: &Plan) -> Vec<ChainText> {
    let mut members: BTreeMap<&SetName, BTreeSet<IpAddr>> =
        plan.base.sets.iter().map(|set| (set, BTreeSet::new())).collect();
    for (set, address) in plan.ports().iter().flat_map(|port| &port.members) {
        if let Some(addresses) = members.get_mut(set) {
            addresses.insert(*address);
        }
    }
    members.iter().flat_map(|(set, addresses)| chains(set, addresses, plan.base.marks)).collect()
}

/// The chains of the sets that a change touches, written anew.
pub(super) fn changed(change: &Change<'_>) -> Vec<ChainText> {
    let known = change.members.iter().filter(|(set, _)| change.base.sets.contains(set));
    known.flat_map(|(set, addresses)| chains(set, addresses, change.base.marks)).collect()
}

/// ebtables holds the sources of what goes to a guest, mangle the destinations
/// of what comes from one, or is routed to one.
fn chains(set: &SetName, addresses: &BTreeSet<IpAddr>, marks: Marks) -> Vec<ChainText> {
    let bit = marks.scratch();
    let name = Name::set(set);
    let (protocol, source) = match set.family {
        Family::V4 => ("IPv4", "--ip-src"),
        Family::V6 => ("IPv6", "--ip6-src"),
    };
    let ebtables =
        |address| format!("-p {protocol} {source} {address} -j mark --mark-or {bit:#010x} --mark-target RETURN");
    let mangle = |address| format!("-d {address} -j MARK --set-xmark {bit:#x}/{bit:#x}");
    let chain = |table, rules| ChainText { table, name: name.clone(), hook: None, rules };
    let asked_by_ebtables = set.group.is_some();
    let ebtables = || chain(Table::EbtablesNat, addresses.iter().map(ebtables).collect());
    let mangle = chain(Table::Mangle(set.family), addresses.iter().map(mangle).collect());
    asked_by_ebtables.then(ebtables).into_iter().chain([mangle]).collect()
}
