//! A domain's name is whatever a tenant called it. It is data: nobody executes
//! it, no file is named after it, no line of a log or a terminal is forged by it.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::kernel;
use crate::stage::program::Run;

/// Names of the kind that somebody will try; `CANARY` is a file that must not
/// come into being.
const NAMES: [&str; 13] = [
    "a\"; flush ruleset; \"",
    "a'; flush ruleset; #",
    "$(touch CANARY)",
    "`touch CANARY`",
    "| touch CANARY",
    "../../etc",
    "../../../../../../../../CANARY",
    "-rf",
    "--root",
    "one\ntwo: virt-guard[1]: all is well\r\n",
    "\u{9b}31m\u{202e}gnp.exe \u{1f980} ünï\u{301}",
    " ",
    "*\t",
];

pub fn hostile(bench: &mut Bench) {
    kernel::add_iptables_strangers();
    let strangers = kernel::iptables_strangers();
    let log = log(bench);
    let canary = bench.aside("canaries").join("canary");
    let around = names_in(&bench.root().join(".."));
    let long = "n".repeat(200);
    let names = NAMES.iter().copied().chain([long.as_str()]);
    let mut guests = Vec::new();
    for (number, name) in (10..).zip(names) {
        guests.push(Guest::new(number).named(&name.replace("CANARY", canary.to_str().expect("text"))));
    }
    for guest in &guests {
        bench.go("start", guest);
        assert_eq!(bench.recorded(guest), [true, true], "{:?}", guest.name);
    }
    bench.assert_in_order();
    one_is_really_guarded(bench, &guests[0]);
    let rules = kernel::rules(bench.engine);
    assert!(!["touch", "flush ruleset"].iter().any(|word| rules.contains(word)), "a name is in the rules:\n{rules}");
    bench.broken_policy();
    guests.iter().for_each(|guest| assert_clean(&bench.run("start", guest)));
    std::thread::sleep(Duration::from_millis(100));
    let lines: Vec<String> = log.try_iter().collect();
    println!("{lines:#?}");
    assert!(lines.len() >= 2 * guests.len(), "there are {} lines in the log", lines.len());
    lines.iter().for_each(|line| assert!(!line.chars().any(char::is_control), "{line:?} forges the log"));
    bench.good_policy();
    assert_only_expected_files(bench, &guests);
    for guest in &guests {
        bench.go("stopped", guest);
    }
    guests.iter().step_by(5).for_each(|guest| bench.assert_gone(guest));
    assert!(!canary.exists(), "a name was executed");
    assert_eq!(names_in(&bench.root().join("..")), around, "a file was made outside the root");
    assert_eq!(kernel::iptables_strangers(), strangers);
}

fn one_is_really_guarded(bench: &Bench, guest: &Guest) {
    let wire = bench.plug(guest);
    bench.assert_guarded(guest, &wire);
}

/// Nothing on standard error but one line that moves no terminal.
fn assert_clean(run: &Run) {
    run.assert_stops();
    let line = run.stderr.strip_suffix('\n').expect("a whole line");
    assert!(!line.chars().any(char::is_control), "{line:?} forges what an operator sees");
}

/// The records are named by UUID and by port, and by nothing else.
fn assert_only_expected_files(bench: &Bench, guests: &[Guest]) {
    let run = bench.root().join("run/virt-guard");
    let expected: BTreeSet<PathBuf> = guests
        .iter()
        .flat_map(|guest| {
            let (uuid, port) = (guest.uuid(), guest.port());
            [format!("guests/{uuid}.json"), format!("ports/{port}.json"), format!("addresses/{port}.json")]
        })
        .chain(["host.json", "base.json", "authors"].map(str::to_owned))
        .map(|name| run.join(name))
        .collect();
    let mut found: BTreeSet<PathBuf> = bench.records().into_keys().collect();
    found.retain(|path| !path.starts_with(run.join("members")) && !path.starts_with(run.join("bearers")));
    assert_eq!(found, expected);
}

fn names_in(path: &std::path::Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(path).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// Listens where the hook's log goes, and hands over each line.
fn log(bench: &Bench) -> Receiver<String> {
    bench.private_dev();
    let socket = UnixDatagram::bind("/dev/log").expect("a log");
    let (sender, receiver) = channel();
    // Ends with the case: few lines are enough to fill the socket.
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length) = socket.recv(&mut buffer) {
            let _ = sender.send(String::from_utf8(buffer[..length].to_vec()).expect("text"));
        }
    });
    receiver
}
