//! The options of a command line, as a file of variables keeps them
//! (`EnvironmentFile=`, systemd.exec(5)).
//!
//! In: the file and the variable. Out: its words; or the file with other words.

use std::path::Path;

use super::PinError;
use super::draft::Draft;
use super::settings::{self, Line, Setting};

/// The words of a variable; none if it is not set.
///
/// # Errors
/// The shell would make something else of them.
pub(super) fn words(draft: &Draft, path: &Path, variable: &str) -> Result<Vec<String>, PinError> {
    let all = settings::read(draft, path, grammar)?;
    let Some(setting) = all.iter().rev().find(|setting| setting.key == variable) else { return Ok(Vec::new()) };
    if setting.value.contains(['$', '`', '\\', '"', '\'']) {
        return Err(setting.unreadable("expected words without quotes, $ and \\ within"));
    }
    Ok(setting.value.split_whitespace().map(str::to_owned).collect())
}

/// Sets the variable to other words.
pub(super) fn set(draft: &mut Draft, path: &Path, variable: &str, words: &[String]) -> Result<(), PinError> {
    let all = settings::read(draft, path, grammar)?;
    let old: Vec<&Setting> = all.iter().filter(|setting| setting.key == variable).collect();
    let line = format!("{variable}=\"{}\"", words.join(" "));
    match old.is_empty() {
        true => settings::add(draft, path, grammar, ("", &[line])),
        false => settings::replace(draft, &old, &[line]),
    }
}

/// Takes an option with its values out of the words.
pub(super) fn take(words: &mut Vec<String>, [short, long]: [&str; 2]) -> Vec<String> {
    let (mut kept, mut values, mut rest) = (Vec::new(), Vec::new(), words.drain(..));
    while let Some(word) = rest.next() {
        if word == short || word == long {
            values.extend(rest.next());
        } else if let Some(value) = word.strip_prefix(long).and_then(|value| value.strip_prefix('=')) {
            values.push(value.to_owned());
        } else if let Some(value) = word.strip_prefix(short).filter(|_| !word.starts_with("--")) {
            values.push(value.to_owned());
        } else {
            kept.push(word);
        }
    }
    drop(rest);
    *words = kept;
    values
}

fn grammar(line: &str) -> Line {
    let text = line.trim();
    if text.is_empty() || text.starts_with(['#', ';']) {
        return Line::Nothing;
    }
    let Some((name, value)) = text.split_once('=') else { return Line::Wrong("expected VARIABLE=\"WORDS\"") };
    let value = value.trim();
    let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    Line::Set(name.trim().trim_start_matches("export ").to_owned(), quoted.unwrap_or(value).to_owned())
}

#[cfg(test)]
mod tests {
    use super::take;

    #[test]
    fn an_option_is_found_however_it_is_written() {
        let mut words: Vec<_> = "-w -l a --listen=b -lc -v --listen d -x".split(' ').map(str::to_owned).collect();
        assert_eq!(take(&mut words, ["-l", "--listen"]), ["a", "b", "c", "d"]);
        assert_eq!(words, ["-w", "-v", "-x"]);
    }
}
