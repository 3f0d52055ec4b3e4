//! The SSH connection that this program is run over.
//!
//! In: the environment of this process and of those that it descends from, as sudo(8)
//! and su(1) keep little of it (proc(5)). Out: both ends of the connection, as sshd
//! told them (`SSH_CONNECTION`, ssh(1)). Whoever runs us may lie about it; it is there
//! to keep an operator from locking himself out, and for nothing else.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use super::processes::parent;

/// So many generations are looked at.
const GENERATIONS: usize = 64;
/// The variable.
const VARIABLE: &str = "SSH_CONNECTION";

/// A connection to this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Who has come.
    pub peer: IpAddr,
    /// The address and port of this host that he has come to.
    pub at: SocketAddr,
}

/// The connection over which this program is run; nothing if it is run by no sshd.
pub fn ssh_session() -> Option<Session> {
    if let Ok(told) = std::env::var(VARIABLE) {
        return parse(&told);
    }
    let mut pid = std::process::id();
    for _ in 0..GENERATIONS {
        pid = parent(pid).filter(|pid| *pid != 0)?;
        if let Some(session) = fs::read(format!("/proc/{pid}/environ")).ok().and_then(|text| among(&text)) {
            return Some(session);
        }
    }
    None
}

fn among(environment: &[u8]) -> Option<Session> {
    let mut variables = environment.split(|byte| *byte == 0).filter_map(|text| std::str::from_utf8(text).ok());
    variables.find_map(|text| parse(text.strip_prefix(VARIABLE)?.strip_prefix('=')?))
}

/// `ADDRESS PORT ADDRESS PORT`, theirs and ours.
fn parse(told: &str) -> Option<Session> {
    let mut words = told.split(' ');
    let (peer, _, server, port) = (words.next()?, words.next()?, words.next()?, words.next()?);
    Some(Session { peer: address(peer)?, at: SocketAddr::new(address(server)?, port.parse().ok()?) })
}

/// Without the link that one of a link is of; one that maps IPv4 is the IPv4 address.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.split('%').next()?;
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sshd_tells_is_read() {
        let session = parse("203.0.113.5 50000 192.0.2.10 22").unwrap();
        assert_eq!((session.peer.to_string(), session.at.to_string()), ("203.0.113.5".into(), "192.0.2.10:22".into()));
        let session = parse("::ffff:203.0.113.5 1 fe80::1%eth0 2222").unwrap();
        assert_eq!((session.peer.to_string(), session.at.to_string()), ("203.0.113.5".into(), "[fe80::1]:2222".into()));
        for wrong in ["", "a b c d", "203.0.113.5 50000 192.0.2.10", "203.0.113.5 50000 192.0.2.10 x"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        assert_eq!(among(b"A=1\0SSH_CONNECTION=203.0.113.5 1 192.0.2.10 22\0B").unwrap().at.port(), 22);
        assert_eq!(among(b"XSSH_CONNECTION=203.0.113.5 1 192.0.2.10 22"), None);
    }
}
