//! A libvirt domain: who it is, and its interfaces.
//!
//! In: domain XML as the hook, `virsh dumpxml` or libvirt's status files
//! (`/run/libvirt/qemu/*.xml`) have it. Out: a [`Domain`], which is also what is
//! kept under `/run/virt-guard`. Disks and the like are read past. The name is
//! whatever a tenant called it, verbatim: data, never a path or part of a rule.

mod filterref;
mod interface;
mod kind;
mod metadata;
#[cfg(test)]
mod tests;
mod uuid;
mod vlan;

use serde::{Deserialize, Serialize};

use super::xml::{self, Element};
use super::{FactError, Place, Placed};
pub use filterref::FilterRef;
pub use interface::Interface;
pub use kind::InterfaceKind;
pub use metadata::METADATA_NAMESPACE;
pub use uuid::Uuid;
pub use vlan::{NativeVlan, Vlan, VlanMode};

/// The longest name of a domain, in bytes; far beyond what can become a file.
const LONGEST_NAME: usize = 4096;

/// A domain, as libvirt has it at the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// The name: any text of 1 to 4096 bytes.
    pub name: String,
    /// The identity, which no other domain of the host shares.
    pub uuid: Uuid,
    /// The interfaces, in the order of the XML.
    pub interfaces: Vec<Interface>,
    /// The security groups that its metadata names; see [`METADATA_NAMESPACE`].
    pub metadata_groups: Vec<Placed<String>>,
}

impl Domain {
    /// Reads `<domain>`, or the `<domain>` within a `<domstatus>`; `file` is what
    /// errors call the document.
    ///
    /// Fails on XML beyond the limits of [`xml`], and on everything that leaves
    /// open who the domain is or what its interfaces are.
    pub fn parse(xml: impl AsRef<[u8]>, file: &str) -> Result<Self, FactError> {
        let root = xml::parse(xml.as_ref(), file)?;
        let domain = domain_of(&root)?;
        let metadata = domain.only_child("metadata")?;
        Ok(Self {
            name: name(domain.required_child("name")?)?,
            uuid: uuid(domain.required_child("uuid")?)?,
            interfaces: interfaces(domain)?,
            metadata_groups: metadata.map(metadata::groups).transpose()?.unwrap_or_default(),
        })
    }

    /// Whether both say the same, be it at other places: libvirt and its status
    /// files write one domain differently.
    pub fn says_what(&self, other: &Self) -> bool {
        self.unplaced() == other.unplaced()
    }

    /// The same, as if it stood nowhere.
    fn unplaced(&self) -> Self {
        let nowhere = || Place { file: String::new(), line: 0, column: 0 };
        let mut domain = self.clone();
        domain.metadata_groups.iter_mut().for_each(|group| group.place = nowhere());
        for interface in &mut domain.interfaces {
            interface.place = nowhere();
            interface.filterref.iter_mut().for_each(|filter| filter.place = nowhere());
        }
        domain
    }
}

fn domain_of(root: &Element) -> Result<&Element, FactError> {
    if root.is("domstatus") {
        return root.required_child("domain");
    }
    if root.is("domain") { Ok(root) } else { Err(root.error("expected <domain> or <domstatus>, in no namespace")) }
}

fn name(element: &Element) -> Result<String, FactError> {
    match element.only_text()? {
        "" => Err(element.error("empty name of a domain")),
        name if name.len() > LONGEST_NAME => {
            Err(element.error(format!("name of a domain longer than {LONGEST_NAME} bytes")))
        }
        name => Ok(name.to_owned()),
    }
}

fn uuid(element: &Element) -> Result<Uuid, FactError> {
    element.only_text()?.trim().parse().map_err(|error| element.error(error))
}

/// The interfaces, wherever they stand among the devices. A domain without
/// `<devices>` has none.
fn interfaces(domain: &Element) -> Result<Vec<Interface>, FactError> {
    match domain.only_child("devices")? {
        Some(devices) => devices.children_named("interface").map(Interface::parse).collect(),
        None => Ok(Vec::new()),
    }
}
