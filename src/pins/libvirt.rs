//! libvirt: its daemons' sockets and `listen_addr`, and where guests' displays listen.
//!
//! In: libvirt's files. Out: drop-ins of the socket units, or the daemon's own file
//! where it opens its sockets itself (`--listen`); qemu.conf.

use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::recipe::{bound, find, unknown};
use super::settings::{self, Line, Setting};
use super::unit::Unit;
use super::wall::{self, Start};
use super::{Activation, Name, PinError, options, places, socket};

/// The files of QEMU's driver, and what in it says where displays listen. Both are
/// 127.0.0.1 if not set.
const QEMU: &str = "/etc/libvirt/qemu.conf";
const DISPLAYS: [&str; 2] = ["vnc_listen", "spice_listen"];
/// Who reads it: one daemon for all drivers, or QEMU's own.
const DRIVERS: [&str; 2] = ["libvirtd.service", "virtqemud.service"];
/// Where a daemon's command line is kept.
const OPTIONS: [&str; 2] = ["/etc/default", "/etc/sysconfig"];

/// Pins libvirtd or virtproxyd.
pub(super) fn daemon(draft: &mut Draft, name: &Name) -> Result<(), PinError> {
    let stem = name.stem();
    let units = [format!("{stem}.service")];
    let unit = find(draft, &units)?.ok_or_else(|| unknown(name, &units))?;
    if opens_itself(draft, &unit, stem)? {
        listen(draft, stem)?;
        return bound(draft, &unit);
    }
    let mut found = false;
    for transport in ["tcp", "tls"] {
        if let Some(unit) = Unit::load(draft, &format!("{stem}-{transport}.socket"))? {
            socket::pin(draft, &unit)?;
            found = true;
        }
    }
    match found {
        true => wall::around(draft, &unit, Start::AsBefore).map(|_| ()),
        false => Err(PinError::Refused(format!(
            "{}: has no {stem}-tcp.socket and no {stem}-tls.socket and runs without --listen, so guests do not reach it",
            unit.name
        ))),
    }
}

