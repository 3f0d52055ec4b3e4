//! RabbitMQ: `listeners.tcp.*` and `listeners.ssl.*` in rabbitmq.conf.
//!
//! In: that file and its directory. Out: the same listeners at other addresses, each
//! port kept. What the nodes of a cluster talk over, and Erlang's epmd, are kept from
//! guests by systemd: bound to one address, `rabbitmqctl` would not find them by the
//! host's own name, which on Debian is 127.0.1.1.

use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::recipe::{bound, find, unknown};
use super::settings::{self, Line, Setting};
use super::unit::Unit;
use super::{Name, PinError, places, socket};

const MAIN: &str = "/etc/rabbitmq/rabbitmq.conf";
const MORE: &str = "/etc/rabbitmq/conf.d";
/// The configuration of versions before 3.7, an Erlang term.
const CLASSIC: &str = "/etc/rabbitmq/rabbitmq.config";
const UNITS: [&str; 1] = ["rabbitmq-server.service"];
const EPMD: &str = "epmd.socket";
/// The port, if no listener is set.
const PORT: &str = "5672";

/// Pins the server.
pub(super) fn pin(draft: &mut Draft, name: &Name) -> Result<(), PinError> {
    let unit = find(draft, &UNITS)?.ok_or_else(|| unknown(name, &UNITS))?;
    if draft.read(Path::new(CLASSIC))?.is_some() {
        return Err(PinError::Refused(format!("{CLASSIC}: is of the classic format, expected {MAIN}")));
    }
    for kind in ["tcp", "ssl"] {
        listeners(draft, kind)?;
    }
    // First: the server tells it at its start where it is.
    if let Some(epmd) = Unit::load(draft, EPMD)? {
        socket::keep(draft, &epmd)?;
    }
    draft.note(
        "rabbitmq: distribution (25672), epmd (4369) and plugins listen on, and systemd drops what comes from guests",
    );
    bound(draft, &unit)
}

fn listeners(draft: &mut Draft, kind: &str) -> Result<(), PinError> {
    let mut files = vec![PathBuf::from(MAIN)];
    let more = draft.list(Path::new(MORE))?;
    files.extend(more.into_iter().filter(|file| file.extension().is_some_and(|end| end == "conf")));
    let all = settings::read_all(draft, &files, grammar)?;
    let whole = format!("listeners.{kind}");
    let is_ours = |setting: &&Setting| setting.key == whole || setting.key.starts_with(&format!("{whole}."));
    let old: Vec<&Setting> = all.iter().filter(is_ours).collect();
    if old.iter().any(|setting| setting.key == whole && setting.value == "none") || old.is_empty() && kind != "tcp" {
        return Ok(());
    }
    let there: Vec<_> = old.iter().map(|setting| listener(setting)).collect::<Result<_, _>>()?;
    let there = if there.is_empty() { vec![("*", PORT)] } else { there };
    let Some(lines) = lines(draft, &whole, &there)? else { return Ok(()) };
    if old.is_empty() {
        return settings::add(draft, Path::new(MAIN), grammar, ("", &lines));
    }
    put(draft, &old, &lines)
}

/// All listeners add up, so those of every file are taken out of force.
fn put(draft: &mut Draft, old: &[&Setting], lines: &[String]) -> Result<(), PinError> {
    let last = old.last().map(|last| last.path.clone()).unwrap_or_default();
    let mut paths: Vec<_> = old.iter().map(|setting| setting.path.clone()).collect();
    paths.dedup();
    for path in paths {
        let of_path: Vec<_> = old.iter().copied().filter(|setting| setting.path == path).collect();
        settings::replace(draft, &of_path, if path == last { lines } else { &[] })?;
    }
    Ok(())
}

/// `5672`, `10.0.0.5:5672` or `:::5672`: the address and the port.
fn listener(setting: &Setting) -> Result<(&str, &str), PinError> {
    let (address, port) = setting.value.rsplit_once(':').unwrap_or(("*", &setting.value));
    if port.parse::<u16>().is_err() {
        return Err(setting.unreadable("expected PORT or ADDRESS:PORT"));
    }
    Ok((address, port))
}

