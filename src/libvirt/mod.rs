//! What libvirt says of this host: the guests that run, and what happens to them.
//!
//! In: the URI of a driver. Out: domains, read from the XML that libvirt gives,
//! and news of them as they come. Only the operator's program comes here. The
//! hook never does, or the daemon that waits for the hook would wait for itself;
//! this is the only room that names the virt crate, and `tests/linkage.rs` holds
//! that the hook is not linked to it.

mod binding;
mod event;
mod listener;
pub mod nwfilter;
mod turn;
mod uuid;
mod watch;

use virt::connect::Connect;
use virt::error::{Error, clear_error_callback};
use virt::sys::VIR_CONNECT_LIST_DOMAINS_ACTIVE;

use crate::facts::running::Running;
use crate::facts::{Domain, FactError};

pub use event::GuestEvent;
pub use watch::{News, Watch};

/// The QEMU driver of this host (libvirt's URI page).
pub const SYSTEM: &str = "qemu:///system";

/// The guests that run, by the driver at `uri`. May wait as long as libvirt does.
///
/// # Errors
/// libvirt cannot be reached or does not answer: what it said.
pub fn running(uri: &str) -> Result<Running, String> {
    running_on(&connect(uri)?)
}

/// The version of the libvirt at `uri`, as it counts: 9000000 is 9.0.0. May wait as long
/// as libvirt does.
///
/// # Errors
/// libvirt cannot be reached or does not answer: what it said.
pub fn version(uri: &str) -> Result<u32, String> {
    connect(uri)?.lib_version().map_err(said)
}

/// A connection that may look and not change.
fn connect(uri: &str) -> Result<Connect, String> {
    // Its own handler would print every error, and ours is reported.
    clear_error_callback();
    Connect::open_read_only(Some(uri)).map_err(said)
}

fn running_on(connection: &Connect) -> Result<Running, String> {
    let domains = connection.list_all_domains(VIR_CONNECT_LIST_DOMAINS_ACTIVE).map_err(said)?;
    let mut running = Running::default();
    for domain in domains {
        // Who stops meanwhile has no XML, and no ports either.
        let Ok(xml) = domain.xml_desc(0) else { continue };
        running.add(parsed(xml, &domain.name().unwrap_or_default()));
    }
    Ok(running)
}

fn parsed(xml: String, name: &str) -> Result<Domain, FactError> {
    Domain::parse(xml, &format!("domain XML of {name:?}"))
}

fn said(error: Error) -> String {
    error.message().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_driver_tells_of_its_guest() {
        let found = running("test:///default").unwrap();
        // Other tests of this process have guests of their own in the same driver.
        assert!(found.domains.iter().any(|domain| domain.name == "test"), "{:?}", found.domains);
        assert!(found.problems.is_empty(), "{:?}", found.problems);
    }

    #[test]
    fn what_cannot_be_reached_is_said_once_and_in_words() {
        let error = running("qemu+unix:///system?socket=/nowhere").unwrap_err();
        assert!(error.contains("/nowhere"), "{error}");
    }
}
