//! What the program is asked to do.

use std::fmt;

use virt_guard::engine::EngineKind;

const USAGE: &str = "usage: nwfilter --against libvirt | --against engine --engine nftables|iptables \
                     [--filter WORD] [--packets N] [--seed N] [--shown N] [--verbose]";

/// Whose verdicts the model's are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// The rules that libvirt makes.
    Libvirt,
    /// The rules of one of our engines.
    Engine(EngineKind),
}

impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Libvirt => f.write_str("libvirt"),
            Self::Engine(kind) => write!(f, "engine --engine {kind}"),
        }
    }
}

/// The arguments.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// Whom to hold the model against.
    pub against: Against,
    /// Only filters whose name has this in it.
    pub filter: String,
    /// How many packets each filter is tried with.
    pub packets: usize,
    /// Where the random numbers begin.
    pub seed: u64,
    /// How many differences of one filter to print.
    pub shown: usize,
    /// Whether to tell of each frame.
    pub verbose: bool,
}

impl Arguments {
    /// Reads them.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut against, mut engine) = (None, None);
        let mut all = Self {
            against: Against::Libvirt,
            filter: String::new(),
            packets: 260,
            seed: 0x6e77_6621,
            shown: 4,
            verbose: false,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value; {USAGE}"));
            match word.as_str() {
                "--against" => against = Some(value()?),
                "--engine" => engine = Some(value()?.parse::<EngineKind>().map_err(|error| error.to_string())?),
                "--filter" => all.filter = value()?,
                "--packets" => all.packets = number(&value()?)? as usize,
                "--shown" => all.shown = number(&value()?)? as usize,
                "--seed" => all.seed = number(&value()?)?,
                "--verbose" => all.verbose = true,
                _ => return Err(format!("unknown {word:?}; {USAGE}")),
            }
        }
        all.against = match (against.as_deref(), engine) {
            (Some("libvirt"), None) => Against::Libvirt,
            (Some("engine"), Some(kind)) => Against::Engine(kind),
            _ => return Err(USAGE.to_owned()),
        };
        Ok(all)
    }
}

fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| format!("{text:?} is no number: {error}"))
}
