//! What of the world around is a port's: the addresses of its guest, and what leads
//! to it. By these its flows are found, and by nothing else once it is gone.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Lines, State, names, read, set, unless_absent};
use crate::facts::domain::Uuid;
use crate::model::{NatTable, Translations};
use crate::net::IfName;

const ADDRESSES: &str = "addresses";
const TRANSLATIONS: &str = "nat";
const SETTLING: &str = "settling";

/// The addresses of a port's guest there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortAddresses {
    /// Whose port it is.
    pub guest: Uuid,
    /// What it is known to have.
    pub addresses: Vec<IpAddr>,
}

/// The translations that were applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatRecord {
    /// What leads where.
    pub table: NatTable,
    /// What the kernel showed of their chains.
    pub lines: Lines,
}

impl State {
    /// The addresses at a port.
    pub fn addresses_at(&self, port: &IfName) -> Option<PortAddresses> {
        read(&self.file_in(ADDRESSES, port))
    }

    /// The addresses at all ports.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn all_addresses(&self) -> io::Result<BTreeMap<IfName, PortAddresses>> {
        self.all_in(ADDRESSES)
    }

    /// Remembers the addresses at a port, or forgets them.
    ///
    /// # Errors
    /// The file cannot be written or removed.
    pub fn set_addresses_at(&self, port: &IfName, record: Option<&PortAddresses>) -> io::Result<()> {
        let old = self.addresses_at(port);
        // Named first and taken out last: who looks an address up finds the port in any
        // case, and then looks into its record.
        for address in record.iter().flat_map(|record| &record.addresses) {
            let bearers = self.bearers(*address);
            fs::create_dir_all(&bearers)?;
            fs::write(bearers.join(port.as_str()), "")?;
        }
        set(&self.file_in(ADDRESSES, port), record)?;
        let keeps = |address: &IpAddr| record.is_some_and(|record| record.addresses.contains(address));
        for address in old.iter().flat_map(|old| &old.addresses).filter(|address| !keeps(address)) {
            let bearers = self.bearers(*address);
            unless_absent(fs::remove_file(bearers.join(port.as_str())))?;
            // Not while another port is in there.
            let _ = fs::remove_dir(bearers);
        }
        Ok(())
    }

    /// The ports at which an address is, and whose they are. Costs the same however many
    /// other ports there are.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn ports_with(&self, address: IpAddr) -> io::Result<Vec<(IfName, Uuid)>> {
        let ports = names(&self.bearers(address))?.into_iter().filter_map(|name| name.parse::<IfName>().ok());
        let with = |port: IfName| {
            let record = self.addresses_at(&port)?;
            record.addresses.contains(&address).then_some((port, record.guest))
        };
        Ok(ports.filter_map(with).collect())
    }

    fn bearers(&self, address: IpAddr) -> PathBuf {
        self.dir.join("bearers").join(address.to_string())
    }

    /// What is to lead to each port.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn translations(&self) -> io::Result<BTreeMap<IfName, Translations>> {
        self.all_in(TRANSLATIONS)
    }

    /// What is to lead to a port.
    pub fn translations_at(&self, port: &IfName) -> Translations {
        read(&self.file_in(TRANSLATIONS, port)).unwrap_or_default()
    }

    /// Remembers what is to lead to a port; nothing is not remembered.
    ///
    /// # Errors
    /// The file cannot be written or removed.
    pub fn set_translations(&self, port: &IfName, translations: &Translations) -> io::Result<()> {
        set(&self.file_in(TRANSLATIONS, port), (!translations.is_empty()).then_some(translations))
    }

    /// Until when connections at a port are let go on that nobody saw begin, in seconds
    /// since 1970.
    pub fn settles_until(&self, port: &IfName) -> Option<u64> {
        read(&self.file_in(SETTLING, port))
    }

    /// Remembers it, or that none are.
    ///
    /// # Errors
    /// The file cannot be written or removed.
    pub fn set_settles_until(&self, port: &IfName, time: Option<u64>) -> io::Result<()> {
        set(&self.file_in(SETTLING, port), time.as_ref())
    }

    /// The ports of which that is known.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn settling(&self) -> io::Result<BTreeMap<IfName, u64>> {
        self.all_in(SETTLING)
    }

    /// The translations that were applied last.
    pub fn nat(&self) -> NatRecord {
        read(&self.dir.join("nat.json")).unwrap_or_default()
    }

    /// Remembers the translations that stand.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_nat(&self, record: &NatRecord) -> io::Result<()> {
        set(&self.dir.join("nat.json"), (!record.table.is_empty()).then_some(record))
    }

    fn all_in<T: DeserializeOwned>(&self, folder: &str) -> io::Result<BTreeMap<IfName, T>> {
        let names = names(&self.dir.join(folder))?;
        let ports = names.iter().filter_map(|name| name.strip_suffix(".json")?.parse::<IfName>().ok());
        Ok(ports.filter_map(|port| Some((port.clone(), read(&self.file_in(folder, &port))?))).collect())
    }

    fn file_in(&self, folder: &str, port: &IfName) -> PathBuf {
        self.dir.join(folder).join(format!("{port}.json"))
    }
}
