//! What is told of a run, and whether it was a good one.

use std::collections::BTreeMap;
use std::process::ExitCode;

use super::arguments::{Against, Arguments};
use super::bench::Arrivals;
use super::corpus::Case;
use super::generate::Exchange;
use super::known;
use super::verdicts::Difference;

/// What has been found so far.
#[derive(Debug, Default)]
pub struct Report {
    packets: usize,
    filters: usize,
    known: BTreeMap<&'static str, usize>,
    wrong: usize,
}

/// Every frame, and whether it arrived.
pub fn tell(exchanges: &[Exchange], arrivals: &Arrivals) {
    for (shot, arrived) in exchanges.iter().flatten().zip(arrivals.iter().flatten()) {
        println!("  {} {} {}", if *arrived { "arrived" } else { "gone   " }, shot.way, shot.frame);
    }
}

impl Report {
    /// Libvirt did not put the filter on a port.
    pub fn not_bound(&mut self, against: Against, case: &Case, reason: &str) {
        let known = known::not_bound(against, &case.name, reason);
        match known {
            Some(name) => *self.known.entry(name).or_default() += 1,
            None => {
                self.wrong += 1;
                println!("{}: it is not taken: {reason}", case.name);
            }
        }
    }

    /// What became of the packets that a filter was tried with.
    pub fn filter(&mut self, case: &Case, arguments: &Arguments, packets: usize, differences: &[Difference]) {
        self.packets += packets;
        self.filters += 1;
        differences.iter().filter_map(|one| one.known).for_each(|name| *self.known.entry(name).or_default() += 1);
        let new: Vec<_> = differences.iter().filter(|one| one.known.is_none()).collect();
        if new.is_empty() {
            return;
        }
        self.wrong += new.len();
        let Arguments { packets, seed, against, .. } = arguments;
        println!("{}: {} differences", case.name, new.len());
        println!("  replay: --against {against} --filter {} --packets {packets} --seed {seed:#x}", case.name);
        new.iter().take(arguments.shown).for_each(|one| print(one));
    }

    /// The last lines, and the exit code. A known difference that did not occur is
    /// a failure, if all filters were tried.
    pub fn finish(&self, arguments: &Arguments) -> ExitCode {
        println!("{} filters, {} packets, {} unknown differences", self.filters, self.packets, self.wrong);
        self.known.iter().for_each(|(name, count)| println!("known: {name}: {count}"));
        let all = known::of(arguments.against).into_iter();
        let gone: Vec<_> = all.filter(|name| arguments.filter.is_empty() && !self.known.contains_key(name)).collect();
        gone.iter().for_each(|name| println!("known, and did not occur: {name}"));
        let is_good = self.wrong == 0 && gone.is_empty() && self.packets > 0;
        if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn print(one: &Difference) {
    let arrived = if one.arrived { "it arrived" } else { "it did not arrive" };
    println!("  {} {}", one.shot.way, one.shot.frame);
    let place = one.place;
    println!("    {:?}, reply {}, connections of its source {}", place.state, place.is_reply, place.connections);
    println!("    model: {} by {}; kernel: {arrived}", one.decision.verdict, one.decision.origin);
}
