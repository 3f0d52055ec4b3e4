//! One process for each case and engine, two at a time; and the closing line.
//!
//! What a case needs to have the machine for itself (it measures time) runs
//! after the others.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use virt_guard::engine::EngineKind;

use crate::stage::bench::Bench;
use crate::stage::case::Case;
use crate::stage::kernel;

/// The first argument of the process that runs one case.
const ONE: &str = "--one";
/// Which engines must work; one that does not is a failure.
const ENGINES: &str = "VIRT_GUARD_TEST_ENGINES";
/// How many cases run at a time.
const WORKERS: usize = 2;

/// How much slower than hardware this machine is; the stock-kernel host says so.
pub fn slowness() -> u32 {
    std::env::var("LAB_SLOW").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// A case at an engine.
type Job = (&'static Case, EngineKind);

/// Runs what the program's arguments ask for: with `--one CASE ENGINE` that, in
/// this process; otherwise the cases whose names contain the first word that is
/// no option.
pub fn main(cases: &'static [Case]) -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == ONE) {
        one(cases, &words[1..]);
        return ExitCode::SUCCESS;
    }
    let filter = words.into_iter().find(|word| !word.starts_with('-')).unwrap_or_default();
    all(cases, &filter)
}

fn one(cases: &[Case], words: &[String]) {
    let [name, engine] = words else { panic!("expected a case and an engine, got {words:?}") };
    let case = cases.iter().find(|case| case.name == name).expect("a known case");
    let mut bench = Bench::new(engine.parse().expect("an engine"));
    (case.run)(&mut bench);
    bench.assert_strangers_untouched();
}

fn all(cases: &'static [Case], filter: &str) -> ExitCode {
    let begin = Instant::now();
    let engines = engines();
    let jobs: Vec<Job> = cases
        .iter()
        .filter(|case| if case.by_name { case.name == filter } else { case.name.contains(filter) })
        .flat_map(|case| engines.iter().map(move |engine| (case, *engine)))
        .filter(|(case, engine)| case.engine.is_none_or(|only| only == *engine))
        .collect();
    let total = jobs.len();
    let (alone, together): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|(case, _)| case.alone);
    let failed = run(together, WORKERS) + run(alone, 1);
    println!("= {:.0} s in all", begin.elapsed().as_secs_f32());
    println!("{} passed, {failed} failed", total - failed);
    if failed == 0 && total > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The engines to test. Of those asked for none is left out: one that cannot
/// work here fails in its first case.
fn engines() -> Vec<EngineKind> {
    if let Ok(list) = std::env::var(ENGINES) {
        return list.split(',').map(|word| word.trim().parse().expect(ENGINES)).collect();
    }
    let lacks = kernel::lacks_of_nftables();
    if lacks.is_empty() {
        return vec![EngineKind::Nftables, EngineKind::Iptables];
    }
    println!("nftables: not tested, this kernel cannot do it: {lacks}");
    vec![EngineKind::Iptables]
}

/// Runs the jobs on so many workers and counts those that failed.
fn run(mut jobs: Vec<Job>, workers: usize) -> usize {
    jobs.reverse();
    let jobs = Mutex::new(jobs);
    let failed = Mutex::new(0);
    let work = || {
        loop {
            let Some(job) = jobs.lock().unwrap().pop() else { break };
            let (passed, report) = outcome(job);
            *failed.lock().unwrap() += usize::from(!passed);
            print!("{report}");
        }
    };
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    failed.into_inner().unwrap()
}

/// Whether the case passed, and what there is to read of it.
fn outcome((case, engine): Job) -> (bool, String) {
    let begin = Instant::now();
    let mut output = tempfile::tempfile().expect("a file for the output");
    let status = process(case, engine, &output);
    let passed = status.is_some_and(|status| status.success());
    let word = match status {
        None => "TIMED OUT",
        Some(_) if passed => "ok",
        Some(_) => "FAILED",
    };
    let mut report = format!("{word:<6} {engine:<8} {} ({:.1} s)\n", case.name, begin.elapsed().as_secs_f32());
    let mut text = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut text)).expect("the output is read");
    for line in String::from_utf8_lossy(&text).lines().filter(|line| !passed || line.starts_with("= ")) {
        report.push_str(&format!("       {line}\n"));
    }
    (passed, report)
}

/// Runs the case in a process group of its own, which ends with it.
fn process(case: &Case, engine: EngineKind, output: &File) -> Option<ExitStatus> {
    let mut child = Command::new("/proc/self/exe")
        .args([ONE, case.name, &engine.to_string()])
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("the output"))
        .stderr(output.try_clone().expect("the output"))
        .process_group(0)
        .spawn()
        .expect("a process for the case");
    let status = wait(&mut child, case.longest * slowness());
    // The case's own processes and what they left; the group is the case's alone.
    let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
    if status.is_none() {
        let _ = child.wait();
    }
    status
}

/// Waits that long for the child.
pub fn wait(child: &mut Child, time: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().expect("the child is waited for") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}
