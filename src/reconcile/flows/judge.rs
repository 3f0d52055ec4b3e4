//! Which rules admit a flow today: the guests at its ends, and what their walls say.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::engine::EngineKind;
use crate::facts::domain::Uuid;
use crate::facts::policy::Policy;
use crate::kernel::{Addresses, Links};
use crate::model::{
    Decision, FlowEnd, Guarding, GuestPolicy, InterfacePolicy, Members, NatTable, SourceSeen, Translated, Verdict,
    Wall, admission, host_wall, received, resolve, sent,
};
use crate::net::{Direction, Flow, IfName, Mac, Tuple};
use crate::reconcile::settle::settles;
use crate::reconcile::{Error, Host};
use crate::state::State;

/// What the rules of today say of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It has to do with no guest whose rules are known.
    Foreign,
    /// They admit it, each guest's by the rule named.
    Admitted(Vec<String>),
    /// They do not: which guest's, and why.
    Refused(String),
}

/// A port by which a flow goes.
#[derive(Debug, Clone)]
struct Port {
    name: IfName,
    guest: Uuid,
}

/// Whether a flow leads to this host itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ToHost {
    Yes,
    No,
}

/// The rules of today. Guests are resolved when a flow has to do with them.
pub(super) struct Judge<'a> {
    policy: &'a Policy,
    state: State,
    surroundings: crate::facts::Surroundings,
    host: Wall,
    own: Addresses,
    table: &'a NatTable,
    engine: Option<EngineKind>,
    links: Links,
    /// Of the addresses that were asked for.
    ports: BTreeMap<IpAddr, Vec<Port>>,
    guests: BTreeMap<Uuid, Option<GuestPolicy>>,
    members: Members,
}

impl<'a> Judge<'a> {
    /// The rules that `policy` makes of the guests on record.
    pub(super) fn new(host: &Host, policy: &'a Policy, table: &'a NatTable) -> Result<Self, Error> {
        let base = host.state.base();
        let links = host.links()?;
        let mut members = Members::default();
        for set in base.iter().flat_map(|record| &record.base.sets) {
            let found = host.state.members(set).map_err(Error::io("a group's members cannot be listed"))?;
            found.into_iter().for_each(|address| members.insert(set.clone(), address));
        }
        Ok(Self {
            policy,
            state: host.state.clone(),
            surroundings: host.surroundings.clone(),
            host: host_wall(policy),
            own: host.addresses()?,
            table,
            engine: base.map(|record| record.engine),
            links,
            ports: BTreeMap::new(),
            guests: BTreeMap::new(),
            members,
        })
    }

    /// Why the rules do not admit `flow`, if they do not.
    pub(super) fn refusal(&mut self, flow: &Flow) -> Option<String> {
        let Judgement::Refused(why) = self.judge(flow) else { return None };
        let is_admitted = self.may_be_turned(flow) && !matches!(self.judge(&turned(flow)), Judgement::Refused(_));
        (!is_admitted).then_some(why)
    }

    /// Whether nobody knows which end of `flow` began it: guests came with it, and
    /// conntrack has taken the first packet that it saw for the beginning. The first
    /// change of a guest's rules ends that, so nothing that was revoked is let live by
    /// it; and this host knows of its own connections which it began.
    fn may_be_turned(&mut self, flow: &Flow) -> bool {
        let ends = [flow.original.source, flow.reply.source];
        let ports: Vec<_> = ends.iter().flat_map(|end| self.ports_with(*end).to_vec()).collect();
        let all_settle = ports.iter().all(|port| settles(&self.state, &port.name));
        all_settle && !ports.is_empty() && !ends.iter().any(|end| self.own.contains(*end))
    }

    /// What the rules say of a connection that would begin as `flow` did.
    pub(super) fn judge(&mut self, flow: &Flow) -> Judgement {
        if let Translated::ByNone(address) = self.table.judge(flow, &NatTable::default()) {
            return Judgement::Refused(format!("{address} leads elsewhere"));
        }
        let mut rules = Vec::new();
        for direction in [Direction::Out, Direction::In] {
            match self.at_end(flow, direction) {
                None => {}
                Some(Ok(rule)) => rules.push(rule),
                Some(Err(why)) => return Judgement::Refused(why),
            }
        }
        if rules.is_empty() { Judgement::Foreign } else { Judgement::Admitted(rules) }
    }

