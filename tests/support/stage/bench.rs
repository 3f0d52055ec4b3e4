//! The host of one case: the lab, a root directory with a policy, an engine.
//!
//! The policy lets guests speak to the world, be spoken to at tcp/80, and by
//! each other at tcp/5432; anti-spoofing and the host's services are the default.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use tempfile::TempDir;
use virt_guard::engine::EngineKind;
use virt_guard::kernel::Deadline;
use virt_guard::reconcile::Host;

use crate::stage::guest::Guest;
use crate::stage::kernel;
use crate::stage::probe::{SETTLE, Seen, Surroundings};
use crate::stage::program::{Hook, Run};
use crate::stage::runner::slowness;
use crate::support::Wire;
use crate::support::lab::Lab;

/// The port of the lab's bridge that leads out.
pub const UPLINK: &str = "eth1";

/// The host of one case.
#[derive(Debug)]
pub struct Bench {
    /// Its network.
    pub lab: Lab,
    /// Its engine.
    pub engine: EngineKind,
    /// What is around its guests.
    pub around: Surroundings,
    strangers: String,
    dir: TempDir,
}

/// The policy, with so many seconds for each hook.
pub fn policy(engine: EngineKind, deadline: u64) -> String {
    format!(
        "engine = \"{engine}\"\ndeadline-seconds = {deadline}\n\
         [bridges.\"br100\"]\nuplinks = [\"{UPLINK}\"]\n\
         [[group]]\nname = \"web\"\ningress = [\n  {{ protocol = \"tcp\", ports = \"80\" }},\n  \
         {{ protocol = \"tcp\", ports = \"5432\", from-group = \"web\" }},\n]\n\
         [[guest]]\nmatch = \"*\"\ngroups = [\"web\"]\n"
    )
}

/// The filter that guests refer to, and the one that it refers to: what their
/// anti-spoofing says once more, so that each port has branches.
const FILTERS: [(&str, &str); 2] = [
    (
        "pinned",
        "chain='root'><filterref filter='pinned-arp'/>\
         <rule action='accept' direction='out' priority='100'><ip protocol='udp' srcipaddr='0.0.0.0'/></rule>\
         <rule action='drop' direction='out' priority='200'><ip match='no' srcipaddr='$IP'/></rule>",
    ),
    (
        "pinned-arp",
        "chain='arp-pin'><rule action='return' direction='out'><arp arpsrcipaddr='$IP'/></rule>\
         <rule action='return' direction='out'><arp arpsrcipaddr='0.0.0.0'/></rule>\
         <rule action='drop' direction='out' priority='1000'/>",
    ),
];

impl Bench {
    /// A host with the bench's policy, rules of somebody else, and no guest.
    pub fn new(engine: EngineKind) -> Self {
        let lab = Lab::new();
        let around = Surroundings::new(lab.uplink(UPLINK));
        wait_for_port(UPLINK);
        kernel::add_strangers();
        let dir = tempfile::tempdir().expect("a root directory");
        let bench = Self { lab, engine, around, strangers: kernel::strangers(), dir };
        bench.good_policy();
        for (name, content) in FILTERS {
            bench.file(&format!("nwfilter/{name}.xml"), format!("<filter name='{name}' {content}</filter>"));
        }
        bench
    }

    /// The root directory.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// A directory beside the root, of the case's own.
    pub fn aside(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(&path).expect("a directory");
        path
    }

