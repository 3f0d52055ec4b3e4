//! The iptables engine: ebtables, iptables and ip6tables, with br_netfilter.
//!
//! | walls | where | why there |
//! | --- | --- | --- |
//! | frame, ethernet, from the guest | ebtables nat PREROUTING | sees every frame, first |
//! | address … groups, from the guest | mangle PREROUTING, `physdev-in` | bridged, routed and for the host alike, with connection tracking |
//! | all, to the guest | ebtables nat POSTROUTING | the only place that knows the port of a packet that the host sends or routes: `physdev-out` matches bridged packets only |
//! | connection, what is routed to a guest | mangle POSTROUTING | before conntrack notes it as begun, which ebtables cannot undo |
//! | host | filter INPUT, by mark | packets of guests only, not those of an uplink |
//!
//! ebtables cannot ask for the state of a connection, so mangle PREROUTING and
//! OUTPUT note it in three bits of the packet's mark. The three programs are atomic
//! one by one, not together: a port is closed in ebtables first, rebuilt
//! everywhere, and opened in ebtables last; unless what stands is whole and no
//! mixture of the old and the new could let pass more than both.

mod dispatch;
mod ebtables;
mod members;
mod nat;
mod restore;
mod xtables;

use std::collections::BTreeSet;

use self::restore::{Part, Script};
use super::{
    BridgeNames, ChainText, Change, Element, Engine, EngineKind, Inexpressible, NatChange, Standing, Step, Table, Tool,
};
use crate::facts::policy::Marks;
use crate::model::NatTable;
use crate::net::{Direction, Family, IfName};
use crate::plan::{Base, Chain, Name, Plan, PortPlan};

/// The iptables engine.
#[derive(Debug, Clone, Copy)]
pub struct Iptables {
    /// Whether ebtables can ask for the bridge here.
    pub bridge_names: BridgeNames,
}

impl Iptables {
    /// Whether the port need not be closed while it changes. What stands is changed
    /// program by program, each at once. So the rules of one direction must not be
    /// divided among programs, or half of the old and half of the new could let pass
    /// what neither does: from the guest ebtables sees to frames, mangle to the rest.
    fn can_stay_open(&self, change: &Change<'_>) -> Result<bool, Inexpressible> {
        let ([before], Some(after), true) = (change.before, change.after, change.stands) else { return Ok(false) };
        let frames = |port: &PortPlan| {
            let entry = port.entry(Direction::Out);
            let own: Vec<_> = port.walls(Direction::Out).flat_map(Chain::all).map(|chain| chain.name.clone()).collect();
            let chains = ebtables::port(change.base, port)?.into_iter();
            Ok(chains.filter(|chain| chain.name == entry || own.contains(&chain.name)).collect::<Vec<_>>())
        };
        Ok(frames(before)? == frames(after)?)
    }

    /// Chains that stand before a change and not after it.
    fn stale_chains(&self, change: &Change<'_>, after: &[ChainText]) -> Result<Vec<(Table, Name)>, Inexpressible> {
        let mut stale = BTreeSet::new();
        for port in change.before {
            stale.extend(self.port_chains(change.base, port)?.into_iter().map(|chain| (chain.table, chain.name)));
        }
        for chain in after {
            stale.remove(&(chain.table, chain.name.clone()));
        }
        Ok(stale.into_iter().collect())
    }

    /// The tables that hold chains of ours.
    pub const TABLES: [Table; 7] = [
        Table::EbtablesNat,
        Table::Mangle(Family::V4),
        Table::Mangle(Family::V6),
        Table::Filter(Family::V4),
        Table::Filter(Family::V6),
        Table::Nat(Family::V4),
        Table::Nat(Family::V6),
    ];
}

impl Engine for Iptables {
    fn kind(&self) -> EngineKind {
        EngineKind::Iptables
    }

    fn replace(&self, plan: &Plan, standing: &Standing) -> Result<Vec<Step>, Inexpressible> {
        let names = plan.port_names();
        let mut chains = self.base_chains(&plan.base)?;
        chains.extend(self.set_chains(plan));
        for port in plan.ports() {
            chains.extend(self.port_chains(&plan.base, port)?);
        }
        chains.extend(self.dispatch_chains(&names, None));
        let mut steps = self.close(&plan.base, &names, standing)?;
        let open = Script::new(&chains).without(&stale(standing, &chains));
        steps.extend(xtables_steps(&open.clone().hooks(standing)));
        steps.extend(open.step(Tool::EbtablesRestore));
        steps.extend(nat_steps(&plan.nat, standing));
        Ok(steps)
    }

    fn change(&self, change: &Change<'_>) -> Result<Vec<Step>, Inexpressible> {
        let Some(port) = change.after.or(change.before.first().copied()) else { return Ok(Vec::new()) };
        let after = change.after.map(|port| self.port_chains(change.base, port)).transpose()?.unwrap_or_default();
        let (tree, gone) = dispatch::changed(&names_before(change), change.names, &port.ifname);
        let mut stale = self.stale_chains(change, &after)?;
        stale.extend(gone);
        let shut = shut(&after, port, &tree);
        let chains: Vec<_> = members::changed(change).into_iter().chain(after).chain(tree).collect();
        let open = Script::new(&chains).without(&stale);
        if change.after.is_none() {
            // Nothing is to be open: what leads to the port goes first.
            return Ok(open.step(Tool::EbtablesRestore).into_iter().chain(xtables_steps(&open)).collect());
        }
        let closing = (!self.can_stay_open(change)?).then(|| Script::new(&shut).step(Tool::EbtablesRestore));
        let mut steps: Vec<_> = closing.flatten().into_iter().collect();
        steps.extend(xtables_steps(&open));
        steps.extend(open.step(Tool::EbtablesRestore));
        Ok(steps)
    }

