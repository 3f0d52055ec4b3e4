//! What a probe found as it is shown: a line for each service at each bridge, or JSON with
//! all that is known of each attempt.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use crate::cli::paint::{Paint, Tint};
use crate::cli::services::owner::shown;
use crate::cli::table::{count, table};
use crate::kernel::{Listener, Owner};
use crate::net::{Family, IfName, Mac, Protocol};
use crate::reconcile::{Attempt, Finding, ProbeOutcome, Probed, Stand, Walls};

/// The first line of the table.
const HEAD: [&str; 7] = ["STATE", "BRIDGE", "PROTOCOL", "ADDRESS", "PROGRAM", "UNIT", "TRIED"];
/// So many addresses of an outcome are named in a line.
const NAMED: usize = 4;

/// All that was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct View {
    /// Whether the walls stood around the probe's port: `standing`, `aside`, or nothing
    /// where none were ever applied.
    pub walls: Option<&'static str>,
    /// Why the walls are not known to stand as the policy has them.
    walls_lack: Option<String>,
    /// Where the probe stood.
    pub bridges: Vec<StandView>,
    /// The most dangerous first.
    #[serde(rename = "services")]
    pub rows: Vec<Row>,
}

/// Where a probe stood.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct StandView {
    pub bridge: IfName,
    mac: Mac,
    addresses: Vec<IpAddr>,
    families: Vec<Family>,
    pub notes: Vec<String>,
    pub lacks: Vec<String>,
}

/// A service, tried from a bridge.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Row {
    pub state: State,
    pub bridge: IfName,
    pub protocol: Protocol,
    pub address: IpAddr,
    pub port: u16,
    v6only: bool,
    interface: Option<IfName>,
    inode: u32,
    pub owners: Vec<Owner>,
    pub attempts: Vec<Cell>,
}

/// What came of it by one address.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Cell {
    pub address: IpAddr,
    pub outcome: ProbeOutcome,
    pub finding: Finding,
}

/// What is to be thought of a service, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Exposed,
    Failing,
    Reached,
    Closed,
}

impl From<Probed> for View {
    fn from(probed: Probed) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for attempt in probed.attempts {
            let cell = Cell { address: attempt.address, outcome: attempt.outcome, finding: attempt.finding };
            match rows.iter_mut().rfind(|row| row.is_about(&attempt)) {
                Some(row) => row.attempts.push(cell),
                None => rows.push(Row::new(attempt, cell, &probed.owners)),
            }
        }
        rows.iter_mut().for_each(|row| row.state = row.judged());
        rows.sort_by_key(|row| row.state);
        let walls = probed.walls.map(|walls| match walls {
            Walls::Standing => "standing",
            Walls::Aside => "aside",
        });
        let bridges = probed.stands.into_iter().map(StandView::from).collect();
        Self { walls, walls_lack: probed.breach, bridges, rows }
    }
}

impl From<Stand> for StandView {
    fn from(stand: Stand) -> Self {
        let Stand { bridge, mac, addresses, families, silent: _, notes, lacks } = stand;
        Self { bridge, mac, addresses, families, notes, lacks }
    }
}

impl View {
    /// What could not be tried, each with the bridge.
    pub fn lacks(&self) -> Vec<String> {
        let of = |stand: &StandView| -> Vec<_> {
            stand.lacks.iter().map(|lack| format!("{}: {lack}", stand.bridge)).collect()
        };
        self.bridges.iter().flat_map(of).collect()
    }

