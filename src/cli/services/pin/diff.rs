//! A change of a file as people read it: a unified diff, in colours on a terminal.
//!
//! In: a file's text before and after. Out: text. Nothing is written.

use similar::TextDiff;

use crate::cli::paint::Paint;
use crate::reconcile::FileChange;

/// The change as a unified diff with three lines around each part.
pub(super) fn unified(change: &FileChange, paint: Paint) -> String {
    let path = change.path.display().to_string();
    let old = if change.before.is_some() { &*path } else { "/dev/null" };
    let diff = TextDiff::from_lines(change.before.as_deref().unwrap_or_default(), &change.after);
    let text = diff.unified_diff().context_radius(3).header(old, &path).to_string();
    match paint {
        Paint::Plain => text,
        Paint::Colours => text.split_inclusive('\n').map(coloured).collect(),
    }
}

fn coloured(line: &str) -> String {
    let colour = match line.as_bytes() {
        [b'+', b'+', b'+', b' ', ..] | [b'-', b'-', b'-', b' ', ..] => "1",
        [b'+', ..] => "32",
        [b'-', ..] => "31",
        [b'@', ..] => "36",
        _ => return line.to_owned(),
    };
    let text = line.trim_end_matches('\n');
    format!("\x1b[{colour}m{text}\x1b[0m{}", &line[text.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(before: Option<&str>, after: &str) -> FileChange {
        FileChange { path: "/etc/x".into(), before: before.map(str::to_owned), after: after.to_owned() }
    }

    #[test]
    fn a_new_file_comes_from_nowhere() {
        let text = unified(&change(None, "a\n"), Paint::Plain);
        assert_eq!(text, "--- /dev/null\n+++ /etc/x\n@@ -0,0 +1 @@\n+a\n");
    }

    #[test]
    fn lines_around_a_change_are_shown() {
        let text = unified(&change(Some("1\n2\n3\n4\n5\n6"), "1\n2\n3\n4\nx\n6"), Paint::Plain);
        assert!(text.starts_with("--- /etc/x\n+++ /etc/x\n@@ -2,5 +2,5 @@\n 2\n 3\n 4\n-5\n+x\n 6\n"), "{text}");
    }

    #[test]
    fn colours_end_with_the_line() {
        let text = unified(&change(Some("a\n"), "b\n"), Paint::Colours);
        assert!(text.ends_with("\x1b[31m-a\x1b[0m\n\x1b[32m+b\x1b[0m\n"), "{text:?}");
    }
}
