//! What is tried, each case named after the hole it closes.

mod bare;
mod disassociate;
mod kill;
mod lead;
mod reuse;
mod scene;
mod tighten;

use crate::stage::case::{Case, alone};

/// All of them, each with the machine for itself: they measure time, and one of
/// them is work enough.
pub const ALL: &[Case] = &[
    alone("the-world-without-a-change-loses-nothing", bare::steady),
    alone("what-is-cut-off-is-seen-to-be", bare::cut),
    alone("a-disassociated-ipv4-address-kills-what-went-over-it", disassociate::v4).lasting(120),
    alone("a-disassociated-ipv6-address-kills-what-went-over-it", disassociate::v6).lasting(120),
    alone("an-association-taken-out-of-the-policy-kills-what-went-over-it", disassociate::by_policy),
    alone("a-dry-run-kills-nothing", disassociate::dry_run),
    alone("a-narrowed-rule-kills-what-it-no-longer-lets-in", tighten::narrowed),
    alone("a-lost-membership-kills-what-it-let-in", tighten::left),
    alone("an-address-used-again-inherits-nothing", reuse::released),
    alone("an-address-used-again-inherits-nothing-of-a-guest-that-nobody-released", reuse::missed),
    alone("a-killed-tuple-dies-alone", kill::by_tuple),
    alone("a-killed-guest-or-address-kills-no-other", kill::by_name),
    alone("a-stopped-guest-takes-its-connections-with-it", kill::stopped),
    alone("an-error-revives-nothing", kill::complaints),
    alone("a-related-connection-dies-with-its-parent", kill::related),
    alone("a-forwarded-port-leads-to-its-guest", lead::forwards),
    alone("a-floating-ip-is-the-same-to-everybody", lead::hairpin),
    alone("an-association-by-command-persists", lead::persists),
    alone("a-floating-ip-follows-its-guests-address", lead::moved),
];
