//! Prints the news of a watch over the guests of a driver, a line each: what
//! `tests/libvirt/events` looks at. For as long as it is not killed; without a
//! URI it is libvirt's test driver, until its guests are known.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use virt_guard::libvirt::{News, Watch};

fn main() {
    let uri = std::env::args().nth(1).filter(|argument| argument.contains(':'));
    let mut watch = Watch::start(uri.as_deref().unwrap_or("test:///default")).unwrap();
    loop {
        poll(&mut [PollFd::new(watch.fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
        for news in watch.news() {
            println!("{}", line(&news));
            if uri.is_none() && matches!(news, News::Running(_)) {
                return;
            }
        }
    }
}

fn line(news: &News) -> String {
    match news {
        News::Connected => "connected".to_owned(),
        News::Running(running) => {
            let names: Vec<_> = running.domains.iter().map(|domain| domain.name.as_str()).collect();
            format!("running: {}; problems: {:?}", names.join(" "), running.problems)
        }
        News::Lost(why) => format!("lost: {why}"),
        News::Guest { event, domain: None, .. } => format!("{event}: gone"),
        News::Guest { event, domain: Some(domain), .. } => {
            format!("{event}: {} with {} interfaces", domain.name, domain.interfaces.len())
        }
        News::Unreadable { event, problem, .. } => format!("{event}: unreadable: {problem}"),
    }
}
