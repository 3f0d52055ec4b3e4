//! Socket units as Debian 12, Ubuntu and libvirt ship them.

use crate::pins::tests::{Tree, lines, paths, pinned, pinned_to, refused, target, text};
use crate::pins::{Activation, Target};

const RPCBIND: &str = "[Unit]\nDescription=RPCbind Server Activation Socket\n\n[Socket]\n\
    ListenStream=/run/rpcbind.sock\n\n# RPC netconfig can't handle ipv6/ipv4 dual sockets\n\
    BindIPv6Only=ipv6-only\nListenStream=0.0.0.0:111\nListenDatagram=0.0.0.0:111\n\
    ListenStream=[::]:111\nListenDatagram=[::]:111\n\n[Install]\nWantedBy=sockets.target\n";
const SERVICE: &str = "[Service]\nExecStart=/bin/x\n";

fn one(unit: &str, text: &str) -> Tree {
    let stem = unit.strip_suffix(".socket").unwrap();
    Tree::new([
        (&format!("/lib/systemd/system/{unit}"), text),
        (&format!("/lib/systemd/system/{stem}.service"), SERVICE),
    ])
}

#[test]
fn each_port_is_kept_at_the_addresses_of_its_family() {
    let recipe = pinned("rpcx.socket", &one("rpcx.socket", RPCBIND));
    assert_eq!(
        lines(&recipe, "/etc/systemd/system/rpcx.socket.d/50-virt-guard.conf"),
        [
            "[Socket]",
            "ListenStream=",
            "ListenStream=/run/rpcbind.sock",
            "ListenStream=10.0.0.5:111",
            "ListenStream=127.0.0.1:111",
            "ListenDatagram=10.0.0.5:111",
            "ListenDatagram=127.0.0.1:111",
            "ListenStream=[2001:db8::5]:111",
            "ListenStream=[::1]:111",
            "ListenDatagram=[2001:db8::5]:111",
            "ListenDatagram=[::1]:111",
            "FreeBind=yes",
            "IPAddressDeny=10.100.0.0/16 fd00:100::/64",
        ]
    );
    let service = "/etc/systemd/system/rpcx.service.d/50-virt-guard.conf";
    assert_eq!(lines(&recipe, service), ["[Service]", "IPAddressDeny=10.100.0.0/16 fd00:100::/64"]);
    let socket = Activation::Socket { socket: "rpcx.socket".into(), service: "rpcx.service".into() };
    assert_eq!(recipe.activations, [socket]);
}

#[test]
fn a_bare_port_takes_both_families() {
    let recipe = pinned("a.socket", &one("a.socket", "[Socket]\nListenStream=22\n"));
    assert_eq!(
        lines(&recipe, "/etc/systemd/system/a.socket.d/50-virt-guard.conf")[2..6],
        [
            "ListenStream=10.0.0.5:22",
            "ListenStream=[2001:db8::5]:22",
            "ListenStream=127.0.0.1:22",
            "ListenStream=[::1]:22"
        ]
    );
}

#[test]
fn one_bound_to_an_interface_keeps_its_addresses() {
    let there = Target { interface: Some("eth1".parse().unwrap()), ..target(&["10.0.0.5"]) };
    let recipe = pinned_to("a.socket", &there, &one("a.socket", "[Socket]\nListenStream=22\n"));
    assert_eq!(
        lines(&recipe, "/etc/systemd/system/a.socket.d/50-virt-guard.conf")[1..4],
        ["ListenStream=", "ListenStream=22", "BindToDevice=eth1"]
    );
}

#[test]
fn one_that_starts_a_service_for_each_connection_is_restarted_alone() {
    let tree = one("a.socket", "[Socket]\nListenStream=10.100.0.1:79\nAccept=yes\n");
    let tree = tree.with("/lib/systemd/system/a@.service", SERVICE);
    let recipe = pinned("a.socket", &tree);
    assert_eq!(recipe.activations, [Activation::Restart("a.socket".into())]);
    assert!(paths(&recipe).contains(&"/etc/systemd/system/a@.service.d/50-virt-guard.conf"));
    let socket = "/etc/systemd/system/a.socket.d/50-virt-guard.conf";
    assert_eq!(lines(&recipe, socket)[2..4], ["ListenStream=10.0.0.5:79", "FreeBind=yes"]);
}

#[test]
fn a_generators_drop_in_does_not_win() {
    let tree = one("a.socket", "[Socket]\nListenStream=22\n")
        .with("/run/systemd/generator/a.socket.d/addresses.conf", "[Socket]\nListenStream=\nListenStream=[::]:2222\n");
    let recipe = pinned("a.socket", &tree);
    assert!(text(&recipe, "/etc/systemd/system/a.socket.d/zz-virt-guard.conf").contains("=10.0.0.5:2222\n"));
}

#[test]
fn what_cannot_be_pinned_is_told() {
    let v4 = target(&["10.0.0.5"]);
    let only = |text: &str| refused("a.socket", &v4, &one("a.socket", text));
    assert!(only("[Socket]\nListenStream=/run/a\n").contains("listens at no IP address"));
    let error = only("[Socket]\nBindIPv6Only=ipv6-only\nListenStream=[::]:1\n");
    assert!(error.contains("would listen nowhere") && error.contains("10.0.0.5"), "{error}");
    let error = only("[Socket]\n\nListenStream=host:1\n");
    assert!(error.starts_with("/lib/systemd/system/a.socket:3: ListenStream=host:1: expected a port"), "{error}");
    let local = refused("a.socket", &target(&["fe80::1"]), &one("a.socket", "[Socket]\nListenStream=1\n"));
    assert!(local.contains("expected one that is not link-local, found fe80::1"), "{local}");
}