/// Whether the daemon is told to open its sockets; then no socket unit does.
fn opens_itself(draft: &Draft, unit: &Unit, stem: &str) -> Result<bool, PinError> {
    let listens = |word: &str| word == "--listen" || word == "-l";
    let command = unit.last("Service", "ExecStart").unwrap_or_default();
    if command.split_whitespace().any(listens) {
        return Ok(true);
    }
    let variable = format!("{}_ARGS", stem.to_ascii_uppercase());
    for folder in OPTIONS {
        let words = options::words(draft, &Path::new(folder).join(stem), &variable)?;
        if words.iter().any(|word| listens(word)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn listen(draft: &mut Draft, stem: &str) -> Result<(), PinError> {
    let config = PathBuf::from(format!("/etc/libvirt/{stem}.conf"));
    set(draft, &config, ("listen_addr", "*"))
}

/// Pins the displays of guests.
pub(super) fn displays(draft: &mut Draft, name: &Name) -> Result<(), PinError> {
    let mut units = Vec::new();
    for unit in DRIVERS {
        units.extend(Unit::load(draft, unit)?);
    }
    if units.is_empty() {
        return Err(unknown(name, &DRIVERS));
    }
    for key in DISPLAYS {
        set(draft, Path::new(QEMU), (key, "127.0.0.1"))?;
    }
    for unit in units {
        draft.activate(Activation::Restart(unit.name));
    }
    draft.note(format!(
        "{QEMU}: is for guests that start from now on; those that run keep their displays where they are"
    ));
    draft.note("a guest whose domain XML names an address in <graphics> or <listen> listens there all the same");
    Ok(())
}

/// Sets where something listens that takes one address, in a file without sections.
fn set(draft: &mut Draft, path: &Path, (key, default): (&str, &str)) -> Result<(), PinError> {
    let all = settings::read(draft, path, grammar)?;
    let old: Vec<&Setting> = all.iter().filter(|setting| setting.key == key).collect();
    let there = old.last().map_or(default, |last| last.value.as_str()).to_owned();
    let addresses = places::narrowed(draft, [there.as_str()])?;
    if places::are([there.as_str()], &addresses) || addresses.iter().all(std::net::IpAddr::is_loopback) {
        return Ok(());
    }
    let line = format!("{key} = \"{}\"", draft.place(&format!("{}: {key}", path.display()))?);
    match old.is_empty() {
        true => settings::add(draft, path, grammar, ("", &[line])),
        false => settings::replace(draft, &old, &[line]),
    }
}

/// `KEY = VALUE`; a list may go on for several lines.
fn grammar(line: &str) -> Line {
    let text = line.trim();
    if text.is_empty() || text.starts_with('#') {
        return Line::Nothing;
    }
    if text.starts_with(['"', ']', ',']) {
        return Line::Continued(text.to_owned());
    }
    let Some((key, value)) = text.split_once('=') else { return Line::Wrong("expected KEY = VALUE") };
    let value = value.trim();
    let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.split(*quote).next());
    Line::Set(key.trim().to_owned(), quoted.unwrap_or(value).to_owned())
}

#[cfg(test)]
mod tests {
    use crate::pins::Activation;
    use crate::pins::tests::{Tree, lines, paths, pinned, pinned_to, refused, target, text};

    const UNIT: &str =
        "[Service]\nEnvironment=LIBVIRTD_ARGS=\"--timeout 120\"\nExecStart=/usr/sbin/libvirtd $LIBVIRTD_ARGS\n";
    const TCP: &str = "[Unit]\nBindsTo=libvirtd.socket\n\n[Socket]\nListenStream=16509\nService=libvirtd.service\n";

    fn debian() -> Tree {
        Tree::new([
            ("/lib/systemd/system/libvirtd.service", UNIT),
            ("/lib/systemd/system/libvirtd-tcp.socket", TCP),
            ("/etc/default/libvirtd", "#LIBVIRTD_ARGS=\"--listen\"\n"),
            ("/etc/libvirt/libvirtd.conf", "#listen_addr = \"192.168.0.1\"\nacl = [\n  \"a\",\n]\n"),
        ])
    }

    #[test]
    fn libvirtds_socket_is_pinned_and_its_service_is_not_kept_from_guests() {
        let recipe = pinned("libvirtd", &debian());
        let path = "/etc/systemd/system/libvirtd-tcp.socket.d/50-virt-guard.conf";
        assert_eq!(paths(&recipe), [path]);
        assert_eq!(lines(&recipe, path)[2], "ListenStream=10.0.0.5:16509");
        let socket = Activation::Socket { socket: "libvirtd-tcp.socket".into(), service: "libvirtd.service".into() };
        assert_eq!(recipe.activations, [socket]);
        assert!(recipe.notes.iter().any(|note| note.contains("no IPAddressDeny=")), "{:?}", recipe.notes);
        assert_eq!(pinned("libvirtd-tcp.socket", &debian()), recipe);
    }

    #[test]
    fn a_daemon_that_opens_its_sockets_itself_is_told_where() {
        let tree = debian().with("/etc/default/libvirtd", "LIBVIRTD_ARGS=\"--listen\"\n");
        let recipe = pinned_to("libvirtd", &target(&["10.0.0.5"]), &tree);
        let config = text(&recipe, "/etc/libvirt/libvirtd.conf");
        assert!(config.ends_with("\"a\",\n]\nlisten_addr = \"10.0.0.5\"\n"), "{config}");
        let drop_in = "/etc/systemd/system/libvirtd.service.d/50-virt-guard.conf";
        assert_eq!(lines(&recipe, drop_in), ["[Unit]", "Wants=network-online.target", "After=network-online.target"]);
        let error = refused("libvirtd", &target(&["10.0.0.5", "10.0.0.6"]), &tree);
        assert!(error.starts_with("/etc/libvirt/libvirtd.conf: listen_addr listens at one address only"), "{error}");
    }

    #[test]
    fn virtproxyd_is_kept_from_guests_too() {
        let unit = UNIT.replace("libvirtd", "virtproxyd");
        let tree = Tree::new([
            ("/lib/systemd/system/virtproxyd.service", &*unit),
            ("/lib/systemd/system/virtproxyd-tls.socket", "[Socket]\nListenStream=16514\nService=virtproxyd.service\n"),
        ]);
        let recipe = pinned("virtproxyd", &tree);
        assert!(paths(&recipe).contains(&"/etc/systemd/system/virtproxyd.service.d/50-virt-guard.conf"));
        let bare = Tree::new([("/lib/systemd/system/virtproxyd.service", &*unit)]);
        assert!(refused("virtproxyd", &target(&["10.0.0.5"]), &bare).contains("so guests do not reach it"));
    }

    #[test]
    fn displays_listen_for_guests_to_come() {
        let tree = debian()
            .with("/etc/libvirt/qemu.conf", "# vnc_listen = \"0.0.0.0\"\nvnc_listen = \"0.0.0.0\"\nuser = \"x\"\n");
        for name in ["vnc", "machine-qemu\\x2d1\\x2dweb.scope"] {
            let recipe = pinned_to(name, &target(&["10.0.0.5"]), &tree);
            assert_eq!(
                text(&recipe, "/etc/libvirt/qemu.conf"),
                "# vnc_listen = \"0.0.0.0\"\n# virt-guard: vnc_listen = \"0.0.0.0\"\nvnc_listen = \"10.0.0.5\"\nuser = \"x\"\n"
            );
            assert!(recipe.notes[0].contains("guests that start from now on"), "{:?}", recipe.notes);
        }
        assert_eq!(pinned("spice", &debian()).edits, []);
    }
}
