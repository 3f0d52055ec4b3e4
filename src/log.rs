//! Lines for the system's log that never wait for it.
//!
//! The syslog crate makes the lines; its own sender blocks for ever while
//! `/dev/log` is full, and a hook that waits keeps libvirt waiting. So the line
//! goes out by a socket that does not block, or not at all.

use std::fmt;
use std::os::unix::net::UnixDatagram;
use std::process;

use syslog::{Facility, Formatter3164, LogFormat};

/// Where syslog and journald listen (syslog(3), sd-daemon).
const SOCKET: &str = "/dev/log";
/// Beyond this a line is cut; journald and rsyslog take at least so much.
const LONGEST: usize = 2000;

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// A guest could not be guarded.
    Error,
    /// Something is not as it should be, and was seen to.
    Warning,
    /// Something was done.
    Info,
}

/// Writes one line; that it got there is not promised.
pub fn log(severity: Severity, message: impl fmt::Display) {
    let line = one_line(&message.to_string());
    let formatter = Formatter3164 {
        facility: Facility::LOG_DAEMON,
        hostname: None,
        process: "virt-guard".to_owned(),
        pid: process::id(),
    };
    let severity = match severity {
        Severity::Error => syslog::Severity::LOG_ERR,
        Severity::Warning => syslog::Severity::LOG_WARNING,
        Severity::Info => syslog::Severity::LOG_INFO,
    };
    let mut bytes = Vec::new();
    if formatter.format(&mut bytes, severity, line).is_ok() {
        // No log, no line: nothing depends on it.
        let _ = send(&bytes);
    }
}

fn send(bytes: &[u8]) -> std::io::Result<usize> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to(bytes, SOCKET)
}

/// A tenant's text must not forge a second line, nor move a reader's terminal.
fn one_line(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_it_holds() {
        assert_eq!(one_line("a\nb\u{1b}[31m\0c"), "a b [31m c");
    }
}
