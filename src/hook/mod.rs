//! What libvirt runs: one operation on one guest, then an exit code.
//!
//! In: libvirt's arguments and the domain's XML on standard input. Out: rules in
//! the kernel, and the exit code that the operation's contract asks for. Never
//! calls libvirt, never prints to standard output (libvirt would take it for XML).
//!
//! | operation | does | exit |
//! | --- | --- | --- |
//! | prepare, migrate, restore | resolves the policy; notes who comes with connections | ≠ 0 stops it |
//! | start | applies, reads back; puts back what the policy preserves of others | ≠ 0 stops it |
//! | started | looks, puts back, if need be the last good rules | ≠ 0 only if a port has no rules; it is closed then |
//! | reconnect, attach | the same; failing that the last good rules or none at all get through | 0: anything else kills a running guest |
//! | stopped, release | takes away, and cuts the guest's connections | 0 |

mod input;
mod operation;

use std::path::PathBuf;
use std::time::Duration;

use crate::facts::{Domain, with_source};
use crate::kernel::{Deadline, ancestors};
use crate::log::{Severity, log};
use crate::reconcile::{Arrival, Error, Fallback, Host};

pub use operation::{Driver, Operation};

/// How long everything may take if the policy cannot be asked, in seconds.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(20);

/// So many connections that were cut are named in the system's log.
const LOGGED: usize = 20;

/// What libvirt asks for (hooks(5) of libvirt, "Script arguments").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Below which directory the files of this host are.
    pub root: PathBuf,
    /// Which of libvirt's drivers calls.
    pub driver: Driver,
    /// The name of the guest or network; `-` from the daemon.
    pub name: String,
    /// What is about to happen or has happened.
    pub operation: Operation,
}

/// What the process is to exit with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// libvirt goes on.
    GoOn,
    /// libvirt stops what it was about to do.
    Stop,
}

/// Does what `call` asks for, reading the XML from standard input.
pub fn run(call: &Call) -> Exit {
    let deadline = Deadline::after(deadline(call));
    let xml = input::read(deadline);
    let mut host = Host::new(&call.root, deadline);
    host.state().note_called(call.driver.name(), ancestors());
    let result = match call.driver {
        Driver::Qemu => qemu(call, &mut host, xml),
        Driver::Network | Driver::Daemon => refresh(call, &mut host),
    };
    tell(&mut host);
    match result {
        Ok(()) => Exit::GoOn,
        Err(message) => report(call, &message),
    }
}

/// What was cut, and what went wrong beside the rules.
fn tell(host: &mut Host) {
    for line in host.takes_revocations().iter().flat_map(|revocation| revocation.lines(LOGGED)) {
        log(Severity::Info, format_args!("{line}"));
    }
    for problem in host.takes_problems() {
        log(Severity::Warning, format_args!("{problem}"));
    }
}

/// The policy may name another deadline. If it cannot be read, that is found
/// again, and said, where it matters.
fn deadline(call: &Call) -> Duration {
    crate::facts::policy::Policy::load(&call.root).map_or(DEFAULT_DEADLINE, |policy| policy.deadline)
}

fn qemu(call: &Call, host: &mut Host, xml: Result<Vec<u8>, String>) -> Result<(), String> {
    let domain = xml.and_then(|xml| Domain::parse(xml, "domain XML").map_err(|error| error.to_string()));
    match (call.operation, domain) {
        (Operation::Other, _) => Ok(()),
        (Operation::Stopped | Operation::Release, domain) => take_away(call, host, domain),
        (Operation::Reconnect | Operation::Attach, Err(message)) => {
            close_known(call, host, &message)?;
            Err(message)
        }
        (_, Err(message)) => Err(message),
        (Operation::Migrate | Operation::Restore, Ok(domain)) => {
            host.check_guest(&domain).map_err(|error| chain(&error))?;
            host.state().note_arriving(&domain.uuid).map_err(|error| error.to_string())
        }
        (Operation::Prepare, Ok(domain)) => host.check_guest(&domain).map(drop).map_err(|error| chain(&error)),
        (Operation::Start, Ok(domain)) => start(host, &domain),
        (Operation::Started, Ok(domain)) => started(host, &domain),
        (Operation::Reconnect | Operation::Attach, Ok(domain)) => keep(host, &domain),
    }
}

