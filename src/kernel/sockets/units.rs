//! What systemd knows of sockets and does not show to others: which socket unit holds
//! one, and what a unit keeps from its sockets.
//!
//! In: `systemctl show`, one call for all. Out: [`Units`]. Without systemd, or if it does
//! not answer, nothing is known, and nothing is taken to be kept away.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

use super::{Listener, Owner};
use crate::kernel::{Command, Deadline, Runner};
use crate::net::Protocol;

/// sd_booted(3)
const BOOTED: &str = "/run/systemd/system";
/// It answers at once, but on a slow host takes a second for each of a dozen units.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is asked for: systemd.socket(5), systemd.resource-control(5).
const PROPERTIES: &str = "--property=Id,ActiveState,Listen,IPAddressDeny,IPAddressAllow,RestrictNetworkInterfaces";

/// The units that hold sockets.
#[derive(Debug, Default)]
pub struct Units(Vec<Unit>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Unit {
    is_active: bool,
    listens: Vec<(String, SocketAddr)>,
    filter: UnitFilter,
}

/// What a unit keeps from its sockets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitFilter {
    /// The unit.
    pub unit: String,
    /// Whose packets are dropped (`IPAddressDeny=`), but for those of `allow`.
    pub deny: Vec<IpNet>,
    /// Whose packets pass all the same (`IPAddressAllow=`).
    pub allow: Vec<IpNet>,
    /// Which interfaces' packets are dropped (`RestrictNetworkInterfaces=`), where this
    /// systemd can do that.
    pub interfaces: Option<Restricted>,
}

/// `RestrictNetworkInterfaces=`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restricted {
    /// Only what comes in by these passes.
    To(Vec<String>),
    /// What comes in by these is dropped.
    From(Vec<String>),
}

impl Units {
    /// Asks about the socket units of this host, and these units.
    pub fn ask(runner: &mut dyn Runner, units: &BTreeSet<String>, deadline: Deadline) -> Self {
        if !Path::new(BOOTED).is_dir() {
            return Self::default();
        }
        Self::read(runner, units, Deadline::after(PATIENCE.min(deadline.remaining())))
    }

    fn read(runner: &mut dyn Runner, units: &BTreeSet<String>, deadline: Deadline) -> Self {
        let mut command = Command::new("systemctl", ["show", PROPERTIES, "--", "*.socket"]);
        command.arguments.extend(units.iter().filter(|unit| is_name(unit)).cloned());
        let told = runner.run(&command, deadline).unwrap_or_default();
        let mut units: Vec<_> = told.split("\n\n").map(Unit::parse).collect();
        if units.iter().any(|unit| unit.filter.interfaces.is_some()) && !has_framework(runner, deadline) {
            units.iter_mut().for_each(|unit| unit.filter.interfaces = None);
        }
        Self(units)
    }

    /// The socket unit that holds the listener, if there is one and only one that can.
    pub fn socket_unit(&self, listener: &Listener) -> Option<&str> {
        let mut fitting = self.0.iter().filter(|unit| unit.is_active && unit.listens_as(listener));
        let only = fitting.next()?;
        fitting.next().is_none().then_some(only.filter.unit.as_str())
    }

    /// What the unit keeps from its sockets, if anything. A socket is in the control group
    /// of the unit that made it: one that was handed over has the filters of its socket unit.
    pub fn filter(&self, unit: &str) -> Option<&UnitFilter> {
        let filter = &self.0.iter().find(|known| known.filter.unit == unit)?.filter;
        (!filter.deny.is_empty() || filter.interfaces.is_some()).then_some(filter)
    }

    /// Gives the owners the names of their socket units, and says what the unit keeps away
    /// that made the listener's socket.
    pub fn see_to(&self, listener: &Listener, owners: &mut [Owner]) -> Option<UnitFilter> {
        match owners.iter_mut().find(|owner| owner.is_init()) {
            Some(init) => {
                let unit = self.socket_unit(listener)?;
                init.unit = Some(unit.to_owned());
                self.filter(unit).cloned()
            }
            None => self.filter(super::holder(owners)?.unit.as_deref()?).cloned(),
        }
    }
}

