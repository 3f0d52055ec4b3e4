//! What `--json` prints is what docs/json.md says: every key of every command's answer,
//! its types, and whether it may be absent.
//!
//! The commands run in namespaces of the test's own, on a bridge with one guest, one
//! floating IP, one service and chains of an agent. Those that ask libvirt run in
//! `tests/libvirt`; here they are held to fail as they should, and to be described.
//!
//! Root only.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};

use clap::CommandFactory;
use serde_json::Value;
use support::lab::Lab;
use tempfile::TempDir;
use virt_guard::cli::Args;
use virt_guard::facts::Domain;
use virt_guard::state::State;
use virt_guard::state::events::{Event, Kind};

const DOCUMENT: &str = include_str!("../docs/json.md");
const DOMAIN: &str = "<domain type='kvm'><name>web1</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid><devices>\
                      <interface type='bridge'><mac address='52:54:00:00:00:07'/><source bridge='br100'/>\
                      <target dev='vnet7'/></interface></devices></domain>";
const POLICY: &str = r#"engine = "iptables"
[bridges."br100"]
uplinks = []
[host]
allow = ["dhcp", "dns", "icmp", "tcp/8010"]
[[group]]
name = "web"
ingress = [ { protocol = "tcp", ports = "80" } ]
[[guest]]
match = "web1"
groups = ["web"]
addresses = ["10.100.0.7"]
[[preserve]]
chains = ["agent-*"]
"#;

/// What is run, in this order, and the section that it is held against.
const RUNS: &[(&str, &[&str])] = &[
    ("apply", &["--dry-run"]),
    ("apply", &["--confirm"]),
    ("apply", &[]),
    ("apply", &["--confirm-within", "60s"]),
    ("apply", &["--confirm"]),
    ("status", &[]),
    ("check", &[]),
    ("doctor", &[]),
    ("show", &["web1"]),
    ("explain", &["--guest", "web1", "--direction", "in", "--from", "10.100.0.9", "--protocol", "tcp", "--port", "80"]),
    ("explain", &["--guest", "web1", "--direction", "in", "--from", "10.100.0.9", "--protocol", "icmp"]),
    ("floating associate", &["198.51.100.10", "web1", "--dry-run"]),
    ("floating associate", &["198.51.100.10", "web1"]),
    ("floating list", &[]),
    ("flows list", &[]),
    ("flows kill", &["web1", "--dry-run"]),
    ("flows kill", &["web1"]),
    ("floating disassociate", &["198.51.100.10", "--dry-run"]),
    ("floating disassociate", &["198.51.100.10"]),
    ("services audit", &[]),
    ("services probe", &[]),
    ("services pins", &[]),
    ("services confirm", &[]),
    ("services unpin", &["--all"]),
    ("services pin", &["--all", "--dry-run"]),
    ("events", &[]),
    ("nwfilter check", &["ROOT/etc/virt-guard/nwfilter/f.xml"]),
    ("nwfilter show", &["f"]),
    ("preserve restore", &[]),
    ("preserve list", &[]),
    ("preserve diff", &[]),
    ("preserve restore", &["--dry-run"]),
    ("preserve restore", &[]),
    ("preserve forget", &[]),
];
/// What has to be among the answers, or nothing would be held against its description.
const SEEN: [(&str, &str); 12] = [
    ("apply", "steps[].input"),
    ("apply", "confirmed"),
    ("status", "guests[].interfaces[].guarded"),
    ("status", "heals[].time"),
    ("doctor", "findings[].remedy"),
    ("floating list", "floating[].address"),
    ("flows list", "[].rules[]"),
    ("services audit", "services[].reached-at.*[]"),
    ("services probe", "services[].attempts[].outcome"),
    ("events", "milliseconds"),
    ("preserve list", "preserved[].chains.*.jumps[].rule"),
    ("preserve diff", "lost[].what"),
];
/// What asks libvirt, which is not there.
const OF_LIBVIRT: [&str; 5] =
    ["nwfilter list", "nwfilter diff", "nwfilter sync", "nwfilter verify", "nwfilter rebuild"];

/// What is said of a key.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    types: BTreeSet<String>,
    may_be_absent: bool,
}

/// A section's keys by their paths.
type Keys = BTreeMap<String, Key>;

