//! One fragment, line by line.
//!
//! In: its text. Out: a [`Fragment`], or the first mistake with its line. Taken
//! are `*table`, `:chain -`, `-A`, `-I`, `COMMIT` and comments, nothing else.

use std::fmt;

use super::{Declared, End, Fragment, FragmentRule};
use crate::facts::policy::XtTable;
use crate::facts::{FactError, Place};
use crate::net::Family;

/// The variables there are.
const VARIABLES: [&str; 4] = ["IFNAME", "MAC", "IP", "DOMAIN"];

/// Reads the file that the operator knows as `name`.
pub(super) fn fragment(name: &str, text: &str, family: Family) -> Result<Fragment, FactError> {
    let mut reader = Reader { table: None, fragment: Fragment { family, chains: Vec::new(), rules: Vec::new() } };
    let mut place = Place { file: name.to_owned(), line: 1, column: 1 };
    for line in text.lines() {
        reader.line(line.trim_end(), &place)?;
        place.line += 1;
    }
    match reader.table {
        None => Ok(reader.fragment),
        Some(table) => Err(FactError::new(place, format!("the table {table} does not end with COMMIT"))),
    }
}

struct Reader {
    table: Option<XtTable>,
    fragment: Fragment,
}

impl Reader {
    fn line(&mut self, line: &str, place: &Place) -> Result<(), FactError> {
        let error = |message: &dyn fmt::Display| FactError::new(place.clone(), message);
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if line.contains(char::is_control) {
            return Err(error(&"a control character, such as a tab"));
        }
        if let Some(word) = line.strip_prefix('*') {
            if let Some(table) = self.table {
                return Err(error(&format!("the table {table} does not end with COMMIT")));
            }
            self.table = Some(word.parse().map_err(|wrong| error(&wrong))?);
            return Ok(());
        }
        let table = self.table.ok_or_else(|| error(&"expected *table first, such as *filter"))?;
        if line == "COMMIT" {
            self.table = None;
        } else if let Some(declared) = line.strip_prefix(':') {
            self.fragment.chains.push(declare(table, declared, place)?);
        } else {
            self.fragment.rules.push(rule(table, line, place)?);
        }
        Ok(())
    }
}

fn declare(table: XtTable, text: &str, place: &Place) -> Result<Declared, FactError> {
    let error = |message: String| Err(FactError::new(place.clone(), message));
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let name = words.next().unwrap_or_default();
    if XtTable::is_built_in(name) || words.next() != Some("-") {
        return error(format!(
            "{name:?} is not a chain of the fragment's own; policies of built-in chains are not set"
        ));
    }
    chain(name, place)?;
    if !name.contains("${IFNAME}") {
        return error(format!("the chain {name:?} would be shared by all guests; put ${{IFNAME}} into its name"));
    }
    Ok(Declared { table, name: name.to_owned(), place: place.clone() })
}

fn rule(table: XtTable, line: &str, place: &Place) -> Result<FragmentRule, FactError> {
    let error = |message: String| FactError::new(place.clone(), message);
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    let end = match command {
        "-A" => End::Last,
        "-I" => End::First,
        _ => {
            return Err(error(format!(
                "invalid line, expected *table, :chain -, -A, -I, COMMIT or #, found {command:?}"
            )));
        }
    };
    let (name, words) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
    let words = words.trim();
    chain(name, place)?;
    if words.split(' ').next().is_some_and(|word| word.parse::<u32>().is_ok()) {
        return Err(error("a rule has no number here: -I is first, -A is last".to_owned()));
    }
    check_words(words, place)?;
    Ok(FragmentRule { table, chain: name.to_owned(), end, words: words.to_owned(), place: place.clone() })
}

/// The name of a chain in which only the interface may stand for a guest.
fn chain(name: &str, place: &Place) -> Result<(), FactError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'+');
    let bare = name.replace("${IFNAME}", "");
    if name.is_empty() || name.starts_with('-') || !bare.bytes().all(plain) {
        return Err(FactError::new(
            place.clone(),
            format!("invalid chain {name:?}, expected letters, digits, . _ : + - or ${{IFNAME}}"),
        ));
    }
    if ["vg_", "vgf_"].iter().any(|prefix| name.starts_with(prefix)) {
        return Err(FactError::new(place.clone(), format!("the chain {name:?} is virt-guard's own")));
    }
    Ok(())
}

