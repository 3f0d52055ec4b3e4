//! One line of a chain as nft says it.

use super::condition::{self, ether_type};
use super::limit::Counter;
use crate::engine::text::{comment, join};
use crate::engine::{EngineKind, Inexpressible};
use crate::facts::policy::Marks;
use crate::model::{Field, Scope};
use crate::net::{Direction, Family};
use crate::plan::{Act, Line};

/// Where the line stands: a bridge table sees frames, an inet table packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Bridge(Direction),
    Inet,
}

/// The line without the words that add it, `counter` being the set in which it
/// counts, if it does. One line is always one rule of nft.
///
/// # Errors
/// A part of it that nft cannot say exactly, or not there.
pub(super) fn print(
    line: &Line,
    counter: Option<&Counter>,
    place: Place,
    marks: Marks,
) -> Result<String, Inexpressible> {
    let refuse = |what: &str| Inexpressible {
        engine: EngineKind::Nftables,
        what: what.to_owned(),
        rule: line.origin.to_string(),
    };
    let mut words = vec![scope(line.scope, place)];
    words.extend(condition::layout(line).map(str::to_owned));
    for condition in &line.matches {
        words.push(match (&condition.field, counter) {
            (Field::ConnectionsAbove(limit), Some(counter)) => counter.condition(*limit, condition.sense),
            _ => condition::print(condition, line.scope).map_err(refuse)?,
        });
    }
    words.push(act(&line.act, place, marks).map_err(refuse)?);
    words.push(format!("comment \"{}\"", comment(&line.origin)));
    Ok(join(words))
}

/// Each wall is a chain of its own: to return is to pass this wall only.
fn act(act: &Act, place: Place, marks: Marks) -> Result<String, &'static str> {
    let noted = marks.scratch();
    Ok(match act {
        Act::Leave => "return".to_owned(),
        Act::Accept => format!("meta mark set meta mark or {noted:#010x} return"),
        Act::Drop => "counter drop".to_owned(),
        // The kernel answers from where a frame comes in only (nft_reject_bridge).
        Act::Reject if place == Place::Bridge(Direction::In) => {
            return Err("reject towards a guest (set reject = \"drop\" in [guests])");
        }
        Act::Reject => "counter reject".to_owned(),
        Act::Jump(name) => format!("jump {name}"),
        Act::Forget => format!("meta mark set meta mark and {:#010x}", !noted),
        Act::LeaveIfAccepted => format!("meta mark and {noted:#010x} == {noted:#010x} return"),
    })
}

fn scope(scope: Scope, place: Place) -> String {
    match (scope, place) {
        (Scope::Any, _) => String::new(),
        (Scope::Ip(Family::V4), Place::Inet) => "meta nfproto ipv4".to_owned(),
        (Scope::Ip(Family::V6), Place::Inet) => "meta nfproto ipv6".to_owned(),
        // `ether type` looks at the tag of a tagged frame, `meta protocol` would
        // look behind it.
        (Scope::Ip(family), Place::Bridge(_)) => format!("ether type {}", ether_type(family.ether_type())),
        (Scope::Ether(kind), _) => format!("ether type {}", ether_type(kind)),
    }
}
