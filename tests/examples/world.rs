//! The host on which a page's examples are carried out.
//!
//! ```text
//!   br100  10.100.0.1/24 fd00:100::1/64     eth0  203.0.113.1/24 2001:db8:113::1/64
//!     ├─ vnet1  web1       52:54:00:00:00:01     (to nowhere; the default route)
//!     ├─ vnet2  web2       52:54:00:00:00:02
//!     ├─ vnet3  bastion1   52:54:00:00:00:03
//!     ├─ vnet4  db1        52:54:00:00:00:04
//!     └─ eth1   the uplink
//! ```
//!
//! It is in namespaces of its own and vanishes with the thread. `virt-guard` and
//! `virt-guard-hook` are the real ones, with files below a directory of their own;
//! `virsh start` and `virsh destroy` are stand-ins that call the hook as libvirt does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process;

use tempfile::TempDir;
use virt_guard::net::Mac;

use crate::page::{Command, Step, printed};
use crate::support::Wire;
use crate::support::lab::Lab;

/// The guests that can be started, in the order of their ports.
const GUESTS: [&str; 4] = ["web1", "web2", "bastion1", "db1"];

/// Runs one of the two programs on the files of this host.
const PROGRAM: &str = "#!/bin/sh\nexec 'PROGRAM' --root 'ROOT' \"$@\"\n";
/// What libvirt asks of its hook when it starts or destroys a guest.
const VIRSH: &str = r#"#!/bin/sh
case $1 in
    start) operations="prepare start started" ;;
    destroy) operations="stopped release" ;;
    *) echo "virsh: there is no libvirt here that could $1" >&2; exit 64 ;;
esac
for operation in $operations; do
    virt-guard-hook qemu "$2" "$operation" begin - <"ROOT/etc/libvirt/qemu/$2.xml" || {
        echo "error: Failed to $1 domain '$2'" >&2
        exit 1
    }
done
"#;

/// The host.
pub struct World {
    dir: TempDir,
    _lab: Lab,
    _wires: Vec<Wire>,
}

impl World {
    /// A host with the guests' ports plugged in, and no guest started.
    pub fn new() -> Self {
        let lab = Lab::new();
        let number = |number: usize| u8::try_from(number + 1).unwrap();
        let mut wires: Vec<Wire> = (0..GUESTS.len())
            .map(|at| lab.guest_port(&format!("vnet{}", number(at)), Mac::new([0x52, 0x54, 0, 0, 0, number(at)])))
            .collect();
        wires.push(lab.uplink("eth1"));
        lab.ip(&["link add eth0 type veth peer name nowhere".to_owned()]);
        // The lab's interfaces have no IPv6 unless they ask for it.
        fs::write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "0").unwrap();
        lab.ip(&OUTSIDE.map(str::to_owned));
        let world = Self { dir: tempfile::tempdir().unwrap(), _lab: lab, _wires: wires };
        for (at, name) in GUESTS.iter().enumerate() {
            world.write(&format!("/etc/libvirt/qemu/{name}.xml"), &domain(name, at + 1));
        }
        let root = world.root();
        for (name, text) in [
            ("virt-guard", PROGRAM.replace("PROGRAM", env!("CARGO_BIN_EXE_virt-guard"))),
            ("virt-guard-hook", PROGRAM.replace("PROGRAM", env!("CARGO_BIN_EXE_virt-guard-hook"))),
            ("virsh", VIRSH.to_owned()),
        ] {
            let path = world.write(&format!("/bin/{name}"), &text.replace("ROOT", &root.display().to_string()));
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        world
    }

    /// Takes a step.
    ///
    /// # Errors
    /// A command does not do what the page says.
    pub fn take(&self, step: &Step) -> Result<(), String> {
        match step {
            Step::File { path, text } => drop(self.write(path, text)),
            Step::Command(command) => self.run(command)?,
        }
        Ok(())
    }

    fn run(&self, command: &Command) -> Result<(), String> {
        let path = format!("{}/bin:{}", self.root().display(), std::env::var("PATH").unwrap());
        let mut shell = process::Command::new("sh");
        shell.args(["-c", &command.line]).env("PATH", path).current_dir(self.root()).stdin(process::Stdio::null());
        let output = shell.output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        // What a page shows does not tell of the directory that stands for the host.
        let said = said.replace(&self.root().display().to_string(), "");
        let lines: Vec<_> = said.lines().filter(|line| !line.is_empty()).collect();
        if output.status.code() == Some(command.status) && printed(&command.prints, &lines) {
            return Ok(());
        }
        Err(format!("$ {}\n{said}exit status {:?}\nthe page has: {command:#?}", command.line, output.status.code()))
    }

    fn root(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.root().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

/// An interface to the world outside.
const OUTSIDE: [&str; 6] = [
    "link set nowhere up",
    "link set eth0 up",
    "address add 203.0.113.1/24 dev eth0",
    "address add 2001:db8:113::1/64 dev eth0 nodad",
    "route add default via 203.0.113.254",
    "route add ::/0 via 2001:db8:113::fe",
];

/// A guest's XML as libvirt gives it to the hook.
fn domain(name: &str, number: usize) -> String {
    format!(
        "<domain type='kvm'>\n  <name>{name}</name>\n  <uuid>6f3a1f2e-0c1b-4d8e-9a3b-00000000000{number}</uuid>\n  \
         <devices>\n    <interface type='bridge'>\n      <mac address='52:54:00:00:00:0{number}'/>\n      \
         <source bridge='br100'/>\n      <target dev='vnet{number}'/>\n    </interface>\n  </devices>\n</domain>\n"
    )
}
