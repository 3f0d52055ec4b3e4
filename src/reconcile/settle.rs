//! Guests that come with connections of their own: by migration, from a file, or
//! because they ran before anybody guarded them.
//!
//! This host's conntrack has not seen those connections begin. For a while they are let
//! go on at such a port, each by the rules for whoever speaks first; the kernel itself
//! looks at the time (of what comes from the guest; ebtables cannot for the rest). It
//! ends before that with the first change of the port's rules, or when any of the
//! guest's connections is cut: what is cut stays cut.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::facts::Domain;
use crate::model::MID_STREAM;
use crate::net::{Flow, IfName};
use crate::state::State;

use super::desired::DesiredPort;
use super::{Error, Host};

/// How long, in seconds: longer than programs are silent who look whether the other is
/// still there.
const SETTLING: u64 = 300;

impl Host {
    /// The ports of `domain` that had no rules yet are let settle.
    pub(super) fn let_settle(&self, domain: &Domain) -> Result<(), Error> {
        let until = now() + SETTLING;
        let targets = domain.interfaces.iter().filter_map(|interface| interface.target.as_ref());
        for target in targets.filter(|target| self.state.port(target).is_none()) {
            self.state.set_settles_until(target, Some(until)).map_err(Error::io(NOT_RECORDED))?;
        }
        Ok(())
    }

    /// The port as it is while it settles; once its rules are others it is done.
    pub(super) fn as_it_settles(&self, port: DesiredPort) -> DesiredPort {
        let name = &port.plan.ifname;
        let Some(until) = self.state.settles_until(name) else { return port };
        let settling = port.plan.clone().picking_up_until(until);
        let record = self.state.port(name).map(|record| record.plan);
        if record.is_none_or(|plan| plan == settling) {
            return DesiredPort { plan: settling, ..port };
        }
        // What cannot be removed is found to be of no use again next time.
        let _ = self.state.set_settles_until(name, None);
        port
    }

    /// Closes the ports that still settle and have to do with one of these flows.
    pub(super) fn end_settling(&mut self, cut: &[(Flow, String)]) -> Result<(), Error> {
        let settling = self.state.settling().map_err(Error::io(NOT_RECORDED))?;
        if settling.is_empty() {
            return Ok(());
        }
        // Of other protocols there is no middle.
        let cut = cut.iter().filter(|(flow, _)| MID_STREAM.contains(&flow.original.protocol));
        let ends: BTreeSet<IpAddr> = cut.flat_map(|(flow, _)| [flow.original.source, flow.reply.source]).collect();
        for (name, _) in settling.into_iter().filter(|(_, until)| *until > now()) {
            let known = self.state.addresses_at(&name);
            if known.is_some_and(|known| known.addresses.iter().any(|address| ends.contains(address))) {
                self.close_to_unknown(&name)?;
            }
        }
        Ok(())
    }

    fn close_to_unknown(&mut self, name: &IfName) -> Result<(), Error> {
        self.state.set_settles_until(name, None).map_err(Error::io(NOT_RECORDED))?;
        let (Some(base), Some(record)) = (self.state.base(), self.state.port(name)) else { return Ok(()) };
        let engine = self.engine_of(base.engine);
        let plan = record.plan.picking_up_nothing();
        self.guard_port(engine.as_ref(), &base.base, &DesiredPort { guest: record.guest, plan, ends: None })
    }
}

const NOT_RECORDED: &str = "which ports settle cannot be recorded";

/// Whether `port` settles now.
pub(super) fn settles(state: &State, port: &IfName) -> bool {
    state.settles_until(port).is_some_and(|until| until > now())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