impl Unit {
    /// Lines such as `Id=rpcbind.socket`, `Listen=0.0.0.0:111 (Stream)`, in any order; one
    /// that is a list may come as several lines, too.
    fn parse(block: &str) -> Self {
        let mut unit = Self::default();
        for (key, value) in block.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "Id" => value.clone_into(&mut unit.filter.unit),
                "ActiveState" => unit.is_active = value == "active",
                "Listen" => unit.listens.extend(listen(value)),
                "IPAddressDeny" => unit.filter.deny.extend(nets(value)),
                "IPAddressAllow" => unit.filter.allow.extend(nets(value)),
                "RestrictNetworkInterfaces" => unit.filter.interfaces = restricted(value),
                _ => {}
            }
        }
        unit
    }

    fn listens_as(&self, listener: &Listener) -> bool {
        let is_kind = |kind: &str| match kind {
            "Stream" => matches!(listener.protocol, Protocol::TCP | Protocol::SCTP),
            "Datagram" => matches!(listener.protocol, Protocol::UDP | Protocol::UDPLITE),
            "SequentialPacket" => listener.protocol == Protocol::SCTP,
            _ => false,
        };
        let at = |at: &SocketAddr| at.ip().to_canonical() == listener.address && at.port() == listener.port;
        self.listens.iter().any(|(kind, address)| is_kind(kind) && at(address))
    }
}

/// Whether this is a name of a unit as systemd has them, and no pattern
/// (systemd.unit(5)). Control groups may have any.
fn is_name(unit: &str) -> bool {
    unit.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte))
}

/// `[::]:111 (Datagram)`; a path is no address.
fn listen(value: &str) -> Option<(String, SocketAddr)> {
    let (address, kind) = value.split_once(" (")?;
    // The scope of a link-local address is a name there.
    let address: String = match (address.split_once('%'), address.rsplit_once(']')) {
        (Some((before, _)), Some((_, port))) => format!("{before}]{port}"),
        _ => address.to_owned(),
    };
    Some((kind.strip_suffix(')')?.to_owned(), address.parse().ok()?))
}

fn nets(value: &str) -> impl Iterator<Item = IpNet> {
    value.split_whitespace().filter_map(|net| net.parse().ok())
}

/// `~br100 virbr0` or `eth0`; nothing at all, or `~`, if it is not set.
fn restricted(value: &str) -> Option<Restricted> {
    let names = |list: &str| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let found = match value.strip_prefix('~') {
        Some(list) => Restricted::From(names(list)),
        None => Restricted::To(names(value)),
    };
    let (Restricted::From(list) | Restricted::To(list)) = &found;
    (!list.is_empty()).then_some(found)
}

