//! `virt-guard floating`: addresses of the outside that lead to guests.

use std::net::IpAddr;
use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::flows;
use super::report::json;
use super::table::{count, table};
use super::{Exit, Report, host};
use crate::facts::policy::GuestMatcher;
use crate::net::IfName;
use crate::reconcile::{Disassociated, FloatingView, Host, Selection};
use crate::state::Association;

/// List, associate and disassociate floating IPs.
///
/// Those of [[floating-ip]] in the policy are listed too, and changed there.
#[derive(Debug, Args)]
pub struct Floating {
    #[command(subcommand)]
    action: Action,
    /// Print one JSON object.
    #[arg(long, global = true)]
    json: bool,
}

/// What to do about them.
#[derive(Debug, Subcommand)]
enum Action {
    /// List all floating IPs and where they lead now.
    List,
    /// Have an address lead to a guest, now and after every start.
    Associate {
        /// The address.
        address: IpAddr,
        /// The guest, by name or UUID.
        guest: String,
        /// The guest's own address; without it the guest's first of the family.
        #[arg(long, value_name = "ADDRESS")]
        fixed: Option<IpAddr>,
        /// The interface of this host on which the address is reached; found without it.
        #[arg(long, value_name = "INTERFACE")]
        interface: Option<IfName>,
        /// Only say whether it could be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Take an address away again, and cut every connection by it.
    Disassociate {
        /// The address.
        address: IpAddr,
        /// Only say what would be cut.
        #[arg(long)]
        dry_run: bool,
    },
}

/// A floating IP as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown {
    address: IpAddr,
    guest: String,
    /// The guest's own address, while it leads there.
    fixed: Option<IpAddr>,
    /// The host's interface on which it is reached, while it leads somewhere.
    interface: Option<IfName>,
    /// The guest's port.
    port: Option<IfName>,
    /// The line of the policy, or that it was said by command.
    declared: String,
}

/// The report of a disassociation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Gone {
    address: IpAddr,
    guest: String,
    rules_gone: bool,
    address_gone: bool,
    /// Connections that were cut.
    killed: usize,
    /// Connections found afterwards.
    alive: usize,
    milliseconds: f64,
}

/// What was found or done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Told {
    Floating(Vec<Shown>),
    Associated { address: IpAddr, guest: String, active: bool },
    WouldAssociate { address: IpAddr, guest: String },
    WouldDisassociate { address: IpAddr, guest: String, kill: Vec<String> },
}

