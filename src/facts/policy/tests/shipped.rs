//! The file that is installed: it changes nothing, and what it shows can be used.

use super::*;

const SHIPPED: &str = include_str!("../../../../packaging/virt-guard.toml");

#[test]
fn the_shipped_file_is_the_default_policy() {
    assert_eq!(settings(SHIPPED).unwrap(), Policy::default());
}

#[test]
fn every_line_of_the_shipped_file_can_be_taken_into_use() {
    // A remark has a space behind its #, a key has none.
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|first: char| !first.is_whitespace()) => format!("{key}\n"),
        _ => "\n".to_owned(),
    };
    let policy = settings(&SHIPPED.lines().map(uncomment).collect::<String>()).unwrap();
    let default = Policy::default();
    assert_eq!((policy.engine, policy.marks, policy.deadline), (default.engine, default.marks, default.deadline));
    assert_eq!(policy.guests, default.guests);
    assert_eq!(policy.nat.announce, default.nat.announce);
    assert_eq!([policy.preserve.len(), policy.floating.len(), policy.forwards.len()], [1, 1, 1]);
}
