//! What libvirt makes of an nwfilter, held against what we make of it.
//!
//! Each filter of `filters/`, and each that libvirt ships, is put on a port; the
//! same frames are sent from the port and to it, and where they arrive says what
//! the kernel's verdict is. Needs root, and `tests/lab/libvirt-lab` around it to
//! try libvirt. A difference that is not in `known` fails, and so does one in
//! there that does not occur.

#![allow(clippy::expect_used, reason = "a test says what it expected")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../packets/rng.rs"]
mod rng;

mod arguments;
mod bench;
mod bytes;
mod conditions;
mod corpus;
mod draft;
mod frame;
mod generate;
mod instances;
mod libvirt;
mod packet;
mod reading;
mod station;
mod tracker;
mod verdicts;

use std::process::ExitCode;
use std::time::Instant;

use arguments::Arguments;
use bench::Bench;
use corpus::Corpus;
use libvirt::Libvirt;
use support::lab::Lab;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("nwfilter: {message}");
            return ExitCode::from(2);
        }
    };
    let corpus = Corpus::read();
    let cases = corpus.cases(&arguments.filter);
    let bench = Bench::new(Lab::of_libvirt());
    let libvirt = Libvirt::with(&corpus);
    let mut sent = 0;
    for round in cases.chunks(station::GUESTS) {
        let t = Instant::now();
        let bound = libvirt.bind(round);
        println!("bound in {:?}", t.elapsed());
        for (number, (case, bound)) in round.iter().zip(bound).enumerate() {
            if let Err(reason) = bound {
                println!("{}: not bound: {reason}", case.name);
                continue;
            }
            libvirt::forget_connections();
            let exchanges = generate::exchanges(case, arguments.seed, arguments.packets);
            let arrivals = bench.try_all(number, &exchanges);
            let all: Vec<_> = exchanges.iter().flatten().zip(arrivals.iter().flatten()).collect();
            sent += all.len();
            let passed = all.iter().filter(|(_, arrived)| **arrived).count();
            let walls = corpus.walls(case);
            let differences = verdicts::differences(&walls, &exchanges, &arrivals);
            println!("{}: {passed} of {} arrived, {} differences", case.name, all.len(), differences.len());
            for d in differences.iter().take(arguments.shown) {
                println!("  {} {} [{:?} reply {} n {}] arrived {}; {} {}", d.shot.way, d.shot.frame, d.place.state, d.place.is_reply, d.place.connections, d.arrived, d.decision.verdict, d.decision.origin);
            }
            if arguments.verbose {
                for (shot, arrived) in all {
                    println!("  {} {} {}", if *arrived { "+" } else { "-" }, shot.way, shot.frame);
                }
            }
        }
        libvirt.unbind();
    }
    println!("{sent} packets");
    ExitCode::SUCCESS
}