impl Floating {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let mut host = host(root);
        let report = match &self.action {
            Action::List => self.list(&host)?,
            Action::Associate { address, guest, fixed, interface, dry_run } => {
                let guest = GuestMatcher::one(guest)?;
                let (fixed, interface) = (*fixed, interface.clone());
                let association = Association { address: *address, guest, fixed, interface };
                if *dry_run { self.check(&host, association)? } else { self.associate(&mut host, association)? }
            }
            Action::Disassociate { address, dry_run: true } => self.look(&host, *address)?,
            Action::Disassociate { address, dry_run: false } => {
                let gone = host.disassociate(*address)?;
                self.gone(gone)?
            }
        };
        Ok(flows::with_evidence(report, &mut host))
    }

    fn list(&self, host: &Host) -> anyhow::Result<Report> {
        let all: Vec<_> = host.floating()?.into_iter().map(Shown::from).collect();
        if self.json {
            return Ok(Report::good(json(&Told::Floating(all))?));
        }
        let row = |shown: &Shown| {
            let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let leads = or_none(shown.fixed.map(|fixed| fixed.to_string()));
            let interface = or_none(shown.interface.as_ref().map(ToString::to_string));
            [shown.address.to_string(), format!("{:?}", shown.guest), leads, interface, shown.declared.clone()]
        };
        let head = ["address", "guest", "leads to", "on", "declared"].map(str::to_owned);
        let rows: Vec<_> = [head].into_iter().chain(all.iter().map(row)).collect();
        Ok(Report::good(if all.is_empty() { "no floating IP\n".to_owned() } else { table(&rows) }))
    }

    fn check(&self, host: &Host, new: Association) -> anyhow::Result<Report> {
        host.check_association(&new)?;
        let (address, guest) = (new.address, new.guest.to_string());
        let text = format!("{address} would be associated with {guest:?}\n");
        self.told(&Told::WouldAssociate { address, guest }, text)
    }

    fn associate(&self, host: &mut Host, new: Association) -> anyhow::Result<Report> {
        let (address, guest) = (new.address, new.guest.to_string());
        host.associate(new)?;
        let leads = host.floating()?.into_iter().find(|view| view.address == address).and_then(|view| view.leads);
        let text = match &leads {
            Some((port, floating)) => format!("{address} leads to {guest:?} ({}) at {port}\n", floating.fixed),
            None => {
                format!("{address} is associated with {guest:?}, and will lead there once the guest has an address\n")
            }
        };
        self.told(&Told::Associated { address, guest, active: leads.is_some() }, text)
    }

    fn look(&self, host: &Host, address: IpAddr) -> anyhow::Result<Report> {
        let guest = host.check_disassociation(address)?;
        let flows = host.flows_of(&Selection::Floating(address))?;
        let kill: Vec<_> = flows.iter().map(|flow| flow.original.to_string()).collect();
        let lines: String = kill.iter().map(|flow| format!("would cut {flow}\n")).collect();
        let text = format!("{lines}{address} of {guest:?} would be gone with {}\n", count(kill.len(), "connection"));
        self.told(&Told::WouldDisassociate { address, guest, kill }, text)
    }

    fn gone(&self, gone: Disassociated) -> anyhow::Result<Report> {
        let whole = gone.rules_gone && gone.address_gone && gone.alive == 0;
        let gone = Gone {
            address: gone.address,
            guest: gone.guest,
            rules_gone: gone.rules_gone,
            address_gone: gone.address_gone,
            killed: gone.killed,
            alive: gone.alive,
            milliseconds: gone.milliseconds,
        };
        let report = Report::good(if self.json { json(&gone)? } else { text(&gone) });
        Ok(Report { exit: if whole { Exit::Good } else { Exit::Failed }, ..report })
    }

    fn told(&self, told: &Told, text: String) -> anyhow::Result<Report> {
        Ok(Report::good(if self.json { json(told)? } else { text }))
    }
}

fn text(gone: &Gone) -> String {
    let done = |done: bool| if done { "gone" } else { "STILL THERE" };
    format!(
        "{} of {:?}\nrules    {}\naddress  {}\nflows    {} killed, {} alive\ntook     {:.1} ms\n",
        gone.address,
        gone.guest,
        done(gone.rules_gone),
        done(gone.address_gone),
        gone.killed,
        gone.alive,
        gone.milliseconds
    )
}

impl From<FloatingView> for Shown {
    fn from(view: FloatingView) -> Self {
        let (port, floating) = view.leads.unzip();
        let (fixed, interface) = floating.map(|floating| (floating.fixed, floating.uplink)).unzip();
        let declared =
            view.place.map_or_else(|| "by command".to_owned(), |place| format!("{}:{}", place.file, place.line));
        Self { address: view.address, guest: view.guest, fixed, interface: interface.flatten(), port, declared }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_floating_ip_is_shouted() {
        let gone = Gone {
            address: "203.0.113.10".parse().unwrap(),
            guest: "web\n1".to_owned(),
            rules_gone: true,
            address_gone: false,
            killed: 2000,
            alive: 0,
            milliseconds: 41.26,
        };
        let expected = "203.0.113.10 of \"web\\n1\"\nrules    gone\naddress  STILL THERE\nflows    2000 killed, 0 alive\n\
                        took     41.3 ms\n";
        assert_eq!(text(&gone), expected);
    }
}
