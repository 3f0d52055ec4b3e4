//! Plans as text: what nft, or ebtables, iptables and ip6tables are to be told.
//!
//! In: a [`Plan`] or a change of one port. Out: [`Step`]s, each the standard
//! input of one program, complete and replayable by hand. An engine decides
//! nothing about packets; what it cannot say exactly is an error.

mod iptables;
mod nftables;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::facts::policy::Marks;
use crate::model::{NatTable, SetName};
use crate::net::{Family, IfName, ValueError, serde_as_text};
use crate::plan::{Base, Name, Plan, PortPlan};

pub use iptables::Iptables;
pub use nftables::Nftables;
pub use text::ChainText;

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EngineKind {
    /// nft, with connection tracking on the bridge.
    Nftables,
    /// ebtables, iptables and ip6tables, with br_netfilter.
    Iptables,
}

impl FromStr for EngineKind {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "nftables" => Ok(Self::Nftables),
            "iptables" => Ok(Self::Iptables),
            _ => Err(ValueError::new("engine", text, "nftables or iptables")),
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
        })
    }
}

serde_as_text!(EngineKind);

/// A program that takes rules on its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// `nft -f -`
    Nft,
    /// `ebtables-restore --noflush`
    EbtablesRestore,
    /// `iptables-restore --noflush` or `ip6tables-restore --noflush`
    IptablesRestore(Family),
}

/// One atomic change: what one program is told at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The program.
    pub tool: Tool,
    /// Its standard input.
    pub text: String,
}

/// A table of the kernel in which chains of ours stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Table {
    /// nftables `bridge virt_guard`.
    NftBridge,
    /// nftables `inet virt_guard`.
    NftInet,
    /// ebtables `nat`.
    EbtablesNat,
    /// iptables or ip6tables `mangle`.
    Mangle(Family),
    /// iptables or ip6tables `filter`.
    Filter(Family),
    /// iptables or ip6tables `nat`.
    Nat(Family),
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::NftBridge,
        Self::NftInet,
        Self::EbtablesNat,
        Self::Mangle(Family::V4),
        Self::Mangle(Family::V6),
        Self::Filter(Family::V4),
        Self::Filter(Family::V6),
        Self::Nat(Family::V4),
        Self::Nat(Family::V6),
    ];

    /// Whether nobody but us has chains in it.
    pub const fn is_private(self) -> bool {
        matches!(self, Self::NftBridge | Self::NftInet)
    }
}

/// An element that must be found in a set or a map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// The table.
    pub table: Table,
    /// The set or map.
    pub container: String,
    /// The element, as nft lists it.
    pub element: String,
}

/// What the kernel that the text is for can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BridgeNames {
    /// A rule can ask which bridge a frame is on.
    Matchable,
    /// It cannot (no `nft_meta_bridge`): ports must be told apart by name.
    Unknown,
}

/// The change of one port's rules.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// What all ports share; it stands already.
    pub base: &'a Base,
    /// What may stand at the port before: more than one plan after a crash.
    pub before: &'a [&'a PortPlan],
    /// Whether `before` is known to stand, whole and alone.
    pub stands: bool,
    /// What is to stand there afterwards, if anything.
    pub after: Option<&'a PortPlan>,
    /// All ports that have rules afterwards.
    pub names: &'a BTreeSet<IfName>,
    /// Who is in the sets that the port's guest is or was in, afterwards: all of them
    /// for an engine that writes chains, those of the port for one that has sets.
    pub members: &'a BTreeMap<SetName, BTreeSet<IpAddr>>,
}

/// The change of all translations.
#[derive(Debug, Clone, Copy)]
pub struct NatChange<'a> {
    /// What stands before.
    pub before: &'a NatTable,
    /// What is to stand afterwards.
    pub after: &'a NatTable,
    /// The bits of the packet mark that are ours.
    pub marks: Marks,
    /// What leads to our chains of translations, for engines that share tables.
    pub standing: &'a Standing,
}

/// Something that an engine cannot say exactly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {engine} engine cannot express {what}, needed by {rule}")]
pub struct Inexpressible {
    /// The engine.
    pub engine: EngineKind,
    /// The part of the rule.
    pub what: String,
    /// The rule.
    pub rule: String,
}

