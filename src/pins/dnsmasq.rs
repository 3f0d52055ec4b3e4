//! dnsmasq that the host runs for itself: `except-interface` for each bridge.
//!
//! In: its files. Out: one more, or lines in its main file. Where guests are served
//! by it, it is not kept from them: they would have no address and no names.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::recipe::{find, unknown};
use super::settings::{self, Line, Setting};
use super::wall::{self, Start};
use super::{Activation, Name, PinError, options};
use crate::net::IfName;

const MAIN: &str = "/etc/dnsmasq.conf";
/// Where Debian says which directory is read besides, and others' default.
const OPTIONS: (&str, &str) = ("/etc/default/dnsmasq", "CONFIG_DIR");
const FILE: &str = "virt-guard.conf";
const UNITS: [&str; 1] = ["dnsmasq.service"];

/// Pins the host's dnsmasq.
pub(super) fn pin(draft: &mut Draft, name: &Name) -> Result<(), PinError> {
    let unit = find(draft, &UNITS)?.ok_or_else(|| unknown(name, &UNITS))?;
    let folder = folder(draft)?;
    let mut files = vec![PathBuf::from(MAIN)];
    if let Some(folder) = &folder {
        files.extend(draft.list(folder)?);
    }
    let own = folder.as_ref().map(|folder| folder.join(FILE));
    let mut all = settings::read_all(draft, &files, grammar)?;
    all.retain(|setting| Some(&setting.path) != own.as_ref());
    serves_no_guests(draft, &all)?;
    write(draft, own, &all)?;
    match folder {
        Some(folder) => draft.check("dnsmasq", ["--test", &format!("--conf-dir={}", folder.display())]),
        None => draft.check("dnsmasq", ["--test"]),
    }
    wall::around(draft, &unit, Start::AsBefore)?;
    draft.activate(Activation::Restart(unit.name));
    Ok(())
}

fn write(draft: &mut Draft, own: Option<PathBuf>, all: &[Setting]) -> Result<(), PinError> {
    let lines = lines(draft, all);
    match own {
        Some(own) => draft.put(&own, format!("{}{}\n", wall::header(), lines.join("\n"))),
        None => {
            let set: Vec<_> = all.iter().map(|setting| format!("{}={}", setting.key, setting.value)).collect();
            let missing = |line: &String| !set.contains(line) && !set.contains(&format!("{line}="));
            let lines: Vec<_> = lines.into_iter().filter(missing).collect();
            if lines.is_empty() {
                return Ok(());
            }
            settings::add(draft, Path::new(MAIN), grammar, ("", &lines))
        }
    }
}

/// By itself dnsmasq listens everywhere and only does not answer where it should not;
/// bound to interfaces it does not listen there at all, and follows those that come.
fn lines(draft: &Draft, all: &[Setting]) -> Vec<String> {
    let bound = all.iter().any(|setting| setting.key == "bind-interfaces");
    let except = draft.target.bridges.iter().map(|bridge| format!("except-interface={bridge}"));
    (!bound).then(|| "bind-dynamic".to_owned()).into_iter().chain(except).collect()
}

/// The directory that is read besides the main file.
fn folder(draft: &Draft) -> Result<Option<PathBuf>, PinError> {
    let words = options::words(draft, Path::new(OPTIONS.0), OPTIONS.1)?;
    if let Some(folder) = words.first().and_then(|word| word.split(',').next()) {
        return Ok(Some(folder.into()));
    }
    let text = draft.read(Path::new(MAIN))?.unwrap_or_default();
    let mut folders = text.lines().filter_map(|line| match grammar(line) {
        Line::Directory(folder, _) => Some(folder.components().collect()),
        _ => None,
    });
    Ok(folders.next())
}

/// Refuses where guests get their addresses and names from it.
fn serves_no_guests(draft: &Draft, all: &[Setting]) -> Result<(), PinError> {
    let inside =
        |word: &str| word.parse::<IpAddr>().is_ok_and(|ip| draft.target.guests.iter().any(|net| net.contains(&ip)));
    for setting in all {
        let serves = match setting.key.as_str() {
            "interface" => {
                setting.value.split(',').any(|name| draft.target.bridges.iter().any(|bridge| is(bridge, name)))
            }
            "listen-address" | "dhcp-range" => {
                setting.value.split([',', ':']).any(inside) || setting.value.split(',').any(inside)
            }
            _ => false,
        };
        if serves {
            return Err(setting
                .unreadable("guests are served by it, so it is not kept from them; allow dhcp and dns in [host]"));
        }
    }
    Ok(())
}

