//! The answer of `virt-guard status`: the JSON object, and the same for people.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::super::events::line;
use super::super::paint::{Paint, Tint};
use super::super::table::{count, table};
use crate::engine::EngineKind;
use crate::facts::domain::Uuid;
use crate::facts::policy::{GroupName, UnknownPorts};
use crate::net::{BridgePattern, IfName, Mac};
use crate::reconcile::Exposures;
use crate::state::events::Event;

/// The most differences that people are shown at a glance.
const LISTED: usize = 10;

/// The whole answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct View {
    /// This machine.
    pub host: HostView,
    /// What holds the rules.
    pub engine: EngineView,
    /// The operator's files.
    pub policy: PolicyView,
    /// The kernel held against the policy.
    pub rules: RulesView,
    /// The host's own services.
    pub services: ServicesView,
    /// The guarded bridges.
    pub bridges: Vec<BridgeView>,
    /// The guests that are known or run, sorted by name.
    pub guests: Vec<GuestView>,
    /// The last times that the daemon closed ports, put rules back, or could not.
    pub heals: Vec<Event>,
}

/// This machine.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostView {
    /// Release of the kernel.
    pub kernel: String,
    /// Version of virt-guard.
    pub version: &'static str,
}

/// What holds the rules.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EngineView {
    /// The engine; null if none can or if nobody can tell.
    pub name: Option<EngineKind>,
    /// Why it is that one, or why there is none.
    pub reason: String,
}

/// The operator's files.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyView {
    /// What is wrong with them; null if nothing is.
    pub error: Option<String>,
    /// How many groups they define.
    pub groups: usize,
    /// How many entries about guests they have.
    pub guests: usize,
}

/// The kernel held against the policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RulesView {
    /// Whether nothing differs; null if that cannot be told.
    pub in_sync: Option<bool>,
    /// Each difference.
    pub differences: Vec<String>,
    /// Why it cannot be told.
    pub error: Option<String>,
}

/// How many of the host's own services guests reach, or would.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServicesView {
    /// How many of each kind, as `services audit` lists them; null if that cannot be told.
    pub counts: Option<Exposures>,
    /// Why it cannot be told.
    pub error: Option<String>,
}

/// A guarded bridge, or a pattern that no bridge fits.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BridgeView {
    /// The pattern of the policy.
    pub pattern: BridgePattern,
    /// What becomes of frames at its unknown ports.
    pub unknown_ports: UnknownPorts,
    /// The bridge; null if none fits the pattern now.
    pub name: Option<IfName>,
    /// Its ports.
    pub ports: Vec<PortView>,
}

/// A port of a guarded bridge.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PortView {
    /// The interface.
    pub name: IfName,
    /// What it is.
    pub role: PortRole,
    /// Name of the guest whose port it is.
    pub guest: Option<String>,
}

/// What a port of a guarded bridge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortRole {
    /// A guest's, with rules around it.
    Guest,
    /// It leads out of the host.
    Uplink,
    /// Neither.
    Unknown,
}

/// A guest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GuestView {
    /// Its name, as its tenant chose it.
    pub name: String,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its interfaces, in the order of its XML.
    pub interfaces: Vec<InterfaceView>,
    /// Why its policy cannot be resolved; the last good rules stay then.
    pub problem: Option<String>,
}

/// An interface of a guest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InterfaceView {
    /// The host's end of it.
    pub port: Option<IfName>,
    /// Its MAC address.
    pub mac: Mac,
    /// What it may use as its own, where somebody told.
    pub addresses: Vec<IpAddr>,
    /// The groups it is in.
    pub groups: Vec<GroupName>,
    /// The nwfilters around it.
    pub filters: Vec<String>,
    /// Whether its rules stand in the kernel; null if that cannot be told.
    pub guarded: Option<bool>,
    /// Why they do not, or why it cannot be told.
    pub reason: Option<String>,
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paint = Paint::of(f);
        f.write_str(&table(&self.summary(paint)))?;
        for difference in self.rules.differences.iter().take(LISTED) {
            writeln!(f, "  - {difference}")?;
        }
        if self.rules.differences.len() > LISTED {
            writeln!(f, "  - and {} more; virt-guard check names all", self.rules.differences.len() - LISTED)?;
        }
        write!(f, "\n{}", table(&self.bridge_rows(paint)))?;
        write!(f, "\n{}", table(&self.guest_rows(paint)))?;
        for guest in &self.guests {
            if let Some(problem) = &guest.problem {
                writeln!(f, "  - {:?}: {problem}", guest.name)?;
            }
        }
        if !self.heals.is_empty() {
            writeln!(f, "\nlast seen to by the daemon (virt-guard events tells more):")?;
        }
        self.heals.iter().try_for_each(|event| writeln!(f, "  - {}", line(event)))
    }
}

