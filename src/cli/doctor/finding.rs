//! What a look at one thing has found, and all of it as a table or as JSON.

use std::fmt;

use serde::Serialize;

use crate::cli::Exit;
use crate::cli::paint::{Paint, Tint};
use crate::cli::table::{count, table};

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Guests are guarded, but something is not as it should be.
    Warning,
    /// Guests are not guarded, or will not be.
    Error,
    /// It could not be looked at.
    Unknown,
}

impl Level {
    const ALL: [Self; 4] = [Self::Ok, Self::Warning, Self::Error, Self::Unknown];

    const fn tint(self) -> Tint {
        match self {
            Self::Ok => Tint::Good,
            Self::Warning | Self::Unknown => Tint::Doubtful,
            Self::Error => Tint::Bad,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

/// One thing that was found.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// How it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do about it; null if nothing has to be done.
    pub remedy: Option<String>,
}

impl Finding {
    /// Nothing has to be done.
    pub fn ok(found: impl Into<String>) -> Self {
        Self { level: Level::Ok, found: found.into(), remedy: None }
    }

    /// Something is not as it should be.
    pub fn warning(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warning, found: found.into(), remedy: Some(remedy.into()) }
    }

    /// Guests are not guarded, or will not be.
    pub fn error(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Error, found: found.into(), remedy: Some(remedy.into()) }
    }

    /// It could not be looked at.
    pub fn unknown(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Unknown, found: found.into(), remedy: Some(remedy.into()) }
    }
}

/// A finding, and what was looked at.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// The check.
    pub check: &'static str,
    /// What it found.
    #[serde(flatten)]
    pub finding: Finding,
}

/// All that was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct View {
    /// Whether there is nothing to be done.
    in_order: bool,
    /// Everything that was looked at, in the order in which it matters.
    findings: Vec<Checked>,
}

impl View {
    /// The findings as they are shown.
    pub fn new(findings: Vec<Checked>) -> Self {
        let in_order = findings.iter().all(|checked| checked.finding.level == Level::Ok);
        Self { in_order, findings }
    }

    /// What they mean for the exit code.
    pub fn exit(&self) -> Exit {
        match self.findings.iter().map(|checked| checked.finding.level).max() {
            None | Some(Level::Ok) => Exit::Good,
            Some(Level::Warning | Level::Error) => Exit::Found,
            Some(Level::Unknown) => Exit::Failed,
        }
    }

    fn sum(&self) -> String {
        let of = |level| self.findings.iter().filter(|checked| checked.finding.level == level).count();
        if self.in_order {
            return "everything is in order".to_owned();
        }
        let words = |level: Level| match (level, of(level)) {
            (_, 0) => None,
            (Level::Ok, number) => Some(format!("{number} in order")),
            (Level::Unknown, number) => Some(format!("{number} could not be looked at")),
            (level, number) => Some(count(number, level.word())),
        };
        Level::ALL.into_iter().rev().filter_map(words).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paint = Paint::of(f);
        let mut rows = Vec::new();
        for Checked { check, finding } in &self.findings {
            rows.push([
                paint.tint(finding.level.tint(), finding.level.word()),
                (*check).to_owned(),
                one_line(&finding.found),
            ]);
            let remedy = finding.remedy.as_deref().map(|remedy| format!("→ {}", one_line(remedy)));
            rows.extend(remedy.map(|remedy| [String::new(), String::new(), remedy]));
        }
        write!(f, "{}\n{}\n", table(&rows), self.sum())
    }
}

/// Programs and tenants have a say in it.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(findings: Vec<Finding>) -> View {
        View::new(findings.into_iter().map(|finding| Checked { check: "tools", finding }).collect())
    }

    #[test]
    fn each_finding_is_a_line_with_its_remedy_below() {
        let text = view(vec![Finding::ok("nft 1"), Finding::error("no\nip", "install it")]).to_string();
        assert_eq!(
            text,
            "ok     tools  nft 1\nerror  tools  no ip\n              → install it\n\n1 error, 1 in order\n"
        );
        assert!(view(vec![Finding::ok("x")]).to_string().ends_with("\neverything is in order\n"));
    }

    #[test]
    fn what_could_not_be_looked_at_is_not_in_order() {
        assert_eq!(view(vec![Finding::ok("")]).exit(), Exit::Good);
        assert_eq!(view(vec![Finding::ok(""), Finding::warning("", "")]).exit(), Exit::Found);
        assert_eq!(view(vec![Finding::error("", ""), Finding::unknown("", "")]).exit(), Exit::Failed);
    }

    #[test]
    fn json_names_check_and_level() {
        let expected = serde_json::json!({ "in-order": false, "findings": [
            { "check": "tools", "level": "warning", "found": "a", "remedy": "b" },
        ] });
        assert_eq!(serde_json::to_value(view(vec![Finding::warning("a", "b")])).unwrap(), expected);
    }
}
