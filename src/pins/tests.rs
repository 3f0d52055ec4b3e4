//! A tree of files that stands for a host, and questions to a recipe.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{Files, Framework, Recipe, Target, recipe};

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
    assert_eq!(recipe.activations, [super::Activation::Restart("web.service".into())]);
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