/// Quotes that end, variables that are known and stand where their values are
/// safe, and no word that would be another command or another table's.
fn check_words(words: &str, place: &Place) -> Result<(), FactError> {
    let error = |message: String| Err(FactError::new(place.clone(), message));
    if words.matches('"').count() % 2 == 1 || words.contains(['\\', '\'', '`']) {
        return error("quotes are \" in pairs; ' ` and \\ are not taken".to_owned());
    }
    for (at, part) in words.split('"').enumerate() {
        let quoted = at % 2 == 1;
        let before = words.split('"').nth(at.wrapping_sub(1)).unwrap_or_default();
        for variable in part.split("${").skip(1) {
            let name = variable.split_once('}').map_or(variable, |(name, _)| name);
            if !VARIABLES.contains(&name) || !variable.contains('}') {
                return error(format!("unknown variable {name:?}, expected IFNAME, MAC, IP or DOMAIN"));
            }
            if name == "DOMAIN" && !(quoted && before.ends_with("--comment ")) {
                return error("${DOMAIN} is a tenant's text: only in --comment \"…\"".to_owned());
            }
        }
        if !quoted {
            check_bare(part, place)?;
        }
    }
    Ok(())
}

fn check_bare(part: &str, place: &Place) -> Result<(), FactError> {
    for word in part.split(' ') {
        let command = word.strip_prefix("--").is_some_and(|long| {
            let commands =
                ["append", "insert", "delete", "flush", "delete-chain", "policy", "new-chain", "replace", "table"];
            long.len() > 2 && commands.iter().any(|command| command.starts_with(long.split('=').next().unwrap_or(long)))
        });
        let short =
            matches!(word.get(..2), Some("-A" | "-I" | "-D" | "-F" | "-X" | "-P" | "-N" | "-R" | "-E" | "-Z" | "-t"));
        let short = short && !word.starts_with("--");
        if command || short || word.starts_with("vg_") || word.starts_with("vgf_") {
            return Err(FactError::new(place.clone(), format!("{word:?} is not taken in a rule here")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        fragment("f", text, Family::V4).unwrap_err().to_string()
    }

    #[test]
    fn a_fragment_is_read() {
        let text = "# ours\n*filter\n:fw-${IFNAME} - [0:0]\n-A FORWARD -o ${IFNAME} -j fw-${IFNAME}\n\
                    -I fw-${IFNAME} -s ${IP} -m comment --comment \"of ${DOMAIN}\" -j DROP\nCOMMIT\n";
        let fragment = fragment("f", text, Family::V4).unwrap();
        assert_eq!(fragment.chains[0].name, "fw-${IFNAME}");
        assert_eq!(fragment.rules[0].words, "-o ${IFNAME} -j fw-${IFNAME}");
        assert_eq!((fragment.rules[1].end, fragment.rules[1].place.line), (End::First, 5));
    }

    #[test]
    fn what_is_no_fragment_is_refused_with_its_line() {
        for (line, expected) in [
            (":INPUT DROP [0:0]", "policies of built-in chains"),
            (":fw - [0:0]", "shared by all guests"),
            ("-D INPUT -j DROP", "expected *table, :chain"),
            ("-F", "expected *table, :chain"),
            ("[1:2] -A INPUT -j DROP", "expected *table, :chain"),
            ("-I INPUT 3 -j DROP", "no number"),
            ("-A INPUT -s ${IPS} -j DROP", "unknown variable \"IPS\""),
            ("-A INPUT -s ${IP -j DROP", "unknown variable"),
            ("-A INPUT -i ${DOMAIN} -j DROP", "tenant's text"),
            ("-A INPUT -m string --string \"${DOMAIN}\" -j DROP", "tenant's text"),
            ("-A INPUT -m comment --comment \"x -j DROP", "in pairs"),
            ("-A INPUT -t nat -j DROP", "\"-t\" is not taken"),
            ("-A INPUT --tab=nat -j DROP", "is not taken"),
            ("-A INPUT -F -j DROP", "\"-F\" is not taken"),
            ("-A INPUT -j vg_host", "\"vg_host\" is not taken"),
            ("-A vg_host -j DROP", "virt-guard's own"),
            ("-A IN\tPUT", "control character"),
            ("-A ${MAC} -j DROP", "invalid chain"),
            ("*nat", "does not end with COMMIT"),
        ] {
            let message = error(&format!("*filter\n{line}\nCOMMIT\n"));
            assert!(message.starts_with("f:2:1: ") && message.contains(expected), "{line}: {message}");
        }
        assert!(error("-A INPUT -j DROP\n").starts_with("f:1:1: expected *table first"));
        assert!(error("*filter\n").starts_with("f:2:1: the table filter does not end"));
        assert!(error("*broute\n").contains("expected filter, nat, mangle or raw"));
    }
}
