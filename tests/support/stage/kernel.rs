//! What stands in the kernel of this network namespace, told by the programs
//! themselves and not by the library under test; and rules of somebody else.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use virt_guard::engine::EngineKind;

/// Tables of somebody else, which must not be touched.
const STRANGERS: &str = "table ip other {
\tchain input { type filter hook input priority 5; policy accept; ip saddr 192.0.2.1 drop; }
}
table bridge other {
\tset friends { type ether_addr; elements = { 02:00:00:00:00:01 }; }
}
";

/// What a kernel must have for the nftables engine; checked, never applied.
const NEEDED: &str = "table bridge probe {
\tchain probe { type filter hook prerouting priority -150; ct state established meta ibrname \"br0\" drop; }
}
";

/// Why the nftables engine cannot work on this kernel; nothing if it can.
pub fn lacks_of_nftables() -> String {
    let output = run("nft", &["--check", "-f", "-"], NEEDED);
    let complaint = String::from_utf8_lossy(&output.stderr);
    complaint.lines().next().unwrap_or_default().to_owned()
}

/// Runs a program to its end with this input.
pub fn run(program: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("the input is taken");
    child.wait_with_output().expect("the program ends")
}

/// The same for a program that must not fail; what it says.
pub fn told(program: &str, arguments: &[&str], input: &str) -> String {
    let output = run(program, arguments, input);
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// All rules, without what their counters have counted.
pub fn rules(engine: EngineKind) -> String {
    let mut rules = told("nft", &["-s", "list", "ruleset"], "");
    if engine == EngineKind::Iptables {
        for program in ["ebtables-save", "iptables-save", "ip6tables-save"] {
            rules.push_str(&told(program, &[], ""));
        }
    }
    rules.lines().filter(|line| !line.starts_with('#')).map(|line| uncounted(line) + "\n").collect()
}

/// `:CHAIN POLICY [packets:bytes]` without the brackets.
fn uncounted(line: &str) -> String {
    let chain = line.starts_with(':');
    line.split(' ').filter(|word| !(chain && word.starts_with('['))).collect::<Vec<_>>().join(" ")
}

/// Whether a rule, a chain or an element speaks of the interface `name`.
pub fn mentions(rules: &str, name: &str) -> bool {
    rules.match_indices(name).any(|(at, _)| !rules[at + name.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

/// What somebody does who does not know of us: everything goes, the strangers'
/// rules come back.
pub fn flush() {
    told("nft", &["-f", "-"], &flush_text());
}

/// What [`flush`] tells nft.
pub fn flush_text() -> String {
    format!("flush ruleset\n{STRANGERS}")
}

/// Puts the strangers' tables in place.
pub fn add_strangers() {
    told("nft", &["-f", "-"], STRANGERS);
}

/// How the strangers' tables look.
pub fn strangers() -> String {
    let all = told("nft", &["-s", "list", "ruleset"], "");
    let tables = all.split_inclusive("\n}\n");
    tables.filter(|table| ["table ip other", "table bridge other"].iter().any(|head| table.starts_with(head))).collect()
}

/// Chains and rules of somebody else in the tables that the iptables engine uses.
pub fn add_iptables_strangers() {
    let tables = "*mangle\n:other -\n-A PREROUTING -s 192.0.2.7 -j other\n-A other -j MARK --set-mark 0x7\nCOMMIT\n\
                  *filter\n:other -\n-A INPUT -s 192.0.2.7 -j other\n-A other -p tcp -m tcp --dport 7 -j DROP\nCOMMIT\n";
    told("iptables-restore", &["--noflush"], tables);
    for rule in
        [&["-t", "nat", "-N", "other"][..], &["-t", "nat", "-A", "PREROUTING", "-s", "2:0:0:0:0:7", "-j", "other"]]
    {
        told("ebtables", rule, "");
    }
}

/// Those, as they stand.
pub fn iptables_strangers() -> Vec<String> {
    let saved = told("ebtables-save", &[], "") + &told("iptables-save", &[], "");
    saved.lines().map(uncounted).filter(|line| line.contains("other")).collect()
}