/// The sections by command.
fn sections() -> BTreeMap<String, Keys> {
    let sections = DOCUMENT.split("\n## `virt-guard ").skip(1);
    sections
        .map(|section| {
            let (command, rest) = section.split_once("`\n").unwrap();
            (command.to_owned(), rest.lines().filter_map(key).collect())
        })
        .collect()
}

/// `| `path` | string or null | words |`
fn key(line: &str) -> Option<(String, Key)> {
    let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
    let path = cells.next()?.trim_end_matches('`').to_owned();
    let mut types: BTreeSet<_> = cells.next()?.split(" or ").map(str::to_owned).collect();
    let may_be_absent = types.remove("absent");
    let known = ["string", "number", "boolean", "object", "array", "null"];
    assert!(types.iter().all(|word| known.contains(&word.as_str())), "{line}");
    Some((path, Key { types, may_be_absent }))
}

const fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The paths of all that there is.
fn paths(keys: &Keys, path: &str, value: &Value, seen: &mut BTreeSet<String>) {
    seen.insert(path.to_owned());
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| paths(keys, &format!("{path}[]"), element, seen)),
        Value::Object(members) => {
            let free = keys.contains_key(&join(path, "*"));
            members
                .iter()
                .for_each(|(name, member)| paths(keys, &join(path, if free { "*" } else { name }), member, seen));
        }
        _ => {}
    }
}

/// Holds a value against what is said of its path, and all below it.
fn compare(keys: &Keys, path: &str, value: &Value, wrong: &mut Vec<String>) {
    if let Some(key) = keys.get(path) {
        if !key.types.contains(type_of(value)) {
            wrong.push(format!("{path}: is {}, not {:?}", type_of(value), key.types));
        }
    } else if !is_way(keys, path) {
        wrong.push(format!("{path}: is not described"));
        return;
    }
    match value {
        Value::Array(elements) if is_way(keys, &format!("{path}[]")) || keys.contains_key(&format!("{path}[]")) => {
            elements.iter().for_each(|element| compare(keys, &format!("{path}[]"), element, wrong));
        }
        Value::Object(members) => {
            let free = is_way(keys, &join(path, "*")) || keys.contains_key(&join(path, "*"));
            for (name, member) in members {
                compare(keys, &join(path, if free { "*" } else { name }), member, wrong);
            }
            let missing = keys.iter().filter(|(below, key)| {
                let name = below.strip_prefix(path).map(|rest| rest.trim_start_matches('.'));
                let direct = name.is_some_and(|name| join(path, name) == **below && !name.contains(['.', '[', '*']));
                direct && !key.may_be_absent && name.is_some_and(|name| !members.contains_key(name))
            });
            wrong.extend(missing.map(|(below, _)| format!("{below}: is missing")));
        }
        _ => {}
    }
}

/// Whether something below the path is described.
fn is_way(keys: &Keys, path: &str) -> bool {
    let below =
        |key: &String| key.strip_prefix(path).is_some_and(|rest| path.is_empty() || rest.starts_with(['.', '[']));
    keys.keys().any(below)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A host with all that there is to tell of.
fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("etc/virt-guard/virt-guard.toml", POLICY);
    put(
        "etc/virt-guard/nwfilter/f.xml",
        "<filter name='f' chain='root'><rule action='accept' direction='in'/></filter>",
    );
    let domain = Domain::parse(DOMAIN, "domain XML").unwrap();
    let state = State::new(root.path());
    state.set_guest(&domain.uuid, Some(&domain)).unwrap();
    let ports = vec!["vnet7".parse().unwrap()];
    state.add_event(&Event { ports, milliseconds: Some(1.5), ..Event::now(Kind::Healed, "x") }).unwrap();
    root
}

fn virt_guard(root: &Path, command: &str, words: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_virt-guard"));
    let words = words.iter().map(|word| word.replace("ROOT", &root.to_string_lossy()));
    program.arg("--root").arg(root).args(command.split(' ')).args(words).arg("--json").output().unwrap()
}

/// What it printed: one value, or one on each line.
fn values(output: &Output) -> Vec<Value> {
    serde_json::Deserializer::from_slice(&output.stdout).into_iter().map(Result::unwrap).collect()
}