/// What stands in the way of a plan and must be known to build it from nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Chains of ours in each table.
    pub chains: BTreeMap<Table, BTreeSet<Name>>,
    /// Rules of built-in chains that lead to chains of ours, as the save
    /// program prints them.
    pub hooks: BTreeMap<Table, Vec<String>>,
}

impl Standing {
    /// Whether nothing of ours is there.
    pub fn is_empty(&self) -> bool {
        self.chains.values().all(BTreeSet::is_empty) && self.hooks.values().all(Vec::is_empty)
    }
}

/// A way to say plans.
pub trait Engine {
    /// Which one it is.
    fn kind(&self) -> EngineKind;

    /// The steps that put exactly `plan` into the kernel, whatever is there,
    /// with no moment in which a port is open that is not to be open.
    ///
    /// # Errors
    /// A rule that cannot be said exactly.
    fn replace(&self, plan: &Plan, standing: &Standing) -> Result<Vec<Step>, Inexpressible>;

    /// The steps that change one port, on a base that stands.
    ///
    /// # Errors
    /// A rule that cannot be said exactly.
    fn change(&self, change: &Change<'_>) -> Result<Vec<Step>, Inexpressible>;

    /// The steps after which nothing passes at these ports, nor at unknown ports of
    /// guarded bridges, whatever is there. Few and quick: the rules follow.
    ///
    /// # Errors
    /// A rule of the base that cannot be said exactly.
    fn close(&self, base: &Base, names: &BTreeSet<IfName>, standing: &Standing) -> Result<Vec<Step>, Inexpressible>;

    /// The steps that change which addresses lead to guests; those of `replace` have
    /// put the plan's in place already.
    fn nat(&self, change: &NatChange<'_>) -> Vec<Step>;

    /// The chains of translations, as they must be found in the kernel.
    fn nat_chains(&self, table: &NatTable, marks: Marks) -> Vec<ChainText>;

    /// What must be the first rule of which built-in chain for translations.
    fn nat_hooks(&self, table: &NatTable) -> Vec<(Table, String)>;

    /// The elements of maps of translations that must be found.
    fn nat_elements(&self, table: &NatTable) -> Vec<Element>;

    /// The steps that take everything of ours away.
    fn remove(&self, standing: &Standing) -> Vec<Step>;

    /// The chains that all ports share, as they must be found in the kernel.
    ///
    /// # Errors
    /// A rule that cannot be said exactly.
    fn base_chains(&self, base: &Base) -> Result<Vec<ChainText>, Inexpressible>;

    /// The chains that lead to the ports, as they must be found in the kernel:
    /// all of them, or those on the way to `only`. Empty if a map does that.
    fn dispatch_chains(&self, names: &BTreeSet<IfName>, only: Option<&IfName>) -> Vec<ChainText>;

    /// The chains that hold the members of groups. Empty if sets do that.
    fn set_chains(&self, plan: &Plan) -> Vec<ChainText>;

    /// What must be the first rule of which built-in chain, as a save program
    /// prints it, for packets to meet our chains at all.
    fn hooks(&self) -> Vec<(Table, String)>;

    /// The elements that lead to a port, which must be found for it to be guarded.
    fn entries(&self, port: &PortPlan) -> Vec<Element>;

    /// The elements of sets and maps that must be found for these ports.
    fn elements(&self, base: &Base, ports: &[&PortPlan]) -> Vec<Element>;

    /// The chains of one port, as they must be found in the kernel.
    ///
    /// # Errors
    /// A rule that cannot be said exactly.
    fn port_chains(&self, base: &Base, port: &PortPlan) -> Result<Vec<ChainText>, Inexpressible>;
}

/// Writes for people: the program that takes each step, and the step.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}", self.tool)?;
        f.write_str(&self.text)
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nft => "nft -f -",
            Self::EbtablesRestore => "ebtables-restore --noflush",
            Self::IptablesRestore(Family::V4) => "iptables-restore --noflush",
            Self::IptablesRestore(Family::V6) => "ip6tables-restore --noflush",
        })
    }
}
