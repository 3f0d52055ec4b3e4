//! The operator's program, run as it is typed.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage::bench::Bench;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_virt-guard");

/// Whoever types commands on the bench's host.
#[derive(Debug)]
pub struct Operator {
    root: PathBuf,
}

/// What became of a command.
#[derive(Debug)]
pub struct Done {
    /// When it was typed.
    pub begin: Instant,
    /// How long it took.
    pub elapsed: Duration,
    /// Its exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Operator {
    /// At the bench's host.
    pub fn new(bench: &Bench) -> Self {
        Self { root: bench.root() }
    }

    /// Runs `virt-guard` with these words to its end.
    pub fn run(&self, words: &[&str]) -> Done {
        let mut command = Command::new(PROGRAM);
        command.arg("--root").arg(&self.root).args(words).env("LC_ALL", "C");
        let begin = Instant::now();
        let output = command.output().expect("the operator's program");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Done {
            begin,
            elapsed: begin.elapsed(),
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The same; it must say 0.
    pub fn go(&self, words: &[&str]) -> Done {
        let done = self.run(words);
        assert_eq!(done.code, Some(0), "virt-guard {}: {}{}", words.join(" "), done.stderr, done.stdout);
        println!(
            "= virt-guard {}: {:.1} ms {}",
            words.join(" "),
            done.elapsed.as_secs_f64() * 1e3,
            &done.stdout[..done.stdout.len().min(1500)]
        );
        done
    }
}

impl Done {
    /// Whether `--json` had it print this port, as a number or behind an address.
    pub fn speaks_of_port(&self, port: u16) -> bool {
        fn is_in(value: &Value, port: u16) -> bool {
            match value {
                Value::Number(number) => number.as_u64() == Some(port.into()),
                Value::String(text) => text.split_whitespace().any(|word| word.ends_with(&format!(":{port}"))),
                Value::Array(list) => list.iter().any(|value| is_in(value, port)),
                Value::Object(map) => map.values().any(|value| is_in(value, port)),
                _ => false,
            }
        }
        is_in(&self.json(), port)
    }

    /// What `--json` had it print.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}
