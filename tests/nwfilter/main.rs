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
mod corpus;
mod draft;
mod ebt_stp;
mod frame;
mod generate;
mod known;
mod libvirt;
mod ours;
mod packet;
mod report;
mod station;
mod tracker;
mod verdicts;

use std::process::ExitCode;

use arguments::{Against, Arguments};
use bench::Bench;
use corpus::{Case, Corpus};
use libvirt::Libvirt;
use ours::Ours;
use report::Report;
use support::lab::Lab;
use virt_guard::engine::EngineKind;
use virt_guard::facts::with_source;
use virt_guard::model::Wall;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("nwfilter: {message}");
            return ExitCode::from(2);
        }
    };
    let corpus = Corpus::read();
    let mut report = Report::default();
    match arguments.against {
        Against::Libvirt => against_libvirt(&arguments, &corpus, &mut report),
        Against::Engine(kind) => against_engine(&arguments, &corpus, kind, &mut report),
    }
    report.finish(&arguments)
}

/// Several filters at once, each on a port of its own: libvirt takes a second for one.
fn against_libvirt(arguments: &Arguments, corpus: &Corpus, report: &mut Report) {
    let bench = Bench::new(Lab::of_libvirt(), &["eth1"]);
    let (libvirt, ours) = (Libvirt::with(corpus), Ours::new(corpus, None));
    for round in corpus.cases(&arguments.filter).chunks(station::GUESTS) {
        let bound = libvirt.bind(round);
        for (number, (case, bound)) in round.iter().zip(bound).enumerate() {
            match (bound, ours.walls_of_filter(case)) {
                (Ok(()), Ok(walls)) => try_one(arguments, &bench, (number, case), &walls, report),
                (Err(reason), _) | (_, Err(reason)) => report.not_bound(arguments.against, case, &reason),
            }
        }
        libvirt.unbind();
    }
}

fn against_engine(arguments: &Arguments, corpus: &Corpus, kind: EngineKind, report: &mut Report) {
    let bench = Bench::new(Lab::new(), &[]);
    let ours = Ours::new(corpus, Some(kind));
    for round in corpus.cases(&arguments.filter).chunks(station::GUESTS) {
        for (number, case) in round.iter().enumerate() {
            match ours.guard(number, case) {
                Ok(()) => try_one(arguments, &bench, (number, case), &ours.walls_of_guest(number, case), report),
                Err(error) => report.not_bound(arguments.against, case, &with_source(&error)),
            }
        }
        ours.remove_all();
    }
}

fn try_one(arguments: &Arguments, bench: &Bench, (number, case): (usize, &Case), walls: &[Wall], report: &mut Report) {
    let exchanges = generate::exchanges(case, arguments.seed, arguments.packets);
    // A frame that is late is no difference: what is still one with time is.
    for silence in [bench::SILENCE, bench::LONG_SILENCE] {
        libvirt::forget_connections();
        let arrivals = bench.try_all(number, &exchanges, silence);
        if arguments.verbose {
            report::tell(&exchanges, &arrivals);
        }
        let differences = verdicts::differences(arguments.against, walls, &exchanges, &arrivals);
        if silence == bench::LONG_SILENCE || differences.iter().all(|one| one.known.is_some()) {
            report.filter(case, arguments, arrivals.iter().flatten().count(), &differences);
            return;
        }
    }
}
