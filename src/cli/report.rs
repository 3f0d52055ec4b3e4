//! What a command has to say, kept apart from saying it.

use std::io::{self, Write};

use super::Exit;
pub use crate::facts::with_source as chain;

/// The outcome of a command that came to its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// For standard output.
    pub text: String,
    /// For standard error, each a line of its own.
    pub complaints: Vec<String>,
    /// What to exit with.
    pub exit: Exit,
}

impl Report {
    /// A report that nothing is wrong.
    pub fn good(text: impl Into<String>) -> Self {
        Self { text: text.into(), complaints: Vec::new(), exit: Exit::Good }
    }

    /// The same with something to complain of.
    pub fn complain(mut self, exit: Exit, complaints: impl IntoIterator<Item = String>) -> Self {
        for complaint in complaints {
            self.complaints.push(complaint);
            self.exit = self.exit.max(exit);
        }
        self
    }

    /// Prints it; what to exit with.
    pub fn deliver(self) -> Exit {
        let mut out = io::stdout().lock();
        let written = out.write_all(self.text.as_bytes()).and_then(|()| out.flush());
        for complaint in &self.complaints {
            eprintln!("virt-guard: {complaint}");
        }
        match written {
            // Whoever reads, such as head, has seen enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                eprintln!("virt-guard: standard output: {error}");
                Exit::Failed
            }
            _ => self.exit,
        }
    }
}

/// `value` as JSON for standard output.
///
/// # Errors
/// It has no JSON, which none of this program's types is without.
pub fn json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::RunError;

    #[test]
    fn a_cause_is_told_once() {
        let quoting = RunError::Start { program: "nft".into(), source: io::Error::other("not there") };
        assert_eq!(chain(&quoting), "nft cannot be started: not there");
        let plain = anyhow::Error::new(io::Error::other("not there")).context("cannot write").context("outer");
        assert_eq!(chain(plain.as_ref()), "outer: cannot write: not there");
    }

    #[test]
    fn the_worst_of_several_complaints_is_the_exit() {
        let report = Report::good("").complain(Exit::Failed, ["a".to_owned()]).complain(Exit::Found, ["b".to_owned()]);
        assert_eq!(report.exit, Exit::Failed);
        assert_eq!(Report::good("").complain(Exit::Failed, []).exit, Exit::Good);
    }
}
