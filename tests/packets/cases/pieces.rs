//! A packet that its sender has cut, and what arrives of it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use virt_guard::net::{Family, Protocol};

use super::scene::Scene;
use crate::bytes::{self, ETHERNET};
use crate::frame::{Ip, L4};
use crate::station::End;
use crate::world::slowness;

/// A packet in pieces.
#[derive(Debug, Clone)]
pub struct Pieces {
    ip: Ip,
    content: Vec<u8>,
    cut: usize,
}

impl Pieces {
    /// The packet cut before byte `cut` of what it carries, a multiple of eight;
    /// in one piece that says it is one if it is not as long as that. UDP carries
    /// so many bytes.
    pub fn of(ip: &Ip, length: usize, cut: usize) -> Self {
        let content = match ip.transport {
            L4::Udp(..) => bytes::datagram(ip, &vec![b'x'; length]),
            _ => bytes::ip_bytes(ip, 0).split_off(bytes::transport_offset(ip)),
        };
        Self { ip: ip.clone(), content, cut }
    }

    /// How many bytes are to arrive.
    pub fn length(&self) -> usize {
        self.content.len()
    }

    /// The pieces as frames.
    pub fn frames(&self, from: End, to: End) -> Vec<Vec<u8>> {
        let (first, rest) = self.content.split_at(self.cut.min(self.length()));
        let frame = |content: &[u8], offset: usize, more| {
            let header = [to.station().mac.bytes(), from.station().mac.bytes()].concat();
            let kind = self.ip.family().ether_type().number().to_be_bytes();
            [header, kind.to_vec(), bytes::fragment(&self.ip, content, offset as u16, more)].concat()
        };
        let mut frames = vec![frame(first, 0, !rest.is_empty())];
        frames.extend((!rest.is_empty()).then(|| frame(rest, self.cut, false)));
        frames
    }

    /// Sends the pieces in their order.
    pub fn send(&self, scene: &Scene, from: End, to: End) {
        self.frames(from, to).iter().for_each(|piece| scene.world.wire(from).send(piece));
    }

    /// How many bytes arrive, in as many pieces as the kernel likes.
    pub fn arrived(&self, scene: &Scene, to: End, time: Duration) -> usize {
        let end = Instant::now() + time * slowness();
        let mut length = 0;
        while length < self.length() {
            let left = end.saturating_duration_since(Instant::now());
            let is_piece = |frame: &[u8]| self.length_in(frame).is_some();
            let Some(frame) = scene.world.wire(to).receive_within(left, is_piece) else { break };
            length += self.length_in(&frame).unwrap_or_default();
        }
        length
    }

    /// How much of the content is in this frame, if it is a piece at all.
    fn length_in(&self, frame: &[u8]) -> Option<usize> {
        let packet = frame.get(ETHERNET..)?;
        let word = |at: usize| Some(usize::from(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?])));
        let Protocol(protocol) = self.ip.protocol();
        match (self.ip.source, self.ip.destination) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let same = packet.get(12..20)? == [from.octets(), to.octets()].concat() && packet[9] == protocol;
                word(2)?.checked_sub(20).filter(|_| same)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let same = packet.get(8..40)? == [from.octets(), to.octets()].concat();
                let header = match packet[6] {
                    44 => 8,
                    next if next == protocol => 0,
                    _ => return None,
                };
                word(4)?.checked_sub(header).filter(|_| same)
            }
            _ => None,
        }
    }
}

/// The families, each from a station behind the uplink and from a guest.
pub fn senders() -> [(Family, End); 4] {
    let [v4, v6] = Family::BOTH;
    [(v4, End::Lan), (v4, End::Guest(1)), (v6, End::Lan), (v6, End::Guest(1))]
}