    /// What people have to know to read the matrix.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        match (self.walls, &self.walls_lack) {
            (None, _) => remarks.push("nothing was applied: probed without walls".to_owned()),
            (Some("aside"), _) => remarks.push("probed without the walls around the probe's port".to_owned()),
            (_, Some(lack)) => remarks.push(format!("the walls do not stand as the policy has them: {lack}")),
            _ => {}
        }
        if self.bridges.is_empty() {
            remarks.push("no bridge that the policy guards is there".to_owned());
        }
        for stand in &self.bridges {
            remarks.extend(stand.notes.iter().map(|note| format!("{}: {note}", stand.bridge)));
        }
        remarks
    }

    /// How many services are what.
    pub fn sum(&self) -> String {
        let of = |state| self.rows.iter().filter(|row| row.state == state).count();
        let sum: Vec<_> = State::ALL.iter().map(|state| format!("{} {}", of(*state), state.word())).collect();
        format!("{}: {}", count(self.rows.len(), "service"), sum.join(", "))
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paint = Paint::of(f);
        let head = HEAD.map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head).chain(self.rows.iter().map(|row| row.line(paint))).collect();
        f.write_str(&table(&rows))?;
        self.remarks().iter().try_for_each(|remark| writeln!(f, "{remark}"))?;
        writeln!(f, "{}", self.sum())
    }
}

impl Row {
    fn new(attempt: Attempt, cell: Cell, owners: &BTreeMap<u32, Vec<Owner>>) -> Self {
        let Listener { protocol, address, port, v6only, interface, inode, .. } = attempt.listener;
        let owners = owners.get(&inode).cloned().unwrap_or_default();
        let (state, attempts) = (State::Closed, vec![cell]);
        Self { state, bridge: attempt.bridge, protocol, address, port, v6only, interface, inode, owners, attempts }
    }

    fn is_about(&self, attempt: &Attempt) -> bool {
        let Listener { protocol, address, port, inode, .. } = &attempt.listener;
        self.bridge == attempt.bridge
            && (self.protocol, self.address, self.port, self.inode) == (*protocol, *address, *port, *inode)
    }

    /// What is worst of it.
    pub fn finding(&self) -> Finding {
        self.attempts.iter().map(|cell| cell.finding).min().unwrap_or(Finding::Fine)
    }

    fn judged(&self) -> State {
        match self.finding() {
            Finding::Exposed => State::Exposed,
            Finding::Failing => State::Failing,
            Finding::Fine if self.attempts.iter().any(|cell| cell.outcome.reaches()) => State::Reached,
            Finding::Fine => State::Closed,
        }
    }

    /// The service as it is named in rules: `tcp/22`.
    pub fn service(&self) -> String {
        format!("{}/{}", self.protocol, self.port)
    }

    /// What it is bound to.
    pub fn bound(&self) -> String {
        let interface = self.interface.as_ref().map(|interface| format!("%{interface}")).unwrap_or_default();
        format!("{}{interface}", SocketAddr::new(self.address, self.port))
    }

    fn line(&self, paint: Paint) -> [String; HEAD.len()] {
        let (program, unit) = shown(&self.owners);
        let state = paint.tint(self.state.tint(), self.state.word());
        [state, self.bridge.to_string(), self.protocol.to_string(), self.bound(), program, unit, self.tried()]
    }

    /// What came of it, by outcome.
    fn tried(&self) -> String {
        let of = |outcome: &ProbeOutcome| {
            let all: Vec<_> = self.attempts.iter().filter(|cell| cell.outcome == *outcome).collect();
            let mut words: Vec<_> = all.iter().take(NAMED).map(|cell| cell.address.to_string()).collect();
            if all.len() > NAMED {
                words.push(format!("and {} more", all.len() - NAMED));
            }
            (!all.is_empty()).then(|| format!("{}: {}", outcome.word(), words.join(" ")))
        };
        ProbeOutcome::ALL.iter().filter_map(of).collect::<Vec<_>>().join(", ")
    }
}

impl State {
    /// All, from the most dangerous.
    pub const ALL: [Self; 4] = [Self::Exposed, Self::Failing, Self::Reached, Self::Closed];

    const fn tint(self) -> Tint {
        match self {
            Self::Exposed | Self::Failing => Tint::Bad,
            Self::Reached => Tint::Good,
            Self::Closed => Tint::Faint,
        }
    }

