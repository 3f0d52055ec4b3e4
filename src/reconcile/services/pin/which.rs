//! Which services `--all` means: what the audit finds guests reach, or would without
//! the host's wall.
//!
//! In: the audit. Out: units that can be pinned, and what cannot, with the reason.

use std::collections::BTreeSet;

use crate::pins::Name;
use crate::reconcile::{Error, Exposure, Host, Service};

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
        let mut sorted = sort(&self.services()?.all);
        let pins = self.pins()?;
        sorted.names.retain(|name| !pins.iter().any(|pin| pin.name == name.as_str()));
        Ok(sorted)
    }
}

fn sort(services: &[Service]) -> Pinnable {
    let allowed: BTreeSet<_> = services
        .iter()
        .filter(|service| matches!(service.exposure, Exposure::Allowed(_)))
        .filter_map(unit_of)
        .collect();
    let (mut names, mut others) = (BTreeSet::new(), BTreeSet::new());
    let is_open = |exposure: &Exposure| matches!(exposure, Exposure::Exposed(_) | Exposure::Filtered(_));
    for service in services.iter().filter(|service| is_open(&service.exposure)) {
        let at = format!("{}/{}", service.listener.protocol, service.listener.port);
        match unit_of(service) {
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

/// The unit by which a service is pinned: the socket unit, where systemd made the socket.
fn unit_of(service: &Service) -> Option<String> {
    let units = || service.owners.iter().filter_map(|owner| owner.unit.as_ref());
    units().find(|unit| unit.ends_with(".socket")).or_else(|| units().next()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Listener, Owner};
    use crate::model::Origin;
    use crate::net::Protocol;

    fn service(port: u16, units: &[&str], exposure: Exposure) -> Service {
        let listener = Listener {
            protocol: Protocol::TCP,
            address: "0.0.0.0".parse().unwrap(),
            port,
            v6only: false,
            interface: None,
            inode: u32::from(port),
            uid: 0,
        };
        let owner = |unit: &&str| Owner { pid: 7, command: "x".to_owned(), unit: Some((*unit).to_owned()) };
        Service {
            listener,
            owners: units.iter().map(owner).collect(),
            exposure,
            reached: Vec::new(),
            pinned_by: Vec::new(),
        }
    }

    #[test]
    fn what_guests_reach_is_pinned_by_its_unit_but_not_what_they_may_reach() {
        let open = || Exposure::Exposed("x".to_owned());
        let services = [
            service(22, &["ssh.service"], Exposure::Filtered(Origin::built_in("x"))),
            service(22, &["ssh.service"], open()),
            service(111, &["rpcbind.service", "rpcbind.socket"], open()),
            service(53, &["dnsmasq.service"], Exposure::Allowed(Origin::built_in("dns"))),
            service(8080, &["dnsmasq.service"], open()),
            service(3306, &["mariadb.service"], Exposure::Local),
            service(8000, &["session-3.scope"], open()),
            service(9999, &[], open()),
            service(7, &["*.socket"], open()),
        ];
        let Pinnable { names, others } = sort(&services);
        let names: Vec<_> = names.iter().map(Name::as_str).collect();
        assert_eq!(names, ["rpcbind.socket", "ssh.service"]);
        let expected = [
            "dnsmasq.service: the policy allows guests some of it",
            "tcp/7: run in *.socket, which is no service of systemd",
            "tcp/8000: run in session-3.scope, which is no service of systemd",
            "tcp/9999: of no unit of systemd",
        ];
        assert_eq!(others, expected);
    }
}
