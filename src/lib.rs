//! virt-guard keeps the firewall rules of libvirt/KVM guests in the kernel, from
//! before a guest's first instruction until its tap is gone.
//!
//! A domain and a policy become rules on one way, and every program goes it:
//!
//! ```text
//!  domain XML ──┐
//!  nwfilter XML ┤
//!  policy TOML ─┴► facts ──► model ──► plan ──► engine ──► kernel
//!                             │                             │
//!                             └► evaluate                   └► read back, compare
//!
//!  net    values: addresses, ports, names                 imports nothing
//!  facts  what others wrote, with file and line           ← net
//!  model  rules in walls; evaluate, the specification     ← facts
//!  pins   how a service is kept from where guests are     ← net
//!  plan   chains, their order, their names                ← model
//!  engine plan → text for nft, or ebtables and iptables   ← plan
//!  kernel programs, netlink, /proc; what really stands    ← engine
//!  state  /run/virt-guard                                 ← kernel
//!  reconcile  the one path that changes anything          ← state
//!  hook, daemon, cli  thin shells; libvirt, log beside    ← reconcile
//! ```
//!
//! Imports point only upwards in this list; `tests/layering.rs` holds that, and
//! that programs are spawned in one file. To find a behaviour, ask what it is:
//!
//! - what a guest may do: `model::guards` (spoofing), `model::groups`, `model::host`
//! - which entries of the policy are about a guest: `model::resolve`
//! - what a libvirt filter means, chains, states and variables: `model::nwfilter`
//! - how a rule reads in nftables or iptables: `engine::{nftables, iptables}`
//! - what is put back, and how much of it: `reconcile::heal`; when: `daemon`
//! - when a port is closed, opened, rebuilt: `reconcile`, in the engines' `change`
//! - what comes back of other agents' chains: `reconcile::foreign`
//! - what becomes of the operator's `iptables.d`: `facts::fragments`, `reconcile::fragments`
//! - which filters libvirt is to hold: `facts::nwfilter::manage`; what of its own
//!   rules is missing: `kernel::instance`; both carried out in `libvirt::nwfilter`
//! - which address outside leads to which guest: `model::nat`; how it gets into the
//!   kernel: `reconcile::nat`; onto an interface: `kernel::addresses`
//! - which connections are cut: `reconcile::{ends, flows}`; would one be let begin
//!   today: `model::admission`; why a cut one stays cut: `model::connection`
//! - which of the host's own services guests reach: `reconcile::services`; who listens, and
//!   whose that is: `kernel::sockets`; proof from a guest's place: `reconcile::services::probe`,
//!   by a `kernel::station`; when it is told: `daemon::{services, telling}`
//! - how a service is kept from guests: `pins::recipe`, one file for each service; how that is
//!   carried out, proven and undone: `reconcile::services::pin`; what its files were:
//!   `state::{pins, replaced}`
//! - what is undone unless somebody confirms it: `state::pending`, `reconcile::pending`; of
//!   these a policy: `reconcile::tried`, with the files that were good in `state::policy_files`
//! - what an operator is told to mend: `cli::doctor`, a file for each check
//! - what libvirt is told: `hook`; what it tells: `libvirt`

pub mod cli;
pub mod daemon;
mod digest;
pub mod engine;
pub mod facts;
pub mod hook;
pub mod kernel;
#[cfg(feature = "libvirt")]
pub mod libvirt;
pub mod log;
pub mod model;
pub mod net;
pub mod pins;
pub mod plan;
pub mod reconcile;
pub mod state;
