//! Packets through a real bridge, held against the model.
//!
//! Two parts, each for each engine that this kernel supports: random policies and
//! packets, where [`virt_guard::model::evaluate()`] says what must become of each
//! packet; and cases written by hand, each named after the hole it closes. Needs
//! root; everything happens in namespaces that vanish with it.

#![allow(clippy::expect_used, reason = "a test says what it expected")]

#[path = "../support/mod.rs"]
mod support;

mod aim;
mod arguments;
mod bytes;
mod cases;
mod differential;
mod engines;
mod expect;
mod flow;
mod frame;
mod generate;
mod host;
mod rng;
mod station;
mod tally;
mod traffic;
mod values;
mod volley;
mod world;

use std::process::ExitCode;
use std::time::Instant;

use arguments::Arguments;
use differential::Outcome;
use engines::Engine;
use tally::Tally;

/// How many differences of one policy are printed.
const SHOWN: usize = 5;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("packets: {message}");
            return ExitCode::from(2);
        }
    };
    let tally = Tally::new(arguments.verbose);
    for engine in engines::wanted(&arguments, &tally) {
        written_cases(&arguments, &engine, &tally);
        random_policies(&arguments, &engine, &tally);
    }
    println!("{tally}");
    if tally.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn written_cases(arguments: &Arguments, engine: &Engine, tally: &Tally) {
    let started = Instant::now();
    let cases: Vec<_> = cases::ALL.into_iter().filter(|(name, _)| arguments.has_case(name)).collect();
    tally.run(cases, |(name, case)| {
        case(engine);
        Ok(format!("--engine {} --case {name}", engine.kind))
    });
    println!("{}: cases tried in {:.1} s", engine.kind, started.elapsed().as_secs_f64());
}

fn random_policies(arguments: &Arguments, engine: &Engine, tally: &Tally) {
    let started = Instant::now();
    let (seed, packets) = (arguments.seed, arguments.packets);
    tally.run(arguments.numbers().collect(), |number| {
        let outcome = differential::run(engine, seed, number, packets);
        let replay = format!("--engine {} --seed {seed:#x} --packets {packets} --policy {number}", engine.kind);
        report(&outcome?, &replay)
    });
    println!("{}: random policies tried in {:.1} s", engine.kind, started.elapsed().as_secs_f64());
}

/// One line on what went well, or all that is needed to see what did not.
fn report(outcome: &Outcome, replay: &str) -> Result<String, String> {
    let Outcome { text, packets, passed, differences } = outcome;
    if differences.is_empty() {
        return Ok(format!("{replay}: {packets} packets, {passed} of them to arrive"));
    }
    let shown: Vec<_> = differences.iter().take(SHOWN).map(ToString::to_string).collect();
    Err(format!("{replay}: {} differences\n{text}\n{}", differences.len(), shown.join("\n")))
}
