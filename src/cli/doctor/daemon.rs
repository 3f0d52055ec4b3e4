//! Whether the daemon watches, is of this version, and has libvirt to hear of guests from.

use std::path::Path;

use super::checkup::{Checkup, clock};
use super::finding::Finding;
use crate::kernel::Process;
use crate::state::events::{Event, Kind, LIBVIRT_ANSWERS, LIBVIRT_IS_SILENT};

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    let Some(daemon) = daemon(&checkup.processes, &checkup.root) else {
        let found = "the daemon does not run: what others take away comes back only when a guest starts";
        return vec![Finding::warning(found, "systemctl enable --now virt-guard, or run virt-guard daemon")];
    };
    let mut findings = Vec::new();
    if daemon.is_outdated {
        let found = format!("the daemon (pid {}) runs a program that was replaced since", daemon.pid);
        findings.push(Finding::warning(found, "systemctl restart virt-guard; the rules stay meanwhile"));
    }
    let events = checkup.host.state().events().unwrap_or_default();
    findings.extend(disconnected(&events));
    if findings.is_empty() {
        let answers = if answers(&events).is_some() { ", libvirt answers it" } else { "" };
        findings.push(Finding::ok(format!("watches since {} (pid {}){answers}", clock(daemon.since), daemon.pid)));
    }
    findings
}

/// The daemon of the tree below `root`.
pub(super) fn daemon<'a>(processes: &'a [Process], root: &Path) -> Option<&'a Process> {
    let mut daemons = processes.iter().filter(|process| is_daemon(&process.arguments));
    daemons.find(|process| {
        let mut words = process.arguments.iter();
        let given = words.by_ref().position(|word| word == "--root").and_then(|_| words.next());
        given.map_or(Path::new("/"), |given| Path::new(given)) == root
    })
}

fn is_daemon(arguments: &[String]) -> bool {
    let Some((program, rest)) = arguments.split_first() else { return false };
    Path::new(program).file_name().is_some_and(|name| name == "virt-guard") && rest.iter().any(|word| word == "daemon")
}

/// What it heard of libvirt last, since it began.
fn last_word(events: &[Event]) -> Option<&Event> {
    let begun = events.iter().rposition(|event| event.kind == Kind::Stopped).map_or(0, |at| at + 1);
    let of_libvirt =
        |event: &&Event| [LIBVIRT_ANSWERS, LIBVIRT_IS_SILENT].iter().any(|word| event.message.starts_with(word));
    events[begun..].iter().rfind(of_libvirt)
}

fn answers(events: &[Event]) -> Option<&Event> {
    last_word(events).filter(|event| event.message.starts_with(LIBVIRT_ANSWERS))
}

fn disconnected(events: &[Event]) -> Option<Finding> {
    let word = last_word(events).filter(|event| event.message.starts_with(LIBVIRT_IS_SILENT))?;
    let found = format!("the daemon hears nothing of guests: {} ({})", word.message, word.time);
    Some(Finding::warning(found, "systemctl start libvirtd, or virtqemud; the daemon connects by itself"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn process(words: &str) -> Process {
        let arguments = words.split(' ').map(str::to_owned).collect();
        Process { pid: 7, command: "virt-guard".to_owned(), arguments, since: UNIX_EPOCH, is_outdated: false }
    }

    #[test]
    fn the_daemon_is_known_by_its_words_and_its_root() {
        let all = [process("/usr/sbin/virt-guard status"), process("virt-guard --root /x daemon")];
        assert!(daemon(&all, Path::new("/")).is_none());
        assert_eq!(daemon(&all, Path::new("/x")), Some(&all[1]));
        let own = [process("/usr/sbin/virt-guard daemon --connect qemu:///system")];
        assert!(daemon(&own, Path::new("/")).is_some());
    }

    #[test]
    fn what_it_heard_last_of_libvirt_counts() {
        let note = |message: &str| Event::now(Kind::Noted, message);
        let mut events = vec![note("libvirt answers"), note("libvirt does not answer: gone"), note("other")];
        assert!(disconnected(&events).unwrap().found.contains("gone"));
        events.push(note("libvirt answers"));
        assert!(disconnected(&events).is_none() && answers(&events).is_some());
        events.push(Event::now(Kind::Stopped, ""));
        assert!(answers(&events).is_none(), "that was a daemon before");
    }
}
