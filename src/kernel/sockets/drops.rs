//! Datagrams that a socket did not take: because its filter or its unit's
//! (`IPAddressDeny=`, systemd.resource-control(5)) threw them away, or because it was full.
//!
//! In: the kernel's tables of datagram sockets (proc_pid_net(5)). Out: numbers by the
//! socket's inode. What cannot be read is not in there.

use std::collections::BTreeMap;
use std::fs;

/// The tables of this thread's network namespace.
const TABLES: [&str; 4] = ["udp", "udp6", "udplite", "udplite6"];
/// The fields of a line, counted from 0.
const QUEUES: usize = 4;
const INODE: usize = 9;
const DROPS: usize = 12;

/// What a datagram socket did with what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intake {
    /// So many datagrams it did not take, since it was made.
    pub drops: u64,
    /// So many bytes wait to be read.
    pub waiting: u64,
}

/// What all datagram sockets of this network namespace did until now, by inode.
pub fn intakes() -> BTreeMap<u32, Intake> {
    let read = |table: &&str| fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default();
    TABLES.iter().map(read).flat_map(|table| table.lines().filter_map(intake).collect::<Vec<_>>()).collect()
}

fn intake(line: &str) -> Option<(u32, Intake)> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let waiting = u64::from_str_radix(fields.get(QUEUES)?.split_once(':')?.1, 16).ok()?;
    let drops = fields.get(DROPS)?.parse().ok()?;
    Some((fields.get(INODE)?.parse().ok()?, Intake { drops, waiting }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_socket_and_the_head_is_none() {
        let line = "  325: 00000000:0035 00000000:0000 07 00000000:000001F0 00:00000000 00000000   101        0 4711 \
                    2 ffff8881 17";
        assert_eq!(intake(line), Some((4711, Intake { drops: 17, waiting: 0x1f0 })));
        let head = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode \
                    ref pointer drops";
        assert_eq!(intake(head), None);
        assert_eq!(intake(""), None);
    }

    #[test]
    fn what_waits_in_a_socket_is_told() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&socket))).unwrap();
        let inode = link.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).parse::<u32>().unwrap();
        let told = intakes()[&inode];
        assert!(told.waiting > 0 && told.drops == 0, "{told:?}");
    }
}