impl View {
    fn summary(&self, paint: Paint) -> [[String; 2]; 5] {
        let engine = self.engine.name.map_or("none".to_owned(), |name| name.to_string());
        let policy = match &self.policy.error {
            None => format!("ok ({}, {} [[guest]])", count(self.policy.groups, "group"), self.policy.guests),
            Some(error) => paint.tint(Tint::Bad, format!("BROKEN: {error}")),
        };
        let rules = match (self.rules.in_sync, &self.rules.error) {
            (Some(true), _) => paint.tint(Tint::Good, "in sync"),
            (Some(false), _) => {
                paint.tint(Tint::Bad, format!("NOT in sync, {}", count(self.rules.differences.len(), "difference")))
            }
            (None, error) => paint.tint(Tint::Doubtful, error.clone().unwrap_or_default()),
        };
        [
            ["host".to_owned(), format!("linux {}, virt-guard {}", self.host.kernel, self.host.version)],
            ["engine".to_owned(), format!("{engine} ({})", self.engine.reason)],
            ["policy".to_owned(), policy],
            ["rules".to_owned(), rules],
            ["services".to_owned(), self.services.words(paint)],
        ]
    }

    fn bridge_rows(&self, paint: Paint) -> Vec<[String; 4]> {
        let mut rows = vec![["pattern", "bridge", "port", "is"].map(|head| head.to_uppercase())];
        for bridge in &self.bridges {
            let name = bridge.name.as_ref().map_or("-".to_owned(), ToString::to_string);
            let mut first = [bridge.pattern.to_string(), name];
            if bridge.ports.is_empty() {
                let [pattern, name] = std::mem::take(&mut first);
                rows.push([pattern, name, "-".to_owned(), String::new()]);
            }
            for port in &bridge.ports {
                let is = match (port.role, &port.guest) {
                    (PortRole::Guest, Some(name)) => format!("guest {name:?}"),
                    (PortRole::Guest, None) => "guest".to_owned(),
                    (PortRole::Uplink, _) => "uplink".to_owned(),
                    (PortRole::Unknown, _) => paint.tint(Tint::Doubtful, format!("unknown ({})", bridge.unknown_ports)),
                };
                // Pattern and bridge stand in the first row of several.
                let [pattern, name] = std::mem::take(&mut first);
                rows.push([pattern, name, port.name.to_string(), is]);
            }
        }
        rows
    }

    fn guest_rows(&self, paint: Paint) -> Vec<[String; 8]> {
        let heads = ["guest", "uuid", "port", "mac", "addresses", "groups", "filters", "guarded"];
        let mut rows = vec![heads.map(|head| head.to_uppercase())];
        for guest in &self.guests {
            let mut first = [format!("{:?}", guest.name), guest.uuid.to_string()];
            if guest.interfaces.is_empty() {
                let [name, uuid] = std::mem::take(&mut first);
                let none = || "-".to_owned();
                rows.push([name, uuid, none(), none(), none(), none(), none(), "no interfaces".to_owned()]);
            }
            for interface in &guest.interfaces {
                let [name, uuid] = std::mem::take(&mut first);
                let port = interface.port.as_ref().map_or("-".to_owned(), ToString::to_string);
                let guarded = interface.words(paint);
                let (addresses, groups) = (words(&interface.addresses), words(&interface.groups));
                let filters: Vec<_> = interface.filters.iter().map(|name| name.escape_debug()).collect();
                rows.push([name, uuid, port, interface.mac.to_string(), addresses, groups, words(&filters), guarded]);
            }
        }
        rows
    }
}

impl ServicesView {
    fn words(&self, paint: Paint) -> String {
        let Some(Exposures { exposed, allowed, filtered, broken_pins }) = self.counts else {
            return paint.tint(Tint::Doubtful, self.error.clone().unwrap_or_default());
        };
        let audit = if exposed + broken_pins > 0 { "; virt-guard services audit lists them" } else { "" };
        let exposed = match exposed {
            0 => paint.tint(Tint::Good, "none exposed"),
            _ => paint.tint(Tint::Bad, format!("{exposed} EXPOSED")),
        };
        let pins = match broken_pins {
            0 => String::new(),
            _ => format!(", {}", paint.tint(Tint::Bad, format!("{} BROKEN", count(broken_pins, "pin")))),
        };
        format!("{exposed}, {allowed} allowed, {filtered} filtered{pins}{audit}")
    }
}

impl InterfaceView {
    fn words(&self, paint: Paint) -> String {
        let reason = self.reason.as_deref().unwrap_or_default();
        match self.guarded {
            Some(true) if self.reason.is_some() => paint.tint(Tint::Doubtful, format!("yes, {reason}")),
            Some(true) => paint.tint(Tint::Good, "yes"),
            Some(false) => paint.tint(Tint::Bad, format!("NO: {reason}")),
            None => paint.tint(Tint::Doubtful, format!("unsure: {reason}")),
        }
    }
}

