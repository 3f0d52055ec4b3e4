//! A tree of files that stands for a host, and questions to a recipe.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::{Activation, Files, Framework, Recipe, Target, recipe};

/// Files by path.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree(BTreeMap<PathBuf, String>);

impl Tree {
    /// A tree with these files.
    pub fn new<const N: usize>(files: [(&str, &str); N]) -> Self {
        Self(files.into_iter().map(|(path, text)| (path.into(), text.to_owned())).collect())
    }

    /// With one more file, or another text of it.
    pub fn with(mut self, path: &str, text: &str) -> Self {
        self.0.insert(path.into(), text.to_owned());
        self
    }

    /// As it is after the recipe.
    pub fn after(&self, recipe: &Recipe) -> Self {
        let mut tree = self.clone();
        tree.0.extend(recipe.edits.iter().map(|edit| (edit.path.clone(), edit.text.clone())));
        tree
    }
}

impl Files for Tree {
    fn read(&self, path: &Path) -> io::Result<Option<String>> {
        Ok(self.0.get(path).cloned())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.0.keys().filter(|path| path.parent() == Some(directory)).cloned().collect())
    }
}

/// The management addresses, and br100 with its guests.
pub(super) fn target(addresses: &[&str]) -> Target {
    Target {
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        interface: None,
        bridges: vec!["br100".parse().unwrap()],
        guests: vec!["10.100.0.0/16".parse().unwrap(), "fd00:100::/64".parse().unwrap()],
    }
}

/// The recipe on a host of both families whose systemd has no framework, as Debian 12's.
/// Once written, it asks for nothing more.
pub(super) fn pinned(name: &str, tree: &Tree) -> Recipe {
    pinned_to(name, &target(&["10.0.0.5", "2001:db8::5"]), tree)
}

/// The same, to another target.
pub(super) fn pinned_to(name: &str, target: &Target, tree: &Tree) -> Recipe {
    let name = name.parse().unwrap();
    let first = recipe(&name, target, Framework::Absent, tree).unwrap();
    let second = recipe(&name, target, Framework::Absent, &tree.after(&first)).unwrap();
    assert_eq!(second.edits, [], "the second time nothing is left to do");
    assert_eq!(first.activations, second.activations);
    first
}

/// Why there is none.
pub(super) fn refused(name: &str, target: &Target, tree: &Tree) -> String {
    recipe(&name.parse().unwrap(), target, Framework::Absent, tree).unwrap_err().to_string()
}

/// What the file is to be.
pub(super) fn text<'a>(recipe: &'a Recipe, path: &str) -> &'a str {
    let edit = recipe.edits.iter().find(|edit| edit.path == Path::new(path));
    edit.map_or_else(|| panic!("{path} is not among {:?}", paths(recipe)), |edit| edit.text.as_str())
}

/// The lines of a file as it is to be, without comments.
pub(super) fn lines<'a>(recipe: &'a Recipe, path: &str) -> Vec<&'a str> {
    text(recipe, path).lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// Which files change.
pub(super) fn paths(recipe: &Recipe) -> Vec<&str> {
    recipe.edits.iter().map(|edit| edit.path.to_str().unwrap()).collect()
}

const PYTHON: &str = "[Service]\nExecStart=/usr/bin/python3 -m http.server\n";

#[test]
fn any_unit_is_kept_from_guests_by_systemd() {
    let tree = Tree::new([("/etc/systemd/system/web.service", PYTHON)]);
    let recipe = pinned("web", &tree);
    assert_eq!(
        text(&recipe, "/etc/systemd/system/web.service.d/50-virt-guard.conf"),
        "# Written by `virt-guard services pin`; `virt-guard services unpin` takes it away.\n\
         [Service]\nIPAddressDeny=10.100.0.0/16 fd00:100::/64\n"
    );
    assert_eq!(recipe.activations, [Activation::Restart("web.service".into())]);
    assert!(recipe.notes[0].contains("goes on listening"), "{:?}", recipe.notes);
}

