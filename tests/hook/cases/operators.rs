//! The operator's own rules for each guest, in iptables.d: each stands exactly
//! once, whatever happens, and none is ever left out.

use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::kernel;

const RULES: &str = "# ours\n*filter\n:fw-${IFNAME} - [0:0]\n\
    -A FORWARD -m physdev --physdev-out ${IFNAME} --physdev-is-bridged -j fw-${IFNAME}\n\
    -A fw-${IFNAME} -d ${IP} -m comment --comment \"of ${DOMAIN}\" -j RETURN\n\
    -I INPUT -m mac --mac-source ${MAC} -p tcp -m tcp --dport 8080 -j DROP\nCOMMIT\n";
const RULES6: &str = "*mangle\n-A PREROUTING -m mac --mac-source ${MAC} -j MARK --set-xmark 0x10/0x10\nCOMMIT\n";

/// What of iptables and ip6tables speaks of fragments' chains or is in them.
fn standing() -> Vec<String> {
    let text = ["iptables-save", "ip6tables-save"]
        .map(|program| String::from_utf8(kernel::run(program, &[], "").stdout).expect("text"));
    let concerned = |line: &&str| line.starts_with('*') || line.contains("vgf_") || line.contains("fw-vnet");
    text.concat().lines().filter(concerned).map(|line| line.split('[').next().unwrap_or(line).to_owned()).collect()
}

fn change(program: &str, words: &str) {
    let words: Vec<_> = words.split(' ').collect();
    assert!(kernel::run(program, &words, "").status.success(), "{program} {words:?}");
}

fn write(bench: &Bench) {
    bench.file("iptables.d/ours.rules", RULES);
    bench.file("iptables.d/ours.v6.rules", RULES6);
}

/// However often a guest starts and whatever somebody took, doubled or changed.
pub fn once(bench: &mut Bench) {
    write(bench);
    let guest = Guest::new(7).named("a \"quoted\" \\ ${IP} name");
    let wire = bench.plug(&guest);
    bench.go("start", &guest);
    let before = standing();
    let count = |part: &str| before.iter().filter(|line| line.contains(part)).count();
    assert_eq!(
        (count("--dport 8080"), count("-d 10.100.0.7/32"), count("--set-xmark 0x10/0x10")),
        (1, 1, 1),
        "{before:#?}"
    );
    assert!(before.iter().any(|line| line.contains(r#""of a \"quoted\" \\ ${IP} name""#)), "{before:#?}");
    let jump = before.iter().find(|line| line.starts_with("-A FORWARD")).expect("a jump").replacen("-A ", "-I ", 1);
    bench.assert_in_order();
    bench.assert_guarded(&guest, &wire);
    for operation in ["start", "started", "reconnect", "attach"] {
        bench.go(operation, &guest);
        assert_eq!(standing(), before, "{operation}");
        for (program, words) in [
            ("iptables", "-F"),
            ("iptables", "-F fw-vnet7"),
            ("iptables", jump.as_str()),
            ("iptables", "-A fw-vnet7 -j ACCEPT"),
            ("ip6tables", "-t mangle -F"),
        ] {
            change(program, words);
            assert!(!bench.host().check_all().expect("a look").is_empty(), "{program} {words} was not seen");
            bench.go(operation, &guest);
            assert_eq!(standing(), before, "{operation} after {program} {words}");
            bench.assert_in_order();
        }
    }
    kernel::flush();
    bench.host().apply_all(&[]).expect("all is applied");
    assert_eq!(standing(), before);
    bench.assert_guarded(&guest, &wire);
    bench.go("stopped", &guest);
    assert!(!standing().iter().any(|line| line.contains("vgf_") || line.contains("fw-")), "{:#?}", standing());
    bench.assert_gone(&guest);
}

/// A fragment that goes takes its rules with it, and all of ours go together.
pub fn removed(bench: &mut Bench) {
    write(bench);
    let guests = [7, 8].map(Guest::new);
    let _wires = guests.each_ref().map(|guest| bench.plug(guest));
    guests.iter().for_each(|guest| bench.go("start", guest));
    let with_both = standing();
    bench.no_file("iptables.d/ours.v6.rules");
    bench.host().apply_all(&[]).expect("all is applied");
    assert!(!standing().iter().any(|line| line.contains("xmark 0x10/0x10")), "{:#?}", standing());
    bench.assert_in_order();
    write(bench);
    guests.iter().for_each(|guest| bench.go("reconnect", guest));
    assert_eq!(standing(), with_both);
    bench.host().remove_all().expect("all of ours goes");
    assert!(!standing().iter().any(|line| line.contains("vgf_") || line.contains("fw-")), "{:#?}", standing());
}

/// What is no rule, or none for this guest, stops its start and opens, changes and
/// delays nothing else.
pub fn refused(bench: &mut Bench) {
    write(bench);
    let (guests, wires) = bench.two_running();
    let before = kernel::rules(bench.engine);
    let third = Guest::new(9);
    let _wire = bench.plug(&third);
    for (text, complaint) in [
        (
            "*filter\n-A INPUT -i ${IFNAMES} -j DROP\nCOMMIT\n",
            "/etc/virt-guard/iptables.d/bad.rules:2:1: unknown variable",
        ),
        ("*filter\n-A INPUT -i ${IFNAME} -j NOWHERE\nCOMMIT\n", "NOWHERE"),
        ("*filter\n-A INPUT -i ${IFNAME} --frobnicate\nCOMMIT\n", "--frobnicate"),
    ] {
        bench.file("iptables.d/bad.rules", text);
        let run = bench.run("start", &third);
        run.assert_stops();
        assert!(run.stderr.contains(complaint), "{}", run.stderr);
        let run = bench.run("reconnect", &guests[0]);
        run.assert_goes_on();
        assert!(run.stderr.contains(complaint), "{}", run.stderr);
        let outcome = bench.host().apply_all(&[]).expect("the others' rules");
        assert!(!outcome.problems.is_empty(), "a broken fragment is told of");
        assert!(kernel::rules(bench.engine) == before, "{text}: something was changed");
    }
    change("iptables", "-F");
    bench.go("reconnect", &guests[0]);
    bench.no_file("iptables.d/bad.rules");
    for (guest, wire) in guests.iter().zip(&wires) {
        bench.assert_guarded(guest, wire);
    }
    bench.file("iptables.d/six.v6.rules", "*filter\n-A INPUT -s ${IP} -j DROP\nCOMMIT\n");
    let run = bench.run("start", &third);
    run.assert_stops();
    assert!(run.stderr.contains("six.v6.rules:2:1: vnet9 has no known address of ipv6"), "{}", run.stderr);
}