/// systemd silently ignores `RestrictNetworkInterfaces=` where it was built without this.
fn has_framework(runner: &mut dyn Runner, deadline: Deadline) -> bool {
    let told = runner.run(&Command::new("systemctl", ["--version"]), deadline).unwrap_or_default();
    told.split_whitespace().any(|word| word == "+BPF_FRAMEWORK")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::fake::Sequence;

    const SHOWN: &str = "Listen=0.0.0.0:111 (Stream)\nListen=0.0.0.0:111 (Datagram)\nListen=[::]:111 (Stream)\n\
                         Listen=/run/rpcbind.sock (Stream)\nId=rpcbind.socket\nActiveState=active\n\
                         IPAddressDeny=10.100.0.0/24 fe80::/10\nRestrictNetworkInterfaces=~br100 virbr0\n\n\
                         Listen=[::]:22 (Stream)\nId=ssh.socket\nActiveState=inactive\n\n\
                         Id=x.service\nActiveState=active\nIPAddressDeny=0.0.0.0/0 ::/0\nIPAddressAllow=127.0.0.0/8\n\
                         RestrictNetworkInterfaces=\n";

    fn units(version: &str) -> Units {
        let show = format!("systemctl show {PROPERTIES} -- *.socket x.service");
        let mut runner = Sequence::new([(&show, SHOWN), ("systemctl --version", version)]);
        let names = ["x.service", "-*", "a b.service"].map(str::to_owned).into();
        Units::read(&mut runner, &names, Deadline::after(Duration::from_secs(5)))
    }

    fn listener(protocol: Protocol, address: &str, port: u16) -> Listener {
        Listener { protocol, address: address.parse().unwrap(), port, v6only: false, interface: None, inode: 1, uid: 0 }
    }

    #[test]
    fn a_socket_is_of_the_unit_that_listens_like_it() {
        let units = units("systemd 252\n-BPF_FRAMEWORK");
        let of = |protocol, address, port| units.socket_unit(&listener(protocol, address, port));
        assert_eq!(of(Protocol::TCP, "0.0.0.0", 111), Some("rpcbind.socket"));
        assert_eq!(of(Protocol::TCP, "::", 111), Some("rpcbind.socket"));
        assert_eq!(of(Protocol::UDP, "::", 111), None, "of another kind");
        assert_eq!(of(Protocol::TCP, "::", 22), None, "it holds none");
        let twice = Units(units.0.iter().chain(&units.0).map(|unit| Unit::parse(&block(unit))).collect());
        assert_eq!(twice.socket_unit(&listener(Protocol::UDP, "0.0.0.0", 111)), None, "one of two");
    }

    fn block(unit: &Unit) -> String {
        let listens = unit.listens.iter().map(|(kind, address)| format!("Listen={address} ({kind})\n"));
        format!("Id={}\nActiveState=active\n{}", unit.filter.unit, listens.collect::<String>())
    }

    #[test]
    fn what_a_unit_keeps_away_is_what_this_systemd_can() {
        let with = units("systemd 254 (254.1)\n+PAM +BPF_FRAMEWORK");
        let rpcbind = with.filter("rpcbind.socket").unwrap();
        assert_eq!(rpcbind.interfaces, Some(Restricted::From(vec!["br100".to_owned(), "virbr0".to_owned()])));
        assert_eq!(rpcbind.deny, ["10.100.0.0/24", "fe80::/10"].map(|net| net.parse().unwrap()));
        let without = units("systemd 252 (252.39)\n+PAM -BPF_FRAMEWORK");
        assert_eq!(without.filter("rpcbind.socket").unwrap().interfaces, None);
        assert_eq!(without.filter("x.service").unwrap().allow.len(), 1);
        assert_eq!((without.filter("ssh.socket"), without.filter("y.service")), (None, None));
    }

    #[test]
    fn what_is_not_set_restricts_nothing() {
        assert_eq!((restricted(""), restricted("~")), (None, None));
        assert_eq!(restricted("eth0"), Some(Restricted::To(vec!["eth0".to_owned()])));
        assert_eq!(listen("[fe80::1%eth0]:22 (Stream)").unwrap().1, "[fe80::1]:22".parse().unwrap());
        assert_eq!(listen("@abstract (Stream)"), None);
    }

    #[test]
    fn a_socket_that_was_handed_over_has_the_filter_of_its_socket_unit() {
        let units = units("systemd 252\n-BPF_FRAMEWORK");
        let owner =
            |pid, command: &str, unit: &str| Owner { pid, command: command.to_owned(), unit: Some(unit.to_owned()) };
        let mut owners = [owner(1, "systemd", "*.socket"), owner(7, "rpcbind", "rpcbind.service")];
        let filter = units.see_to(&listener(Protocol::TCP, "0.0.0.0", 111), &mut owners).unwrap();
        assert_eq!((filter.unit.as_str(), owners[0].unit.as_deref()), ("rpcbind.socket", Some("rpcbind.socket")));
        let mut own = [owner(9, "x", "x.service")];
        assert_eq!(units.see_to(&listener(Protocol::TCP, "0.0.0.0", 80), &mut own).unwrap().unit, "x.service");
        let mut unknown = [owner(1, "systemd", "*.socket")];
        assert_eq!(units.see_to(&listener(Protocol::TCP, "0.0.0.0", 80), &mut unknown), None);
        assert_eq!(unknown[0].unit.as_deref(), Some("*.socket"), "it cannot be told");
    }
}
