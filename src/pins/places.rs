//! What a service listens at, and at what less of that from now on.
//!
//! In: the words of a configuration. Out: addresses. A pin takes away and never adds:
//! what listens at the loopback alone goes on so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::draft::Draft;
use super::{PinError, address};
use crate::net::Family;

/// What a word of a configuration stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Everywhere,
    All(Family),
    At(IpAddr),
}

/// Where the service is to listen that listened at these: `*`, addresses, names of
/// hosts. No word at all is everywhere.
///
/// # Errors
/// Nothing would be left.
pub(super) fn narrowed<'a>(
    draft: &mut Draft,
    words: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<IpAddr>, PinError> {
    let words: Vec<_> = words.into_iter().collect();
    let places: Vec<_> = words.iter().flat_map(|word| meant(word)).collect();
    let places = if places.is_empty() { vec![Place::Everywhere] } else { places };
    let mut left: Vec<IpAddr> = Vec::new();
    for place in places {
        for address in instead(draft, place)? {
            if !left.contains(&address) {
                left.push(address);
            }
        }
    }
    if left.is_empty() {
        let there = address::joined(&draft.target.addresses, ", ");
        let words = words.join(", ");
        return Err(PinError::Refused(format!("it listens at {words}, and none of {there} is of that family")));
    }
    Ok(left)
}

/// Whether these words are these addresses already.
pub(super) fn are<'a>(words: impl IntoIterator<Item = &'a str>, addresses: &[IpAddr]) -> bool {
    let mut there: Vec<_> = words.into_iter().flat_map(meant).collect();
    let mut wanted: Vec<_> = addresses.iter().map(|address| Place::At(*address)).collect();
    there.sort_by_key(|place| format!("{place:?}"));
    wanted.sort_by_key(|place| format!("{place:?}"));
    there == wanted
}

fn meant(word: &str) -> Vec<Place> {
    let bare = word.trim_matches(['[', ']']);
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => vec![Place::All(Family::V4)],
        // Most take IPv4 by it too.
        Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => vec![Place::Everywhere],
        Ok(address) => vec![Place::At(address)],
        Err(_) if bare == "localhost" => Family::BOTH.map(|family| Place::At(address::loopback(family))).to_vec(),
        // Of a name it is not known here what it stands for.
        Err(_) => vec![Place::Everywhere],
    }
}

fn instead(draft: &mut Draft, place: Place) -> Result<Vec<IpAddr>, PinError> {
    let of = |places: Vec<IpAddr>, family| places.into_iter().filter(|place| Family::of(*place) == family).collect();
    Ok(match place {
        Place::Everywhere => draft.places()?,
        Place::All(family) => of(draft.places()?, family),
        Place::At(address) if address.is_loopback() || draft.target.addresses.contains(&address) => vec![address],
        Place::At(address) => {
            draft.places()?;
            of(address::outer(draft.target), Family::of(address))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{are, narrowed};
    use crate::pins::Framework;
    use crate::pins::address::joined;
    use crate::pins::draft::Draft;
    use crate::pins::tests::{Tree, target};

    #[test]
    fn a_pin_takes_away_and_never_adds() {
        let (tree, target) = (Tree::default(), target(&["10.0.0.5", "2001:db8::5", "fe80::1"]));
        let mut draft = Draft::new(&target, Framework::Absent, &tree);
        let mut left = |words: &[&str]| narrowed(&mut draft, words.iter().copied()).map(|left| joined(&left, " "));
        let all = "10.0.0.5 2001:db8::5 127.0.0.1 ::1";
        for everywhere in [&["*"][..], &[], &["::"], &["host.example"], &["0.0.0.0", "::"]] {
            let mut words: Vec<_> = left(everywhere).unwrap().split(' ').map(str::to_owned).collect();
            let mut all: Vec<_> = all.split(' ').map(str::to_owned).collect();
            words.sort();
            all.sort();
            assert_eq!(words, all, "{everywhere:?}");
        }
        assert_eq!(left(&["0.0.0.0"]).unwrap(), "10.0.0.5 127.0.0.1");
        assert_eq!(left(&["127.0.0.1"]).unwrap(), "127.0.0.1");
        assert_eq!(left(&["localhost"]).unwrap(), "127.0.0.1 ::1");
        assert_eq!(left(&["10.100.0.1", "127.0.0.1"]).unwrap(), "10.0.0.5 127.0.0.1");
        assert_eq!(left(&["10.0.0.5"]).unwrap(), "10.0.0.5");
        assert!(are(["::1", "127.0.0.1"], &["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()]));
    }

    #[test]
    fn nothing_left_is_refused() {
        let (tree, target) = (Tree::default(), target(&["10.0.0.5"]));
        let mut draft = Draft::new(&target, Framework::Absent, &tree);
        let error = narrowed(&mut draft, ["fd00:100::1"]).unwrap_err().to_string();
        assert_eq!(error, "it listens at fd00:100::1, and none of 10.0.0.5 is of that family");
    }
}