    /// The ports that are there with this address. Records that cannot be read are none.
    fn ports_with(&mut self, address: IpAddr) -> &[Port] {
        let (state, links) = (&self.state, &self.links);
        self.ports.entry(address).or_insert_with(|| {
            let found = state.ports_with(address).unwrap_or_default().into_iter();
            let there = found.filter(|(name, _)| links.get(name).is_some());
            there.map(|(name, guest)| Port { name, guest }).collect()
        })
    }

    /// The names of the guests that `flow` begins at or leads to.
    pub(super) fn guests_of(&mut self, flow: &Flow) -> Vec<(Uuid, String)> {
        let ends = [flow.original.source, flow.reply.source];
        let uuids: Vec<_> = ends.iter().flat_map(|end| self.ports_with(*end).to_vec()).map(|port| port.guest).collect();
        uuids.iter().for_each(|uuid| self.resolve(*uuid));
        let name = |uuid: Uuid| Some((uuid, self.guests.get(&uuid)?.as_ref()?.id.name.clone()));
        let mut names: Vec<_> = uuids.into_iter().filter_map(name).collect();
        names.dedup();
        names
    }

    /// What is decided at the guest where the flow begins, or where it leads to. An
    /// address that several have is judged by whichever lets it pass.
    fn at_end(&mut self, flow: &Flow, direction: Direction) -> Option<Result<String, String>> {
        let first = match direction {
            Direction::Out => sent(flow),
            Direction::In => received(flow, self.source_seen(flow)),
        };
        let end = if direction == Direction::Out { first.source } else { first.destination };
        let is_to_host = direction == Direction::Out && self.own.contains(flow.reply.source);
        let to_host = if is_to_host { ToHost::Yes } else { ToHost::No };
        let mut refused = None;
        for port in self.ports_with(end).to_vec() {
            let Some((name, decision)) = self.decide(&port, direction, to_host, &first) else { continue };
            let said = format!("{name:?} {direction}: {}", decision.origin);
            match decision.verdict {
                Verdict::Accept => return Some(Ok(said)),
                Verdict::Drop | Verdict::Reject => refused = Some(said),
            }
        }
        refused.map(Err)
    }

    /// Nothing for a guest whose rules nobody knows, whose port has none, or whose rules
    /// look at more than a flow tells.
    fn decide(
        &mut self,
        port: &Port,
        direction: Direction,
        to_host: ToHost,
        first: &Tuple,
    ) -> Option<(String, Decision)> {
        self.resolve(port.guest);
        let guest = self.guests.get(&port.guest)?.as_ref()?;
        let (mac, walls) = walls_at(guest, &port.name)?;
        let host = (to_host == ToHost::Yes).then_some(&self.host);
        let end = FlowEnd { direction, mac, walls: walls.iter().chain(host).collect() };
        Some((guest.id.name.clone(), admission(&end, &self.members, first)?))
    }

    /// A bridge forwards between guests; their walls of the iptables engine stand
    /// before iptables translates what it bridges.
    fn source_seen(&mut self, flow: &Flow) -> SourceSeen {
        let bridged = [flow.original.source, flow.reply.source].iter().all(|end| !self.ports_with(*end).is_empty());
        if bridged && self.engine == Some(EngineKind::Iptables) { SourceSeen::Original } else { SourceSeen::Translated }
    }

    fn resolve(&mut self, uuid: Uuid) {
        let (state, surroundings, policy) = (&self.state, &self.surroundings, self.policy);
        self.guests.entry(uuid).or_insert_with(|| {
            let domain = state.guest(&uuid)?;
            resolve(policy, surroundings, &domain).ok()
        });
    }
}

/// The flow as conntrack would know it, had the answer come first.
fn turned(flow: &Flow) -> Flow {
    Flow { original: flow.reply, reply: flow.original, ..*flow }
}

fn walls_at<'a>(guest: &'a GuestPolicy, port: &IfName) -> Option<(Mac, &'a [Wall])> {
    let is_there = |interface: &&InterfacePolicy| interface.target.as_ref() == Some(port);
    let interface = guest.interfaces.iter().find(is_there)?;
    match &interface.guarding {
        Guarding::Walls(walls) => Some((interface.mac, walls)),
        Guarding::Impossible(_) => None,
    }
}
