//! Connections killed by name, by guest, with their guest: they and no others, and
//! all that came of them; and what might revive them.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Instant;

use virt_guard::net::{Family, Protocol};
use virt_guard::state::Concerned;

use super::scene::{self, SHORT, Scene, mixture};
use crate::overhear::{Ears, tracked};
use crate::policy;
use crate::sessions::{Batch, Side, Way, pace};
use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::world::{FAMILIES, floating};

/// Guests 7 and 8, with a floating IP for 7.
fn with_floating(bench: &Bench) -> Scene {
    let associations = FAMILIES.map(|family| policy::floating(family, 10, &Guest::new(7)));
    let scene = Scene::new(bench, &scene::open(&associations));
    scene.operator.go(&["apply"]);
    scene
}

/// `flows kill --tuple` takes exactly what it names, which `flows list` knows before
/// and, if it is of TCP, not after. Of UDP the policy lets it come again.
pub fn by_tuple(bench: &mut Bench) {
    let scene = with_floating(bench);
    for family in FAMILIES {
        let way = Way::new(&scene.world.outside, &scene.stations[0], floating(family, 10), policy::OPEN);
        for protocol in [Protocol::TCP, Protocol::UDP] {
            let batch = scene.sessions.open(protocol, &way, 5);
            let [one, rest]: [Batch; 2] = [batch.start..batch.start + 1, batch.start + 1..batch.end];
            let watch = scene.sessions.watch(&[rest]);
            let port = scene.sessions.ports(&one)[0];
            let source = SocketAddr::new(scene.world.outside.address(family), port);
            let tuple = format!("{protocol},{source},{}", SocketAddr::new(floating(family, 10), policy::OPEN));
            let listed = || scene.operator.go(&["flows", "list", "web7", "--json"]).speaks_of_port(port);
            assert!(listed(), "{tuple} is not listed");
            scene.operator.go(&["flows", "kill", "--tuple", &tuple, "--dry-run"]);
            assert!(listed(), "{tuple} was killed by a dry run");
            let done = scene.operator.go(&["flows", "kill", "--tuple", &tuple, "--json"]);
            if protocol == Protocol::TCP {
                scene.sessions.assert_cut(&tuple, &[one], done.begin, pace() * 8);
                assert!(!listed(), "{tuple} is listed");
            }
            thread::sleep(pace() * 2);
            scene.sessions.assert_unharmed("the others", &watch);
        }
    }
}

/// `flows kill --floating` and `flows kill GUEST` cut what goes over the address, and
/// all that the guest has. The policy still lets it all in: UDP may come again.
pub fn by_name(bench: &mut Bench) {
    let scene = with_floating(bench);
    let ([guest, other], outside) = (&scene.stations, &scene.world.outside);
    let [mut over, mut own, mut others]: [Vec<Batch>; 3] = Default::default();
    for family in FAMILIES {
        let open = |way: Way<'_>| scene.sessions.open(Protocol::TCP, &way, 20);
        over.push(open(Way::new(outside, guest, floating(family, 10), policy::OPEN)));
        over.push(open(Way::new(guest, outside, outside.address(family), policy::OPEN)));
        own.push(open(Way::new(outside, guest, guest.address(family), policy::OPEN)));
        own.push(open(Way::new(guest, other, other.address(family), policy::OPEN)));
        others.push(open(Way::new(outside, other, other.address(family), policy::OPEN)));
    }
    let watches = [scene.sessions.watch(&own), scene.sessions.watch(&others)];
    let begin = Instant::now();
    for family in FAMILIES {
        scene.operator.go(&["flows", "kill", "--floating", &floating(family, 10).to_string()]);
    }
    scene.sessions.assert_cut("those over the floating IP", &over, begin, SHORT);
    scene.sessions.assert_unharmed("the guest's others", &watches[0]);
    let done = scene.operator.go(&["flows", "kill", "web7"]);
    scene.sessions.assert_cut("all of the guest's", &own, done.begin, SHORT);
    scene.sessions.assert_unharmed("another guest's", &watches[1]);
}

