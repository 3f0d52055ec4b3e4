//! A stand-in for the programs: it expects exactly these commands, in order, and
//! fails on any other and on one that never came.

use std::collections::VecDeque;

use super::{Command, Deadline, RunError, Runner};

/// The commands that must come, each with what it answers.
pub(crate) struct Sequence(VecDeque<(String, String)>);

impl Sequence {
    /// Expects these command lines and answers with these outputs.
    pub(crate) fn new<const N: usize>(expected: [(&str, &str); N]) -> Self {
        Self(expected.map(|(line, output)| (line.to_owned(), output.to_owned())).into())
    }
}

impl Runner for Sequence {
    fn run(&mut self, command: &Command, _: Deadline) -> Result<String, RunError> {
        let Some((line, output)) = self.0.pop_front() else { panic!("unexpected command: {}", command.line()) };
        assert_eq!(command.line(), line);
        Ok(output)
    }
}

impl Drop for Sequence {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "never came: {:?}", self.0);
        }
    }
}
