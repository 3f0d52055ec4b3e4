//! Cases written by hand, each named after the hole it closes.
//!
//! They do not ask the model: what must happen is written where it is tried.

mod discovery;
mod fragments;
mod host;
mod pieces;
mod ports;
mod scene;

use super::engines::Engine;

/// A case: it panics if something is not as it must be.
pub type Case = fn(&Engine);

/// All of them.
pub const ALL: [(&str, Case); 16] = [
    ("an-unknown-port-is-closed-until-it-is-guarded", ports::unknown_port_is_closed),
    ("an-accepted-unknown-port-gets-no-services-of-the-host", ports::accepted_port_gets_no_services),
    ("a-tagged-frame-is-no-way-round", ports::tagged_frame_is_no_way_round),
    ("rules-come-back-after-everything-was-flushed", ports::rules_come_back),
    ("a-released-port-is-closed", ports::released_port_is_closed),
    ("a-shared-address-is-a-member-until-the-last-leaves", ports::shared_address_stays),
    ("the-host-answers-its-lan-and-not-its-guests", host::answers_lan_not_guests),
    ("no-address-of-the-host-is-a-way-round", host::no_address_is_a_way_round),
    ("a-guest-gets-an-address-by-dhcp", host::guest_gets_dhcp),
    ("a-guest-gets-an-answer-by-dns", host::guest_gets_dns),
    ("the-host-reaches-what-a-group-lets-in", host::host_reaches_what_is_let_in),
    ("a-foreign-neighbour-target-is-dropped", discovery::foreign_target_is_dropped),
    ("discovery-in-pieces-is-no-way-round", discovery::pieces_are_no_way_round),
    ("a-foreign-arp-sender-is-dropped", discovery::foreign_arp_sender_is_dropped),
    ("fragments-of-an-allowed-datagram-pass", fragments::allowed_pass),
    ("fragments-are-no-way-round", fragments::no_way_round),
];