/// A guest stops: its connections are gone from the kernel, before its tap is.
pub fn stopped(bench: &mut Bench) {
    let scene = Scene::open(bench);
    let ([guest, other], outside) = (&scene.stations, &scene.world.outside);
    let [mut its, mut others]: [Vec<Batch>; 2] = Default::default();
    for family in FAMILIES {
        for way in scene.bare_ways(family) {
            its.extend(scene.sessions.open_all(&way, &mixture(family, 40)));
        }
        for (from, to) in [(outside, other), (other, outside)] {
            let way = Way::new(from, to, to.address(family), policy::OPEN);
            others.extend(scene.sessions.open_all(&way, &mixture(family, 40)));
        }
    }
    let watch = scene.sessions.watch(&others);
    let begin = Instant::now();
    // Its process is gone, and nobody answers at the tap.
    bench.lab.ip(&["link set vnet7 down".to_owned()]);
    bench.go("stopped", &scene.guests[0]);
    thread::sleep(pace());
    for family in FAMILIES {
        let known = tracked(&[guest.address(family)]).into_iter();
        // What the world goes on sending to nobody is tracked, too.
        let left: Vec<_> = known.filter(|line| !line.contains("[UNREPLIED]")).collect();
        assert!(left.is_empty(), "the kernel still knows {} of them, as {}", left.len(), left[0]);
    }
    // If somebody is there after all, the port is closed.
    bench.lab.ip(&["link set vnet7 up".to_owned()]);
    scene.sessions.assert_cut("those of the guest", &its, begin, pace() * 4);
    bench.go("release", &scene.guests[0]);
    scene.sessions.assert_dead("those of the guest", &its, pace() * 4);
    scene.sessions.assert_unharmed("another guest's", &watch);
    bench.assert_in_order();
}

/// Whoever takes rules away writes down first whose connections that concerns. If it
/// dies in between, the next run, whatever it is for, sees to them.
pub fn interrupted(bench: &mut Bench) {
    let scene = Scene::open(bench);
    let ([guest, other], outside) = (&scene.stations, &scene.world.outside);
    let [mut its, mut others]: [Vec<Batch>; 2] = Default::default();
    for family in FAMILIES {
        for (to, batches) in [(guest, &mut its), (other, &mut others)] {
            let way = Way::new(outside, to, to.address(family), policy::OPEN);
            batches.push(scene.sessions.open(Protocol::TCP, &way, 20));
        }
    }
    let watch = scene.sessions.watch(&others);
    let ended = FAMILIES.map(|family| guest.address(family)).into();
    let concerned = Concerned { ended, ..Concerned::default() };
    bench.host().state().set_concerned(&concerned).expect("what a run left behind");
    let begin = Instant::now();
    bench.go("reconnect", &scene.guests[1]);
    scene.sessions.assert_cut("those that were left", &its, begin, pace() * 8);
    scene.sessions.assert_unharmed("another guest's", &watch);
    assert!(bench.host().state().concerned().is_empty(), "something is left to be done");
}

/// An error about a connection goes to its guest while it lives. Once it is dead it
/// does not, and does not revive it.
pub fn complaints(bench: &mut Bench) {
    let scene = Scene::open(bench);
    let (guest, outside) = (&scene.stations[0], &scene.world.outside);
    for family in FAMILIES {
        let address = floating(family, 10);
        scene.operator.go(&["floating", "associate", &address.to_string(), "web7"]);
        let way = Way::new(outside, guest, address, policy::OPEN);
        let batches = scene.sessions.open_all(&way, &[(Protocol::UDP, 20), (Protocol::TCP, 20)]);
        let world = Ears::new(outside, outside.address(family));
        let ears = Ears::new(guest, guest.address(family));
        let complain = || {
            for port in scene.sessions.ports(&batches[0]) {
                world.complain(port, SocketAddr::new(address, policy::OPEN));
            }
            thread::sleep(pace());
            ears.heard().iter().filter(|packet| packet.is_complaint()).count()
        };
        assert_eq!(complain(), 20, "errors about connections that live");
        let done = scene.operator.go(&["floating", "disassociate", &address.to_string()]);
        scene.sessions.assert_cut("those over the floating IP", &batches, done.begin, pace() * 2);
        // The guest's own datagrams to ports where nobody listens are complained of, too.
        [Side::Near, Side::Far].iter().for_each(|side| scene.sessions.silence(&batches, *side));
        thread::sleep(pace());
        ears.heard();
        assert_eq!(complain(), 0, "errors about connections that are dead");
        scene.sessions.assert_dead("those over the floating IP", &batches, SHORT);
    }
}

