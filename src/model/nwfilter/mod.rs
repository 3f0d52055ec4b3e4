//! libvirt's nwfilters as walls.
//!
//! In: the filters that an interface refers to, and what is known of it. Out: two
//! walls in each direction, one about frames and one about IP packets, with the
//! verdicts that libvirt's own instantiation would give
//! (`docs/nwfilter-differences.md` lists where it errs).
//!
//! ```text
//! expand      references → one list of rules, each with its variables' values
//! variables   rule, values → attributes for each combination
//! conditions  attributes → fields of a packet, as written or reversed
//! stp         the same, of the spanning tree protocol
//! ethernet    rules → chains, in the order of priorities
//! ip          rules → one list, with states and mirrored rules
//! learning    what passes while the guest's address is not known
//! ```

mod conditions;
mod ethernet;
mod expand;
mod instance;
mod ip;
mod learning;
mod stp;
#[cfg(test)]
mod tests;
mod variables;

use std::net::IpAddr;

use crate::facts::FactError;
use crate::facts::domain::FilterRef;
use crate::facts::nwfilter::{Action, FilterProtocol, Library};
use crate::facts::policy::Reject;
use crate::model::rule::{Rule, Target, Verdict, Wall};
use crate::net::{Direction, Family, Mac};

use expand::Found;
use instance::{Instance, instances};
use variables::Values;

/// The variable that libvirt learns where it is not given.
const IP: &str = "IP";

/// The filters that an interface names, and where they are found.
#[derive(Debug, Clone, Copy)]
pub struct Filters<'a> {
    /// Where to look for them.
    pub library: &'a Library,
    /// Those that it names, in order.
    pub references: &'a [FilterRef],
}

/// What the filters of an interface are.
#[derive(Debug, Clone, Default)]
pub struct FilterWalls {
    /// The walls, in both directions.
    pub walls: Vec<Wall>,
    /// Rules that accept tagged frames, in each direction: only these pass the
    /// wall of frames.
    pub tagged: Vec<(Direction, Rule)>,
    /// Whether all this is only until the guest's address is known.
    pub waits_for_address: bool,
}

/// What becomes of a packet that a rule is to reject, by the operator's choice.
pub fn reject_verdict(choice: Reject) -> Verdict {
    match choice {
        Reject::Refuse => Verdict::Reject,
        Reject::Drop => Verdict::Drop,
    }
}

/// The walls that `filters` are for an interface with this MAC address, which is
/// `$MAC`, and these addresses, which are `$IP` and `$IPV6` where no parameter says
/// them. A packet that a rule is to reject gets the verdict `reject`.
///
/// # Errors
/// A filter that cannot be resolved, with the line and the path of references.
pub fn compile_filters(
    filters: &Filters<'_>,
    mac: Mac,
    addresses: &[IpAddr],
    reject: Verdict,
) -> Result<FilterWalls, FactError> {
    let mut found = Vec::new();
    for reference in filters.references {
        found.extend(expand::rules(filters.library, reference, &given(reference, mac, addresses))?);
    }
    if waits(&found)? {
        let walls = learning::walls(mac, &dhcp_servers(filters.references)?);
        return Ok(FilterWalls { walls, tagged: Vec::new(), waits_for_address: true });
    }
    let instances = instances(&found)?;
    let mut walls = Vec::new();
    for direction in Direction::BOTH {
        walls.extend(ethernet::wall(&instances, direction)?);
        walls.extend(ip::wall(&instances, direction, reject)?);
    }
    Ok(FilterWalls { tagged: tagged(&walls, &instances), walls, waits_for_address: false })
}

/// The values that hold for all filters of the interface: its parameters, and what
/// is known of it otherwise.
fn given(reference: &FilterRef, mac: Mac, addresses: &[IpAddr]) -> Values {
    let of = |family| {
        let addresses = addresses.iter().filter(move |address| Family::of(**address) == family);
        addresses.map(ToString::to_string).collect::<Vec<_>>()
    };
    let mut values = reference.parameters.clone();
    for (name, known) in [(IP, of(Family::V4)), ("IPV6", of(Family::V6))] {
        if !known.is_empty() {
            values.entry(name.to_owned()).or_insert(known);
        }
    }
    values.insert("MAC".to_owned(), vec![mac.to_string()]);
    values
}

/// Whether the one value that is missing is the guest's address.
///
/// # Errors
/// Another value is missing.
fn waits(found: &[Found]) -> Result<bool, FactError> {
    let mut waits = false;
    for found in found {
        let Some(rule) = found.rule() else { continue };
        for name in variables::names(rule).into_iter().filter(|name| !found.values.contains_key(*name)) {
            if name != IP {
                let message = format!("no value for variable ${name} (filter {})", found.trail());
                return Err(FactError::new(rule.place.clone(), message));
            }
            waits = true;
        }
    }
    Ok(waits)
}

/// The servers from which alone a guest may get its address, if any are named.
fn dhcp_servers(references: &[FilterRef]) -> Result<Vec<IpAddr>, FactError> {
    let mut servers = Vec::new();
    for reference in references {
        for text in reference.parameters.get("DHCPSERVER").into_iter().flatten() {
            servers.push(text.parse().map_err(|_| {
                let message = format!("parameter DHCPSERVER is {text:?}, expected an address");
                FactError::new(reference.place.clone(), message)
            })?);
        }
    }
    Ok(servers)
}

/// Rules about a VLAN that accept. Whatever else accepts a frame has not looked at
/// what is behind its tag.
fn tagged(walls: &[Wall], instances: &[Instance<'_>]) -> Vec<(Direction, Rule)> {
    let places: Vec<_> = instances
        .iter()
        .filter(|instance| instance.rule.protocol == FilterProtocol::Vlan && instance.rule.action == Action::Accept)
        .map(|instance| &instance.rule.place)
        .collect();
    let accepts = |rule: &&Rule| {
        rule.target == Target::Verdict(Verdict::Accept)
            && places.iter().any(|place| rule.origin.place.as_ref() == Some(*place))
    };
    let all = walls.iter().flat_map(|wall| {
        let branches = wall.branches.iter().flat_map(|branch| &branch.rules);
        wall.rules.iter().chain(branches).map(move |rule| (wall.direction, rule))
    });
    all.filter(|(_, rule)| accepts(rule)).map(|(direction, rule)| (direction, rule.clone())).collect()
}
