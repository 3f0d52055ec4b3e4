//! The operator's program as it is run: words in, text and exit code out.
//!
//! Everything is below a root of its own. Only commands are run here that change
//! nothing in the kernel.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use virt_guard::facts::Domain;
use virt_guard::state::State;

const UUID: &str = "c7a5fdbd-edaf-9455-926a-d65c16db1809";
const DOMAIN: &str = "<domain type='kvm'><name>web1</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid><devices>\
                      <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br100'/>\
                      <target dev='vnet7'/></interface></devices></domain>";
const POLICY: &str = r#"[[group]]
name = "web"
ingress = [
    { protocol = "tcp", ports = "80,443", from = "any" },
    { protocol = "tcp", ports = 22, from-group = "web" },
]
[[guest]]
match = "web*"
groups = ["web"]
addresses = ["10.100.0.11", "fd00::11"]
"#;

/// A host with a policy and one recorded guest.
struct Host(TempDir);

/// What a run of the program left.
struct Run {
    out: String,
    err: String,
    code: i32,
}

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        host.write("etc/virt-guard/policy.d/web.toml", POLICY);
        let domain = Domain::parse(DOMAIN, "domain XML").unwrap();
        State::new(host.root()).set_guest(&domain.uuid, Some(&domain)).unwrap();
        host
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Runs the program with words that have no blanks.
    fn run(&self, words: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_virt-guard"));
        let Output { status, stdout, stderr } =
            command.args(words.split_whitespace()).arg("--root").arg(self.root()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { out: text(stdout), err: text(stderr), code: status.code().unwrap() }
    }

    fn explain(&self, words: &str) -> Run {
        self.run(&format!("explain --guest web1 {words}"))
    }
}

#[test]
fn help_lists_all_commands() {
    let run = Host::new().run("--help");
    assert_eq!(run.code, 0);
    for command in
        ["status", "check", "doctor", "apply", "show", "explain", "services", "preserve", "install", "uninstall"]
    {
        assert!(run.out.contains(&format!("\n  {command} ")), "{command}: {}", run.out);
    }
}

#[test]
fn wrong_words_are_wrong_usage() {
    for words in ["", "frobnicate", "show --engine pf", "explain --direction in --protocol tcp"] {
        let run = Host::new().run(words);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{words}: {}", run.err);
    }
}

#[test]
fn show_prints_the_same_guest_for_both_engines_each_step_behind_its_program() {
    let host = Host::new();
    for (engine, programs) in [
        ("nftables", vec!["# nft -f -"]),
        (
            "iptables",
            vec!["# ebtables-restore --noflush", "# iptables-restore --noflush", "# ip6tables-restore --noflush"],
        ),
    ] {
        for guest in ["", "web1", UUID] {
            let run = host.run(&format!("show --engine {engine} {guest}"));
            assert_eq!((run.code, run.err.as_str()), (0, ""), "{engine}");
            for program in &programs {
                assert!(run.out.lines().any(|line| line == *program), "{engine}: {}", run.out);
            }
            assert!(run.out.contains("vg_vnet7") && run.out.contains("10.100.0.11"), "{engine}: {}", run.out);
        }
    }
}

#[test]
fn show_as_json_names_program_and_input() {
    let run = Host::new().run("show web1 --engine nftables --json");
    let json: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(json["engine"], "nftables");
    assert_eq!(json["steps"][0]["program"], "nft -f -");
    assert!(json["steps"][0]["input"].as_str().unwrap().contains("vnet7"));
}

#[test]
fn an_unknown_guest_is_answered_with_those_that_are_known() {
    let host = Host::new();
    for words in
        ["show nobody", "apply nobody --dry-run", "explain --guest nobody --direction out --to 1.1.1.1 --protocol 47"]
    {
        let run = host.run(words);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{words}: {}", run.err);
        let expected = format!("virt-guard: unknown guest \"nobody\"; known: \"web1\" ({UUID})");
        assert!(run.err.starts_with(&expected), "{words}: {}", run.err);
    }
}

