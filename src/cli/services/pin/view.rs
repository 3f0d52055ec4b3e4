//! Pins as they are shown: what was planned and what became of it, for people or as JSON.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::diff::unified;
use crate::cli::paint::Paint;
use crate::cli::pending::Asked;
use crate::cli::report::chain;
use crate::cli::table::table;
use crate::net::IfName;
use crate::reconcile::{Error, FileChange, PinPlan, Pinned};
use crate::state::PinRecord;

/// What became of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// It would be pinned.
    Planned,
    /// It was pinned now.
    Pinned,
    /// Its files were as they should be already.
    Unchanged,
    /// It was not pinned.
    Failed,
}

/// All services that were to be pinned.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct View {
    pub services: Vec<ServiceView>,
    /// What `--all` leaves as it is, and why.
    pub left: Vec<String>,
    /// Only where a confirmation was asked for.
    pub confirmation: Option<Asked>,
}

/// One service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ServiceView {
    name: String,
    pub state: State,
    /// Whether a probe has shown that no guest reaches it.
    pub proven: bool,
    addresses: Vec<IpAddr>,
    interface: Option<IfName>,
    /// The files that change.
    files: Vec<FileView>,
    notes: Vec<String>,
    pub error: Option<String>,
}

/// A file that changes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct FileView {
    path: PathBuf,
    diff: String,
}

impl ServiceView {
    /// A service that would be pinned.
    pub fn planned(plan: &PinPlan) -> Self {
        let file = |change: &FileChange| FileView { path: change.path.clone(), diff: unified(change, Paint::Plain) };
        Self {
            name: plan.name.to_string(),
            state: State::Planned,
            proven: false,
            addresses: plan.target.addresses.clone(),
            interface: plan.target.interface.clone(),
            files: plan.changes.iter().map(file).collect(),
            notes: plan.recipe.notes.clone(),
            error: None,
        }
    }

    /// What became of it.
    pub fn done(plan: &PinPlan, result: &Result<Pinned, Error>) -> Self {
        let planned = Self::planned(plan);
        match result {
            Ok(Pinned { record, proven }) => {
                let state = if record.is_some() { State::Pinned } else { State::Unchanged };
                Self { state, proven: *proven, ..planned }
            }
            Err(error) => Self { state: State::Failed, error: Some(chain(error)), ..planned },
        }
    }

    /// In a line; what failed is told as a complaint.
    pub fn line(&self) -> Option<String> {
        let what = match self.state {
            State::Failed => return None,
            State::Planned if self.files.is_empty() => "its files are as they should be".to_owned(),
            State::Planned => format!("would be pinned to {}", self.places()),
            State::Pinned => format!("pinned to {}", self.places()),
            State::Unchanged => "its files were as they should be".to_owned(),
        };
        let proof = match (self.state, self.proven) {
            (State::Planned, _) => "",
            (_, true) => "; proven: no guest reaches it",
            (_, false) => "; not proven, as it does not listen now",
        };
        Some(format!("{}: {what}{proof}\n", self.name))
    }

    fn places(&self) -> String {
        places(&self.addresses, self.interface.as_ref())
    }
}

/// What is in the files of a plan, and what the operator has to know.
pub(super) fn plan_text(plan: &PinPlan, paint: Paint) -> String {
    let diffs = plan.changes.iter().map(|change| unified(change, paint));
    let notes = plan.recipe.notes.iter().map(|note| format!("note: {note}\n"));
    diffs.chain(notes).collect()
}

fn places(addresses: &[IpAddr], interface: Option<&IfName>) -> String {
    let addresses: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
    match interface {
        Some(name) => format!("{name} ({})", addresses.join(", ")),
        None => addresses.join(", "),
    }
}

/// A pin on record.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PinView {
    name: String,
    addresses: Vec<IpAddr>,
    interface: Option<IfName>,
    since: String,
    confirmed: bool,
    proven: bool,
    /// Not, if it was interrupted and is yet to be undone.
    whole: bool,
    files: Vec<PathBuf>,
}

impl From<PinRecord> for PinView {
    fn from(pin: PinRecord) -> Self {
        Self {
            whole: !pin.is_amid(),
            name: pin.name,
            addresses: pin.addresses,
            interface: pin.interface,
            since: pin.since,
            confirmed: !pin.unconfirmed,
            proven: pin.proven,
            files: pin.files.into_iter().map(|file| file.path).collect(),
        }
    }
}

/// Pins as a table.
pub(super) fn pins(pins: &[PinView]) -> String {
    if pins.is_empty() {
        return "nothing is pinned\n".to_owned();
    }
    let yes_or_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let row = |pin: &PinView| {
        let confirmed = if pin.whole { yes_or_no(pin.confirmed) } else { "interrupted".to_owned() };
        let places = places(&pin.addresses, pin.interface.as_ref());
        [pin.name.clone(), places, pin.since.clone(), confirmed, yes_or_no(pin.proven)]
    };
    let head = ["SERVICE", "PINNED TO", "SINCE", "CONFIRMED", "PROVEN"].map(str::to_owned);
    table(&[head].into_iter().chain(pins.iter().map(row)).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(state: State, proven: bool) -> ServiceView {
        ServiceView {
            name: "sshd".to_owned(),
            state,
            proven,
            addresses: vec!["192.0.2.10".parse().unwrap()],
            interface: None,
            files: vec![FileView { path: "/etc/x".into(), diff: String::new() }],
            notes: Vec::new(),
            error: None,
        }
    }

    #[test]
    fn what_became_of_it_is_one_line() {
        for (state, proven, expected) in [
            (State::Planned, false, Some("sshd: would be pinned to 192.0.2.10\n")),
            (State::Pinned, true, Some("sshd: pinned to 192.0.2.10; proven: no guest reaches it\n")),
            (State::Pinned, false, Some("sshd: pinned to 192.0.2.10; not proven, as it does not listen now\n")),
            (State::Unchanged, true, Some("sshd: its files were as they should be; proven: no guest reaches it\n")),
            (State::Failed, false, None),
        ] {
            assert_eq!(view(state, proven).line().as_deref(), expected);
        }
    }

    #[test]
    fn an_interface_is_named_with_its_addresses() {
        let addresses = ["192.0.2.10".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(places(&addresses, Some(&"eth0".parse().unwrap())), "eth0 (192.0.2.10, 2001:db8::1)");
    }

    #[test]
    fn an_interrupted_pin_is_told() {
        let pin = PinView {
            name: "sshd".to_owned(),
            addresses: vec!["192.0.2.10".parse().unwrap()],
            interface: None,
            since: "2026-01-01T00:00:00Z".to_owned(),
            confirmed: true,
            proven: false,
            whole: false,
            files: Vec::new(),
        };
        let text = pins(&[pin]);
        assert!(text.ends_with("sshd     192.0.2.10  2026-01-01T00:00:00Z  interrupted  no\n"), "{text}");
        assert_eq!(pins(&[]), "nothing is pinned\n");
    }
}
