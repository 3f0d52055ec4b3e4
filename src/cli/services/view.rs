//! The services of the host as they are shown: a table for people, or JSON with all
//! that is known of each.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::owner::{NONE, shown};
use crate::cli::paint::{Paint, Tint};
use crate::cli::table::{count, table};
use crate::kernel::Owner;
use crate::model::Origin;
use crate::net::{IfName, Protocol};
use crate::reconcile::{Exposure, Service, Services};

/// The first line of the table.
const HEAD: [&str; 9] = ["STATE", "PROTOCOL", "ADDRESS", "PROGRAM", "UNIT", "BOUND", "REACHED AT", "PINNED BY", "RULE"];
/// So many bridges, and of each so many addresses, are named in a line.
const NAMED: usize = 4;

/// All services.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct View {
    /// Whether the walls stand in the kernel as the policy has them; if not, why.
    walls_stand: bool,
    walls_lack: Option<String>,
    /// The guest-facing bridges that are there.
    bridges: Vec<IfName>,
    /// The most dangerous first. One is told several times if it depends on the address or
    /// on the bridge what becomes of packets to it.
    services: Vec<ServiceView>,
}

/// One service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct ServiceView {
    state: State,
    protocol: Protocol,
    address: IpAddr,
    port: u16,
    v6only: bool,
    interface: Option<IfName>,
    inode: u32,
    uid: u32,
    owners: Vec<Owner>,
    /// By which addresses guests at a bridge reach it.
    reached_at: BTreeMap<IfName, Vec<IpAddr>>,
    /// What keeps guests from it besides the rules.
    pinned_by: Vec<String>,
    /// The rule that allows or drops the packets.
    rule: Option<Origin>,
    /// Why no rule is in the way of what is exposed.
    reason: Option<String>,
}

/// What becomes of packets to it, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Exposed,
    Allowed,
    Filtered,
    Pinned,
    Local,
}

impl From<Services> for View {
    fn from(services: Services) -> Self {
        Self {
            walls_stand: services.breach.is_none(),
            walls_lack: services.breach,
            bridges: services.bridges,
            services: services.all.into_iter().map(ServiceView::from).collect(),
        }
    }
}

impl From<Service> for ServiceView {
    fn from(Service { listener, owners, exposure, reached, pinned_by }: Service) -> Self {
        let (state, rule, reason) = match exposure {
            Exposure::Exposed(why) => (State::Exposed, None, Some(why)),
            Exposure::Allowed(rule) => (State::Allowed, Some(rule), None),
            Exposure::Filtered(rule) => (State::Filtered, Some(rule), None),
            Exposure::Pinned => (State::Pinned, None, None),
            Exposure::Local => (State::Local, None, None),
        };
        Self {
            state,
            protocol: listener.protocol,
            address: listener.address,
            port: listener.port,
            v6only: listener.v6only,
            interface: listener.interface,
            inode: listener.inode,
            uid: listener.uid,
            owners,
            reached_at: reached.into_iter().collect(),
            pinned_by,
            rule,
            reason,
        }
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paint = Paint::of(f);
        let head = HEAD.map(str::to_owned);
        let rows: Vec<_> =
            std::iter::once(head).chain(self.services.iter().map(|service| service.row(paint))).collect();
        f.write_str(&table(&rows))?;
        if let Some(lack) = &self.walls_lack {
            writeln!(f, "the walls do not stand as the policy has them: {lack}")?;
        }
        if self.bridges.is_empty() {
            writeln!(f, "no bridge that the policy guards is there")?;
        }
        let of = |state| self.services.iter().filter(|service| service.state == state).count();
        let words = [State::Exposed, State::Allowed, State::Filtered, State::Pinned, State::Local];
        let sum: Vec<_> = words.iter().map(|state| format!("{} {}", of(*state), state.word())).collect();
        writeln!(f, "{}: {}", count(self.services.len(), "service"), sum.join(", "))
    }
}

impl ServiceView {
    fn row(&self, paint: Paint) -> [String; HEAD.len()] {
        let rule = self.rule.as_ref().map(Origin::to_string).or_else(|| self.reason.clone());
        let (program, unit) = shown(&self.owners);
        [
            paint.tint(self.state.tint(), self.state.word()),
            self.protocol.to_string(),
            SocketAddr::new(self.address, self.port).to_string(),
            program,
            unit,
            self.bound(),
            self.places(),
            self.pins(),
            rule.unwrap_or_else(|| NONE.to_owned()),
        ]
    }

    fn places(&self) -> String {
        if self.reached_at.is_empty() {
            return NONE.to_owned();
        }
        let place = |(bridge, addresses): (&IfName, &Vec<IpAddr>)| {
            format!("{bridge}: {}", some(addresses.iter().map(IpAddr::to_string).collect(), " "))
        };
        some(self.reached_at.iter().map(place).collect(), ", ")
    }