fn shell(line: &str) {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn each_answer_is_as_it_is_described() {
    let lab = Lab::new();
    let _wire = lab.guest_port("vnet7", "52:54:00:00:00:07".parse().unwrap());
    shell("ip link add mgmt0 type bridge && ip addr add 198.51.100.1/24 dev mgmt0 && ip link set mgmt0 up");
    shell("iptables -N agent-x && iptables -A agent-x -j RETURN && iptables -A FORWARD -o vnet7 -j agent-x");
    let _services =
        ["0.0.0.0:8010", "0.0.0.0:8011", "127.0.0.1:8012"].map(|address| TcpListener::bind(address).unwrap());
    shell("ip neigh replace 10.100.0.7 lladdr 52:54:00:00:00:07 dev br100");
    let (root, sections) = (root(), sections());
    let (mut wrong, mut seen) = (Vec::new(), BTreeMap::<&str, BTreeSet<String>>::new());
    for (command, words) in RUNS {
        if *command == "preserve diff" {
            shell("iptables -F agent-x");
        }
        if *command == "flows list" {
            UdpSocket::bind("10.100.0.1:0").and_then(|socket| socket.send_to(b"x", "10.100.0.7:9")).unwrap();
        }
        let output = virt_guard(root.path(), command, words);
        let values = values(&output);
        let line = format!("{command} {}", words.join(" "));
        if values.is_empty() {
            wrong.push(format!("{line}: printed nothing: {}", String::from_utf8_lossy(&output.stderr)));
        }
        for value in values {
            let mut found = Vec::new();
            paths(&sections[*command], "", &value, seen.entry(command).or_default());
            compare(&sections[*command], "", &value, &mut found);
            wrong.extend(found.into_iter().map(|found| format!("{line}: {found}")));
        }
    }
    for (command, path) in SEEN {
        if !seen[command].contains(path) {
            wrong.push(format!("{command}: {path} was not seen"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_command_that_has_json_is_described_and_run() {
    let described: BTreeSet<_> = sections().into_keys().collect();
    let mut having = BTreeSet::new();
    for command in Args::command().get_subcommands() {
        let has = |command: &clap::Command| command.get_arguments().any(|argument| argument.get_id() == "json");
        let name = command.get_name();
        for leaf in command.get_subcommands().filter(|leaf| has(command) || has(leaf)) {
            having.insert(format!("{name} {}", leaf.get_name()));
        }
        if !command.has_subcommands() && has(command) {
            having.insert(name.to_owned());
        }
    }
    assert_eq!(described, having);
    let run: BTreeSet<_> = RUNS.iter().map(|(command, _)| *command).chain(OF_LIBVIRT).map(str::to_owned).collect();
    assert_eq!(run, having);
}

#[test]
fn without_libvirt_its_filters_are_an_error_and_no_json() {
    let root = root();
    for command in OF_LIBVIRT {
        if Path::new("/run/libvirt/libvirt-sock").exists() {
            break;
        }
        let output = virt_guard(root.path(), command, &[]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{command}");
    }
}

#[test]
fn what_is_not_described_is_found() {
    let keys: Keys =
        ["| `a` | number | |", "| `b[].c` | string or null | |", "| `d` | object | |", "| `d.*` | array | |"]
            .into_iter()
            .filter_map(key)
            .collect();
    let found = |value: Value| {
        let mut wrong = Vec::new();
        compare(&keys, "", &value, &mut wrong);
        wrong
    };
    let good = serde_json::json!({ "a": 1, "b": [{ "c": null }], "d": { "any": [], "other": [] } });
    assert!(
        found(good).is_empty(),
        "{:?}",
        found(serde_json::json!({ "a": 1, "b": [{ "c": null }], "d": { "x": [] } }))
    );
    assert_eq!(found(serde_json::json!({ "a": "1", "d": {} })), ["a: is string, not {\"number\"}"]);
    assert_eq!(found(serde_json::json!({ "a": 1, "d": {}, "e": 1 })), ["e: is not described"]);
    assert_eq!(found(serde_json::json!({ "d": {} })), ["a: is missing"]);
    assert_eq!(found(serde_json::json!({ "a": 1, "d": {}, "b": [{}] })), ["b[].c: is missing"]);
}