    /// In ebtables alone, which sees every frame of a port: what stands elsewhere
    /// can stay or be gone.
    fn close(&self, base: &Base, names: &BTreeSet<IfName>, standing: &Standing) -> Result<Vec<Step>, Inexpressible> {
        let mut shut = ebtables::base(base, self.bridge_names);
        shut.extend(self.dispatch_chains(names, None).into_iter().filter(|chain| chain.table == Table::EbtablesNat));
        for direction in Direction::BOTH {
            shut.extend(names.iter().map(|name| closed(PortPlan::entry_of(name, direction))));
        }
        Ok(Script::new(&shut).hooks(standing).step(Tool::EbtablesRestore).into_iter().collect())
    }

    fn remove(&self, standing: &Standing) -> Vec<Step> {
        let script = Script::new(&[]).unhook(standing).without(&stale(standing, &[]));
        let steps = xtables_steps(&script).into_iter().chain(script.step(Tool::EbtablesRestore));
        steps.chain(nat_steps(&NatTable::default(), standing)).collect()
    }

    fn set_chains(&self, plan: &Plan) -> Vec<ChainText> {
        members::all(plan)
    }

    fn hooks(&self) -> Vec<(Table, String)> {
        let of = |table| restore::saved_hooks(Part::Rules, table).into_iter().map(move |line| (table, line));
        Self::TABLES.into_iter().flat_map(of).collect()
    }

    fn nat(&self, change: &NatChange<'_>) -> Vec<Step> {
        nat_steps(change.after, change.standing)
    }

    fn nat_chains(&self, table: &NatTable, _: Marks) -> Vec<ChainText> {
        nat::chains(table)
    }

    fn nat_hooks(&self, table: &NatTable) -> Vec<(Table, String)> {
        let tables: BTreeSet<_> = nat::chains(table).iter().map(|chain| chain.table).collect();
        let of = |table| restore::saved_hooks(Part::Translations, table).into_iter().map(move |line| (table, line));
        tables.into_iter().flat_map(of).collect()
    }

    fn nat_elements(&self, _: &NatTable) -> Vec<Element> {
        Vec::new()
    }

    fn entries(&self, _: &PortPlan) -> Vec<Element> {
        Vec::new()
    }

    fn elements(&self, _: &Base, _: &[&PortPlan]) -> Vec<Element> {
        Vec::new()
    }

    fn base_chains(&self, base: &Base) -> Result<Vec<ChainText>, Inexpressible> {
        let mut chains = ebtables::base(base, self.bridge_names);
        for family in Family::BOTH {
            chains.extend(xtables::base(base, family)?);
        }
        Ok(chains)
    }

    fn dispatch_chains(&self, names: &BTreeSet<IfName>, only: Option<&IfName>) -> Vec<ChainText> {
        match only {
            Some(name) => dispatch::on_path(names, name),
            None => dispatch::all(names),
        }
    }

    fn port_chains(&self, base: &Base, port: &PortPlan) -> Result<Vec<ChainText>, Inexpressible> {
        let mut chains = ebtables::port(base, port)?;
        for family in Family::BOTH {
            chains.extend(xtables::port(base, port, family)?);
        }
        Ok(chains)
    }
}

/// Each family's translations anew, in one go.
fn nat_steps(table: &NatTable, standing: &Standing) -> Vec<Step> {
    let chains = nat::chains(table);
    xtables_steps(&Script::translations(&chains).hooks(standing).without(&stale(standing, &chains)))
}

/// What iptables and ip6tables are told. ebtables follows: until then the port's
/// entries there are closed.
fn xtables_steps(script: &Script<'_>) -> Vec<Step> {
    Family::BOTH.into_iter().filter_map(|family| script.step(Tool::IptablesRestore(family))).collect()
}

/// All ports that have rules before the change.
fn names_before(change: &Change<'_>) -> BTreeSet<IfName> {
    let mut names = change.names.clone();
    match (change.before.first(), change.after) {
        (Some(before), _) => names.insert(before.ifname.clone()),
        (None, Some(after)) => names.remove(&after.ifname),
        (None, None) => false,
    };
    names
}

/// The way to a port whose entries drop everything.
fn shut(chains: &[ChainText], port: &PortPlan, tree: &[ChainText]) -> Vec<ChainText> {
    let entries = chains.iter().filter(|chain| is_ebtables_entry(chain, port)).map(|chain| closed(chain.name.clone()));
    let tree = tree.iter().filter(|chain| chain.table == Table::EbtablesNat).cloned();
    entries.chain(tree).collect()
}

fn is_ebtables_entry(chain: &ChainText, port: &PortPlan) -> bool {
    let entry = Direction::BOTH.iter().any(|direction| chain.name == port.entry(*direction));
    chain.table == Table::EbtablesNat && entry
}

/// An entry in ebtables through which nothing passes.
fn closed(name: Name) -> ChainText {
    ChainText { table: Table::EbtablesNat, name, hook: None, rules: vec!["-j DROP".to_owned()] }
}

/// What stands and is not wanted.
fn stale(standing: &Standing, wanted: &[ChainText]) -> Vec<(Table, Name)> {
    let wanted: BTreeSet<_> = wanted.iter().map(|chain| (chain.table, &chain.name)).collect();
    let all = standing.chains.iter().flat_map(|(table, names)| names.iter().map(move |name| (*table, name)));
    all.filter(|chain| !wanted.contains(chain)).map(|(table, name)| (table, name.clone())).collect()
}