    /// The state as it is shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exposed => "EXPOSED",
            Self::Failing => "FAILING",
            Self::Reached => "reached",
            Self::Closed => "closed",
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn attempt(port: u16, address: &str, outcome: ProbeOutcome, finding: Finding) -> Attempt {
        let listener = Listener {
            protocol: Protocol::TCP,
            address: "::".parse().unwrap(),
            port,
            v6only: false,
            interface: None,
            inode: u32::from(port),
            uid: 0,
        };
        Attempt { bridge: "br100".parse().unwrap(), listener, address: address.parse().unwrap(), outcome, finding }
    }

    pub fn probed() -> Probed {
        let owner = Owner { pid: 9, command: "<script>alert(1)</script>\n".to_owned(), unit: None };
        let stand = Stand {
            bridge: "br100".parse().unwrap(),
            mac: "52:54:00:01:02:03".parse().unwrap(),
            addresses: vec!["10.100.0.254".parse().unwrap()],
            families: vec![Family::V4],
            silent: Vec::new(),
            notes: vec!["a note".to_owned()],
            lacks: vec!["a lack".to_owned()],
        };
        let attempts = vec![
            attempt(22, "10.100.0.1", ProbeOutcome::Silent, Finding::Fine),
            attempt(53, "10.100.0.1", ProbeOutcome::Answered, Finding::Fine),
            attempt(80, "10.100.0.1", ProbeOutcome::Answered, Finding::Exposed),
            attempt(80, "192.0.2.10", ProbeOutcome::Silent, Finding::Fine),
        ];
        let owners = [(80, vec![owner])].into();
        Probed { walls: Some(Walls::Standing), breach: None, stands: vec![stand], attempts, owners }
    }

    #[test]
    fn people_see_a_line_for_each_and_the_sum() {
        let text = View::from(probed()).to_string();
        let lines: Vec<Vec<_>> = text
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(lines[0], HEAD);
        let tried = "answered: 10.100.0.1, silent: 192.0.2.10";
        assert_eq!(lines[1], ["EXPOSED", "br100", "tcp", "[::]:80", "<script>alert(1)</script>\\n (9)", "-", tried]);
        assert_eq!((lines[2][0], lines[3][0]), ("reached", "closed"));
        assert_eq!(lines[4..], [["br100: a note"], ["3 services: 1 EXPOSED, 0 FAILING, 1 reached, 1 closed"]]);
        assert_eq!(View::from(probed()).lacks(), ["br100: a lack"]);
    }

    #[test]
    fn whether_walls_stood_is_told() {
        let remarks = |walls, breach: Option<&str>| {
            let probed = Probed { walls, breach: breach.map(str::to_owned), stands: Vec::new(), ..probed() };
            View::from(probed).remarks()[0].clone()
        };
        assert_eq!(remarks(None, Some("x")), "nothing was applied: probed without walls");
        assert_eq!(remarks(Some(Walls::Aside), None), "probed without the walls around the probe's port");
        assert_eq!(remarks(Some(Walls::Standing), Some("x")), "the walls do not stand as the policy has them: x");
    }

    #[test]
    fn json_has_all_that_is_known() {
        let value = serde_json::to_value(View::from(probed())).unwrap();
        assert_eq!((&value["walls"], &value["walls-lack"]), (&"standing".into(), &serde_json::Value::Null));
        let expected = serde_json::json!({
            "state": "exposed", "bridge": "br100", "protocol": "tcp", "address": "::", "port": 80, "v6only": false,
            "interface": null, "inode": 80,
            "owners": [{ "pid": 9, "command": "<script>alert(1)</script>\n", "unit": null }],
            "attempts": [
                { "address": "10.100.0.1", "outcome": "answered", "finding": "exposed" },
                { "address": "192.0.2.10", "outcome": "silent", "finding": "fine" },
            ],
        });
        assert_eq!(value["services"][0], expected);
        assert_eq!(value["bridges"][0]["families"], serde_json::json!(["ipv4"]));
    }
}
