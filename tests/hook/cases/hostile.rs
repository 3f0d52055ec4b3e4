//! XML that is too large, too deep, too clever, cut short, or nothing of the kind.

use std::io::Write;
use std::time::Duration;

use crate::stage::bench::Bench;
use crate::stage::guest::Guest;
use crate::stage::kernel;
use crate::stage::program::Run;
use crate::stage::runner::slowness;

/// The most memory that the hook may take, in KiB.
const PEAK: i64 = 100 << 10;

/// Documents that are refused, each by a word for it.
fn documents(guest: &Guest) -> Vec<(&'static str, Vec<u8>)> {
    let xml = guest.xml();
    let with = |text: &str| xml.replacen("<devices>", &format!("{text}<devices>"), 1).into_bytes();
    let nested = format!("{}{}", "<a>".repeat(1_000_000), "</a>".repeat(1_000_000));
    let attributes: String = (0..100_000).map(|number| format!(" a{number}='1'")).collect();
    let entities: String =
        (1..10).map(|level| format!("<!ENTITY l{level} \"{}\">", format!("&l{};", level - 1).repeat(10))).collect();
    let bomb = format!("<!DOCTYPE domain [<!ENTITY l0 \"lol\">{entities}]>{}", with_text(&xml, "&l9;"));
    let external = format!("<!DOCTYPE domain [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{}", with_text(&xml, "&x;"));
    let noise = (0_u32..200_000).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    vec![
        ("10 MB", with(&format!("<!--{}-->", "x".repeat(10_000_000)))),
        ("10 MB of elements", with(&"<a b='c'>d</a>".repeat(700_000))),
        ("3 MB of elements", with(&"<a/>".repeat(750_000))),
        ("a million nested elements", nested.into_bytes()),
        ("a hundred thousand attributes", with(&format!("<a{attributes}/>"))),
        ("an entity bomb", bomb.into_bytes()),
        ("an entity outside", external.into_bytes()),
        ("cut short", xml.as_bytes()[..xml.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("blank", b" \n".to_vec()),
        ("noise", noise),
        ("zeroes", vec![0; 1_000_000]),
        ("another document", b"<network><name>default</name></network>".to_vec()),
        ("two domains", [xml.as_bytes(), xml.as_bytes()].concat()),
        ("a port with a hostile name", xml.replace("vnet7", "x&quot; ; flush ruleset").into_bytes()),
        ("a port with a wildcard", xml.replace("vnet7", "vnet+").into_bytes()),
    ]
}

fn with_text(xml: &str, text: &str) -> String {
    xml.replacen("</name>", &format!("{text}</name>"), 1)
}

pub fn refused(bench: &mut Bench) {
    let guest = Guest::new(7);
    bench.plug(&guest);
    let before = kernel::rules(bench.engine);
    let mut peak = 0;
    for (what, document) in documents(&guest) {
        let run = bench.hook("start", &guest).input(document).run();
        println!("{what}: {:.2} s, {} KiB: {}", run.elapsed.as_secs_f32(), run.peak, run.stderr.trim());
        assert_refused(&run);
        peak = peak.max(run.peak);
    }
    println!("= at most {} MiB", peak >> 10);
    assert_eq!(bench.records().len(), 0);
    assert_eq!(kernel::rules(bench.engine), before);
}

fn assert_refused(run: &Run) {
    run.assert_stops();
    assert!(run.elapsed < Duration::from_secs(2) * slowness(), "{:?}", run.elapsed);
    assert!(run.peak < PEAK, "{} KiB", run.peak);
    assert!(run.input.is_ok(), "libvirt would fail on a broken pipe: {:?}", run.input);
    assert_eq!(run.stderr.lines().count(), 1, "one line is enough: {}", run.stderr);
    assert!(run.stderr.len() < 1000, "a line is too long: {}", run.stderr);
}

/// A pipe that nobody closes, empty or full for ever.
pub fn endless(bench: &mut Bench) {
    let guest = Guest::new(7);
    bench.plug(&guest);
    bench.policy_with_deadline(1);
    for (operation, stops) in [("start", true), ("prepare", true), ("reconnect", false), ("release", false)] {
        let (running, pipe) = bench.hook(operation, &guest).start_with_pipe();
        let run = running.end();
        drop(pipe);
        assert_in_time(&run, stops);
    }
    let (running, mut pipe) = bench.hook("start", &guest).start_with_pipe();
    let writer = std::thread::spawn(move || while pipe.write_all(&[b' '; 65_536]).is_ok() {});
    let run = running.end();
    writer.join().expect("the writer");
    assert_in_time(&run, true);
    assert!(run.peak < PEAK, "{} KiB", run.peak);
}

fn assert_in_time(run: &Run, stops: bool) {
    println!("{:.2} s: {}", run.elapsed.as_secs_f32(), run.stderr.trim());
    assert_eq!(run.status.code(), Some(i32::from(stops)), "{}", run.stderr);
    let late = run.elapsed.saturating_sub(Duration::from_secs(1));
    assert!(late < Duration::from_millis(300) * slowness(), "{late:?} past the deadline");
}
