//! Whether a pinned service still listens, and whether guests reach it: what is seen,
//! not what is written in files.
//!
//! In: the units of a pin. Out: their sockets, and the addresses at which one of them
//! answers a guest. A service that nobody runs has none, and nothing is proven of it.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use super::super::listeners;
use super::systemd;
use crate::kernel::{Deadline, Listener};
use crate::net::Protocol;
use crate::pins::Activation;
use crate::reconcile::{Error, Host, ProbeRequest, Walls};

/// How long a service may take until it listens again.
const START: Duration = Duration::from_secs(20);
/// How often it is looked whether it does.
const LOOK: Duration = Duration::from_millis(200);
/// Sockets that the kernel itself listens at for a unit: they have no process
/// (nfsd(7); the port is IANA's).
const OF_KERNEL: [(&str, u16); 1] = [("nfs-server.service", 2049)];

/// Where bindresvport(3) chooses, of glibc and of libtirpc.
const RESERVED: RangeInclusive<u16> = 512..=1023;

/// Who says whether a pin holds.
pub(super) trait Witness {
    /// The sockets of the units as they are now.
    fn listening(&mut self, host: &mut Host, activations: &[Activation]) -> Result<Vec<Listener>, Error>;

    /// Where guests get to one of these sockets with the walls around them aside.
    fn reached(&mut self, host: &mut Host, listeners: Vec<Listener>) -> Result<Vec<String>, Error>;
}

/// The kernel, and a port at each of the bridges.
pub(super) struct Probe;

impl Witness for Probe {
    fn listening(&mut self, host: &mut Host, activations: &[Activation]) -> Result<Vec<Listener>, Error> {
        host.listening(activations)
    }

    fn reached(&mut self, host: &mut Host, listeners: Vec<Listener>) -> Result<Vec<String>, Error> {
        let request = ProbeRequest { bridges: Vec::new(), walls: Walls::Aside, only: listeners };
        let probed = host.probe(&request)?;
        let reached = probed.attempts.iter().filter(|attempt| attempt.outcome.reaches());
        let told = reached.map(|attempt| {
            let Listener { protocol, port, .. } = attempt.listener;
            format!("{protocol}/{port} by {} from {} ({})", attempt.address, attempt.bridge, attempt.outcome.word())
        });
        Ok(told.collect())
    }
}

impl Host {
    /// The sockets that the units of a pin listen at.
    ///
    /// # Errors
    /// The kernel or systemd does not tell.
    pub(super) fn listening(&mut self, activations: &[Activation]) -> Result<Vec<Listener>, Error> {
        let units = systemd::units(activations);
        let listeners = listeners()?;
        let holders = self.holders(&listeners)?;
        let is_theirs = |listener: &Listener| match holders.get(&listener.inode).map(|holder| &holder.owners) {
            Some(owners) if !owners.is_empty() => {
                owners.iter().filter_map(|owner| owner.unit.as_deref()).any(|unit| units.contains(&unit))
            }
            _ => is_kernels(listener, &units),
        };
        Ok(listeners.into_iter().filter(is_theirs).collect())
    }
}

fn is_kernels(listener: &Listener, units: &[&str]) -> bool {
    OF_KERNEL.iter().any(|(unit, port)| units.contains(unit) && listener.port == *port)
}

/// Waits until all ports that were listened at are so again; the sockets then.
///
/// # Errors
/// One is not in time.
pub(super) fn listens_again(
    host: &mut Host,
    witness: &mut dyn Witness,
    (activations, before): (&[Activation], &[Listener]),
) -> Result<Vec<Listener>, Error> {
    let patience = Deadline::after(START);
    loop {
        let after = witness.listening(host, activations)?;
        let missing = ports(before).difference(&ports(&after)).next().copied();
        match missing {
            None => return Ok(after),
            Some((protocol, port)) if patience.has_passed() => {
                let what = format!("{protocol}/{port} is not listened at any more");
                return Err(Error::NotPinned(what));
            }
            Some(_) => thread::sleep(LOOK),
        }
    }
}

/// Ports that a socket chose by itself may be others after a restart.
fn ports(listeners: &[Listener]) -> BTreeSet<(Protocol, u16)> {
    listeners.iter().filter(|at| !is_chosen(at)).map(|at| (at.protocol, at.port)).collect()
}

/// Whether the port is one that nobody asked for: any, or, for datagrams to the host itself,
/// as rpc.statd has them to talk to the kernel, one that only root gets (bindresvport(3)).
fn is_chosen(at: &Listener) -> bool {
    let is_reserved = at.protocol == Protocol::UDP && at.address.is_loopback() && RESERVED.contains(&at.port);
    is_reserved || at.port >= 32768
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_a_socket_chose_need_not_come_again() {
        let at = |protocol, address: &str, port| Listener {
            protocol,
            address: address.parse().unwrap(),
            port,
            v6only: false,
            interface: None,
            inode: 1,
            uid: 0,
        };
        let fixed = [
            at(Protocol::UDP, "0.0.0.0", 841),
            at(Protocol::TCP, "127.0.0.1", 841),
            at(Protocol::UDP, "127.0.0.1", 53),
        ];
        let chosen = [at(Protocol::UDP, "127.0.0.1", 841), at(Protocol::TCP, "0.0.0.0", 40000)];
        assert_eq!(ports(&fixed).len(), 3);
        assert!(ports(&chosen).is_empty());
    }
}
