//! What iptables is told of fragments.

use super::*;
use crate::facts::fragments::End;
use crate::facts::policy::XtTable;
use crate::plan::FragmentChain;

fn chain(hook: Option<(&str, End)>, name: &str, rules: &[&str]) -> FragmentChain {
    FragmentChain {
        family: Family::V4,
        table: XtTable::Filter,
        name: name.into(),
        rules: rules.iter().map(ToString::to_string).collect(),
        hook: hook.map(|(from, end)| (from.to_owned(), end)),
    }
}

fn work(before: Vec<FragmentChain>, after: Vec<FragmentChain>) -> Work {
    let guest = "00000000-0000-4000-8000-000000000007".parse().unwrap();
    let record = FragmentRecord { guest, chains: before, lines: Vec::new(), stale: Vec::new() };
    Work { port: "vnet7".parse().unwrap(), guest, record: Some(record), after }
}

#[test]
fn a_jump_stands_once_and_behind_our_own() {
    let after = vec![chain(Some(("INPUT", End::First)), "vgf_i", &["-j DROP"]), chain(None, "fw-vnet7", &[])];
    let now = Saved::parse("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j vg_host\n-A INPUT -j x\nCOMMIT\n");
    assert_eq!(
        script(&[work(Vec::new(), after.clone())], Family::V4, &now),
        "*filter\n:fw-vnet7 - [0:0]\n:vgf_i - [0:0]\n-I INPUT 2 -j vgf_i\n-A vgf_i -j DROP\nCOMMIT\n"
    );
    let now = Saved::parse("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j vgf_i\n-A INPUT -j vgf_i\nCOMMIT\n");
    assert!(script(&[work(Vec::new(), after)], Family::V4, &now).contains("]\n-D INPUT -j vgf_i\n-A vgf_i"));
}

#[test]
fn what_is_not_wanted_any_more_goes_with_its_jumps() {
    let before = vec![chain(Some(("INPUT", End::Last)), "vgf_a", &["-j DROP"])];
    let now =
        Saved::parse("*filter\n:INPUT ACCEPT [0:0]\n:vgf_a - [0:0]\n-A INPUT -j vgf_a\n-A vgf_a -j DROP\nCOMMIT\n");
    let text = script(&[work(before.clone(), Vec::new())], Family::V4, &now);
    assert_eq!(text, "*filter\n:vgf_a - [0:0]\n-D INPUT -j vgf_a\n-X vgf_a\nCOMMIT\n");
    assert_eq!(script(&[work(before, Vec::new())], Family::V4, &Saved::default()), "");
}