#[test]
fn systemd_with_the_framework_keeps_it_from_the_bridge_too() {
    let tree = Tree::new([("/lib/systemd/system/web@.service", PYTHON)]);
    let name = "web@a.service".parse().unwrap();
    let recipe = recipe(&name, &target(&["10.0.0.5"]), Framework::Present, &tree).unwrap();
    let path = "/etc/systemd/system/web@a.service.d/50-virt-guard.conf";
    assert!(text(&recipe, path).ends_with("fd00:100::/64\nRestrictNetworkInterfaces=~br100\n"));
}

#[test]
fn what_lets_guests_in_is_not_pinned_in_vain() {
    let tree = Tree::new([("/lib/systemd/system/web.service", PYTHON)]);
    let there = target(&["10.0.0.5"]);
    let allowing = |word: &str| {
        let text = format!("[Service]\nIPAddressAllow=localhost\nIPAddressAllow={word}\n");
        tree.clone().with("/etc/systemd/system/web.service.d/10-own.conf", &text)
    };
    for word in ["any", "10.0.0.0/8", "10.100.3.4"] {
        let error = refused("web", &there, &allowing(word));
        let begins = "/etc/systemd/system/web.service.d/10-own.conf:3: IPAddressAllow=";
        assert!(error.starts_with(begins) && error.contains("10.100.0.0/16"), "{error}");
    }
    for word in ["192.0.2.0/24", ""] {
        pinned("web", &allowing(word));
    }
    let slice = tree.clone().with("/etc/systemd/system/system.slice.d/a.conf", "[Slice]\nIPAddressAllow=any\n");
    let slice = slice.with("/lib/systemd/system/system.slice", "[Unit]\nDescription=System Slice\n");
    assert!(refused("web", &there, &slice).contains("system.slice.d/a.conf:2"));
}

#[test]
fn a_drop_in_that_comes_later_is_not_let_win() {
    let tree = Tree::new([("/lib/systemd/system/web.service", PYTHON)]);
    let later = tree.clone().with("/etc/systemd/system/web.service.d/60-own.conf", "[Service]\nIPAddressDeny=\n");
    assert_eq!(paths(&pinned("web", &later)), ["/etc/systemd/system/web.service.d/zz-virt-guard.conf"]);
    let last = tree.with("/etc/systemd/system/web.service.d/zzz.conf", "[Service]\nIPAddressDeny=\n");
    let error = refused("web", &target(&["10.0.0.5"]), &last);
    assert!(error.contains("zzz.conf:2: IPAddressDeny= is read after"), "{error}");
}

#[test]
fn a_directory_among_files_is_no_file() {
    #[derive(Debug)]
    struct Folders(Tree);
    impl Files for Folders {
        fn read(&self, path: &Path) -> io::Result<Option<String>> {
            let is_folder = path.ends_with("sub.conf");
            if is_folder { Err(io::ErrorKind::IsADirectory.into()) } else { self.0.read(path) }
        }
        fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
            self.0.list(directory)
        }
    }
    let tree = Tree::new([("/lib/systemd/system/web.service", PYTHON)]);
    let tree = tree.with("/etc/systemd/system/web.service.d/sub.conf", "");
    let name = "web".parse().unwrap();
    recipe(&name, &target(&["10.0.0.5"]), Framework::Absent, &Folders(tree)).unwrap();
}

#[test]
fn what_there_is_not_cannot_be_pinned() {
    let there = target(&["10.0.0.5"]);
    let tree = Tree::new([("/etc/systemd/system/off.service", "")]);
    assert!(refused("nosuch", &there, &tree).contains("looked for nosuch.service, nosuch.socket"));
    assert!(refused("nosuch.service", &there, &tree).contains("looked for nosuch.service"));
    assert!(refused("off", &there, &tree).contains("masked"));
    assert!(refused("session-1.scope", &there, &tree).contains("expected a .service or a .socket"));
    let nobody = Target { bridges: Vec::new(), guests: Vec::new(), ..there };
    let tree = tree.with("/lib/systemd/system/web.service", PYTHON);
    assert!(refused("web", &nobody, &tree).contains("nothing to keep it from"));
}