#[test]
fn a_broken_policy_is_named_with_file_line_and_column_once() {
    let host = Host::new();
    host.write("etc/virt-guard/policy.d/x.toml", "\n[[guest]]\nmatch = \"a\"\ngroups = [\"wbe\"]\n");
    for words in
        ["show", "check", "apply --dry-run", "explain --guest web1 --direction in --from 1.1.1.1 --protocol 47"]
    {
        let run = host.run(words);
        let error = "virt-guard: /etc/virt-guard/policy.d/x.toml:4:11: unknown group wbe, expected one of web; did you mean \"web\"?\n";
        assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (2, "", error), "{words}");
    }
}

#[test]
fn status_with_a_broken_policy_still_tells_what_it_can() {
    let host = Host::new();
    host.write("etc/virt-guard/virt-guard.toml", "engine = \"pf\"\n");
    let run = host.run("status");
    assert_eq!(run.code, 2, "{}", run.err);
    assert!(run.out.contains("BROKEN: /etc/virt-guard/virt-guard.toml:1:10: "), "{}", run.out);
    assert!(run.out.contains("\"web1\"") && run.out.contains("vnet7"), "{}", run.out);
    let json: serde_json::Value = serde_json::from_str(&host.run("status --json").out).unwrap();
    assert!(json["policy"]["error"].as_str().unwrap().contains("virt-guard.toml:1:10"));
    assert_eq!(json["guests"][0]["uuid"], UUID);
}

#[test]
fn explain_names_the_rule_by_file_and_line() {
    let host = Host::new();
    let run = host.explain("--direction in --from 192.0.2.1 --protocol tcp --port 443");
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.out.contains("verdict  accept\nlayer    groups\n"), "{}", run.out);
    assert!(run.out.contains("rule     group web ingress (/etc/virt-guard/policy.d/web.toml:4)\n"), "{}", run.out);
}

#[test]
fn explain_drops_what_no_rule_lets_in() {
    let run = Host::new().explain("--direction in --from 192.0.2.1 --protocol tcp --port 22");
    assert_eq!(run.code, 1, "{}", run.err);
    assert!(
        run.out.contains("verdict  drop\nlayer    groups\nrule     no group lets this in (built in)\n"),
        "{}",
        run.out
    );
}

#[test]
fn explain_knows_members_states_spoofers_and_the_hosts_own_wall() {
    let host = Host::new();
    for (words, code, layer) in [
        ("--direction in --from web1 --protocol tcp --port 22", 0, "groups"),
        ("--direction in --from fd00::9 --protocol tcp --port 22", 1, "groups"),
        ("--direction in --from 192.0.2.1 --protocol tcp --port 22 --state established", 0, "groups"),
        ("--direction in --from 192.0.2.1 --protocol tcp --port 80 --state invalid", 1, "groups"),
        ("--direction out --to 192.0.2.1 --protocol udp --port 53", 0, "groups"),
        ("--direction out --to 192.0.2.1 --protocol udp --port 53 --from 10.100.0.12", 1, "address"),
        ("--direction out --to 192.0.2.1 --protocol udp --port 53 --mac 52:54:00:00:00:02", 1, "frame"),
        ("--direction out --to host --protocol udp --port 53", 0, "host"),
        ("--direction out --to host --protocol tcp --port 22", 1, "host"),
    ] {
        let run = host.explain(&format!("{words} --json"));
        assert_eq!(run.code, code, "{words}: {}{}", run.out, run.err);
        let json: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(json["layer"], layer, "{words}");
        assert_eq!(json["verdict"], if code == 0 { "accept" } else { "drop" }, "{words}");
    }
}

#[test]
fn explain_says_which_piece_is_missing() {
    let host = Host::new();
    for (words, expected) in [
        ("--direction in --protocol tcp --port 1", "a packet in to a guest needs --from"),
        ("--direction out --protocol tcp --port 1", "a packet out of a guest needs --to"),
        ("--direction in --from 1.1.1.1 --protocol tcp", "protocol tcp needs --port"),
        ("--direction in --from fd00::1 --protocol icmp", "no two addresses of one family"),
        ("--direction in --from 1.1.1.1 --protocol 47 --interface vnet9", "no interface \"vnet9\"; there is vnet7"),
    ] {
        let run = host.explain(words);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{words}");
        assert!(run.err.starts_with("virt-guard: ") && run.err.contains(expected), "{words}: {}", run.err);
    }
}