    fn pins(&self) -> String {
        let words: Vec<_> = self.pinned_by.iter().map(|word| word.escape_debug().to_string()).collect();
        if words.is_empty() { NONE.to_owned() } else { words.join(", ") }
    }

    fn bound(&self) -> String {
        let mut words = vec![if self.address.is_unspecified() { "wildcard" } else { "address" }];
        if self.v6only {
            words.push("v6only");
        }
        words.extend(self.interface.iter().map(IfName::as_str));
        words.join(", ")
    }
}

/// The first of `all`, and how many more there are.
fn some(mut all: Vec<String>, separator: &str) -> String {
    let more = all.len().saturating_sub(NAMED);
    if more > 0 {
        all.truncate(NAMED);
        all.push(format!("and {more} more"));
    }
    all.join(separator)
}

impl State {
    const fn tint(self) -> Tint {
        match self {
            Self::Exposed => Tint::Bad,
            Self::Allowed | Self::Pinned => Tint::Good,
            Self::Filtered => Tint::Doubtful,
            Self::Local => Tint::Faint,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Exposed => "EXPOSED",
            Self::Allowed => "allowed",
            Self::Filtered => "filtered",
            Self::Pinned => "pinned",
            Self::Local => "local",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Listener;

    fn service(exposure: Exposure, owners: Vec<Owner>) -> Service {
        let listener = Listener {
            protocol: Protocol::TCP,
            address: "::".parse().unwrap(),
            port: 22,
            v6only: true,
            interface: Some("br100".parse().unwrap()),
            inode: 7,
            uid: 0,
        };
        let is_local = exposure == Exposure::Local;
        let reached =
            if is_local { Vec::new() } else { vec![("br100".parse().unwrap(), vec!["fd00::1".parse().unwrap()])] };
        let pinned_by = if is_local { vec!["interface br100".to_owned()] } else { Vec::new() };
        Service { listener, owners, exposure, reached, pinned_by }
    }

    fn owner(pid: u32, command: &str, unit: Option<&str>) -> Owner {
        Owner { pid, command: command.to_owned(), unit: unit.map(str::to_owned) }
    }

    #[test]
    fn people_see_a_line_for_each_and_the_sum() {
        let owners = vec![owner(1, "systemd", Some("*.socket")), owner(9, "a\nb", Some("ssh.service"))];
        let all =
            vec![service(Exposure::Filtered(Origin::built_in("closed")), owners), service(Exposure::Local, Vec::new())];
        let text = View::from(Services { breach: Some("no wall".to_owned()), bridges: Vec::new(), all }).to_string();
        let lines: Vec<_> = text
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>())
            .collect();
        assert_eq!(lines[0], HEAD);
        let cells = ["filtered", "tcp", "[::]:22", "a\\nb (9) and 1 more", "ssh.service", "wildcard, v6only, br100"];
        assert_eq!(lines[1], [&cells[..], &["br100: fd00::1", "-", "closed (built in)"]].concat());
        assert_eq!(lines[2][3..], ["-", "-", "wildcard, v6only, br100", "-", "interface br100", "-"]);
        let rest = [
            ["the walls do not stand as the policy has them: no wall"],
            ["no bridge that the policy guards is there"],
            ["2 services: 0 EXPOSED, 0 allowed, 1 filtered, 0 pinned, 1 local"],
        ];
        assert_eq!(lines[3..], rest);
    }

    #[test]
    fn a_line_names_some_of_many() {
        let all = |number| (0..number).map(|n: u8| n.to_string()).collect();
        assert_eq!(some(all(4), " "), "0 1 2 3");
        assert_eq!(some(all(6), ", "), "0, 1, 2, 3, and 2 more");
    }

    #[test]
    fn json_has_all_that_is_known() {
        let all = vec![service(Exposure::Exposed("no wall".to_owned()), vec![owner(9, "sshd", None)])];
        let view = View::from(Services { breach: None, bridges: vec!["br100".parse().unwrap()], all });
        let expected = serde_json::json!({
            "walls-stand": true, "walls-lack": null, "bridges": ["br100"],
            "services": [{
                "state": "exposed", "protocol": "tcp", "address": "::", "port": 22, "v6only": true,
                "interface": "br100", "inode": 7, "uid": 0,
                "owners": [{ "pid": 9, "command": "sshd", "unit": null }],
                "reached-at": { "br100": ["fd00::1"] }, "pinned-by": [], "rule": null, "reason": "no wall",
            }],
        });
        assert_eq!(serde_json::to_value(&view).unwrap(), expected);
    }
}
