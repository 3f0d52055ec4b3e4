//! Which services `--all` means: what the audit finds guests reach, or would without
//! the host's wall.
//!
//! In: the audit. Out: units that can be pinned, and what cannot, with the reason.

use std::collections::{BTreeMap, BTreeSet};

use super::systemd;
use crate::kernel::{Command, Owner};
use crate::net::Protocol;
use crate::pins::Name;
use crate::reconcile::{Error, Exposure, Host, Service};

/// The process that holds the sockets of socket units.
const INIT: u32 = 1;

/// What can be pinned of all that guests reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pinnable {
    /// The units.
    pub names: Vec<Name>,
    /// What is left as it is, and why.
    pub others: Vec<String>,
}

impl Host {
    /// All that guests reach, or would without the host's wall, and that has a unit. What
    /// the policy allows is left alone, and so is what is pinned already.
    ///
    /// # Errors
    /// As of [`Host::services`], or the pins cannot be read.
    pub fn pinnable(&mut self) -> Result<Pinnable, Error> {
        let services = self.services()?.all;
        let sockets = self.socket_units();
        let mut sorted = sort(&services, &sockets);
        let pins = self.pins()?;
        sorted.names.retain(|name| !pins.iter().any(|pin| pin.name == name.as_str()));
        Ok(sorted)
    }

    /// The socket units by port. Without systemd there is none.
    fn socket_units(&mut self) -> BTreeMap<(Protocol, u16), String> {
        let list = ["list-units", "--type=socket", "--state=active", "--plain", "--no-legend"];
        let told = self.runner.run(&Command::new("systemctl", list), self.deadline).unwrap_or_default();
        let units: Vec<_> = told.lines().filter_map(|line| line.split_whitespace().next()).collect();
        if units.is_empty() {
            return BTreeMap::new();
        }
        let ports = systemd::ports(self.runner.as_mut(), &units, self.deadline).unwrap_or_default();
        ports.into_iter().map(|(unit, port)| (port, unit)).collect()
    }
}

fn sort(services: &[Service], sockets: &BTreeMap<(Protocol, u16), String>) -> Pinnable {
    let unit = |service: &Service| unit_of(service, sockets);
    let allowed: BTreeSet<_> =
        services.iter().filter(|service| matches!(service.exposure, Exposure::Allowed(_))).filter_map(unit).collect();
    let (mut names, mut others) = (BTreeSet::new(), BTreeSet::new());
    let is_open = |exposure: &Exposure| matches!(exposure, Exposure::Exposed(_) | Exposure::Filtered(_));
    for service in services.iter().filter(|service| is_open(&service.exposure)) {
        let at = format!("{}/{}", service.listener.protocol, service.listener.port);
        match unit(service) {
            Some(unit) if allowed.contains(&unit) => {
                others.insert(format!("{unit}: the policy allows guests some of it"));
            }
            Some(unit) => match unit.parse::<Name>() {
                Ok(name) if matches!(name.kind(), Some("service" | "socket")) => drop(names.insert(name)),
                _ => drop(others.insert(format!("{at}: run in {unit}, which is no service of systemd"))),
            },
            None => drop(others.insert(format!("{at}: of no unit of systemd"))),
        }
    }
    Pinnable { names: names.into_iter().collect(), others: others.into_iter().collect() }
}

/// The unit by which a service is pinned: its socket unit, where systemd made the socket.
fn unit_of(service: &Service, sockets: &BTreeMap<(Protocol, u16), String>) -> Option<String> {
    let is_inits = |owner: &Owner| owner.pid == INIT && owner.command == "systemd";
    if service.owners.iter().any(is_inits) {
        return sockets.get(&(service.listener.protocol, service.listener.port)).cloned();
    }
    service.owners.iter().find_map(|owner| owner.unit.clone())
}