/// What FTP's helper let in, as the parent announced it, dies with the parent.
pub fn related(bench: &mut Bench) {
    let guests = [7, 8].map(Guest::new);
    let mut entries = vec![policy::group("ftp", &[policy::rule("tcp", "21")])];
    entries.extend(guests.iter().map(|guest| policy::guest(guest, &["ftp"])));
    entries.extend(FAMILIES.map(|family| policy::floating(family, 10, &guests[0])));
    let scene = Scene::new(bench, &entries);
    scene.operator.go(&["apply"]);
    helper();
    for family in FAMILIES {
        let address = floating(family, 10);
        let refused = Way::new(&scene.world.outside, &scene.stations[0], address, 5500);
        let unannounced = scene.sessions.attempt(Protocol::TCP, &refused, 1);
        thread::sleep(pace() * 4);
        assert_eq!(scene.sessions.established(&unannounced), 0, "nothing lets that in");
        let parent = ftp::Parent::new(&scene, address, 5501);
        let way = Way::new(&scene.world.outside, &scene.stations[0], address, 5501);
        let way = way.with_source(parent.source().ip());
        let child = scene.sessions.open(Protocol::TCP, &way, 1);
        let tuple = format!("tcp,{},{}", parent.source(), SocketAddr::new(address, 21));
        let done = scene.operator.go(&["flows", "kill", "--tuple", &tuple]);
        scene.sessions.assert_cut("the child", &[child], done.begin, SHORT);
    }
}

/// Has the host look into connections to port 21 for what they announce.
fn helper() {
    for module in ["nf_conntrack_ftp", "nf_nat_ftp"] {
        // Where it is no module it is there already.
        let _ = std::process::Command::new("modprobe").arg("-q").arg(module).status();
    }
    let table = |family: &str| {
        format!(
            "table {family} aid {{\nct helper ftp {{ type \"ftp\" protocol tcp; }}\n\
             chain aid {{\ntype filter hook prerouting priority -150;\ntcp dport 21 ct helper set \"ftp\"\n}}\n}}\n"
        )
    };
    crate::stage::kernel::told("nft", &["-f", "-"], &(table("ip") + &table("ip6")));
}

mod ftp {
    //! As much of FTP (RFC 959, RFC 2428) as announces a connection.

    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    /// A control connection over which port `port` was announced.
    pub struct Parent {
        ends: [TcpStream; 2],
    }

    impl Parent {
        /// From the world to guest 7 at `address`.
        pub fn new(scene: &Scene, address: IpAddr, port: u16) -> Self {
            let own = scene.stations[0].address(Family::of(address));
            let listener = scene.stations[0].inside(|| TcpListener::bind((own, 21)).expect("a server of FTP"));
            let patience = Duration::from_secs(10);
            let called = SocketAddr::new(address, 21);
            let client = scene.world.outside.inside(|| TcpStream::connect_timeout(&called, patience));
            let client = client.expect("a connection to the server");
            let (server, _) = listener.accept().expect("a client of FTP");
            let parent = Self { ends: [client, server] };
            // The helper looks at lines that follow a line.
            parent.say(1, "220 ready\r\n");
            parent.say(0, "EPSV\r\n");
            parent.say(1, &format!("229 Entering Extended Passive Mode (|||{port}|)\r\n"));
            parent
        }

        /// One end says a line and the other one hears it.
        fn say(&self, end: usize, line: &str) {
            let (mut from, to) = (&self.ends[end], &self.ends[1 - end]);
            to.set_read_timeout(Some(Duration::from_secs(10))).expect("patience with an end");
            from.write_all(line.as_bytes()).expect("a line of FTP");
            let mut heard = String::new();
            BufReader::new(to).read_line(&mut heard).expect("a line of FTP");
            assert_eq!(heard, line);
        }

        /// The client's address and port.
        pub fn source(&self) -> SocketAddr {
            self.ends[0].local_addr().expect("the client's address")
        }
    }
}
