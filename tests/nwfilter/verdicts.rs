//! What the model says of each frame of a filter's conversations.

use virt_guard::model::{self, Decision, Members, Packet, Verdict, Wall};

use virt_guard::engine::EngineKind;
use virt_guard::net::Direction;

use super::arguments::Against;
use super::bench::{Arrivals, order};
use super::generate::{Exchange, Shot};
use super::known;
use super::packet::packet;
use super::tracker::{Place, Tracker};

/// A frame on which the kernel and the model do not agree.
#[derive(Debug)]
pub struct Difference<'a> {
    /// The frame.
    pub shot: &'a Shot,
    /// Where it stood in its connection.
    pub place: Place,
    /// What the model says.
    pub decision: Decision,
    /// Whether the kernel let it through.
    pub arrived: bool,
    /// The known difference that it is, if it is one.
    pub known: Option<&'static str>,
}

/// The frames on which they disagree.
///
/// Connections are those that the kernel has: it is asked about the frame at hand
/// only, not about one before it.
pub fn differences<'a>(
    against: Against,
    walls: &[Wall],
    exchanges: &'a [Exchange],
    arrivals: &Arrivals,
) -> Vec<Difference<'a>> {
    let (mut tracker, mut all) = (Tracker::default(), Vec::new());
    for (_, turn, number) in order(exchanges) {
        let (shot, arrived) = (&exchanges[number][turn], arrivals[number][turn]);
        let place = tracker.place(&shot.frame);
        let packet = packet(&shot.frame, place);
        let decide = |walls: &[Wall], packet: &Packet| model::evaluate(walls, &Members::default(), shot.way, packet);
        let agrees = |walls: &[Wall], packet: &Packet| (decide(walls, packet).verdict == Verdict::Accept) == arrived;
        tracker.note_if(arrived || bridge_has(against, shot), &shot.frame, place);
        if !agrees(walls, &packet) {
            let known = known::explain(against, walls, (&packet, &shot.frame), agrees);
            all.push(Difference { shot, place, decision: decide(walls, &packet), arrived, known });
        }
    }
    all
}

/// Whether the bridge itself gets a frame that does not arrive, and its connection
/// is known by that. libvirt's IP layer is behind it, ours is before it on the way
/// from a guest; without br_netfilter nothing comes of such a frame.
fn bridge_has(against: Against, shot: &Shot) -> bool {
    let has = match against {
        Against::Libvirt => true,
        Against::Engine(EngineKind::Iptables) => shot.way == Direction::In,
        Against::Engine(EngineKind::Nftables) => false,
    };
    has && shot.frame.to.is_multicast()
}
