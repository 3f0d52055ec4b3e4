//! sshd as Debian 12, RHEL 9 and Ubuntu ship it, and as people change it.

use crate::pins::tests::{Tree, lines, paths, pinned, pinned_to, refused, target, text};
use crate::pins::{Activation, Check, Framework, recipe};
use proptest::prelude::*;

const MAIN: &str = "/etc/ssh/sshd_config";
const OURS: &str = "/etc/ssh/sshd_config.d/00-virt-guard.conf";
const DEBIAN: &str = "\n# This is the sshd server system-wide configuration file.\n\
    Include /etc/ssh/sshd_config.d/*.conf\n\n#Port 22\n#AddressFamily any\n#ListenAddress 0.0.0.0\n\
    KbdInteractiveAuthentication no\nUsePAM yes\nAcceptEnv LANG LC_*\n\
    Subsystem\tsftp\t/usr/lib/openssh/sftp-server\n# Example\n#Match User anoncvs\n";
const UNIT: &str = "[Unit]\nDescription=OpenBSD Secure Shell server\nAfter=network.target auditd.service\n\
    ConditionPathExists=!/etc/ssh/sshd_not_to_be_run\n\n[Service]\nEnvironmentFile=-/etc/default/ssh\n\
    ExecStartPre=/usr/sbin/sshd -t\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS\nKillMode=process\n\n\
    [Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n";

fn debian(config: &str) -> Tree {
    Tree::new([
        ("/lib/systemd/system/ssh.service", UNIT),
        ("/etc/default/ssh", "# Options to pass to sshd\nSSHD_OPTS=\n"),
        (MAIN, config),
    ])
}

#[test]
fn the_shipped_configuration_gets_a_drop_in() {
    let recipe = pinned("sshd", &debian(DEBIAN));
    assert_eq!(paths(&recipe), [OURS, "/etc/systemd/system/ssh.service.d/50-virt-guard.conf"]);
    assert_eq!(
        lines(&recipe, OURS),
        ["ListenAddress 10.0.0.5", "ListenAddress 127.0.0.1", "ListenAddress 2001:db8::5", "ListenAddress ::1"]
    );
    assert_eq!(
        lines(&recipe, "/etc/systemd/system/ssh.service.d/50-virt-guard.conf"),
        [
            "[Unit]",
            "Wants=network-online.target",
            "After=network-online.target",
            "[Service]",
            "IPAddressDeny=10.100.0.0/16 fd00:100::/64"
        ]
    );
    assert_eq!(recipe.checks, [Check { program: "/usr/sbin/sshd".into(), arguments: vec!["-t".into()] }]);
    assert_eq!(recipe.activations, [Activation::Restart("ssh.service".into())]);
    for name in ["ssh", "openssh", "ssh.service", "sshd.service"] {
        assert_eq!(pinned(name, &debian(DEBIAN)), recipe);
    }
}

#[test]
fn addresses_elsewhere_would_add_up_and_are_put_out() {
    let main = format!("{DEBIAN}ListenAddress 0.0.0.0\r\nMatch User git\n  ListenAddress 1.2.3.4\n");
    let other = "/etc/ssh/sshd_config.d/50-site.conf";
    let tree = debian(&main).with(other, "Port 2222\nPort 22\n  listenaddress=\"::\"");
    let recipe = pinned("ssh", &tree);
    let put_out = main.replace("\nListenAddress 0.0.0.0\r", "\n# virt-guard: ListenAddress 0.0.0.0\r");
    assert_eq!(text(&recipe, MAIN), put_out);
    assert_eq!(text(&recipe, other), "Port 2222\nPort 22\n# virt-guard:   listenaddress=\"::\"");
    assert_eq!(lines(&recipe, OURS)[0], "ListenAddress 10.0.0.5");
}

#[test]
fn ports_that_addresses_bring_are_kept() {
    let tree = debian("Include /etc/ssh/sshd_config.d/*.conf\nListenAddress 0.0.0.0:2222\nListenAddress ::\nPort 22\n");
    let recipe = pinned_to("ssh", &target(&["10.0.0.5"]), &tree);
    assert_eq!(
        lines(&recipe, OURS),
        [
            "ListenAddress 10.0.0.5:22",
            "ListenAddress 10.0.0.5:2222",
            "ListenAddress 127.0.0.1:22",
            "ListenAddress 127.0.0.1:2222"
        ]
    );
}

#[test]
fn without_an_include_the_main_file_is_changed() {
    let recipe = pinned_to("ssh", &target(&["10.0.0.5"]), &debian("Port 22\nMatch all\n  X11Forwarding no"));
    assert_eq!(
        text(&recipe, MAIN),
        "ListenAddress 10.0.0.5\nListenAddress 127.0.0.1\nPort 22\nMatch all\n  X11Forwarding no"
    );
    assert!(recipe.notes[0].contains("has no Include"), "{:?}", recipe.notes);
    // Within a Match it is none.
    let recipe = pinned("ssh", &debian("Match User a\nInclude /etc/ssh/sshd_config.d/*.conf\n"));
    assert!(text(&recipe, MAIN).starts_with("ListenAddress 10.0.0.5\n"));
}