fn words(values: &[impl ToString]) -> String {
    match values {
        [] => "-".to_owned(),
        values => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        let interface = |port: &str, reason: Option<&str>| InterfaceView {
            port: Some(port.parse().unwrap()),
            mac: "52:54:00:00:00:01".parse().unwrap(),
            addresses: vec!["10.0.0.1".parse().unwrap()],
            groups: vec!["web".parse().unwrap()],
            filters: vec!["clean-traffic".to_owned()],
            guarded: Some(reason.is_none()),
            reason: reason.map(str::to_owned),
        };
        let port = |name: &str, role, guest: Option<&str>| PortView {
            name: name.parse().unwrap(),
            role,
            guest: guest.map(str::to_owned),
        };
        let bridge = |pattern: &str, name: Option<&str>, ports| BridgeView {
            pattern: pattern.parse().unwrap(),
            unknown_ports: UnknownPorts::Drop,
            name: name.map(|name| name.parse().unwrap()),
            ports,
        };
        View {
            host: HostView { kernel: "6.1.0".into(), version: "0.1.0" },
            engine: EngineView { name: Some(EngineKind::Iptables), reason: "auto; nftables lacks: x".into() },
            policy: PolicyView { error: None, groups: 1, guests: 2 },
            rules: RulesView { in_sync: Some(false), differences: vec!["vnet1: no rules".into()], error: None },
            services: ServicesView {
                counts: Some(Exposures { allowed: 2, filtered: 1, ..Exposures::default() }),
                error: None,
            },
            bridges: vec![
                bridge(
                    "br100",
                    Some("br100"),
                    vec![port("eth1", PortRole::Uplink, None), port("vnet0", PortRole::Guest, Some("a\u{1b}[2J"))],
                ),
                bridge("virbr*", None, Vec::new()),
            ],
            guests: vec![GuestView {
                name: "a\u{1b}[2J".into(),
                uuid: "c7a5fdbd-edaf-9455-926a-d65c16db1809".parse().unwrap(),
                interfaces: vec![interface("vnet0", None), interface("vnet1", Some("no rules were applied"))],
                problem: None,
            }],
            heals: Vec::new(),
        }
    }

    #[test]
    fn people_get_aligned_columns_and_no_escape_sequence() {
        let expected = r#"host      linux 6.1.0, virt-guard 0.1.0
engine    iptables (auto; nftables lacks: x)
policy    ok (1 group, 2 [[guest]])
rules     NOT in sync, 1 difference
services  none exposed, 2 allowed, 1 filtered
  - vnet1: no rules

PATTERN  BRIDGE  PORT   IS
br100    br100   eth1   uplink
                 vnet0  guest "a\u{1b}[2J"
virbr*   -       -

GUEST         UUID                                  PORT   MAC                ADDRESSES  GROUPS  FILTERS        GUARDED
"a\u{1b}[2J"  c7a5fdbd-edaf-9455-926a-d65c16db1809  vnet0  52:54:00:00:00:01  10.0.0.1   web     clean-traffic  yes
                                                    vnet1  52:54:00:00:00:01  10.0.0.1   web     clean-traffic  NO: no rules were applied
"#;
        assert_eq!(view().to_string(), expected);
    }

    #[test]
    fn exposed_services_are_counted_and_where_to_look_is_told() {
        let counts = Some(Exposures { exposed: 3, allowed: 2, filtered: 1, broken_pins: 0 });
        let services = ServicesView { counts, error: None };
        assert_eq!(
            services.words(Paint::Plain),
            "3 EXPOSED, 2 allowed, 1 filtered; virt-guard services audit lists them"
        );
        let broken = Some(Exposures { broken_pins: 1, filtered: 1, ..Exposures::default() });
        let broken = ServicesView { counts: broken, error: None }.words(Paint::Plain);
        let expected = "none exposed, 0 allowed, 1 filtered, 1 pin BROKEN; virt-guard services audit lists them";
        assert_eq!(broken, expected);
        let unknown = ServicesView { counts: None, error: Some("the policy is broken".to_owned()) };
        assert_eq!(unknown.words(Paint::Plain), "the policy is broken");
    }

    #[test]
    fn what_is_wrong_is_red_and_columns_stay() {
        let painted = format!("{:#}", view());
        assert!(painted.contains("\x1b[1;31mNOT in sync, 1 difference\x1b[0m"), "{painted}");
        let plain: String = painted
            .split('\x1b')
            .enumerate()
            .map(|(at, part)| match at {
                0 => part,
                _ => part.split_once('m').unwrap().1,
            })
            .collect();
        assert_eq!(plain, view().to_string());
    }

    #[test]
    fn json_keys_are_in_kebab_case() {
        let json = serde_json::to_string(&view()).unwrap();
        assert!(json.contains(r#""in-sync":false"#) && json.contains(r#""unknown-ports":"drop""#), "{json}");
        assert!(!json.contains('\u{1b}'));
    }
}
