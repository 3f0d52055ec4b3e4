//! What is tried, each case named after the hole it closes.

mod arrive;
mod bare;
mod disassociate;
mod kill;
mod lead;
mod reuse;
mod scene;
mod tighten;

use crate::stage::case::{Case, alone, case};

/// All of them; those with the most sessions have the machine for themselves.
pub const ALL: &[Case] = &[
    case("a-narrowed-rule-kills-what-it-no-longer-lets-in", tighten::narrowed),
    case("a-killed-guest-or-address-kills-no-other", kill::by_name),
    case("a-lost-membership-kills-what-it-let-in", tighten::left),
    case("an-error-revives-nothing", kill::complaints),
    case("a-related-connection-dies-with-its-parent", kill::related),
    case("a-killed-tuple-dies-alone", kill::by_tuple),
    case("an-address-used-again-inherits-nothing", reuse::released),
    case("an-address-used-again-inherits-nothing-of-a-guest-that-nobody-released", reuse::missed),
    case("an-association-taken-out-of-the-policy-kills-what-went-over-it", disassociate::by_policy),
    case("what-is-cut-off-is-seen-to-be", bare::cut),
    case("a-stopped-guest-takes-its-connections-with-it", kill::stopped),
    case("one-that-ran-already-keeps-what-it-has", arrive::adopted),
    case("one-whose-answers-came-first-keeps-what-it-has", arrive::answered),
    case("one-that-begins-has-nothing-to-keep", arrive::fresh),
    case("what-a-run-that-died-left-to-be-cut-is-cut", kill::interrupted),
    case("what-began-while-rules-were-gone-ends-with-them-back", tighten::flushed),
    case("a-forwarded-port-leads-to-its-guest", lead::forwards),
    case("a-floating-ip-follows-its-guests-address", lead::moved),
    case("a-floating-ip-is-the-same-to-everybody", lead::hairpin),
    case("an-association-by-command-persists", lead::persists),
    case("a-dry-run-kills-nothing", disassociate::dry_run),
    alone("the-world-without-a-change-loses-nothing", bare::steady),
    alone("a-disassociated-ipv4-address-kills-what-went-over-it", disassociate::v4).lasting(120),
    alone("a-disassociated-ipv6-address-kills-what-went-over-it", disassociate::v6).lasting(120),
];
