//! The test driver (`test:///default`) shares its guests within a process, so
//! what happens to one over a second connection is told to the watch.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use virt::connect::Connect;

use super::*;

const XML: &str = "<domain type='test'><name>watched</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\
                   <memory>1024</memory><os><type>hvm</type></os></domain>";

/// What comes until `last` was seen, or for ten seconds.
fn until(watch: &mut Watch, last: fn(&News) -> bool) -> Vec<News> {
    let end = Instant::now() + Duration::from_secs(10);
    let mut all = Vec::new();
    while !all.iter().any(last) && Instant::now() < end {
        poll(&mut [PollFd::new(watch.fd(), PollFlags::POLLIN)], PollTimeout::from(1000u16)).unwrap();
        all.extend(watch.news());
    }
    assert!(all.iter().any(last), "{all:?}");
    all
}

#[test]
fn what_happens_to_a_guest_is_told() {
    let mut watch = Watch::start("test:///default").unwrap();
    let news = until(&mut watch, |news| matches!(news, News::Running(_)));
    assert!(matches!(&news[..], [News::Connected, News::Running(_)]), "{news:?}");
    let connection = Connect::open(Some("test:///default")).unwrap();
    let guest = connection.create_domain_xml(XML, 0).unwrap();
    let news = until(&mut watch, |news| matches!(news, News::Guest { event: GuestEvent::Started, .. }));
    let [News::Guest { uuid, domain: Some(domain), .. }] = &news[..] else { panic!("{news:?}") };
    assert_eq!((uuid.to_string().as_str(), domain.name.as_str()), ("c7a5fdbd-edaf-9455-926a-d65c16db1809", "watched"));
    guest.destroy().unwrap();
    let news = until(&mut watch, |news| matches!(news, News::Guest { event: GuestEvent::Stopped, .. }));
    assert!(matches!(news.last(), Some(News::Guest { domain: None, .. })), "{news:?}");
    assert!(watch.news().is_empty());
}

#[test]
fn an_end_comes_at_once_and_who_cannot_be_reached_is_told_of_once() {
    for _ in 0..20 {
        let mut watch = Watch::start("qemu+unix:///system?socket=/nowhere").unwrap();
        let news = until(&mut watch, |news| matches!(news, News::Lost(_)));
        assert!(matches!(&news[..], [News::Lost(why)] if why.contains("/nowhere")), "{news:?}");
        let shared = Arc::downgrade(&watch.shared);
        drop(watch);
        // The thread waits for its next try; it must not wait it out.
        let end = Instant::now() + Duration::from_millis(900);
        while shared.strong_count() > 0 {
            assert!(Instant::now() < end, "the thread goes on");
            thread::sleep(Duration::from_millis(5));
        }
    }
}
