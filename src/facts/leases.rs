//! The addresses that this host's own DHCP servers give to guests.
//!
//! In: libvirt's definitions of networks, and the leases that its dnsmasq helper
//! keeps. Out: addresses by MAC address. What cannot be read gives no address: a
//! guest that waits for one then goes on waiting, closed but for DHCP.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::file;
use super::xml::{self, Element};
use crate::net::Mac;

/// Definitions of networks, with `<host mac='…' ip='…'/>` (libvirt's formatnetwork).
const NETWORKS: &str = "etc/libvirt/qemu/networks";
/// `BRIDGE.status`, written by libvirt_leaseshelper at each change of a lease.
const LEASES: &str = "var/lib/libvirt/dnsmasq";
/// Where a dnsmasq that is not libvirt's keeps its leases, on Debian and on Fedora;
/// and libvirt's own before it had a helper (dnsmasq(8), `--dhcp-leasefile`).
const PLAIN_LEASES: [&str; 3] = ["var/lib/misc", "var/lib/dnsmasq", LEASES];

/// What the host's DHCP servers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leases {
    root: PathBuf,
    /// What the files say, once they were read: thousands of interfaces may ask.
    read: OnceCell<Known>,
}

/// Addresses by MAC address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    reserved: BTreeMap<Mac, Vec<IpAddr>>,
    leased: BTreeMap<Mac, Vec<IpAddr>>,
}

/// A lease as libvirt_leaseshelper writes it (libvirt's `src/network/leaseshelper.c`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Lease {
    ip_address: IpAddr,
    mac_address: Option<String>,
    /// Seconds since 1970; 0 is for ever.
    #[serde(default)]
    expiry_time: u64,
}

impl Leases {
    /// Those below `root`, which is `/` but for tests.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), read: OnceCell::new() }
    }

    /// All addresses that are reserved or leased.
    pub fn all(&self) -> impl Iterator<Item = IpAddr> {
        let known = self.known();
        known.reserved.values().chain(known.leased.values()).flatten().copied()
    }

    /// The addresses of `mac`: those that a network's definition reserves for it,
    /// or else those that are leased to it now.
    pub fn addresses(&self, mac: Mac) -> Vec<IpAddr> {
        let known = self.known();
        known.reserved.get(&mac).or_else(|| known.leased.get(&mac)).cloned().unwrap_or_default()
    }

    fn known(&self) -> &Known {
        self.read.get_or_init(|| Known { reserved: self.reserved(), leased: self.leased() })
    }

    fn reserved(&self) -> BTreeMap<Mac, Vec<IpAddr>> {
        let networks = files(&self.root.join(NETWORKS), "xml").into_iter().filter_map(|path| {
            let bytes = file::read(&path).ok()?;
            xml::parse(&bytes, &path.display().to_string()).ok()
        });
        by_mac(networks.flat_map(|network| hosts(&network)))
    }

    fn leased(&self) -> BTreeMap<Mac, Vec<IpAddr>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let is_current = |lease: &Lease| lease.expiry_time == 0 || lease.expiry_time > now;
        let files = files(&self.root.join(LEASES), "status").into_iter();
        let leases = files.filter_map(|path| {
            let bytes = file::read(&path).ok()?;
            serde_json::from_slice::<Vec<Lease>>(&bytes).ok()
        });
        by_mac(leases.flatten().chain(self.plain()).filter(is_current).filter_map(|lease| {
            let mac = lease.mac_address.as_deref()?.parse().ok()?;
            Some((mac, lease.ip_address))
        }))
    }

    fn plain(&self) -> Vec<Lease> {
        let files = PLAIN_LEASES.iter().flat_map(|folder| files(&self.root.join(folder), "leases"));
        let texts = files.filter_map(|path| String::from_utf8(file::read(&path).ok()?).ok());
        texts.flat_map(|text| text.lines().filter_map(plain_lease).collect::<Vec<_>>()).collect()
    }
}

/// Expiry, MAC address, address, and more that does not matter. Lines about DHCPv6
/// have another number where the MAC address stands.
fn plain_lease(line: &str) -> Option<Lease> {
    let mut words = line.split_whitespace();
    let expiry_time = words.next()?.parse().ok()?;
    let mac: Mac = words.next()?.parse().ok()?;
    Some(Lease { ip_address: words.next()?.parse().ok()?, mac_address: Some(mac.to_string()), expiry_time })
}

fn by_mac(pairs: impl Iterator<Item = (Mac, IpAddr)>) -> BTreeMap<Mac, Vec<IpAddr>> {
    let mut all: BTreeMap<Mac, Vec<IpAddr>> = BTreeMap::new();
    pairs.for_each(|(mac, address)| all.entry(mac).or_default().push(address));
    all
}

/// The files of a folder with this ending, sorted. No folder is no file.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let is_one = |path: &PathBuf| path.extension().is_some_and(|extension| extension == ending);
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(is_one).collect();
    paths.sort();
    paths
}

fn hosts(network: &Element) -> Vec<(Mac, IpAddr)> {
    let ips = network.children_named("ip");
    let hosts = ips.flat_map(|ip| ip.children_named("dhcp")).flat_map(|dhcp| dhcp.children_named("host"));
    hosts.filter_map(|host| Some((host.attribute("mac")?.parse().ok()?, host.attribute("ip")?.parse().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: &str = "52:54:00:00:00:07";

    fn addresses(files: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let found = Leases::new(root.path()).addresses(MAC.parse().unwrap());
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_lease_counts_until_it_expires() {
        let lease = |ip: &str, expiry: u64| {
            format!(r#"{{ "ip-address": "{ip}", "mac-address": "{MAC}", "expiry-time": {expiry} }}"#)
        };
        let text = format!("[{}, {}, {}]", lease("10.0.0.1", 1), lease("10.0.0.2", u64::MAX), lease("10.0.0.3", 0));
        assert_eq!(addresses(&[("var/lib/libvirt/dnsmasq/virbr0.status", &text)]), ["10.0.0.2", "10.0.0.3"]);
    }

    #[test]
    fn a_dnsmasq_of_the_operators_own_is_asked_too() {
        let text = format!(
            "1 {MAC} 10.0.0.1 old *\n{} {MAC} 10.0.0.2 web 01:{MAC}\nduid 00:01\n{0} 123 fd00::1 web 00:01\n",
            u64::MAX
        );
        assert_eq!(addresses(&[("var/lib/misc/dnsmasq.leases", &text)]), ["10.0.0.2"]);
    }

    #[test]
    fn what_a_network_reserves_comes_before_a_lease() {
        let network = format!(
            "<network><ip><dhcp><host mac='{MAC}' ip='10.0.0.9'/><host mac='52:54:00:00:00:08' ip='10.0.0.8'/>\
             </dhcp></ip></network>"
        );
        let lease = format!(r#"[{{ "ip-address": "10.0.0.1", "mac-address": "{MAC}" }}]"#);
        let files = [
            ("etc/libvirt/qemu/networks/default.xml", network.as_str()),
            ("var/lib/libvirt/dnsmasq/virbr0.status", lease.as_str()),
        ];
        assert_eq!(addresses(&files), ["10.0.0.9"]);
    }

    #[test]
    fn what_cannot_be_read_gives_no_address() {
        assert!(addresses(&[]).is_empty());
        assert!(addresses(&[("var/lib/libvirt/dnsmasq/virbr0.status", "{")]).is_empty());
        assert!(addresses(&[("etc/libvirt/qemu/networks/a.xml", "<network>")]).is_empty());
    }
}
