//! The far end of a cable: an interface in a network namespace of its own, where
//! any frame can be sent and every frame that arrives is seen.
//!
//! In: frames as bytes. Out: frames as bytes. What they mean is the caller's.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, bind, recv, send, setsockopt,
    socket, sockopt,
};

/// The interface at this end is always called so.
pub const NAME: &str = "eth0";
/// Enough for a batch of a few thousand small frames.
const BUFFER: usize = 16 << 20;
/// Longer than any frame of the lab.
const LONGEST: usize = 65_536;

/// One end of a cable. Its namespace and interface vanish with it.
#[derive(Debug)]
pub struct Wire {
    namespace: File,
    socket: OwnedFd,
}

/// A network namespace in which nothing speaks on its own.
pub(super) fn silent_namespace() -> File {
    let make = || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace for the far end");
        for path in ["all/disable_ipv6", "default/disable_ipv6"] {
            fs::write(format!("/proc/sys/net/ipv6/conf/{path}"), "1").expect("IPv6 off at the far end");
        }
        File::open("/proc/thread-self/ns/net").expect("the namespace of the far end")
    };
    thread::spawn(make).join().expect("the thread that makes a namespace")
}

/// What an `ip` of this process calls the namespace.
pub fn path(namespace: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd())
}

impl Wire {
    /// The end called `eth0` in `namespace`, which is there.
    pub(super) fn open(namespace: File) -> Self {
        let socket = inside(&namespace, || {
            let index = nix::net::if_::if_nametoindex(NAME)?;
            set_up(index)?;
            packet_socket(index)
        });
        let socket = socket.expect("a packet socket at the far end");
        Self { namespace, socket }
    }

    /// Sends one frame, whole, from its destination address on.
    pub fn send(&self, frame: &[u8]) {
        let sent = send(self.socket.as_raw_fd(), frame, MsgFlags::empty()).expect("a frame is sent");
        assert_eq!(sent, frame.len(), "a frame was cut");
    }

    /// The same; says whether the interface took it, for who sends more than it can.
    pub fn try_send(&self, frame: &[u8]) -> bool {
        send(self.socket.as_raw_fd(), frame, MsgFlags::empty()) == Ok(frame.len())
    }

    /// The next frame that has arrived, if one has. A VLAN tag is not in it: the
    /// kernel takes the first one off.
    pub fn receive(&self) -> Option<Vec<u8>> {
        let mut frame = vec![0; LONGEST];
        match recv(self.socket.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => {
                frame.truncate(length);
                Some(frame)
            }
            Err(nix::errno::Errno::EAGAIN) => None,
            Err(error) => panic!("a frame cannot be received: {error}"),
        }
    }

    /// The first frame within `time` that is as wanted; others are thrown away.
    pub fn receive_within(&self, time: Duration, wanted: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let end = Instant::now() + time;
        loop {
            while let Some(frame) = self.receive() {
                if wanted(&frame) {
                    return Some(frame);
                }
            }
            let left = end.checked_duration_since(Instant::now())?;
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut ready = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            poll(&mut ready, timeout).expect("waiting for a frame");
        }
    }

    /// Calls `work` in this end's network namespace, on a thread of its own.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.namespace, work)
    }
}

impl AsFd for Wire {
    /// Readable when a frame has arrived.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Calls `work` in a network namespace, on a thread of its own.
pub fn inside<T: Send>(namespace: &File, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let there = || {
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("entering the namespace of the far end");
            work()
        };
        scope.spawn(there).join().expect("the work in the far end's namespace")
    })
}

/// What `ip link set up` does, without the price of a process: RTM_NEWLINK
/// (rtnetlink(7)) with an `ifinfomsg` of all its 16 bytes and nothing else.
fn set_up(index: u32) -> io::Result<()> {
    let (length, new_link, request_and_ack) = (32_u32, 16_u16, 5_u16);
    let up = libc::IFF_UP as u32;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend([new_link, request_and_ack].map(u16::to_ne_bytes).concat());
    message.extend([0, 0, 0, index, up, up].map(u32::to_ne_bytes).concat());
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    send(socket.as_raw_fd(), &message, MsgFlags::empty())?;
    let mut answer = [0; 64];
    recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // An answer is a header and an error number, negative unless all is well.
    match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}

fn packet_socket(index: u32) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
    bind(socket.as_raw_fd(), &address(index))?;
    Ok(socket)
}

/// All protocols of one interface, as packet(7) wants it said.
fn address(index: u32) -> LinkAddr {
    let all = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: i32::try_from(index).expect("an interface index"),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: `all` is a whole sockaddr_ll, of the family and length it is said to be.
    unsafe { LinkAddr::from_raw((&raw const all).cast(), Some(length)) }.expect("an address of a packet socket")
}
