//! What the program is asked to do.

use std::ops::Range;

use virt_guard::engine::EngineKind;

const USAGE: &str = "usage: packets [--engine nftables|iptables] [--policies N] [--packets N] [--seed N] [--policy N] \
                     [--case WORD] [--verbose]";

/// The arguments.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// The only engine to test, if one is named.
    pub engine: Option<EngineKind>,
    /// How many packets each policy is tried with.
    pub packets: usize,
    /// Where the random numbers begin.
    pub seed: u64,
    /// Only the cases whose name has this in it, and no random policy.
    pub case: Option<String>,
    /// Whether to tell of what went well, too.
    pub verbose: bool,
    policies: usize,
    policy: Option<usize>,
}

impl Default for Arguments {
    fn default() -> Self {
        let seed = 0x6775_6172_6421;
        Self { engine: None, packets: 500, seed, case: None, verbose: false, policies: 30, policy: None }
    }
}

impl Arguments {
    /// Reads them. Those of cargo's own test harness are not known.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut all = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value; {USAGE}"));
            match word.as_str() {
                "--engine" => all.engine = Some(value()?.parse().map_err(|error| format!("{error}"))?),
                "--policies" => all.policies = number(&value()?)? as usize,
                "--packets" => all.packets = number(&value()?)? as usize,
                "--policy" => all.policy = Some(number(&value()?)? as usize),
                "--seed" => all.seed = number(&value()?)?,
                "--case" => all.case = Some(value()?),
                "--verbose" => all.verbose = true,
                _ => return Err(format!("unknown {word:?}; {USAGE}")),
            }
        }
        Ok(all)
    }

    /// The numbers of the random policies to try.
    pub fn numbers(&self) -> Range<usize> {
        match (self.policy, &self.case) {
            (Some(number), _) => number..number + 1,
            (None, Some(_)) => 0..0,
            (None, None) => 0..self.policies,
        }
    }

    /// Whether to try the case of this name.
    pub fn has_case(&self, name: &str) -> bool {
        self.policy.is_none() && self.case.as_ref().is_none_or(|part| name.contains(part))
    }
}

fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| format!("{text:?} is no number: {error}"))
}
