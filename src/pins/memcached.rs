//! memcached: `-l`, in Debian's file of options or in the variable of others.
//!
//! In: that file. Out: the same with other addresses; those of all `-l` add up.

use std::path::Path;

use super::draft::Draft;
use super::recipe::{bound, find, unknown};
use super::settings::{self, Line, Setting};
use super::{Name, PinError, address, options, places};

/// One option in each line (Debian).
const LINES: &str = "/etc/memcached.conf";
/// All options in one variable.
const VARIABLE: (&str, &str) = ("/etc/sysconfig/memcached", "OPTIONS");
const LISTEN: [&str; 2] = ["-l", "--listen"];

/// Pins the server.
pub(super) fn pin(draft: &mut Draft, name: &Name) -> Result<(), PinError> {
    let units = ["memcached.service"];
    let unit = find(draft, &units)?.ok_or_else(|| unknown(name, &units))?;
    if draft.read(Path::new(LINES))?.is_some() {
        by_line(draft)?;
    } else {
        by_variable(draft)?;
    }
    bound(draft, &unit)
}

fn by_line(draft: &mut Draft) -> Result<(), PinError> {
    let path = Path::new(LINES);
    let all = settings::read(draft, path, grammar)?;
    let old: Vec<&Setting> = all.iter().filter(|setting| LISTEN.contains(&setting.key.as_str())).collect();
    let values: Vec<_> = old.iter().map(|setting| setting.value.clone()).collect();
    let Some(list) = list(draft, &values)? else { return Ok(()) };
    let line = format!("-l {list}");
    match old.is_empty() {
        true => settings::add(draft, path, grammar, ("", &[line])),
        false => settings::replace(draft, &old, &[line]),
    }
}

fn by_variable(draft: &mut Draft) -> Result<(), PinError> {
    let (path, variable) = (Path::new(VARIABLE.0), VARIABLE.1);
    let mut words = options::words(draft, path, variable)?;
    let old = options::take(&mut words, LISTEN);
    let Some(list) = list(draft, &old)? else { return Ok(()) };
    words.extend(["-l".to_owned(), list]);
    options::set(draft, path, variable, &words)
}

/// The list of addresses instead of the old ones; nothing if they may stay.
fn list(draft: &mut Draft, old: &[String]) -> Result<Option<String>, PinError> {
    let words: Vec<&str> = old.iter().flat_map(|value| value.split(',')).map(str::trim).collect();
    if let Some(port) = words.iter().find(|word| word.matches(':').count() == 1 || word.contains("]:")) {
        return Err(PinError::Refused(format!("memcached: -l {port}: expected addresses without ports")));
    }
    let addresses = places::narrowed(draft, words.iter().copied())?;
    Ok((!places::are(words, &addresses)).then(|| address::joined(&addresses, ",")))
}

fn grammar(line: &str) -> Line {
    let text = line.trim();
    if text.is_empty() || text.starts_with('#') {
        return Line::Nothing;
    }
    let end = text.find(|letter: char| letter.is_whitespace() || letter == '=').unwrap_or(text.len());
    // Also without a blank, as -l127.0.0.1.
    let end = if text.starts_with("-l") { 2 } else { end };
    Line::Set(text[..end].to_owned(), text[end..].trim_start().trim_start_matches('=').trim().to_owned())
}

#[cfg(test)]
mod tests {
    use crate::pins::tests::{Tree, paths, pinned, refused, target, text};

    const SYSCONFIG: &str = "/etc/sysconfig/memcached";

    fn tree(path: &str, config: &str) -> Tree {
        Tree::new([("/lib/systemd/system/memcached.service", "[Service]\nExecStart=/bin/x\n"), (path, config)])
    }

    #[test]
    fn debians_file_has_an_option_in_each_line() {
        let config = "# memory\n-m 64\n-p 11211\n-u memcache\n-l 0.0.0.0\n-l ::1\n-P /run/memcached/memcached.pid\n";
        let recipe = pinned("memcached", &tree("/etc/memcached.conf", config));
        assert_eq!(
            text(&recipe, "/etc/memcached.conf"),
            "# memory\n-m 64\n-p 11211\n-u memcache\n# virt-guard: -l 0.0.0.0\n# virt-guard: -l ::1\n\
             -l 10.0.0.5,127.0.0.1,::1\n-P /run/memcached/memcached.pid\n"
        );
        let shipped = pinned("memcached", &tree("/etc/memcached.conf", "-l 127.0.0.1\n-l ::1\n"));
        assert_eq!(paths(&shipped), ["/etc/systemd/system/memcached.service.d/50-virt-guard.conf"]);
        let bare = pinned("memcached", &tree("/etc/memcached.conf", "-m 64"));
        assert_eq!(text(&bare, "/etc/memcached.conf"), "-m 64\n-l 10.0.0.5,2001:db8::5,127.0.0.1,::1\n");
    }

    #[test]
    fn others_have_them_in_a_variable() {
        let config = "PORT=\"11211\"\nOPTIONS=\"-v -l 0.0.0.0\"\n";
        let recipe = pinned("memcached", &tree(SYSCONFIG, config));
        assert_eq!(
            text(&recipe, SYSCONFIG),
            "PORT=\"11211\"\n# virt-guard: OPTIONS=\"-v -l 0.0.0.0\"\nOPTIONS=\"-v -l 10.0.0.5,127.0.0.1\"\n"
        );
        let there = target(&["10.0.0.5"]);
        let error = refused("memcached", &there, &tree(SYSCONFIG, "\nOPTIONS=\"$X\"\n"));
        assert!(error.starts_with("/etc/sysconfig/memcached:2: OPTIONS = $X: expected words"), "{error}");
        let error = refused("memcached", &there, &tree(SYSCONFIG, "OPTIONS=\"-l 0.0.0.0:1\"\n"));
        assert!(error.contains("expected addresses without ports"), "{error}");
    }
}