#[test]
fn the_address_family_is_respected() {
    let tree = debian("Include sshd_config.d/*.conf\nAddressFamily inet6\nAddressFamily inet\n");
    assert_eq!(lines(&pinned("ssh", &tree), OURS), ["ListenAddress 2001:db8::5", "ListenAddress ::1"]);
    let error = refused("ssh", &target(&["10.0.0.5"]), &tree);
    assert_eq!(
        error,
        "/etc/ssh/sshd_config:2: addressfamily inet6: leaves none of 10.0.0.5, which sshd is to listen at"
    );
}

#[test]
fn a_new_target_takes_the_place_of_the_old_one() {
    let tree = debian("Include /etc/ssh/sshd_config.d/*.conf\nListenAddress 0.0.0.0\n");
    let tree = tree.after(&pinned("ssh", &tree));
    let recipe = pinned_to("ssh", &target(&["10.0.0.6"]), &tree);
    assert_eq!(paths(&recipe), [OURS]);
    assert_eq!(lines(&recipe, OURS), ["ListenAddress 10.0.0.6", "ListenAddress 127.0.0.1"]);
}

#[test]
fn ubuntus_socket_is_pinned_with_it() {
    let tree = debian(DEBIAN)
        .with("/lib/systemd/system/ssh.socket", "[Socket]\nListenStream=22\nAccept=no\n")
        .with("/etc/systemd/system/sockets.target.wants/ssh.socket", "")
        .with(
            "/run/systemd/generator/ssh.socket.d/addresses.conf",
            "[Socket]\nListenStream=\nListenStream=0.0.0.0:22\nListenStream=[::]:22\n",
        );
    let recipe = pinned("ssh", &tree);
    assert_eq!(
        paths(&recipe),
        [
            OURS,
            "/etc/systemd/system/ssh.socket.d/zz-virt-guard.conf",
            "/etc/systemd/system/ssh.service.d/50-virt-guard.conf"
        ]
    );
    let socket = Activation::Socket { socket: "ssh.socket".into(), service: "ssh.service".into() };
    assert_eq!(recipe.activations, [socket]);
    // Debian ships the socket too, and does not use it.
    let debian = debian(DEBIAN).with("/lib/systemd/system/ssh.socket", "[Socket]\nListenStream=22\n");
    assert_eq!(pinned("ssh", &debian).activations, [Activation::Restart("ssh.service".into())]);
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    let there = target(&["10.0.0.5"]);
    let wrong = |config: &str| refused("ssh", &there, &debian(config));
    assert!(wrong("\nListenAddress 1.2.3.4 rdomain a\n").starts_with("/etc/ssh/sshd_config:2: "));
    assert!(wrong("ListenAddress 1.2.3.4:ssh\n").contains("expected ADDRESS or ADDRESS:PORT"));
    assert!(
        wrong("ListenAddress 1.2.3.4:1\nListenAddress ::\nPort x\n").contains("sshd_config:3: port x: expected a port")
    );
    assert!(wrong("AddressFamily ipv4\n").contains("expected any, inet or inet6"));
    assert!(wrong("Include /etc/*/a.conf\n").contains("expected wildcards in the last part"));
    assert!(wrong("Include sshd_config\n").contains("expected at most 16"));
    let options = debian(DEBIAN).with("/etc/default/ssh", "#\nSSHD_OPTS=\"-o ListenAddress=0.0.0.0\"\n");
    assert!(refused("ssh", &there, &options).starts_with("/etc/default/ssh:2: "));
    let bare = Tree::new([("/lib/systemd/system/sshd.service", UNIT)]);
    assert!(refused("ssh", &there, &bare).contains("/etc/ssh/sshd_config: not there"));
}

proptest! {
    #[test]
    fn any_configuration_is_pinned_once_or_refused(
        lines in prop::collection::vec("(Port|ListenAddress|Match|Include|AddressFamily|#|[a-z]{0,3})[ =\"]{0,2}[0-9a-f:.\\[\\]*/]{0,9}", 0..9),
        ending in "\r?\n",
    ) {
        let tree = debian(&lines.join(&ending));
        let there = target(&["10.0.0.5"]);
        let name = "ssh".parse().unwrap();
        if let Ok(first) = recipe(&name, &there, Framework::Absent, &tree) {
            let second = recipe(&name, &there, Framework::Absent, &tree.after(&first)).unwrap();
            prop_assert_eq!(second.edits, []);
        }
    }
}
