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

#[allow(dead_code, reason = "the packet test uses all of it")]
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
mod known;
mod libvirt;
mod packet;
mod reading;
mod report;
mod station;
mod tracker;
mod verdicts;

use std::process::ExitCode;

use arguments::{Against, Arguments};
use bench::Bench;
use corpus::Corpus;
use libvirt::Libvirt;
use report::Report;
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
    if arguments.against != Against::Libvirt {
        eprintln!("nwfilter: the engines make no rules of nwfilters yet: nothing to hold against the model");
        return ExitCode::FAILURE;
    }
    let cases = corpus.cases(&arguments.filter);
    let bench = Bench::new(Lab::of_libvirt());
    let libvirt = Libvirt::with(&corpus);
    let mut report = Report::default();
    for round in cases.chunks(station::GUESTS) {
        let bound = libvirt.bind(round);
        for (number, (case, bound)) in round.iter().zip(bound).enumerate() {
            if let Err(reason) = bound {
                report.not_bound(case, &reason);
                continue;
            }
            libvirt::forget_connections();
            let exchanges = generate::exchanges(case, arguments.seed, arguments.packets);
            let arrivals = bench.try_all(number, &exchanges);
            if arguments.verbose {
                report::tell(&exchanges, &arrivals);
            }
            let differences = verdicts::differences(&corpus.walls(case), &exchanges, &arrivals);
            report.filter(case, &arguments, arrivals.iter().flatten().count(), &differences);
        }
        libvirt.unbind();
    }
    report.finish(&arguments)
}
