//! Floating IPs by command: associated, disassociated, listed. What the policy's files
//! declare is theirs to change.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use crate::facts::policy::{FloatingIp, Policy};
use crate::facts::{FactError, Place, Placed};
use crate::model::Floating;
use crate::net::{Flow, IfName};
use crate::state::{Association, BaseRecord, FloatingRecords};

use super::flows::Selection;
use super::{Error, Host};

/// A floating IP, whoever declared it, and where it leads now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatingView {
    /// The address.
    pub address: IpAddr,
    /// Whose it is, by name or UUID.
    pub guest: String,
    /// Where it is declared; nothing if by command.
    pub place: Option<Place>,
    /// Where it leads, by which port; nothing while its guest is not there.
    pub leads: Option<(IfName, Floating)>,
}

/// What became of a floating IP that was taken away.
#[derive(Debug, Clone, PartialEq)]
pub struct Disassociated {
    /// The address.
    pub address: IpAddr,
    /// Whose it was.
    pub guest: String,
    /// Whether nothing leads by it any more.
    pub rules_gone: bool,
    /// Whether this host does not bear it, or answer for it, any more.
    pub address_gone: bool,
    /// The connections that were cut.
    pub killed: usize,
    /// Connections by it that were found by the last look.
    pub alive: usize,
    /// How long all of it took, in milliseconds.
    pub milliseconds: f64,
}

impl Host {
    /// Adds what was associated by command. A file that declares the same address
    /// since then has the last word.
    pub(super) fn add_associations(&self, policy: &mut Policy) -> Result<(), Error> {
        for association in self.associations()? {
            let _ = policy.add_floating(floating_ip(association));
        }
        Ok(())
    }

    /// Associates a floating IP, and has it lead to the guest if that is there.
    ///
    /// # Errors
    /// The address is in use, by a file of the policy or by command; or it could not
    /// be brought into the kernel, and is associated nevertheless.
    pub fn associate(&mut self, new: Association) -> Result<(), Error> {
        let _lock = self.locked()?;
        let mut all = self.associations()?;
        if !all.contains(&new) {
            self.check_association(&new)?;
            all.push(new.clone());
            self.floating_records.set_associations(&all).map_err(Error::io(NOT_RECORDED))?;
        }
        let policy = self.policy()?;
        let links = self.links()?;
        for domain in self.guests(&[])? {
            if new.guest.matches(&domain.name, &domain.uuid.to_string()) {
                for port in self.desired(&policy, &links, &domain)?.ports {
                    self.set_ends(&port)?;
                }
            }
        }
        self.settle_floating(Some(&policy))
    }

    /// Whether `new` could be associated; changes nothing.
    ///
    /// # Errors
    /// What is in its way.
    pub fn check_association(&self, new: &Association) -> Result<(), Error> {
        self.policy()?.add_floating(floating_ip(new.clone())).map_err(Error::Resolve)
    }

    /// Takes a floating IP away that was associated by command: its address, its
    /// translations, and its connections.
    ///
    /// # Errors
    /// It is not associated by command; or something of it could not be taken away.
    pub fn disassociate(&mut self, address: IpAddr) -> Result<Disassociated, Error> {
        let begun = Instant::now();
        let _lock = self.locked()?;
        let mut all = self.associations()?;
        let guest = self.check_disassociation(address)?;
        all.retain(|association| association.address != address);
        self.floating_records.set_associations(&all).map_err(Error::io(NOT_RECORDED))?;
        self.forget_floating(address)?;
        let before = self.revocations.len();
        let policy = self.policy().ok();
        self.settle_floating(policy.as_ref())?;
        let killed: BTreeSet<Flow> =
            self.revocations[before..].iter().flat_map(|cut| &cut.killed).map(|(flow, _)| *flow).collect();
        let alive = self.flows_of(&Selection::Floating(address))?.len();
        Ok(Disassociated {
            address,
            guest,
            rules_gone: self.state.nat().table.leads_to(address).is_none(),
            address_gone: !self.addresses()?.contains(address) && !self.is_put(address),
            killed: killed.len(),
            alive,
            milliseconds: begun.elapsed().as_secs_f64() * 1e3,
        })
    }

    /// Whose a floating IP is that could be disassociated; changes nothing.
    ///
    /// # Errors
    /// It is not associated by command.
    pub fn check_disassociation(&self, address: IpAddr) -> Result<String, Error> {
        if let Some(found) = self.associations()?.into_iter().find(|association| association.address == address) {
            return Ok(found.guest.to_string());
        }
        let declared = self.policy()?.floating.into_iter().find(|floating| floating.address.value == address);
        Err(Error::Resolve(match declared {
            Some(floating) => {
                let remedy = "take it out there, and run virt-guard apply";
                FactError::new(floating.address.place, format!("floating IP {address} is declared here; {remedy}"))
            }
            None => FactError::new(place(), format!("floating IP {address} is not associated")),
        }))
    }

    /// All floating IPs, by address.
    ///
    /// # Errors
    /// The policy is broken, or the records cannot be read.
    pub fn floating(&self) -> Result<Vec<FloatingView>, Error> {
        let ports = self.state.translations().map_err(Error::io("the translations cannot be listed"))?;
        let table = self.state.nat().table;
        let view = |declared: FloatingIp| {
            let address = declared.address.value;
            let standing = table.floating().iter().find(|floating| floating.address == address).cloned();
            let port = ports.iter().find(|(_, found)| found.floating.iter().any(|other| other.address == address));
            let place = Some(declared.address.place).filter(|place| place.file != FloatingRecords::FILE);
            let leads = port.map(|(port, _)| port.clone()).zip(standing);
            FloatingView { address, guest: declared.guest.to_string(), place, leads }
        };
        let mut all: Vec<_> = self.policy()?.floating.into_iter().map(view).collect();
        all.sort_by_key(|view| view.address);
        Ok(all)
    }

    fn associations(&self) -> Result<Vec<Association>, Error> {
        self.floating_records.associations().map_err(Error::io(FloatingRecords::FILE))
    }

    /// No port leads by it any more, whatever its guest's other entries say.
    fn forget_floating(&self, address: IpAddr) -> Result<(), Error> {
        let ports = self.state.translations().map_err(Error::io("the translations cannot be listed"))?;
        for (port, mut translations) in ports {
            translations.floating.retain(|floating| floating.address != address);
            self.state.set_translations(&port, &translations).map_err(Error::io("the translations of a port"))?;
        }
        Ok(())
    }

    fn is_put(&self, address: IpAddr) -> bool {
        self.floating_records.put().iter().any(|put| put.address == address)
    }

    /// Brings translations alone into the kernel, beside rules that stand, and cuts
    /// what went by others.
    fn settle_floating(&mut self, policy: Option<&Policy>) -> Result<(), Error> {
        // Without rules there is no port to lead to; they come with the first guest.
        let settled = match self.state.base() {
            Some(BaseRecord { engine, base, .. }) => {
                let engine = self.engine_of(engine);
                self.settle_nat(engine.as_ref(), &base, policy)
            }
            None => self.forget_translations(),
        };
        self.cut(policy);
        settled
    }
}

const NOT_RECORDED: &str = "the floating IPs cannot be recorded";

fn floating_ip(association: Association) -> FloatingIp {
    let Association { address, guest, fixed, interface } = association;
    FloatingIp { address: Placed { value: address, place: place() }, guest, fixed, interface }
}

/// Where what was said by command is kept.
fn place() -> Place {
    Place { file: FloatingRecords::FILE.to_owned(), line: 1, column: 1 }
}