    /// Writes a file of the policy; without text it is taken away.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.root().join("etc/virt-guard").join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory for the policy");
        fs::write(path, content).expect("a file of the policy");
    }

    /// Takes whatever is there away.
    pub fn no_file(&self, name: &str) {
        let path = self.root().join("etc/virt-guard").join(name);
        let _ = fs::remove_file(&path);
        let _ = fs::remove_dir(&path);
    }

    /// Puts the bench's policy in place, with more time than anything takes.
    pub fn good_policy(&self) {
        self.policy_with_deadline(300);
    }

    /// The same with so many seconds for each hook.
    pub fn policy_with_deadline(&self, seconds: u64) {
        self.file("virt-guard.toml", policy(self.engine, seconds));
    }

    /// A policy that no parser takes.
    pub fn broken_policy(&self) {
        self.file("virt-guard.toml", format!("{}nonsense\n", policy(self.engine, 300)));
    }

    /// Plugs the guest's cable into the bridge.
    pub fn plug(&self, guest: &Guest) -> Wire {
        let wire = self.lab.guest_port(&guest.port(), guest.mac());
        wait_for_port(&guest.port());
        wire
    }

    /// Waits until the bridge has heard of a cable that was plugged in.
    pub fn wait_for_port(&self, name: &str) {
        wait_for_port(name);
    }

    /// Two guests that run, 7 and 8, and the far ends of their cables.
    pub fn two_running(&self) -> ([Guest; 2], [Wire; 2]) {
        let guests = [7, 8].map(Guest::new);
        let wires = guests.each_ref().map(|guest| self.plug(guest));
        guests.iter().for_each(|guest| self.go("start", guest));
        (guests, wires)
    }

    /// A run of the hook to come.
    pub fn hook(&self, operation: &str, guest: &Guest) -> Hook {
        Hook::new(&self.root(), operation, guest)
    }

    /// Runs the hook.
    pub fn run(&self, operation: &str, guest: &Guest) -> Run {
        self.hook(operation, guest).run()
    }

    /// Runs the hook, which must say 0.
    pub fn go(&self, operation: &str, guest: &Guest) {
        let run = self.run(operation, guest);
        assert!(run.went_on(), "{operation}: {}: {}", run.status, run.stderr);
        assert_eq!(run.stdout, "", "{operation}: libvirt would take that for XML");
    }

    /// Many guests that run, as far as the records tell; their rules are yet to come.
    pub fn record(&self, numbers: std::ops::Range<u16>) {
        let host = self.host();
        for number in numbers {
            let domain = Guest::new(number).domain();
            host.state().set_guest(&domain.uuid, Some(&domain)).expect("a record");
        }
    }

    /// Many guests that run, as far as the records tell, and their rules.
    pub fn crowd(&self, numbers: std::ops::Range<u16>) {
        self.record(numbers.clone());
        fs::remove_file(self.root().join("run/virt-guard/base.json")).expect("a base to build anew");
        self.go("reconnect", &Guest::new(numbers.start));
        assert_eq!(self.recorded(&Guest::new(numbers.end - 1)), [true, true]);
    }

    /// A /dev of this case's own, without a log.
    pub fn private_dev(&self) {
        let dev = self.aside("dev");
        let none = None::<&str>;
        mount(Some("dev"), &dev, Some("tmpfs"), MsFlags::empty(), none).expect("a directory for devices");
        for name in ["null", "zero", "full", "random", "urandom"] {
            let path = dev.join(name);
            fs::write(&path, "").expect("a place for a device");
            mount(Some(&Path::new("/dev").join(name)), &path, none, MsFlags::MS_BIND, none).expect("a device");
        }
        for (name, target) in [("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0")] {
            std::os::unix::fs::symlink(target, dev.join(name)).expect("a link");
        }
        mount(Some(&dev), "/dev", none, MsFlags::MS_BIND | MsFlags::MS_REC, none).expect("a mount over /dev");
    }

    /// What passes at the guest's port.
    pub fn look(&self, guest: &Guest, wire: &Wire) -> Seen {
        self.around.look(guest, wire, SETTLE)
    }

    /// Fails unless what the policy allows passes, and nothing else.
    pub fn assert_guarded(&self, guest: &Guest, wire: &Wire) {
        // On a busy machine a frame may be late, and this waits for what must come.
        let seen = self.around.look(guest, wire, SETTLE * 20);
        assert!(seen.guarded(), "{} is not guarded: {seen}", guest.port());
    }

    /// Fails if anything passes that the policy forbids.
    pub fn assert_not_open(&self, guest: &Guest, wire: &Wire) {
        let seen = self.look(guest, wire);
        assert!(seen.leaked.is_empty(), "{} is open: {seen}", guest.port());
    }

    /// Fails unless nothing passes at all.
    pub fn assert_closed(&self, guest: &Guest, wire: &Wire) {
        let seen = self.look(guest, wire);
        assert!(seen.closed(), "{} is not closed: {seen}", guest.port());
    }

    /// The library's own look at this host.
    pub fn host(&self) -> Host {
        Host::new(&self.root(), Deadline::after(Duration::from_secs(30) * slowness()))
    }

    /// Fails unless all stands as the policy has it, for the guests on record.
    pub fn assert_in_order(&self) {
        let drifts = self.host().check_all().expect("a look at everything");
        assert!(drifts.is_empty(), "not as it should be: {drifts:?}");
    }

    /// The files below /run/virt-guard, by name, but the lock and the notes of who ran the
    /// hook: both change with every run.
    pub fn records(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.root().join("run/virt-guard"), &mut files);
        files.retain(|path, _| {
            !path.ends_with("lock") && !path.parent().is_some_and(|folder| folder.ends_with("called"))
        });
        files
    }

    /// Whether there are records of the guest and of its port.
    pub fn recorded(&self, guest: &Guest) -> [bool; 2] {
        let run = self.root().join("run/virt-guard");
        [format!("guests/{}.json", guest.uuid()), format!("ports/{}.json", guest.port())]
            .map(|name| run.join(name).exists())
    }

    /// Fails if anything is left of the guest in the kernel or on record.
    pub fn assert_gone(&self, guest: &Guest) {
        let rules = kernel::rules(self.engine);
        let left: Vec<_> = rules.lines().filter(|line| kernel::mentions(line, &guest.port())).collect();
        assert!(left.is_empty(), "{} is left in the kernel: {left:#?}", guest.port());
        let left = |(path, content): &(PathBuf, Vec<u8>)| {
            let path = path.to_string_lossy();
            path.contains(&guest.uuid())
                || kernel::mentions(&path, &guest.port())
                || kernel::mentions(&String::from_utf8_lossy(content), &guest.port())
        };
        let left: Vec<_> = self.records().into_iter().filter(left).map(|(path, _)| path).collect();
        assert!(left.is_empty(), "{} is left in {left:?}", guest.port());
    }

    /// Fails if rules of somebody else were changed.
    pub fn assert_strangers_untouched(&self) {
        assert_eq!(kernel::strangers(), self.strangers, "rules of somebody else were changed");
    }
}

/// The bridge hears of a cable a moment after it was plugged in.
fn wait_for_port(name: &str) {
    let forwarding =
        || fs::read_to_string(format!("/sys/class/net/{name}/brport/state")).is_ok_and(|state| state == "3\n");
    let end = Instant::now() + Duration::from_secs(5) * slowness();
    while !forwarding() {
        assert!(Instant::now() < end, "{name} never became a port that forwards");
        thread::sleep(Duration::from_millis(1));
    }
}

fn collect(path: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.insert(path.clone(), fs::read(&path).expect("a record"));
        }
    }
}
