//! The watcher that keeps the rules there: through reboots inside the same QEMU,
//! NICs plugged in, and whatever flushes or edits what stands.
//!
//! In: what libvirt, the kernel and the files tell. Out: the kernel as the policy
//! has it, and a record of what was done and why. It decides when to look; what is
//! to stand, and how it gets there, is for [`Host`] alone. It never opens
//! anything: when it ends, whatever way, the rules stay.
//!
//! ```text
//! sources   everything that tells of a change: one poll for all
//! wanted    what has been told and is yet to be done
//! hear      what is news, and what is only what we did ourselves
//! pace      how soon, when somebody changes rules faster than they are put back
//! services  which of the host's services come near guests; telling   when that is told
//! work      one turn: close, compare, put back
//! journal   events, the system's log; metrics   counters
//! guests    what libvirt tells       filters   libvirt's own rules, put back by libvirt
//! pins      services kept from guests, where that was left halfway or not confirmed
//! service   readiness and watchdog, as systemd wants them
//! ```

mod filters;
mod guests;
mod hear;
mod journal;
mod metrics;
mod pace;
mod pins;
mod service;
mod services;
mod sources;
mod telling;
mod wanted;
mod work;

use std::io;
use std::path::Path;
use std::time::Instant;

use self::service::Service;
use self::sources::Sources;
use self::wanted::Told;
use self::work::Worker;

#[cfg(doc)]
use crate::reconcile::Host;

/// Watches until it is told to end by SIGTERM or SIGINT. `uri` is libvirt's.
///
/// # Errors
/// There is nothing to watch with: a signal, a socket or inotify cannot be had.
/// What goes wrong later is logged and tried again.
pub fn run(root: &Path, uri: &str) -> io::Result<()> {
    let service = Service::start();
    let mut worker = Worker::new(root);
    // Listening begins before the first look: what happens in between is told.
    let mut sources = Sources::start(root, uri)?;
    worker.first_look();
    service.ready();
    loop {
        let news = sources.wait(service.within(worker.due()))?;
        service.alive();
        if news.iter().any(|told| matches!(told, Told::End)) {
            break;
        }
        for told in news {
            worker.hear(told, Instant::now());
        }
        worker.act(Instant::now());
        if worker.takes_filters() {
            sources.look_at_filters();
        }
        // The old iptables' lock was taken by ourselves too.
        sources.overhear(&mut worker, Instant::now())?;
    }
    service.ending();
    worker.end();
    Ok(())
}
