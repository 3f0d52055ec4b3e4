//! Debian's firewalld beside us, with a D-Bus of its own in the case's namespaces:
//! whatever its reload takes away is put back.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::mount::{MsFlags, mount};
use virt_guard::engine::EngineKind;

use crate::daemon::{Daemon, eventually, settles};
use crate::stage::bench::Bench;
use crate::stage::kernel;

const BUS: &str = "unix:path=/run/dbus/system_bus_socket";

/// A program of the case's, killed at its end.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn service(program: &str, words: &[&str]) -> Service {
    let mut command = Command::new(program);
    command.args(words).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
    Service(command.spawn().unwrap_or_else(|error| panic!("{program}: {error}: run tests/lab/install")))
}

/// A /run, /etc/firewalld and /var/log that nobody else sees.
fn private_directories() {
    let none = None::<&Path>;
    let files: Vec<_> = ["firewalld.conf", "lockdown-whitelist.xml"]
        .into_iter()
        .filter_map(|name| Some((name, fs::read(Path::new("/etc/firewalld").join(name)).ok()?)))
        .collect();
    for path in ["/run", "/etc/firewalld", "/var/log"] {
        mount(Some("private"), path, Some("tmpfs"), MsFlags::empty(), none).expect("a directory of the case's own");
    }
    for (name, bytes) in files {
        fs::write(Path::new("/etc/firewalld").join(name), bytes).expect("firewalld's settings");
    }
    for folder in ["/run/dbus", "/etc/firewalld/zones", "/etc/firewalld/services", "/etc/firewalld/policies"] {
        fs::create_dir_all(folder).expect("a directory");
    }
}

fn running() -> bool {
    kernel::run("firewall-cmd", &["--state"], "").status.success()
}

/// With both of its back-ends. It trusts everybody: what it would refuse itself is
/// not the question.
pub fn reload(bench: &mut Bench) {
    private_directories();
    let (guests, wires) = bench.two_running();
    let _bus = service("dbus-daemon", &["--system", "--nofork", "--nopidfile", "--nosyslog", "--address", BUS]);
    eventually("D-Bus is there", || Path::new("/run/dbus/system_bus_socket").exists());
    let daemon = Daemon::start(bench);
    for backend in [EngineKind::Nftables, EngineKind::Iptables] {
        let settings =
            format!("DefaultZone=trusted\nFirewallBackend={backend}\nFlushAllOnReload=yes\nCleanupOnExit=yes\n");
        fs::write("/etc/firewalld/firewalld.conf", settings).expect("firewalld's settings");
        let firewalld = service("firewalld", &["--nofork", "--nopid"]);
        eventually("firewalld runs", running);
        for words in [&["--reload"][..], &["--complete-reload"]] {
            kernel::told("firewall-cmd", words, "");
            settles(bench, &format!("{words:?}, {backend}"), &guests, &wires);
        }
        drop(firewalld);
        eventually("firewalld is gone", || !running());
        settles(bench, "firewalld ended", &guests, &wires);
    }
    daemon.stop();
}
