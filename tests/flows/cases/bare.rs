//! The world itself, and whether what looks at it can see: without floating IPs,
//! with nothing changed, then with a cable pulled out.

use std::thread;
use std::time::{Duration, Instant};

use super::scene::{Scene, mixture};
use crate::policy;
use crate::sessions::{Way, pace};
use crate::stage::bench::Bench;
use crate::stage::runner::slowness;
use crate::world::FAMILIES;

/// Every kind of session, over the host and beside it, both ways: all of them live
/// and not a record is lost.
pub fn steady(bench: &mut Bench) {
    let scene = Scene::open(bench);
    let mut batches = Vec::new();
    for family in FAMILIES {
        for way in scene.bare_ways(family) {
            batches.extend(scene.sessions.open_all(&way, &mixture(family, 50)));
        }
    }
    let watch = scene.sessions.watch(&batches);
    thread::sleep(Duration::from_secs(4) * slowness().min(3));
    scene.sessions.assert_unharmed("all", &watch);
}

/// A guest whose cable is pulled out and put back: what was sent in between is
/// known to be lost, and the others' is not.
pub fn cut(bench: &mut Bench) {
    let Scene { world, stations: [guest, other], sessions, .. } = Scene::open(bench);
    let [mut cut, mut kept] = [Vec::new(), Vec::new()];
    for family in FAMILIES {
        for (batches, station) in [(&mut cut, &guest), (&mut kept, &other)] {
            let way = Way::new(&world.outside, station, station.address(family), policy::OPEN);
            batches.extend(sessions.open_all(&way, &mixture(family, 50)));
        }
    }
    let watches = [sessions.watch(&cut), sessions.watch(&kept)];
    let begin = Instant::now();
    bench.lab.ip(&["link set vnet7 down".to_owned()]);
    sessions.assert_cut("those without a cable", &cut, begin, pace() * 4);
    bench.lab.ip(&["link set vnet7 up".to_owned()]);
    let end = Instant::now() + Duration::from_secs(8) * slowness();
    let mut fared = sessions.fared(&watches[0]);
    while fared.alive < fared.sessions && Instant::now() < end {
        thread::sleep(pace());
        fared = sessions.fared(&watches[0]);
    }
    println!("= with a cable again: {fared}");
    assert_eq!(fared.alive, fared.sessions, "they live again");
    assert!(fared.lost as usize > fared.sessions / 3, "what was lost was not missed: {fared}");
    assert!(fared.silence > pace() * 4, "that nothing arrived was not missed: {fared}");
    sessions.assert_unharmed("the others", &watches[1]);
}
