//! `virt-guard flows`: the connections of guests, which rule admits each today, and
//! how to end one.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::exit::Usage;
use super::progress::Progress;
use super::report::json;
use super::table::{count, table};
use super::{Exit, Report, guests, host};
use crate::log::{Severity, log};
use crate::net::{Detail, Family, Flow, Protocol, Tuple, ValueError};
use crate::reconcile::{FlowView, Host, Judgement, Revocation, Selection};

/// So many connections that were cut are named in the system's log.
const LOGGED: usize = 20;

/// List the connections of guests, or cut some.
///
/// What is not admitted any more is cut by itself whenever rules are taken away.
#[derive(Debug, Args)]
pub struct Flows {
    #[command(subcommand)]
    action: Action,
    /// Print one JSON object.
    #[arg(long, global = true)]
    json: bool,
}

/// What to do about them.
#[derive(Debug, Subcommand)]
enum Action {
    /// List them, each with the rule that admits it today. Exits with 1 if one was
    /// answered that no rule admits.
    List {
        /// Only those of this guest, by name or UUID.
        guest: Option<String>,
    },
    /// Cut connections, whatever the rules say of them.
    Kill(Kill),
}

/// Which to cut.
#[derive(Debug, Args)]
struct Kill {
    #[command(flatten)]
    which: Which,
    /// Only name them.
    #[arg(long)]
    dry_run: bool,
}

/// One way to say which.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// All of this guest, by name or UUID.
    guest: Option<String>,
    /// All by this floating IP, in both directions.
    #[arg(long, value_name = "ADDRESS")]
    floating: Option<IpAddr>,
    /// The one that began so, as `tcp,198.51.100.7:40000,203.0.113.10:22`.
    #[arg(long, value_name = "PROTOCOL,SOURCE,DESTINATION")]
    tuple: Option<Began>,
}

/// A flow as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown {
    family: Family,
    protocol: Protocol,
    /// Its first packet.
    original: String,
    /// The way of the answers.
    reply: String,
    /// The guests at its ends.
    guests: Vec<String>,
    /// Whether it was answered; what is dropped at a guest's port is tracked, too.
    answered: bool,
    /// Whether the rules of today would let it begin.
    admitted: bool,
    /// By which rules, or why not.
    rules: Vec<String>,
}

/// What was or would be cut.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Killed {
    killed: Vec<String>,
    alive: usize,
}

impl Flows {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let _progress = Progress::start("judging connections");
        let mut host = host(root);
        let report = match &self.action {
            Action::List { guest } => self.list(&mut host, guest.as_deref())?,
            Action::Kill(kill) => self.kill(&mut host, kill)?,
        };
        Ok(with_evidence(report, &mut host))
    }

    fn list(&self, host: &mut Host, guest: Option<&str>) -> anyhow::Result<Report> {
        let known = host.guests(&[])?;
        let wanted = guest.map(|guest| guests::find(&known, guest)).transpose()?.map(|domain| domain.uuid);
        let is_wanted =
            |view: &FlowView| wanted.is_none_or(|wanted| view.guests.iter().any(|(uuid, _)| *uuid == wanted));
        let flows: Vec<_> = host.flows()?.into_iter().filter(is_wanted).map(Shown::from).collect();
        let exposed = flows.iter().any(|flow| flow.answered && !flow.admitted);
        let exit = if exposed { Exit::Found } else { Exit::Good };
        let text = if self.json { json(&flows)? } else { text(&flows) };
        Ok(Report { exit, ..Report::good(text) })
    }

    fn kill(&self, host: &mut Host, kill: &Kill) -> anyhow::Result<Report> {
        let selection = kill.which.selection(host)?;
        let lines = |flows: &[Flow]| flows.iter().map(|flow| flow.original.to_string()).collect::<Vec<_>>();
        let (killed, verb) = if kill.dry_run {
            let found = host.flows_of(&selection)?;
            (Killed { alive: found.len(), killed: lines(&found) }, "would cut")
        } else {
            let cut = host.kill_flows(&selection)?;
            let flows: Vec<_> = cut.killed.iter().map(|(flow, _)| *flow).collect();
            (Killed { alive: cut.alive, killed: lines(&flows) }, "cut")
        };
        let each = killed.killed.iter().map(|flow| format!("{verb} {flow}\n"));
        let sum = format!("{}, {} alive\n", count(killed.killed.len(), "connection"), killed.alive);
        let text = if self.json { json(&killed)? } else { each.chain([sum]).collect() };
        let whole = kill.dry_run || killed.alive == 0;
        Ok(Report { exit: if whole { Exit::Good } else { Exit::Failed }, ..Report::good(text) })
    }
}

