//! The NFS server: `host` in the section `nfsd` of nfs.conf(5).
//!
//! In: nfs.conf and its directory. Out: the one file that says where the kernel's
//! server listens; the daemons beside it, which cannot be told, are kept from guests.

use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::recipe::{bound, find, unknown};
use super::settings::{self, Line, Setting, ini};
use super::unit::Unit;
use super::wall::{self, Start};
use super::{Activation, Name, PinError, address, places};

const MAIN: &str = "/etc/nfs.conf";
const MORE: &str = "/etc/nfs.conf.d";
const UNITS: [&str; 2] = ["nfs-server.service", "nfs-kernel-server.service"];
/// What else listens for it.
const BESIDE: [&str; 2] = ["nfs-mountd.service", "rpc-statd.service"];

/// Pins the server.
pub(super) fn pin(draft: &mut Draft, name: &Name) -> Result<(), PinError> {
    let unit = find(draft, &UNITS)?.ok_or_else(|| unknown(name, &UNITS))?;
    host(draft)?;
    bound(draft, &unit)?;
    for unit in BESIDE {
        if let Some(unit) = Unit::load(draft, unit)? {
            wall::around(draft, &unit, Start::AsBefore)?;
            draft.activate(Activation::Restart(unit.name));
        }
    }
    draft.note(
        "nfs: the kernel itself listens for nfsd and lockd, where systemd may not drop packets; lockd's ports go on",
    );
    draft.note("nfs: rpcbind is pinned by its own name");
    Ok(())
}

fn host(draft: &mut Draft) -> Result<(), PinError> {
    let mut files = vec![PathBuf::from(MAIN)];
    let more = draft.list(Path::new(MORE))?;
    files.extend(more.into_iter().filter(|file| file.extension().is_some_and(|end| end == "conf")));
    let all = settings::read_all(draft, &files, grammar)?;
    let old: Vec<&Setting> = all.iter().filter(|setting| setting.section == "nfsd" && setting.key == "host").collect();
    let words: Vec<&str> = old.last().map(|last| last.value.split(',').map(str::trim).collect()).unwrap_or_default();
    let addresses = places::narrowed(draft, words.iter().copied())?;
    if places::are(words, &addresses) {
        return Ok(());
    }
    let line = format!("host={}", address::joined(&addresses, ","));
    match old.is_empty() {
        true => settings::add(draft, Path::new(MAIN), grammar, ("nfsd", &[line])),
        false => settings::replace(draft, &old, &[line]),
    }
}

/// As others know it, but that blanks before a line mean nothing, that names are of
/// small and of great letters alike, and that a file may include another.
fn grammar(line: &str) -> Line {
    match ini(line.trim()) {
        Line::Section(name) => Line::Section(name.trim().to_ascii_lowercase()),
        Line::Set(key, file) if key == "include" => Line::File(file.trim_start_matches('-').into()),
        Line::Set(key, value) => Line::Set(key.to_ascii_lowercase(), value.trim_matches('"').to_owned()),
        line => line,
    }
}

#[cfg(test)]
mod tests {
    use crate::pins::Activation;
    use crate::pins::tests::{Tree, paths, pinned, pinned_to, target, text};

    const UNIT: &str = "[Service]\nExecStart=/usr/sbin/rpc.nfsd\n";
    const SHIPPED: &str = "# general\n[general]\npipefs-directory=/run/rpc_pipefs\n#\n[nfsd]\n# debug=0\n# threads=8\n# host=\n# port=0\n[statd]\n# port=0\n";

    fn debian(config: &str) -> Tree {
        Tree::new([
            ("/lib/systemd/system/nfs-server.service", UNIT),
            ("/lib/systemd/system/nfs-mountd.service", UNIT),
            ("/etc/nfs.conf", config),
        ])
    }

    #[test]
    fn the_shipped_file_gets_a_host() {
        let recipe = pinned_to("nfs", &target(&["10.0.0.5"]), &debian(SHIPPED));
        assert_eq!(text(&recipe, "/etc/nfs.conf"), SHIPPED.replace("[nfsd]\n", "[nfsd]\nhost=10.0.0.5,127.0.0.1\n"));
        assert_eq!(
            paths(&recipe)[1..],
            [
                "/etc/systemd/system/nfs-server.service.d/50-virt-guard.conf",
                "/etc/systemd/system/nfs-mountd.service.d/50-virt-guard.conf"
            ]
        );
        let restarts = ["nfs-server.service", "nfs-mountd.service"].map(|unit| Activation::Restart(unit.into()));
        assert_eq!(recipe.activations, restarts);
    }

    #[test]
    fn the_last_of_the_directory_counts() {
        let local = "/etc/nfs.conf.d/local.conf";
        let tree = debian("[nfsd]\nhost=10.0.0.5\n").with(local, "[nfsd]\n  Host = \"0.0.0.0\"\n");
        let recipe = pinned("nfs-kernel-server", &tree);
        assert_eq!(text(&recipe, local), "[nfsd]\n# virt-guard:   Host = \"0.0.0.0\"\nhost=10.0.0.5,127.0.0.1\n");
        assert!(!paths(&recipe).contains(&"/etc/nfs.conf"));
    }
}
