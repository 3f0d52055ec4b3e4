//! What somebody does to the rules: a program, run to its end, whose id is known.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::events::Author;

/// A program, its arguments, its input.
#[derive(Debug, Clone)]
pub struct Deed {
    program: String,
    arguments: Vec<String>,
    input: String,
}

impl Deed {
    /// What one would type, in words that hold no space.
    pub fn typed(line: &str) -> Self {
        let mut words = line.split_whitespace().map(str::to_owned);
        let program = words.next().expect("a program");
        Self { program, arguments: words.collect(), input: String::new() }
    }

    /// `nft -f -` with this text.
    pub fn nft(text: impl Into<String>) -> Self {
        Self { input: text.into(), ..Self::typed("nft -f -") }
    }

    /// Does it, and says who that was.
    ///
    /// # Panics
    /// It fails.
    pub fn done(&self) -> Author {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{self}: {error}"));
        let author = Author { pid: child.id(), program: self.program.clone() };
        child.stdin.take().expect("a pipe").write_all(self.input.as_bytes()).expect("the input is taken");
        assert!(child.wait().expect("the program ends").success(), "{self} failed");
        author
    }
}

impl std::fmt::Display for Deed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let input = self.input.lines().next().unwrap_or_default();
        write!(f, "{} {} {input}", self.program, self.arguments.join(" "))
    }
}
