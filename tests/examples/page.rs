//! What a page shows, as steps that can be taken.
//!
//! In: the text of a manual page or of a Markdown file. Out: the files and commands of its
//! examples, in order. It takes no step itself.
//!
//! An example is what stands between `.EX` and `.EE`, or in a fence of Markdown that is
//! marked `toml`, `xml` or `console`. In it
//!
//! - `# /path` or `<!-- /path -->` alone on a line begins a file;
//! - `$ command` is a command, which goes on behind a backslash; the lines below are what it
//!   prints, where `...` stands for any lines, or, at an end of a line, for the rest of it;
//! - `exit status N` below them is what it ends with, if that is not 0.

/// One step of an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A file is written.
    File {
        /// Where: an absolute path.
        path: String,
        /// All of it.
        text: String,
    },
    /// A command is run.
    Command(Command),
}

/// A command and what it does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// What is typed.
    pub line: String,
    /// What it prints, line by line.
    pub prints: Vec<String>,
    /// What it ends with.
    pub status: i32,
}

/// The steps of a manual page.
///
/// # Errors
/// An example of which nobody could say what it is.
pub fn of_manual(page: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for block in page.split("\n.EX\n").skip(1) {
        let (block, _) = block.split_once("\n.EE").ok_or("an .EX without .EE")?;
        steps.extend(of_block(&as_read(block))?);
    }
    Ok(steps)
}

/// The steps of a Markdown file.
///
/// # Errors
/// As of [`of_manual`].
pub fn of_markdown(page: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut fences = page.split("\n```");
    fences.next();
    // Of what is between fences every second piece is in one.
    while let Some(block) = fences.next() {
        fences.next();
        let (kind, block) = block.split_once('\n').unwrap_or((block, ""));
        if ["toml", "xml", "console"].contains(&kind) {
            steps.extend(of_block(block)?);
        }
    }
    Ok(steps)
}

/// Text of a manual page as a reader sees it.
fn as_read(text: &str) -> String {
    let words = [("\\-", "-"), ("\\(aq", "'"), ("\\(dq", "\""), ("\\&", ""), ("\\e", "\\")];
    words.iter().fold(text.to_owned(), |text, (written, read)| text.replace(written, read))
}

fn of_block(block: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut continued = false;
    for line in block.lines() {
        if let Some(path) = path_of(line) {
            steps.push(Step::File { path: path.to_owned(), text: String::new() });
        } else if let Some(typed) = line.strip_prefix("$ ") {
            steps.push(Step::Command(Command { line: typed.to_owned(), ..Command::default() }));
            continued = typed.ends_with('\\');
        } else {
            let step = steps.last_mut().ok_or_else(|| format!("neither a file nor a command: {line:?}"))?;
            continued = go_on(step, line, continued)?;
        }
    }
    Ok(steps)
}

/// One more line of a step; whether the next one still belongs to a command.
fn go_on(step: &mut Step, line: &str, continued: bool) -> Result<bool, String> {
    match step {
        Step::File { text, .. } => text.push_str(&format!("{line}\n")),
        Step::Command(command) if continued => {
            command.line.push_str(&format!("\n{line}"));
            return Ok(line.ends_with('\\'));
        }
        Step::Command(command) => match line.strip_prefix("exit status ") {
            Some(status) => command.status = status.parse().map_err(|error| format!("{line}: {error}"))?,
            None if line.is_empty() => {}
            None => command.prints.push(line.to_owned()),
        },
    }
    Ok(false)
}

/// The path that begins a file.
fn path_of(line: &str) -> Option<&str> {
    let bare = line.strip_prefix("# ").or_else(|| line.strip_prefix("<!-- ")?.strip_suffix(" -->"))?;
    (bare.starts_with('/') && !bare.contains(' ')).then_some(bare)
}

/// Whether a command printed what its page says.
pub fn printed(expected: &[String], found: &[&str]) -> bool {
    match (expected, found) {
        ([], found) => found.is_empty(),
        ([any, rest @ ..], found) if any == "..." => (0..=found.len()).any(|from| printed(rest, &found[from..])),
        ([line, rest @ ..], [first, others @ ..]) => {
            let same = match line.strip_suffix("...") {
                Some(begin) => first.starts_with(begin.trim_end()),
                None => line.trim_end() == first.trim_end(),
            };
            same && printed(rest, others)
        }
        _ => false,
    }
}