/// Whether a name, which may end in `*`, is the bridge's.
fn is(bridge: &IfName, name: &str) -> bool {
    match name.trim().strip_suffix('*') {
        Some(beginning) => bridge.as_str().starts_with(beginning),
        None => bridge.as_str() == name.trim(),
    }
}

/// `KEY=VALUE` or `KEY`; a comment begins with `#` at the beginning or after a blank.
fn grammar(line: &str) -> Line {
    let text = if line.trim_start().starts_with('#') { "" } else { line.split(" #").next().unwrap_or(line) }.trim();
    if text.is_empty() {
        return Line::Nothing;
    }
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let (key, value) = (key.trim(), value.trim());
    match key {
        "conf-file" => Line::File(value.split(',').next().unwrap_or(value).into()),
        "conf-dir" => {
            let folder = value.split(',').next().unwrap_or(value);
            Line::Directory(folder.into(), if value.contains("*.conf") { ".conf" } else { "" })
        }
        _ => Line::Set(key.to_owned(), value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use crate::pins::tests::{Tree, lines, paths, pinned, refused, target, text};

    const UNIT: (&str, &str) = ("/lib/systemd/system/dnsmasq.service", "[Service]\nExecStart=/x\n");
    const OURS: &str = "/etc/dnsmasq.d/virt-guard.conf";
    const DEFAULT: &str = "# This file\nCONFIG_DIR=/etc/dnsmasq.d,.dpkg-dist,.dpkg-old,.dpkg-new\n";

    #[test]
    fn debians_reads_a_directory_by_its_command_line() {
        let tree =
            Tree::new([UNIT, ("/etc/default/dnsmasq", DEFAULT), ("/etc/dnsmasq.conf", "# all comments\n#port=5353\n")]);
        let recipe = pinned("dnsmasq", &tree);
        assert_eq!(lines(&recipe, OURS), ["bind-dynamic", "except-interface=br100"]);
        assert_eq!(recipe.checks[0].arguments, ["--test", "--conf-dir=/etc/dnsmasq.d"]);
        assert_eq!(paths(&recipe)[1], "/etc/systemd/system/dnsmasq.service.d/50-virt-guard.conf");
        let libvirts = tree.with("/etc/dnsmasq.d/libvirt-daemon", "bind-interfaces\nexcept-interface=virbr0\n");
        assert_eq!(lines(&pinned("dnsmasq", &libvirts), OURS), ["except-interface=br100"]);
    }

    #[test]
    fn others_by_their_file_and_some_not_at_all() {
        let conf_dir = "conf-dir=/etc/dnsmasq.d/,.rpmnew,.rpmsave,.rpmorig\n";
        let recipe = pinned("dnsmasq.service", &Tree::new([UNIT, ("/etc/dnsmasq.conf", conf_dir)]));
        assert_eq!(paths(&recipe)[0], OURS);
        let recipe = pinned("dnsmasq", &Tree::new([UNIT, ("/etc/dnsmasq.conf", "bind-dynamic\nport=53")]));
        assert_eq!(text(&recipe, "/etc/dnsmasq.conf"), "bind-dynamic\nport=53\nexcept-interface=br100\n");
    }

    #[test]
    fn one_that_serves_guests_is_not_kept_from_them() {
        let there = target(&["10.0.0.5"]);
        for line in [
            "interface=br*",
            "dhcp-range=10.100.0.50,10.100.0.150,12h",
            "listen-address=fd00:100::1",
            "interface=br100 # guests",
        ] {
            let tree = Tree::new([UNIT, ("/etc/dnsmasq.conf", line)]);
            let error = refused("dnsmasq", &there, &tree);
            assert!(error.starts_with("/etc/dnsmasq.conf:1: ") && error.contains("guests are served by it"), "{error}");
        }
    }
}