#[test]
fn the_unit_of_libvirts_dnsmasq_stays_reachable() {
    let tree = Tree::new([("/lib/systemd/system/virtnetworkd.service", PYTHON)]);
    assert!(refused("virtnetworkd", &target(&["10.0.0.5"]), &tree).contains("nothing to keep it from"));
}

#[test]
fn a_service_that_systemd_opens_sockets_for_is_pinned_with_them() {
    let tree = Tree::new([
        ("/lib/systemd/system/web.service", PYTHON),
        ("/lib/systemd/system/web.socket", "[Socket]\nListenStream=80\n"),
        ("/lib/systemd/system/log.service", PYTHON),
        ("/lib/systemd/system/log.socket", "[Socket]\nListenDatagram=/run/log\n"),
    ]);
    let recipe = pinned("web", &tree);
    assert_eq!(
        paths(&recipe),
        ["/etc/systemd/system/web.socket.d/50-virt-guard.conf", "/etc/systemd/system/web.service.d/50-virt-guard.conf"]
    );
    let socket = Activation::Socket { socket: "web.socket".into(), service: "web.service".into() };
    assert_eq!(recipe.activations, [socket, Activation::Restart("web.service".into())]);
    assert_eq!(paths(&pinned("log", &tree)), ["/etc/systemd/system/log.service.d/50-virt-guard.conf"]);
}

/// Services, and where their configuration is.
const CONFIGURED: [(&str, &str); 13] = [
    ("ssh.service", "/etc/ssh/sshd_config"),
    ("mariadb.service", "/etc/my.cnf"),
    ("postgresql@15-main.service", "/etc/postgresql/15/main/postgresql.conf"),
    ("redis-server.service", "/etc/redis/redis.conf"),
    ("memcached.service", "/etc/memcached.conf"),
    ("memcached.service", "/etc/sysconfig/memcached"),
    ("libvirtd.service", "/etc/libvirt/libvirtd.conf"),
    ("dnsmasq.service", "/etc/dnsmasq.conf"),
    ("nfs-server.service", "/etc/nfs.conf"),
    ("rpcbind.service", "/etc/default/rpcbind"),
    ("rabbitmq-server.service", "/etc/rabbitmq/rabbitmq.conf"),
    ("nova-api.service", "/etc/nova/nova.conf"),
    ("a.socket", "/lib/systemd/system/a.socket"),
];
const KEYS: &str = "(bind-address|listen_addresses|bind|-l|OPTIONS|listen_addr|except-interface|host|listeners.tcp.a|\
    metadata_listen|ListenStream|ListenDatagram|BindIPv6Only|include|Include|!include|conf-dir|Port|ListenAddress)";
const VALUES: &str = "('|\")?(\\*|0\\.0\\.0\\.0|::|127\\.0\\.0\\.1|10\\.0\\.0\\.5|localhost|5672|-l ::1|-h ::|[a-z:.,/ \\-é]{0,6})\
    (:22|, ?::1)?('|\")?( #x)?";

proptest! {
    #[test]
    fn any_files_are_pinned_once_or_refused(
        which in 0..CONFIGURED.len(),
        lines in prop::collection::vec(
            prop_oneof![
                8 => (KEYS, "( |=| = |)", VALUES).prop_map(|(key, between, value)| key + &between + &value),
                2 => "\\[(mysqld|nfsd|DEFAULT|Socket|a)\\]",
                1 => "[#;]?[ \t]?[a-z=\\[\\]\"'\\\\]{0,6}",
            ],
            0..7,
        ),
        ending in "\r?\n",
    ) {
        let (unit, config) = CONFIGURED[which];
        let start = "[Service]\nExecStart=/usr/sbin/x --listen /etc/redis/redis.conf\n";
        let tree = Tree::new([
            (&format!("/lib/systemd/system/{unit}"), start),
            ("/lib/systemd/system/a.service", start),
            (config, &lines.join(&ending)),
        ]);
        let (name, there) = (unit.parse().unwrap(), target(&["10.0.0.5"]));
        if let Ok(first) = recipe(&name, &there, Framework::Present, &tree) {
            let second = recipe(&name, &there, Framework::Present, &tree.after(&first)).unwrap();
            prop_assert_eq!(second.edits, [], "after {:?}", first.edits);
        }
    }
}