#[test]
fn a_guest_that_is_not_known_is_explained_from_its_xml() {
    let host = Host::new();
    let xml = DOMAIN.replace("web1", "web2").replace("1809", "1810");
    host.write("web2.xml", &xml);
    let file = host.root().join("web2.xml");
    let words = "--direction in --from web1 --protocol tcp --port 22";
    let run = host.run(&format!("explain --domain-xml {} {words}", file.display()));
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.out.contains("in to \"web2\" at vnet7"), "{}", run.out);
    let run = host.run(&format!("explain --domain-xml /nowhere {words}"));
    assert_eq!((run.code, run.err.as_str()), (2, "virt-guard: /nowhere: No such file or directory (os error 2)\n"));
}

/// The host with a filter, and its guest with a reference to it.
fn filtered(rules: &str) -> Host {
    let host = Host::new();
    host.write("etc/libvirt/nwfilter/tight.xml", &format!("<filter name='tight'>\n{rules}</filter>\n"));
    host.write("etc/virt-guard/policy.d/zz.toml", "[[guest]]\nmatch = \"web1\"\nfilters = [\"tight\"]\n");
    host
}

#[test]
fn explain_names_the_rule_of_a_filter_by_file_and_line() {
    let host = filtered("<rule action='drop' direction='in'>\n<tcp dstportstart='80'/></rule>");
    let run = host.explain("--direction in --from 192.0.2.1 --to 10.100.0.11 --protocol tcp --port 80");
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    assert!(run.out.contains("nwfilter tight (/etc/libvirt/nwfilter/tight.xml:2)"), "{}", run.out);
    let run = host.explain("--direction in --from 192.0.2.1 --to 10.100.0.11 --protocol tcp --port 443");
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
}

#[test]
fn a_filter_is_checked_with_all_that_it_refers_to() {
    let host = filtered("<rule action='drop' direction='in'><tcp dstportstart='$PORT'/></rule>");
    host.write("outer.xml", "<filter name='outer'><filterref filter='tight'/></filter>");
    host.write("broken.xml", "<filter name='broken'>\n<rule action='dorp' direction='in'/></filter>");
    let outer = host.root().join("outer.xml").display().to_string();
    let run = host.run(&format!("nwfilter check {outer} --param PORT=22"));
    assert_eq!((run.out.as_str(), run.code), ("1 filter, no problem\n", 0), "{}", run.err);
    let run = host.run(&format!("nwfilter check {outer}"));
    assert_eq!(run.code, 1);
    assert!(run.out.contains("tight.xml:2:1: no value for variable $PORT (filter outer → tight)"), "{}", run.out);
    let broken = host.root().join("broken.xml").display().to_string();
    let run = host.run(&format!("nwfilter check --json {broken}"));
    assert_eq!(run.code, 1);
    assert!(run.out.contains("broken.xml:2:1: invalid action"), "{}", run.out);
    assert_eq!(host.run("nwfilter check /nowhere.xml").code, 2);
}

#[test]
fn a_filter_is_shown_in_the_words_of_either_engine() {
    let host = filtered("<rule action='drop' direction='out'><arp match='no' arpsrcipaddr='$IP'/></rule>");
    for (engine, words) in
        [("nftables", "@nh,112,32 != 0x0a000001 counter drop"), ("iptables", "--arp-ip-src ! 10.0.0.1 -j DROP")]
    {
        let run = host.run(&format!("nwfilter show tight --param IP=10.0.0.1 --engine {engine}"));
        assert_eq!(run.code, 0, "{}", run.err);
        assert!(run.out.contains(words), "{}", run.out);
    }
    let run = host.run("nwfilter show loose");
    assert_eq!(run.code, 2);
    assert!(run.err.contains("unknown filter \"loose\""), "{}", run.err);
}

