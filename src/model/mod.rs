//! What the rules of one port are, and what they say about a packet.
//!
//! In: facts. Out: [`Rule`]s in [`Wall`]s, the same types whether a rule comes
//! from a security group, from anti-spoofing or from host protection; and
//! [`evaluate()`], which is the executable specification of them all. Nothing
//! here knows nftables, iptables, chains or names of chains.

mod admission;
mod connection;
mod evaluate;
mod field;
mod groups;
mod guards;
mod guest;
mod host;
mod nat;
mod nwfilter;
mod packet;
mod resolve;
mod rule;

pub use admission::{FlowEnd, SourceSeen, admission, received, sent};
pub use connection::{MID_STREAM, routed_wall};
pub use evaluate::{Decision, Members, evaluate, evaluate_walls};
pub use field::{CtState, CtWay, Field, Match, Sense, SetEnd, SetName, State, StpAddress, StpNumber};
pub use guest::{Demand, Guarding, GuestId, GuestPolicy, InterfacePolicy, quarantine};
pub use host::host_wall;
pub use nat::{Floating, Forwarding, NatTable, Translated, Translations};
pub use nwfilter::{FilterWalls, Filters, compile_filters, reject_verdict};
pub use packet::{
    Arp, ArpAddresses, Bpdu, ConnState, Head, IcmpMessage, IpPacket, Packet, Payload, Tcp, Transport, Vlan,
};
pub use resolve::{ResolveError, resolve};
pub use rule::{Branch, Layer, Origin, Rule, Scope, Target, Verdict, Wall};
