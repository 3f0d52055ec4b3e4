//! The guests, interface by interface: guarded, or why not.

use super::super::{Exit, chain};
use super::view::{GuestView, InterfaceView};
use crate::facts::Domain;
use crate::facts::domain::{Interface, Uuid};
use crate::facts::policy::Policy;
use crate::kernel::Links;
use crate::model::{Guarding, InterfacePolicy};
use crate::net::IfName;
use crate::reconcile::{Desired, Error, Host};

/// What is known without asking the policy.
pub(super) struct Known<'a> {
    /// The host, for its records.
    pub host: &'a Host,
    /// Its interfaces.
    pub links: &'a Links,
    /// Whether the kernel was found to hold what it ought to.
    pub in_sync: Option<bool>,
}

/// Whether an interface is guarded, as far as anybody can tell, or why not.
type Guarded = (Option<bool>, Option<String>);

impl Known<'_> {
    /// All guests that are on record or run, and what the worst of them means.
    pub(super) fn view(&self, policy: Option<&Policy>, running: &[Domain]) -> Result<(Vec<GuestView>, Exit), Error> {
        let mut views = Vec::new();
        let mut worst = Exit::Good;
        for domain in self.host.guests(running)? {
            let (view, exit) = match policy.map(|policy| self.host.desired(policy, self.links, &domain)) {
                Some(Ok(desired)) => self.resolved(&domain, &desired),
                Some(Err(error)) => (self.recorded(&domain, Some(chain(&error))), meaning(&error)),
                None => (self.recorded(&domain, None), Exit::Good),
            };
            views.push(view);
            worst = worst.max(exit);
        }
        Ok((views, worst))
    }

    fn resolved(&self, domain: &Domain, desired: &Desired) -> (GuestView, Exit) {
        let mut exit = Exit::Good;
        let mut interfaces = Vec::new();
        for interface in &desired.policy.interfaces {
            let ((guarded, reason), means) = match unguardable(desired, interface) {
                // The policy lets such a guest be, or it would not have resolved.
                Some(reason) => ((Some(false), Some(reason)), Exit::Good),
                None => waiting(interface, self.applied(&domain.uuid, interface.target.as_ref())),
            };
            exit = exit.max(means);
            interfaces.push(InterfaceView {
                port: interface.target.clone(),
                mac: interface.mac,
                addresses: interface.addresses.clone(),
                groups: interface.groups.clone(),
                filters: interface.filters.clone(),
                guarded,
                reason,
            });
        }
        (GuestView { name: domain.name.clone(), uuid: domain.uuid, interfaces, problem: None }, exit)
    }

    /// What is on record of a guest whose policy is not known now.
    fn recorded(&self, domain: &Domain, problem: Option<String>) -> GuestView {
        let view = |interface: &Interface| {
            let (guarded, reason) = self.applied(&domain.uuid, interface.target.as_ref()).0;
            InterfaceView {
                port: interface.target.clone(),
                mac: interface.mac,
                addresses: Vec::new(),
                groups: Vec::new(),
                filters: interface.filterref.iter().map(|reference| reference.filter.clone()).collect(),
                guarded,
                reason,
            }
        };
        let interfaces = domain.interfaces.iter().map(view).collect();
        GuestView { name: domain.name.clone(), uuid: domain.uuid, interfaces, problem }
    }

    /// Whether rules were applied at the port to their end, and still stand.
    fn applied(&self, guest: &Uuid, port: Option<&IfName>) -> (Guarded, Exit) {
        let no = |reason: &str| ((Some(false), Some(reason.to_owned())), Exit::Found);
        let Some(port) = port else { return no("it has no port on this host") };
        let record = self.host.state().port(port).filter(|record| record.guest.uuid == *guest);
        match (record, self.in_sync) {
            (None, _) => no("no rules were applied; virt-guard apply does"),
            (Some(record), _) if record.lines.0.is_empty() => no("its rules were not applied to their end"),
            (Some(_), Some(true)) => ((Some(true), None), Exit::Good),
            (Some(_), Some(false)) => ((None, Some("rules were applied, but see the differences".into())), Exit::Found),
            (Some(_), None) => ((None, Some("rules were applied, but not compared now".into())), Exit::Good),
        }
    }
}

/// An interface that cannot be guarded is something found; the files are in order.
fn meaning(error: &Error) -> Exit {
    match error {
        Error::Unguardable(_) => Exit::Found,
        error => Exit::of_guest(error),
    }
}

/// A guarded interface of which a filter wants to know the address.
fn waiting(interface: &InterfacePolicy, (guarded, exit): (Guarded, Exit)) -> (Guarded, Exit) {
    match guarded {
        (Some(true), None) if interface.waits_for_address => {
            ((Some(true), Some("but only DHCP passes until its address is known".to_owned())), exit)
        }
        guarded => (guarded, exit),
    }
}

/// Why no rules can stand around the interface, if none can.
fn unguardable(desired: &Desired, interface: &InterfacePolicy) -> Option<String> {
    if let Guarding::Impossible(reason) = &interface.guarding {
        return Some(reason.clone());
    }
    let port = interface.target.as_ref()?;
    let has_chains = desired.ports.iter().any(|desired| desired.plan.ifname == *port);
    (!has_chains).then(|| format!("{port} is not a port of a Linux bridge"))
}
