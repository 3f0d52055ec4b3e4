//! Redis and Valkey: `bind` in the file that the unit starts the server with.
//!
//! In: that file with all that it includes. Out: the line that counts, which is the
//! last one, with other addresses.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::recipe::{bound, find, unknown};
use super::settings::{self, Line, Setting};
use super::unit::Unit;
use super::{Name, PinError, places};

/// The names of the units, Debian's first.
const UNITS: [&str; 4] = ["redis-server", "redis", "valkey-server", "valkey"];

/// Pins the server.
pub(super) fn pin(draft: &mut Draft, name: &Name) -> Result<(), PinError> {
    let mut stems = vec![name.stem()];
    if name.instance().1.is_none() {
        stems.extend(UNITS);
    }
    let units: Vec<_> = stems.iter().map(|stem| format!("{stem}.service")).collect();
    let unit = find(draft, &units)?.ok_or_else(|| unknown(name, &units))?;
    let config = config(&unit).ok_or_else(|| {
        PinError::Refused(format!("{}: names no file in its ExecStart=, expected one that ends in .conf", unit.name))
    })?;
    bind(draft, &config)?;
    bound(draft, &unit)
}

fn config(unit: &Unit) -> Option<PathBuf> {
    let stem = unit.name.strip_suffix(".service").unwrap_or(&unit.name);
    let instance = stem.split_once('@').map_or("", |(_, instance)| instance);
    let command = unit.last("Service", "ExecStart")?;
    let word = command.split_whitespace().find(|word| word.ends_with(".conf"))?;
    Some(word.replace("%i", instance).replace("%I", instance).into())
}

fn bind(draft: &mut Draft, path: &Path) -> Result<(), PinError> {
    if draft.read(path)?.is_none() {
        return Err(PinError::Refused(format!("{}: not there, expected the server's configuration", path.display())));
    }
    let all = settings::read(draft, path, grammar)?;
    let old: Vec<&Setting> = all.iter().filter(|setting| setting.key == "bind").collect();
    if old.last().is_some_and(|last| last.value.is_empty()) {
        return Ok(());
    }
    // A minus: not to fail where the address is not there.
    let words = old.last().map_or("", |last| last.value.as_str()).split_whitespace();
    let words: Vec<_> = words.map(|word| word.trim_start_matches('-')).map(|word| word.replace("::*", "::")).collect();
    let addresses = places::narrowed(draft, words.iter().map(String::as_str))?;
    if places::are(words.iter().map(String::as_str), &addresses) {
        return Ok(());
    }
    let line = format!("bind {}", addresses.iter().map(word).collect::<Vec<_>>().join(" "));
    match old.is_empty() {
        true => settings::add(draft, path, grammar, ("", &[line])),
        false => settings::replace(draft, &old, &[line]),
    }
}

fn word(address: &IpAddr) -> String {
    match address {
        IpAddr::V6(address) if address.is_loopback() => format!("-{address}"),
        _ => address.to_string(),
    }
}

fn grammar(line: &str) -> Line {
    let text = line.trim();
    if text.is_empty() || text.starts_with('#') {
        return Line::Nothing;
    }
    let (key, value) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let value = value.replace(['"', '\''], "").trim().to_owned();
    match key.to_ascii_lowercase().as_str() {
        "include" if value.contains(['*', '?', '[']) => Line::Wrong("expected an include without wildcards"),
        "include" => Line::File(value.into()),
        key => Line::Set(key.to_owned(), value),
    }
}

#[cfg(test)]
mod tests {
    use crate::pins::tests::{Tree, paths, pinned, refused, target, text};

    const CONFIG: &str = "/etc/redis/redis.conf";

    fn debian(config: &str) -> Tree {
        let start = "[Service]\nExecStart=/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd\n";
        let instance = start.replace("redis.conf", "redis-%i.conf");
        Tree::new([("/lib/systemd/system/redis-server.service", start), (CONFIG, config)])
            .with("/lib/systemd/system/redis-server@.service", &instance)
    }

    #[test]
    fn redis_binds_to_less() {
        let recipe = pinned("redis", &debian("# bind 192.168.1.100\nbind * -::*\nprotected-mode yes\nsave 3600 1\n"));
        assert_eq!(
            text(&recipe, CONFIG),
            "# bind 192.168.1.100\n# virt-guard: bind * -::*\nbind 10.0.0.5 2001:db8::5 127.0.0.1 -::1\nprotected-mode yes\nsave 3600 1\n"
        );
        let recipe = pinned("redis-server.service", &debian("port 1"));
        assert_eq!(text(&recipe, CONFIG), "port 1\nbind 10.0.0.5 2001:db8::5 127.0.0.1 -::1\n");
    }

    #[test]
    fn the_shipped_file_listens_at_the_loopback() {
        let recipe = pinned("redis", &debian("bind 127.0.0.1 -::1\nport 6379\n"));
        assert_eq!(paths(&recipe), ["/etc/systemd/system/redis-server.service.d/50-virt-guard.conf"]);
    }

    #[test]
    fn an_instance_has_its_own_file() {
        let tree = debian("").with("/etc/redis/redis-a.conf", "bind 0.0.0.0\n");
        assert!(
            text(&pinned("redis-server@a", &tree), "/etc/redis/redis-a.conf").ends_with("\nbind 10.0.0.5 127.0.0.1\n")
        );
        let error = refused("redis-server@b", &target(&["10.0.0.5"]), &tree);
        assert!(error.starts_with("/etc/redis/redis-b.conf: not there"), "{error}");
    }
}
