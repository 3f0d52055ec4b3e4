//! Messages that help: the nearest word to one that is unknown.
//!
//! In: a word, or what toml says about a file. Out: text for the operator, on
//! one line and without control characters.

use std::fmt::Write;

use strsim::osa_distance;

/// The most choices that a message lists.
const LISTED: usize = 20;

/// The keys that only `virt-guard.toml` may have. A test holds that it has them all.
const SETTINGS: [&str; 8] = ["engine", "mark", "deadline-seconds", "bridges", "host", "guests", "daemon", "nat"];

/// The keys that every file may have, in the order of `RawPolicy`.
const TABLES: [&str; 5] = ["group", "guest", "preserve", "floating-ip", "forward"];

/// What serde calls by names of its own, and how the operator knows it.
const WORDS: [(&str, &str); 5] = [
    ("missing field ", "missing key "),
    ("invalid type: map, expected a sequence", "invalid type: table, expected a list, such as [[group]] for [group]"),
    ("invalid type: map", "invalid type: table"),
    (", expected a sequence", ", expected a list"),
    (", expected i64", ", expected an integer"),
];

/// What toml says, in the words of this program, and with the nearest key to one
/// that is unknown.
///
/// serde has no other way to hand over the choices than its message,
/// "unknown field `x`, expected one of `a`, `b`".
pub fn explain(message: &str) -> String {
    let mut text = WORDS.iter().fold(printable(message), |text, (serde, ours)| text.replace(serde, ours));
    let Some(rest) = text.strip_prefix("unknown field ") else { return text };
    let names: Vec<String> = rest.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    text = format!("unknown key {rest}");
    let Some((unknown, choices)) = names.split_first() else { return text };
    if SETTINGS.contains(&unknown.as_str()) && choices == TABLES {
        text.push_str("; it belongs in virt-guard.toml");
    } else {
        text.push_str(&did_you_mean(unknown, choices.iter().map(String::as_str)));
    }
    text
}

/// `; did you mean "x"?` with the choice that is nearest to `word`, or nothing
/// if none is near.
pub fn did_you_mean<'a>(word: &str, choices: impl Iterator<Item = &'a str>) -> String {
    let length = word.chars().count();
    let near = |distance: usize| distance <= length / 3 + 1 && distance < length;
    // Two letters in the wrong order count as one mistake.
    let nearest = choices.map(|choice| (osa_distance(word, choice), choice)).min();
    match nearest.filter(|(distance, _)| near(*distance)) {
        Some((_, choice)) => format!("; did you mean {choice:?}?"),
        None => String::new(),
    }
}

/// The choices with commas between them, or how many more there are.
pub fn list<'a>(choices: impl Iterator<Item = &'a str>) -> String {
    let mut choices = choices.peekable();
    let mut text = choices.by_ref().take(LISTED).collect::<Vec<_>>().join(", ");
    if choices.peek().is_some() {
        // Writing to a String cannot fail.
        let _ = write!(text, " and {} more", choices.count());
    }
    text
}

/// The text with control characters escaped: a key may contain any.
fn printable(text: &str) -> String {
    let escape =
        |letter: char| if letter.is_control() { letter.escape_debug().to_string() } else { letter.to_string() };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_word_is_suggested() {
        let suggest = |word| did_you_mean(word, ["bastion", "web"].into_iter());
        assert_eq!(suggest("bastoin"), "; did you mean \"bastion\"?");
        assert_eq!(did_you_mean("wbe", ["db", "web"].into_iter()), "; did you mean \"web\"?");
        assert_eq!(suggest("database"), "");
        assert_eq!(did_you_mean("a", ["b"].into_iter()), "");
        assert_eq!(did_you_mean("web", std::iter::empty()), "");
    }

    #[test]
    fn a_long_list_is_cut() {
        let names: Vec<String> = (0..23).map(|n| format!("g{n}")).collect();
        let text = list(names.iter().map(String::as_str));
        assert!(text.ends_with("g18, g19 and 3 more"), "{text}");
    }

    #[test]
    fn control_characters_of_a_key_are_escaped() {
        assert_eq!(
            explain("unknown field `a\u{1b}\n`, there are no fields"),
            "unknown key `a\\u{1b}\\n`, there are no fields"
        );
    }
}
