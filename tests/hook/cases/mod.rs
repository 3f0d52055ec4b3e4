//! What is tried, each case named after the hole it closes.

mod broken;
mod cost;
mod hostile;
mod keep;
mod kill;
mod lifecycle;
mod lock;
mod names;
mod operators;
mod parallel;
mod preserve;
mod sweep;
mod syslog;
mod tools;
mod unguardable;
mod uplink;

use crate::stage::case::{Case, alone, case};

/// All of them; those that take longest first.
pub const ALL: &[Case] = &[
    case("killed-at-a-program-a-start-leaves-no-hole", kill::start),
    case("killed-at-a-program-an-update-leaves-no-hole", kill::update),
    case("killed-at-a-program-a-rebuild-leaves-no-hole", kill::rebuild),
    case("killed-at-a-program-a-release-can-be-repeated", kill::release),
    case("killed-in-the-middle-of-a-large-input-nothing-opens", kill::large),
    case("a-program-that-outlives-its-hook-undoes-nothing", kill::late),
    case("killed-at-any-moment-a-start-leaves-no-hole", sweep::start),
    case("killed-on-a-bare-host-the-next-start-puts-all-in-order", sweep::bare),
    case("fifty-guests-at-once-lose-no-update", parallel::guests),
    case("a-start-guards-and-a-release-leaves-nothing", lifecycle::whole),
    case("a-release-needs-no-policy", lifecycle::release_without_policy),
    case("a-release-of-a-stranger-is-no-error", lifecycle::release_of_a_stranger),
    case("a-broken-policy-changes-nothing", broken::changes_nothing),
    case("a-broken-policy-leaves-other-guests-alone", broken::others_running),
    case("reconnect-keeps-what-stands", keep::intact),
    case("reconnect-puts-back-what-was-flushed", keep::flushed),
    case("reconnect-with-a-broken-policy-keeps-what-stands", keep::broken),
    case("reconnect-with-a-broken-policy-puts-back-the-last-good-rules", keep::broken_and_flushed),
    case("reconnect-with-nothing-to-go-by-closes-the-port", keep::nothing_known),
    case("reconnect-with-unreadable-xml-closes-what-is-known", keep::unreadable),
    case("started-puts-back-what-was-flushed", keep::started),
    case("started-without-a-policy-opens-nothing", keep::started_broken),
    case("an-agents-restart-takes-no-security-groups-from-a-soft-rebooted-guest", preserve::wiped),
    case("a-flush-takes-no-security-groups-of-an-agent", preserve::flushed),
    case("an-agents-restart-while-a-guest-is-down-takes-no-security-groups-from-it", preserve::rebooted),
    case("a-guest-whose-security-groups-cannot-be-put-back-does-not-start", preserve::unrestorable),
    case("an-operators-rule-stands-exactly-once", operators::once),
    case("an-operators-rule-goes-with-its-file", operators::removed),
    case("an-operators-broken-rule-harms-no-guest-that-runs", operators::refused),
    case("a-name-is-only-a-name", names::hostile),
    case("hostile-xml-is-refused-in-time", hostile::refused),
    case("xml-without-end-ends-at-the-deadline", hostile::endless),
    case("who-holds-the-lock-holds-up-nobody-for-ever", lock::held),
    case("the-uplink-loses-nothing", uplink::lan),
    case("another-guests-start-costs-nobody-a-frame", uplink::neighbour),
    case("a-reconnect-that-finds-all-in-order-costs-no-frame", uplink::own),
    case("what-cannot-be-guarded-is-not-started", unguardable::kinds),
    case("a-port-of-no-bridge-is-not-started", unguardable::no_bridge),
    case("a-program-that-fails-stops-the-start", tools::failing),
    case("a-program-that-lies-is-found-out", tools::lying),
    case("a-release-that-fails-stands-in-nobodys-way", tools::failing_release),
    alone("a-program-that-hangs-ends-at-the-deadline", tools::hanging),
    alone("a-full-log-holds-up-nobody", syslog::full),
    alone("the-cost-of-a-start-does-not-grow-with-the-guests", cost::start),
];
