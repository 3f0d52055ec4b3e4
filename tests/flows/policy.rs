//! The policy of a case: the head that each has, and what it says of guests.

use virt_guard::net::Family;

use crate::stage::bench::{Bench, UPLINK};
use crate::stage::guest::Guest;
use crate::world::FAMILIES;

/// Ports that the group `open` lets everybody in at.
pub const OPEN: u16 = 5000;

/// Puts the policy in place: the head, and `entries`.
pub fn write(bench: &Bench, entries: &[String]) {
    let head = format!(
        "engine = \"{}\"\ndeadline-seconds = 300\n[bridges.\"br100\"]\nuplinks = [\"{UPLINK}\"]\n",
        bench.engine
    );
    bench.file("virt-guard.toml", head + &entries.concat());
}

/// A group with these rules for what comes in, as inline tables; what goes out is open.
pub fn group(name: &str, ingress: &[String]) -> String {
    format!("[[group]]\nname = \"{name}\"\ningress = [\n  {}\n]\n", ingress.join(",\n  "))
}

/// The group `open`: ports 5000 to 5999 of everything, and echoes.
pub fn open_group() -> String {
    let ports = ["tcp", "udp", "sctp"].map(|protocol| rule(protocol, "5000-5999"));
    let echoes = ["icmp", "icmpv6"].map(|protocol| format!("{{ protocol = \"{protocol}\" }}"));
    group("open", &[&ports[..], &echoes].concat())
}

/// A rule that lets anybody in.
pub fn rule(protocol: &str, ports: &str) -> String {
    format!("{{ protocol = \"{protocol}\", ports = \"{ports}\" }}")
}

/// A rule that lets this network in.
pub fn rule_from(protocol: &str, ports: &str, network: &str) -> String {
    format!("{{ protocol = \"{protocol}\", ports = \"{ports}\", from = \"{network}\" }}")
}

/// A rule that lets the members of a group in.
pub fn rule_from_group(protocol: &str, ports: &str, group: &str) -> String {
    format!("{{ protocol = \"{protocol}\", ports = \"{ports}\", from-group = \"{group}\" }}")
}

/// The guest with its addresses, in these groups.
pub fn guest(guest: &Guest, groups: &[&str]) -> String {
    let addresses = FAMILIES.map(|family| guest.address_of(family).to_string());
    format!("[[guest]]\nmatch = \"{}\"\ngroups = {groups:?}\naddresses = {addresses:?}\n", guest.name)
}

/// A floating IP.
pub fn floating(family: Family, last: u8, guest: &Guest) -> String {
    let address = crate::world::floating(family, last);
    format!("[[floating-ip]]\naddress = \"{address}\"\nguest = \"{}\"\n", guest.name)
}

/// A forward of the host's ports, to the guest's.
pub fn forward(guest: &Guest, protocol: &str, ports: &str, to_ports: &str) -> String {
    format!(
        "[[forward]]\nguest = \"{}\"\nprotocol = \"{protocol}\"\nports = \"{ports}\"\nto-ports = \"{to_ports}\"\n",
        guest.name
    )
}
