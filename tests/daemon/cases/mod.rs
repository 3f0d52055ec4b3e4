//! What is tried, each case named after the hole it closes.

mod deaths;
mod filters;
mod firewalld;
mod floating;
mod idle;
mod legacy;
mod life;
mod plugged;
mod policy;
mod restored;
mod services;
mod storm;
mod time;
mod trial;
mod unable;

use virt_guard::engine::EngineKind::{Iptables, Nftables};

use crate::stage::case::{Case, alone, case};

/// All of them; those that take longest first.
pub const ALL: &[Case] = &[
    case("rules-that-nft-takes-away-come-back", restored::by_nft).only(Nftables),
    case("a-strangers-chain-in-our-table-goes", restored::strange_chain).only(Nftables),
    case("rules-that-iptables-takes-away-come-back", restored::by_iptables).only(Iptables),
    case("flushed-guests-are-guarded-again-by-packets", restored::flush),
    case("what-others-do-to-their-own-rules-is-left-alone", restored::strangers),
    case("rules-that-the-old-iptables-takes-away-come-back", legacy::flush).only(Iptables).by_name(),
    case("a-bridge-that-no-longer-calls-iptables-does-again", restored::sysctl).only(Iptables),
    case("a-tap-plugged-in-later-is-closed-from-its-first-frame", plugged::closed),
    case("a-tap-that-comes-again-is-guarded", plugged::again),
    case("a-flush-while-rules-cannot-be-built-leaves-all-closed", unable::flushed).only(Iptables),
    case("closed-ports-that-somebody-opens-are-closed-again", unable::opened),
    case("a-changed-policy-needs-no-command", policy::followed),
    case("a-broken-policy-changes-nothing-and-says-why", policy::broken),
    case("a-tried-policy-nobody-confirms-is-undone", trial::unconfirmed),
    case("a-tried-policy-that-is-confirmed-stays", trial::confirmed),
    case("a-tried-policy-is-undone-whoever-is-killed", trial::killed),
    case("a-tried-policy-nobody-watches-is-undone-all-the-same", trial::unwatched),
    case("a-tried-policy-the-daemon-has-followed-is-undone", trial::followed),
    case("a-policy-that-cannot-be-undone-is-not-tried", trial::refused),
    case("a-floating-ip-that-somebody-takes-away-comes-back", floating::back),
    case("a-lease-opens-the-guest-that-waits-for-it", filters::lease),
    case("a-changed-filter-needs-no-command", filters::changed),
    case("a-start-puts-back-what-was-flushed-before", life::start),
    case("a-start-with-a-broken-policy-opens-nothing", life::start_broken),
    case("a-boot-with-a-broken-policy-closes-what-was-guarded", life::early),
    case("a-reload-finds-everything", life::reload),
    case("an-end-opens-nothing", life::end),
    case("what-was-healed-can-be-read", life::told),
    case("a-service-that-begins-to-listen-is-told-of-within-a-second", services::appears),
    case("a-service-that-restarts-all-the-time-is-told-of-once", services::restarts),
    case("a-service-that-guests-reach-is-told-and-counted", services::exposed),
    case("services-are-not-looked-at-where-nobody-wants-it", services::unwatched),
    // In emulation, where the other engine is, firewalld does not answer in time.
    case("a-firewall-that-reloads-takes-nothing-away", firewalld::reload).only(Iptables),
    alone("how-long-a-flush-leaves-one-guest-open", time::one).lasting(400),
    alone("how-long-a-flush-leaves-many-guests-open", time::many).lasting(300),
    alone("a-storm-of-flushes-costs-one-processor-at-most", storm::flushes),
    alone("killed-all-the-time-it-leaves-no-hole", deaths::without_flushes).lasting(120),
    alone("killed-while-somebody-flushes-all-ends-in-order", deaths::with_flushes).lasting(120),
    alone("a-thousand-guards-cost-nothing-while-nobody-disturbs", idle::thousand).lasting(120),
];
