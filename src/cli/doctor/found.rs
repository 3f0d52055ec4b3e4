//! Whether libvirt's daemon has found the hook: it looks when it starts and when it is
//! told to reload, and whatever was installed since then it does not run.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::checkup::{Checkup, clock};
use super::finding::Finding;
use super::hooks::shims;
use crate::cli::install::below;
use crate::kernel::Process;
use crate::state::Called;

/// What is known of the daemon and the hook.
struct Known<'a> {
    daemon: &'a Process,
    /// Since when the hook is as it is.
    hook: SystemTime,
    /// The last time that it was run for a guest.
    for_guest: Option<Called>,
    /// The last time that it was run as a daemon started or reloaded.
    for_daemon: Option<Called>,
}

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    let changed =
        shims(&checkup.root, "qemu").iter().filter_map(|shim| changed(&below(&checkup.root, &shim.path))).min();
    // That there is none is said already.
    let Some(hook) = changed else { return Vec::new() };
    if !checkup.is_this_machine() {
        return vec![Finding::ok("not looked at in another tree")];
    }
    let Some(daemon) = checkup.libvirt() else {
        return vec![Finding::ok("libvirt's daemon does not run; it looks for hooks when it starts")];
    };
    let state = checkup.host.state();
    vec![Known { daemon, hook, for_guest: state.called("qemu"), for_daemon: state.called("daemon") }.judge()]
}

/// When the file came there or was changed, whatever the time of its content.
fn changed(path: &Path) -> Option<SystemTime> {
    let seconds = fs::metadata(path).ok()?.ctime();
    Some(UNIX_EPOCH + Duration::from_secs(seconds.try_into().ok()?))
}

impl Known<'_> {
    fn judge(&self) -> Finding {
        let Process { pid, command, since, .. } = self.daemon;
        if let Some(called) = self.for_guest.as_ref().filter(|called| self.is_of_daemon(called)) {
            return Finding::ok(format!("{command} (pid {pid}) ran it at {}", clock(called.at)));
        }
        let looked = self.for_daemon.as_ref().filter(|called| self.is_of_daemon(called) && called.at > self.hook);
        if let Some(called) = looked {
            return Finding::ok(format!("{command} (pid {pid}) looked for hooks at {}", clock(called.at)));
        }
        if *since > self.hook {
            return Finding::ok(format!("{command} (pid {pid}) was started after it was installed"));
        }
        let (since, hook) = (clock(*since), clock(self.hook));
        let found =
            format!("{command} (pid {pid}) runs since {since}, the hook is there since {hook}, and was not run by it");
        Finding::error(found, format!("systemctl reload {command}, or kill -HUP {pid}"))
    }

    fn is_of_daemon(&self, called: &Called) -> bool {
        called.by.contains(&self.daemon.pid) && called.at >= self.daemon.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn level(since: u64, hook: u64, guest: Option<(u32, u64)>, daemon: Option<(u32, u64)>) -> Level {
        let process = Process {
            pid: 7,
            command: "libvirtd".to_owned(),
            arguments: Vec::new(),
            since: at(since),
            is_outdated: false,
        };
        let called = |call: Option<(u32, u64)>| call.map(|(pid, when)| Called { by: vec![99, pid], at: at(when) });
        let known = Known { daemon: &process, hook: at(hook), for_guest: called(guest), for_daemon: called(daemon) };
        known.judge().level
    }

    #[test]
    fn a_daemon_that_started_later_has_found_it() {
        assert_eq!(level(200, 100, None, None), Level::Ok);
        assert_eq!(level(100, 200, None, None), Level::Error);
        assert_eq!(level(100, 100, None, None), Level::Error, "nobody knows which came first");
    }

    #[test]
    fn a_reload_after_it_was_installed_has_found_it_and_one_before_has_not() {
        assert_eq!(level(100, 200, None, Some((7, 300))), Level::Ok);
        assert_eq!(level(100, 200, None, Some((7, 150))), Level::Error);
        assert_eq!(level(100, 200, None, Some((8, 300))), Level::Error, "that was another daemon");
    }

    #[test]
    fn a_hook_that_was_run_for_a_guest_was_found_even_if_it_was_replaced_since() {
        assert_eq!(level(100, 300, Some((7, 200)), None), Level::Ok);
        assert_eq!(level(100, 300, Some((7, 50)), None), Level::Error, "that was a process before this one");
    }
}