#[test]
fn install_and_uninstall_leave_no_trace_and_touch_nothing_foreign() {
    let host = Host::new();
    let missing = host.run("install");
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("/usr/sbin/virt-guard-hook: No such file"), "{}", missing.err);
    host.write("opt/v g/hook", "");
    let program = host.root().join("opt/v g/hook");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    host.write("etc/libvirt/hooks/qemu", "#!/bin/sh\n# mine\n");
    let install = |extra: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_virt-guard"));
        command.arg("--root").arg(host.root()).args(["install", "--hook-program", "/opt/v g/hook"]).args(extra);
        command.output().unwrap().status.code()
    };
    assert_eq!(install(&["--classic"]), Some(2));
    assert_eq!(install(&[]), Some(0));
    let shim = host.root().join("etc/libvirt/hooks/qemu.d/50-virt-guard");
    let text = fs::read_to_string(&shim).unwrap();
    assert!(text.contains("\nprogram='/opt/v g/hook'\n"), "{text}");
    assert_eq!(fs::metadata(&shim).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(host.run("uninstall --dry-run").out.matches("would remove").count(), 3);
    assert_eq!(host.run("uninstall").code, 0);
    assert!(!shim.exists());
    assert_eq!(fs::read_to_string(host.root().join("etc/libvirt/hooks/qemu")).unwrap(), "#!/bin/sh\n# mine\n");
}

#[test]
fn a_shim_runs_the_hook_with_the_driver_and_libvirts_arguments() {
    let host = Host::new();
    host.write("hook's", "#!/bin/sh\nprintf '%s,' \"$@\"\n");
    let program = host.root().join("hook's");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    // The shim names the program as it is known on the host that it is for.
    let run = Command::new(env!("CARGO_BIN_EXE_virt-guard"))
        .args(["install", "--hooks-dir"])
        .arg(host.root().join("hooks"))
        .arg("--hook-program")
        .arg(&program)
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stderr));
    let shim = host.root().join("hooks/network.d/50-virt-guard");
    let output = Command::new(shim).args(["a b", "started", "begin", "-"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "network,a b,started,begin,-,");
}

#[test]
fn who_preserves_nothing_lost_nothing() {
    let host = Host::new();
    for (words, out) in [
        ("preserve list", "no chain is on record\n"),
        ("preserve diff", "nothing is lost\n"),
        ("preserve restore --dry-run", "# nothing is lost\n"),
        ("preserve restore", "nothing was lost\n0 chains on record\n"),
        ("preserve forget", "0 chains on record\n"),
    ] {
        let run = host.run(words);
        assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, out, ""), "{words}");
    }
    assert_eq!(host.run("preserve diff --json").out, "{\n  \"lost\": []\n}\n");
    host.write("etc/virt-guard/policy.d/agents.toml", "[[preserve]]\nchains = [\"INPUT\"]\n");
    let run = host.run("preserve diff");
    assert_eq!(run.code, 2);
    assert!(
        run.err.starts_with("virt-guard: /etc/virt-guard/policy.d/agents.toml:2:11: invalid chains"),
        "{}",
        run.err
    );
}

#[test]
fn doctor_finds_a_broken_policy_and_no_hook_and_says_what_to_do() {
    let host = Host::new();
    host.write("etc/virt-guard/policy.d/web.toml", "x = 1\n");
    let run = host.run("doctor --json");
    assert!([1, 3].contains(&run.code), "{}", run.err);
    let json: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(json["in-order"], false);
    let findings = json["findings"].as_array().unwrap();
    let of = |check: &str| findings.iter().filter(|finding| finding["check"] == check).collect::<Vec<_>>();
    assert!(of("policy")[0]["found"].as_str().unwrap().starts_with("/etc/virt-guard/policy.d/web.toml:1:1"));
    assert_eq!(of("hook")[0]["level"], "error");
    for finding in findings {
        assert_eq!(finding["remedy"].is_null(), finding["level"] == "ok", "{finding}");
    }
    let text = host.run("doctor").out;
    assert!(text.contains("error") && text.contains("→ virt-guard install"), "{text}");
}
