//! A policy that is not as it must be: nothing starts, and what stands stays.

use std::fs;

use crate::stage::bench::{self, Bench};
use crate::stage::guest::Guest;
use crate::stage::kernel;

/// What is wrong, the file that it is put into, and what the message begins with.
type Mistake = (&'static str, &'static [u8], &'static str);

const FOLDER: &str = "policy.d/50-mistake.toml";
const MISTAKES: [Mistake; 7] = [
    ("syntax error", b"[[group]\n", "/etc/virt-guard/policy.d/50-mistake.toml:1:"),
    ("unknown key", b"\n[[guest]]\nmatch = \"x\"\ncolour = 1\n", "/etc/virt-guard/policy.d/50-mistake.toml:4:1: "),
    (
        "unknown group",
        b"[[guest]]\nmatch = \"x\"\ngroups = [\"nobody\"]\n",
        "/etc/virt-guard/policy.d/50-mistake.toml:3:11: ",
    ),
    (
        "contradiction in a rule",
        b"[[group]]\nname = \"x\"\ningress = [ { protocol = \"icmp\", ports = \"80\" } ]\n",
        "/etc/virt-guard/policy.d/50-mistake.toml:3:",
    ),
    (
        "contradiction about a guest",
        b"[[guest]]\nmatch = \"web*\"\ndhcp-server = \"drop\"\n[[guest]]\nmatch = \"*\"\ndhcp-server = \"accept\"\n",
        "/etc/virt-guard/policy.d/50-mistake.toml:5:9: ",
    ),
    ("invalid UTF-8", b"# \xff\n", "/etc/virt-guard/policy.d/50-mistake.toml:1:3: "),
    (
        "a value out of range",
        b"[[guest]]\nmatch = \"x\"\naddresses = [\"10.0.0.256\"]\n",
        "/etc/virt-guard/policy.d/50-mistake.toml:3:14: ",
    ),
];

/// On a host without guests, and so without a rule of ours.
pub fn changes_nothing(bench: &mut Bench) {
    let guest = Guest::new(7);
    bench.plug(&guest);
    try_all(bench, &guest, &["start"]);
    assert!(!kernel::rules(bench.engine).contains("vg_"), "rules were half applied");
}

/// While another guest runs, and while the guest itself does.
pub fn others_running(bench: &mut Bench) {
    let (other, guest) = (Guest::new(8), Guest::new(7));
    let wires = [bench.plug(&other), bench.plug(&guest)];
    bench.go("start", &other);
    try_all(bench, &guest, &["prepare", "start", "migrate", "restore"]);
    bench.assert_guarded(&other, &wires[0]);
    bench.assert_closed(&guest, &wires[1]);
    bench.go("start", &guest);
    try_all(bench, &guest, &["start"]);
    bench.assert_guarded(&guest, &wires[1]);
}

fn try_all(bench: &Bench, guest: &Guest, operations: &[&str]) {
    let before = (kernel::rules(bench.engine), bench.records());
    for mistake in &MISTAKES {
        bench.file(FOLDER, mistake.1);
        operations.iter().for_each(|operation| refused(bench, guest, operation, mistake));
        assert_eq!(bench.records(), before.1, "{}: records were changed", mistake.0);
    }
    bench.no_file(FOLDER);
    for name in [FOLDER, "virt-guard.toml"] {
        bench.no_file(name);
        fs::create_dir(bench.root().join("etc/virt-guard").join(name)).expect("a directory in the file's place");
        let mistake =
            ("not a file", &b""[..], if name == FOLDER { MISTAKES[0].2 } else { "/etc/virt-guard/virt-guard.toml:" });
        let begin = mistake.2.trim_end_matches("1:");
        operations.iter().for_each(|operation| refused(bench, guest, operation, &(mistake.0, mistake.1, begin)));
        bench.no_file(name);
        bench.file("virt-guard.toml", bench::policy(bench.engine, 300));
    }
    assert_eq!(bench.records(), before.1, "records were changed");
    assert_eq!(kernel::rules(bench.engine), before.0, "rules were changed");
}

fn refused(bench: &Bench, guest: &Guest, operation: &str, (what, _, begin): &(&str, &[u8], &str)) {
    let run = bench.run(operation, guest);
    println!("{operation} with {what}: {}", run.stderr.trim());
    run.assert_stops();
    let place = run.stderr.strip_prefix("virt-guard: ").unwrap_or_default();
    assert!(place.starts_with(begin), "{operation} with {what}: expected {begin}…, got {place}");
    assert_eq!(place.lines().count(), 1, "one line is enough: {place}");
}