impl Which {
    fn selection(&self, host: &Host) -> anyhow::Result<Selection> {
        if let Some(guest) = &self.guest {
            return Ok(Selection::Guest(guests::find(&host.guests(&[])?, guest)?.uuid));
        }
        match (self.floating, self.tuple) {
            (Some(address), _) => Ok(Selection::Floating(address)),
            (None, Some(Began(tuple))) => Ok(Selection::Tuple(tuple)),
            (None, None) => Err(Usage("which connections? name a guest, --floating or --tuple".to_owned()).into()),
        }
    }
}

impl From<FlowView> for Shown {
    fn from(view: FlowView) -> Self {
        let (admitted, rules) = match view.judgement {
            Judgement::Admitted(rules) => (true, rules),
            Judgement::Foreign => (true, Vec::new()),
            Judgement::Refused(why) => (false, vec![why]),
        };
        Self {
            family: view.flow.original.family(),
            protocol: view.flow.original.protocol,
            original: view.flow.original.to_string(),
            reply: view.flow.reply.to_string(),
            guests: view.guests.into_iter().map(|(_, name)| name).collect(),
            answered: view.flow.answered,
            admitted,
            rules,
        }
    }
}

fn text(flows: &[Shown]) -> String {
    let row = |flow: &Shown| {
        let state = match (flow.admitted, flow.answered) {
            (true, true) => "admitted",
            (true, false) => "admitted, no answer yet",
            (false, true) => "NOT ADMITTED",
            (false, false) => "not admitted, no answer",
        };
        let guests: Vec<_> = flow.guests.iter().map(|name| format!("{name:?}")).collect();
        [guests.join(" "), flow.original.clone(), state.to_owned(), flow.rules.join("; ")]
    };
    let rows: Vec<_> = flows.iter().map(row).collect();
    format!("{}{}\n", table(&rows), count(flows.len(), "connection"))
}

/// What was cut goes to the system's log.
pub(super) fn log_evidence(host: &mut Host) -> Vec<Revocation> {
    let cut = host.takes_revocations();
    for line in cut.iter().flat_map(|revocation| revocation.lines(LOGGED)) {
        log(Severity::Info, format_args!("{line}"));
    }
    cut
}

/// The report with what went wrong beside it.
pub(super) fn with_evidence(report: Report, host: &mut Host) -> Report {
    log_evidence(host);
    let problems = host.takes_problems();
    report.complain(Exit::Found, problems)
}

/// A flow by its first packet, as people type it.
#[derive(Debug, Clone, Copy)]
struct Began(Tuple);

impl FromStr for Began {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expected =
            "PROTOCOL,SOURCE,DESTINATION such as tcp,198.51.100.7:40000,203.0.113.10:22 or gre,10.0.0.1,10.0.0.2";
        let error = || ValueError::new("tuple", text, expected);
        let parts: Vec<_> = text.split(',').map(str::trim).collect();
        let [protocol, source, destination] = parts[..] else { return Err(error()) };
        let protocol: Protocol = protocol.parse()?;
        let (source, destination) = (end(source).ok_or_else(error)?, end(destination).ok_or_else(error)?);
        let detail = match (source.1, destination.1) {
            (Some(source), Some(destination)) => Detail::Ports { source, destination },
            (None, None) => Detail::Nothing,
            _ => return Err(error()),
        };
        let is_one = source.0.is_ipv4() == destination.0.is_ipv4();
        let tuple = Tuple { source: source.0, destination: destination.0, protocol, detail };
        is_one.then_some(Self(tuple)).ok_or_else(error)
    }
}

/// An address, with or without a port.
fn end(text: &str) -> Option<(IpAddr, Option<u16>)> {
    let with_port = text.parse::<SocketAddr>().ok().map(|end| (end.ip(), Some(end.port())));
    with_port.or_else(|| Some((text.parse().ok()?, None)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tuple_is_read_as_it_is_typed() {
        let Began(tuple) = "tcp,198.51.100.7:40000,203.0.113.10:22".parse().unwrap();
        assert_eq!(tuple.to_string(), "tcp 198.51.100.7:40000 > 203.0.113.10:22");
        let Began(tuple) = "udp,[fd00::7]:5,[fd00::1]:53".parse().unwrap();
        assert_eq!(tuple.to_string(), "udp [fd00::7]:5 > [fd00::1]:53");
        let Began(tuple) = "gre,10.0.0.1,10.0.0.2".parse().unwrap();
        assert_eq!(tuple.to_string(), "gre 10.0.0.1 > 10.0.0.2");
        for text in ["tcp", "tcp,10.0.0.1:1,fd00::1", "tcp,10.0.0.1:1,10.0.0.2", "x,10.0.0.1,10.0.0.2", "tcp,a:1,b:2"] {
            assert!(text.parse::<Began>().is_err(), "{text:?} was accepted");
        }
    }
}
