//! Services of the host that begin to listen where guests are, and nobody runs a command.

use std::net::{TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::daemon::{Daemon, eventually, virt_guard};
use crate::events::{Event, Events};
use crate::stage::bench::{Bench, UPLINK, policy};
use crate::stage::runner::slowness;

/// Within which a service is to be told of.
const WITHIN: Duration = Duration::from_secs(1);
/// How often a service is restarted in a row.
const RESTARTS: usize = 12;

/// The JSON that `virt-guard status` prints, and its exit code.
fn status(bench: &Bench) -> (Value, Option<i32>) {
    let output = virt_guard(bench, &["status", "--json"]);
    (serde_json::from_slice(&output.stdout).expect("JSON"), output.status.code())
}

/// The first event of this kind about the port, and how long after `begun` it was there.
fn told(events: &mut Events, kind: &str, port: u16, begun: Instant) -> (Event, Duration) {
    let event = events.within(10, kind, |event| event.services.iter().any(|service| service.port == port));
    (event, begun.elapsed())
}

/// One that only the wall keeps guests from is told of within a second, TCP or UDP, and
/// once that it is gone; one that nobody at a bridge gets near to is not.
pub fn appears(bench: &mut Bench) {
    let _running = bench.two_running();
    let daemon = Daemon::start(bench);
    let mut events = Events::from_now(bench);
    let local = TcpListener::bind("127.0.0.1:8003").expect("a service");
    let begun = Instant::now();
    let tcp = TcpListener::bind("0.0.0.0:8001").expect("a service");
    let (event, took) = told(&mut events, "filtered", 8001, begun);
    println!("= tcp/8001 was told of after {took:?}");
    assert!(took <= WITHIN * slowness(), "{took:?}");
    let service = &event.services[0];
    assert_eq!((service.protocol.as_str(), service.address.as_str()), ("tcp", "0.0.0.0"));
    assert_eq!(service.owner.as_ref().map(|owner| owner.pid), Some(std::process::id()));
    assert_eq!(service.bridges, ["br100"]);
    let begun = Instant::now();
    let udp = UdpSocket::bind("[::]:8002").expect("a service");
    let (_, took) = told(&mut events, "filtered", 8002, begun);
    println!("= udp/8002 was told of after {took:?}");
    assert!(took <= WITHIN * slowness(), "{took:?}");
    drop((tcp, udp));
    told(&mut events, "gone", 8001, begun);
    thread::sleep(Duration::from_secs(4) * slowness());
    let rest = events.fresh();
    let again = |port| rest.iter().filter(|event| event.services.iter().any(|service| service.port == port)).count();
    assert_eq!((again(8001), again(8003)), (0, 0), "{rest:#?}");
    drop(local);
    daemon.stop();
}

/// A service that is restarted again and again fills no log.
pub fn restarts(bench: &mut Bench) {
    let daemon = Daemon::start(bench);
    let mut events = Events::from_now(bench);
    for _ in 0..RESTARTS {
        let service = TcpListener::bind("0.0.0.0:8001").expect("a service");
        thread::sleep(Duration::from_secs(1));
        drop(service);
        thread::sleep(Duration::from_millis(300));
    }
    let is_about = |event: &Event| event.services.iter().any(|service| service.port == 8001);
    let told = events.fresh().into_iter().filter(is_about).collect::<Vec<_>>();
    assert_eq!(told.len(), 1, "{told:#?}");
    daemon.stop();
}

/// Where somebody at a port of the bridge meets no wall the service is exposed: that is an
/// event, a counter, and what `status` says.
pub fn exposed(bench: &mut Bench) {
    let daemon = Daemon::start(bench);
    // The bench listens at a port of its own.
    let (before, code) = status(bench);
    let others = before["services"]["counts"]["filtered"].as_u64().expect("a number");
    assert_eq!(code, Some(0), "nothing is exposed yet: {before}");
    let _stranger = bench.lab.unknown_port("eth9");
    let mut events = Events::from_now(bench);
    let begun = Instant::now();
    let service = TcpListener::bind("0.0.0.0:8001").expect("a service");
    told(&mut events, "filtered", 8001, begun);
    let open = format!("uplinks = [\"{UPLINK}\"]\nunknown-ports = \"accept\"");
    let good = policy(bench.engine, 300);
    bench.file("virt-guard.toml", good.replace(&format!("uplinks = [\"{UPLINK}\"]"), &open));
    let (event, _) = told(&mut events, "exposed", 8001, begun);
    assert!(event.message.contains("eth9 of br100 is no guest's port"), "{}", event.message);
    let metrics = || std::fs::read_to_string(bench.root().join("run/virt-guard/virt-guard.prom")).unwrap_or_default();
    let counted = |number: u64| metrics().contains(&format!("\nvirt_guard_exposed_services {number}\n"));
    eventually("it is counted", || counted(others + 1));
    let (said, code) = status(bench);
    assert_eq!((&said["services"]["counts"]["exposed"], code), (&(others + 1).into(), Some(1)));
    bench.file("virt-guard.toml", good);
    told(&mut events, "filtered", 8001, begun);
    eventually("it is counted", || counted(0));
    let (said, code) = status(bench);
    assert_eq!((&said["services"]["counts"]["filtered"], code), (&(others + 1).into(), Some(0)));
    drop(service);
    daemon.stop();
}

/// `services-seconds = 0`: nobody looks.
pub fn unwatched(bench: &mut Bench) {
    bench.file("virt-guard.toml", policy(bench.engine, 300) + "[daemon]\nservices-seconds = 0\n");
    let daemon = Daemon::start(bench);
    let mut events = Events::from_now(bench);
    let _service = TcpListener::bind("0.0.0.0:8001").expect("a service");
    thread::sleep(Duration::from_secs(3));
    assert!(events.fresh().iter().all(|event| event.services.is_empty()));
    let metrics = std::fs::read_to_string(bench.root().join("run/virt-guard/virt-guard.prom")).expect("counters");
    assert!(!metrics.contains("exposed_services"), "{metrics}");
    daemon.stop();
}