fn start(host: &mut Host, domain: &Domain) -> Result<(), String> {
    // One that comes from elsewhere has connections already.
    let comes = host.state().takes_arriving(&domain.uuid);
    let arrival = if comes { Arrival::Running } else { Arrival::Fresh };
    let desired = host.guard(domain, arrival).map_err(|error| chain(&error))?;
    host.note_first_policy();
    let ports: Vec<_> = desired.ports.iter().map(|port| port.plan.ifname.to_string()).collect();
    log(Severity::Info, format_args!("{}: guarded at {}", desired.policy.id, ports.join(", ")));
    for interface in &desired.unguarded {
        log(Severity::Warning, format_args!("{}: NOT guarded: {interface}", desired.policy.id));
    }
    keep_foreign(host)
}

/// What the policy preserves of others: an agent's restart may have taken a
/// guest's security groups while it was down, or while nobody looked.
fn keep_foreign(host: &mut Host) -> Result<(), String> {
    let failed = |error: Error| format!("preserved chains cannot be put back: {}", chain(&error));
    for loss in host.keep_foreign().map_err(failed)?.restored {
        log(Severity::Warning, format_args!("put back: {loss}"));
    }
    Ok(())
}

/// A guest that has just begun to run. It goes on only if its rules stand, be it
/// those that were applied last; meanwhile it is not open.
fn started(host: &mut Host, domain: &Domain) -> Result<(), String> {
    let Err(error) = host.confirm(domain) else { return Ok(()) };
    let message = chain(&error);
    match host.fall_back(domain, &message) {
        Ok(Fallback::LastGood) => {
            log(Severity::Warning, format_args!("{:?}: {message}; the last good rules stand", domain.name));
            Ok(())
        }
        Ok(Fallback::Closed) => Err(format!("{message}; its ports are closed")),
        Err(second) => Err(format!("{message}; and its ports could not be closed: {}", chain(&second))),
    }
}

/// A running guest's rules. What fails must neither open it nor kill it.
fn keep(host: &mut Host, domain: &Domain) -> Result<(), String> {
    let guarded = host.keep(domain).map(drop);
    let foreign = keep_foreign(host);
    guarded.and(foreign)
}

/// The XML cannot be read; if the guest was told of before, that is acted on.
fn close_known(call: &Call, host: &mut Host, reason: &str) -> Result<(), String> {
    match known(call, host)? {
        Some(domain) => host.fall_back(&domain, reason).map(drop).map_err(|error| chain(&error)),
        None => Ok(()),
    }
}

fn take_away(call: &Call, host: &mut Host, domain: Result<Domain, String>) -> Result<(), String> {
    let domain = match domain {
        Ok(domain) => Some(domain),
        Err(_) => known(call, host)?,
    };
    domain.map_or(Ok(()), |domain| host.release(&domain.uuid).map_err(|error| chain(&error)))
}

fn known(call: &Call, host: &Host) -> Result<Option<Domain>, String> {
    let guests = host.state().guests().map_err(|error| error.to_string())?;
    Ok(guests.into_iter().find(|guest| guest.name == call.name))
}

/// A network or the daemon came up: bridges may be new, and somebody may have
/// taken rules away while nobody looked.
fn refresh(call: &Call, host: &mut Host) -> Result<(), String> {
    if call.operation == Operation::Other {
        return Ok(());
    }
    let outcome = host.apply_all(&[]).map_err(|error| chain(&error))?;
    match outcome.problems.first() {
        None => Ok(()),
        Some(problem) => Err(problem.clone()),
    }
}

fn report(call: &Call, message: &str) -> Exit {
    let exit = call.operation.on_failure(call.driver);
    log(Severity::Error, format_args!("{} {:?}: {message}", call.operation, call.name));
    eprintln!("virt-guard: {message}");
    exit
}

/// The error with what caused it, each once.
pub(crate) fn chain(error: &Error) -> String {
    with_source(error)
}