/// The lines of the listeners from now on; nothing if they may stay.
fn lines(draft: &mut Draft, key: &str, there: &[(&str, &str)]) -> Result<Option<Vec<String>>, PinError> {
    let (mut values, mut stay) = (Vec::new(), true);
    for (address, port) in there {
        let addresses = places::narrowed(draft, [*address])?;
        stay &= places::are([*address], &addresses);
        for address in addresses {
            let value = format!("{address}:{port}");
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
    let lines = values.iter().enumerate().map(|(index, value)| format!("{key}.{} = {value}", index + 1));
    Ok((!stay).then(|| lines.collect()))
}

fn grammar(line: &str) -> Line {
    let text = line.trim();
    if text.is_empty() || text.starts_with('#') {
        return Line::Nothing;
    }
    let Some((key, value)) = text.split_once('=') else { return Line::Wrong("expected KEY = VALUE") };
    Line::Set(key.trim().to_owned(), value.split(" #").next().unwrap_or(value).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use crate::pins::tests::{Tree, lines, paths, pinned, pinned_to, refused, target, text};

    const MAIN: &str = "/etc/rabbitmq/rabbitmq.conf";

    fn debian() -> Tree {
        Tree::new([
            (
                "/lib/systemd/system/rabbitmq-server.service",
                "[Service]\nExecStart=/usr/lib/rabbitmq/bin/rabbitmq-server\n",
            ),
            ("/lib/systemd/system/epmd.socket", "[Socket]\nListenStream=4369\nBindIPv6Only=both\nAccept=false\n"),
            ("/lib/systemd/system/epmd.service", "[Service]\nExecStart=/usr/bin/epmd -systemd\n"),
        ])
    }

    #[test]
    fn without_a_file_there_is_one() {
        let recipe = pinned_to("rabbitmq", &target(&["10.0.0.5"]), &debian());
        assert_eq!(lines(&recipe, MAIN), ["listeners.tcp.1 = 10.0.0.5:5672", "listeners.tcp.2 = 127.0.0.1:5672"]);
        let epmd = "/etc/systemd/system/epmd.socket.d/50-virt-guard.conf";
        assert_eq!(lines(&recipe, epmd), ["[Socket]", "IPAddressDeny=10.100.0.0/16 fd00:100::/64"]);
        assert!(paths(&recipe).contains(&"/etc/systemd/system/epmd.service.d/50-virt-guard.conf"));
    }

    #[test]
    fn each_port_is_kept_wherever_it_was_set() {
        let more = "/etc/rabbitmq/conf.d/10-own.conf";
        let tree = debian()
            .with(MAIN, "listeners.tcp.default = 5672\nlisteners.ssl.default = 0.0.0.0:5671\n")
            .with(more, "listeners.tcp.other = :::5673 # v6\nheartbeat = 60\n");
        let recipe = pinned_to("rabbitmq-server", &target(&["10.0.0.5"]), &tree);
        assert_eq!(
            text(&recipe, MAIN),
            "# virt-guard: listeners.tcp.default = 5672\n# virt-guard: listeners.ssl.default = 0.0.0.0:5671\n\
             listeners.ssl.1 = 10.0.0.5:5671\nlisteners.ssl.2 = 127.0.0.1:5671\n"
        );
        assert_eq!(
            text(&recipe, more),
            "# virt-guard: listeners.tcp.other = :::5673 # v6\nlisteners.tcp.1 = 10.0.0.5:5672\nlisteners.tcp.2 = 127.0.0.1:5672\n\
             listeners.tcp.3 = 10.0.0.5:5673\nlisteners.tcp.4 = 127.0.0.1:5673\nheartbeat = 60\n"
        );
    }

    #[test]
    fn what_listens_nowhere_goes_on_so() {
        let recipe = pinned("rabbitmq", &debian().with(MAIN, "listeners.tcp = none\n"));
        assert!(!paths(&recipe).contains(&MAIN));
        let there = target(&["10.0.0.5"]);
        let error = refused("rabbitmq", &there, &debian().with(MAIN, "\nlisteners.tcp.a = amqp\n"));
        assert_eq!(error, "/etc/rabbitmq/rabbitmq.conf:2: listeners.tcp.a = amqp: expected PORT or ADDRESS:PORT");
        let classic = debian().with("/etc/rabbitmq/rabbitmq.config", "[].\n");
        assert!(refused("rabbitmq", &there, &classic).contains("classic format"));
    }
}
