//! Pinning and giving back on a tree of files, with programs and a guest that play
//! along, fail, or have the program die.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use ipnet::IpNet;

use super::witness::Witness;
use super::{Changed, Confirmation, PINS, PinPlan, Pinned, crash};
use crate::kernel::{
    Addresses, Command, Deadline, HostAddress, Link, LinkKind, Links, Listener, RunError, Runner, Session,
};
use crate::net::{IfName, Protocol};
use crate::pins::{Activation, Check, Edit, Recipe};
use crate::reconcile::{Error, Host, Interfaces};

/// Notes what is run; what begins with a word of `broken` fails. `within` this time the
/// pins of this stage are to be confirmed.
#[derive(Clone, Default)]
struct Programs {
    lines: Rc<RefCell<Vec<String>>>,
    broken: Rc<RefCell<Vec<String>>>,
}

impl Runner for Programs {
    fn run(&mut self, command: &Command, _: Deadline) -> Result<String, RunError> {
        crash::here();
        let line = command.line();
        let fails = self.broken.borrow().iter().any(|broken| line.starts_with(broken));
        self.lines.borrow_mut().push(line);
        if fails {
            let source = std::io::Error::other("broken");
            return Err(RunError::Start { program: command.program.clone(), source });
        }
        Ok(String::new())
    }
}

/// A host with a management interface and a bridge.
struct Net;

impl Interfaces for Net {
    fn links(&self) -> std::io::Result<Links> {
        let link = |kind| Link { kind, master: None };
        let bridge = LinkKind::Virtual("bridge".to_owned());
        Ok(Links::new([(name("eth0"), link(LinkKind::Physical)), (name("br100"), link(bridge))]))
    }

    fn addresses(&self) -> std::io::Result<Addresses> {
        let borne = [("192.0.2.10/24", "eth0"), ("10.100.0.1/24", "br100")];
        let borne = borne.map(|(net, interface)| (net.parse::<IpNet>().unwrap(), name(interface)));
        let address = |(net, interface): (IpNet, IfName)| HostAddress {
            interface,
            address: net.addr(),
            prefix: net.prefix_len(),
        };
        Ok(Addresses::new(borne.map(address), []))
    }
}

/// A guest that is told what it sees.
#[derive(Default)]
struct Guest {
    listening: Vec<Listener>,
    reached: Vec<String>,
}

impl Witness for Guest {
    fn listening(&mut self, _: &mut Host, _: &[Activation]) -> Result<Vec<Listener>, Error> {
        Ok(self.listening.clone())
    }

    fn reached(&mut self, _: &mut Host, _: Vec<Listener>) -> Result<Vec<String>, Error> {
        Ok(self.reached.clone())
    }
}

struct Stage {
    root: tempfile::TempDir,
    programs: Programs,
    guest: Guest,
}

const CONF: &str = "/etc/foo/foo.conf";
const DROP_IN: &str = "/etc/systemd/system/foo.service.d/50-virt-guard.conf";

impl Stage {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/foo")).unwrap();
        fs::create_dir_all(root.path().join("etc/systemd/system")).unwrap();
        let conf = root.path().join("etc/foo/foo.conf");
        fs::write(&conf, b"listen = *\r\nno end").unwrap();
        fs::set_permissions(&conf, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::chown(&conf, Some(7), Some(8)).unwrap();
        let guest = Guest { listening: vec![listener()], reached: Vec::new() };
        Self { root, programs: Programs::default(), guest }
    }

    fn host(&self) -> Host {
        let deadline = Deadline::after(Duration::from_secs(10));
        Host::with(self.root.path(), deadline, Box::new(self.programs.clone()), Box::new(Net))
    }

    /// One of a service with a file that was there and one that was not.
    fn plan(&self) -> PinPlan {
        let edit = |path: &str, text: &str| Edit { path: path.into(), text: text.to_owned() };
        let edits =
            vec![edit(CONF, "listen = 192.0.2.10\n"), edit(DROP_IN, "[Service]\nIPAddressDeny=10.100.0.0/24\n")];
        let check = Check { program: "food".to_owned(), arguments: vec!["-t".to_owned()] };
        let activations = vec![Activation::Restart("foo.service".to_owned())];
        let recipe = Recipe { edits, checks: vec![check], activations, notes: Vec::new() };
        let target = super::place::Surface {
            policy: &crate::facts::policy::Policy::default(),
            links: &Net.links().unwrap(),
            addresses: &Net.addresses().unwrap(),
        };
        let files = super::files::HostFiles(self.root.path());
        let changes = super::plan::changes(&recipe, &files).unwrap();
        PinPlan { name: "foo".parse().unwrap(), target: target.target(&[]).unwrap(), recipe, changes }
    }

    fn pin(&mut self, confirmation: Confirmation) -> Result<Pinned, Error> {
        let (plan, mut host) = (self.plan(), self.host());
        host.pin_before(&[plan], confirmation, &mut self.guest).map(|mut done| done.remove(0))?
    }

    fn file(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// All below /etc: bytes, mode and owner.
    fn tree(&self) -> BTreeMap<PathBuf, (Vec<u8>, u32, u32, u32)> {
        let (mut found, mut folders) = (BTreeMap::new(), vec![self.root.path().join("etc")]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let about = fs::metadata(&path).unwrap();
                let bytes = if about.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
                folders.extend(about.is_dir().then(|| path.clone()));
                found.insert(path, (bytes, about.mode(), about.uid(), about.gid()));
            }
        }
        found
    }

    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.programs.lines.borrow_mut())
    }

    fn breaks(&self, words: &str) {
        self.programs.broken.borrow_mut().push(words.to_owned());
    }

    /// Nothing is left: the files are as they were, and nothing is on record.
    fn assert_untouched(&self, before: &BTreeMap<PathBuf, (Vec<u8>, u32, u32, u32)>, when: &str) {
        assert_eq!(&self.tree(), before, "{when}");
        assert_eq!(self.host().pins().unwrap(), [], "{when}");
        assert_eq!(self.host().state().pending(PINS), None, "{when}");
    }
}

fn name(text: &str) -> IfName {
    text.parse().unwrap()
}

fn listener() -> Listener {
    let address: IpAddr = "0.0.0.0".parse().unwrap();
    Listener { protocol: Protocol::TCP, address, port: 7, v6only: false, interface: None, inode: 1, uid: 0 }
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_service_is_pinned_and_given_back_byte_for_byte() {
    let mut stage = Stage::new();
    let before = stage.tree();
    let pinned = stage.pin(Confirmation::Given).unwrap();
    assert!(pinned.proven);
    let record = pinned.record.unwrap();
    assert_eq!(stage.host().pins().unwrap(), std::slice::from_ref(&record));
    assert!(record.proven && !record.unconfirmed && !record.is_amid());
    assert_eq!(fs::read_to_string(stage.file(CONF)).unwrap(), "listen = 192.0.2.10\n");
    assert_eq!(fs::metadata(stage.file(CONF)).unwrap().mode() & 0o7777, 0o640);
    assert!(stage.file(DROP_IN).exists());
    let restart = ["systemctl daemon-reload --quiet", "systemctl try-restart foo.service"];
    assert_eq!(stage.lines(), [&["food -t"][..], &restart[..]].concat());

    let done = stage.host().unpin(&[], Changed::Refuse).unwrap();
    assert_eq!(done.len(), 1);
    assert_eq!(done[0].as_ref().unwrap().told, Vec::<String>::new());
    assert_eq!(stage.lines(), restart);
    stage.assert_untouched(&before, "unpinned");
}

#[test]
fn what_guests_still_reach_is_not_pinned() {
    let mut stage = Stage::new();
    let before = stage.tree();
    stage.guest.reached = vec!["tcp/7 by 192.0.2.10 from br100 (answered)".to_owned()];
    let error = stage.pin(Confirmation::Within(MINUTE)).unwrap_err();
    let expected =
        "foo: not pinned, all is as it was before: guests still reach tcp/7 by 192.0.2.10 from br100 (answered)";
    assert_eq!(error.to_string(), expected);
    assert!(!error.is_configuration());
    let lines = stage.lines();
    assert_eq!(lines.iter().filter(|line| *line == "systemctl try-restart foo.service").count(), 2, "{lines:?}");
    stage.assert_untouched(&before, "reached");
}

#[test]
fn what_the_service_refuses_is_not_pinned_and_it_goes_on() {
    let mut stage = Stage::new();
    let before = stage.tree();
    stage.breaks("food");
    let error = stage.pin(Confirmation::Given).unwrap_err().to_string();
    assert!(error.starts_with("foo: not pinned, all is as it was before: food "), "{error}");
    assert_eq!(stage.lines(), ["food -t"], "the service was not touched");
    stage.assert_untouched(&before, "refused");
}

#[test]
fn what_does_not_start_again_is_put_back() {
    let mut stage = Stage::new();
    let before = stage.tree();
    stage.breaks("systemctl try-restart");
    let error = stage.pin(Confirmation::Given).unwrap_err().to_string();
    assert!(error.starts_with("foo: not pinned, put back, but foo: systemctl cannot be started: broken"), "{error}");
    stage.assert_untouched(&before, "does not start");
}

#[test]
fn of_what_does_not_run_nothing_is_proven() {
    let mut stage = Stage::new();
    stage.guest.listening.clear();
    let pinned = stage.pin(Confirmation::Given).unwrap();
    assert!(!pinned.proven && !pinned.record.unwrap().proven);
}

#[test]
fn a_file_that_cannot_be_written_leaves_nothing() {
    let mut stage = Stage::new();
    // A directory of that name: what is to be in the file's place cannot be written.
    fs::create_dir_all(stage.file("/etc/foo/.foo.conf.virt-guard-new/x")).unwrap();
    let before = stage.tree();
    let error = stage.pin(Confirmation::Given).unwrap_err().to_string();
    assert!(error.starts_with("foo: not pinned,") && error.contains("/etc/foo/foo.conf: "), "{error}");
    assert_eq!(stage.tree(), before);
}

#[test]
fn a_pin_that_stands_is_not_made_twice() {
    let mut stage = Stage::new();
    stage.pin(Confirmation::Given).unwrap();
    let mut plan = stage.plan();
    let error = stage.host().pin_before(&[plan.clone()], Confirmation::Given, &mut stage.guest).unwrap().remove(0);
    let error = error.unwrap_err();
    assert!(error.is_configuration() && error.to_string().ends_with("unpin it first"), "{error}");
    plan.name = "bar".parse().unwrap();
    let error = stage.host().pin_before(&[plan], Confirmation::Given, &mut stage.guest).unwrap().remove(0);
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "/etc/foo/foo.conf: changed by the pin of foo; unpin that first");
}

#[test]
fn what_changes_while_it_is_planned_is_not_overwritten() {
    let mut stage = Stage::new();
    let plan = stage.plan();
    fs::write(stage.file(CONF), "of another\n").unwrap();
    let error = stage.host().pin_before(&[plan], Confirmation::Given, &mut stage.guest).unwrap().remove(0);
    assert_eq!(error.unwrap_err().to_string(), "/etc/foo/foo.conf: changed meanwhile, try again");
    assert_eq!(fs::read_to_string(stage.file(CONF)).unwrap(), "of another\n");
}

#[test]
fn a_file_that_somebody_changed_is_not_lost() {
    let mut stage = Stage::new();
    let before = stage.tree();
    stage.pin(Confirmation::Given).unwrap();
    fs::write(stage.file(CONF), "of another\n").unwrap();
    let error = stage.host().unpin(&[], Changed::Refuse).unwrap_err();
    assert!(error.is_configuration(), "{error}");
    assert!(error.to_string().starts_with("/etc/foo/foo.conf: changed since foo was pinned; --force"), "{error}");
    assert!(stage.file(DROP_IN).exists(), "nothing was done");

    let done = stage.host().unpin(&["foo".to_owned()], Changed::SetAside).unwrap().remove(0).unwrap();
    assert_eq!(done.told.len(), 1);
    let saved = stage.file("/etc/foo/foo.conf.virt-guard-saved");
    assert_eq!(fs::read_to_string(&saved).unwrap(), "of another\n");
    fs::remove_file(saved).unwrap();
    stage.assert_untouched(&before, "by force");
}

#[test]
fn what_is_not_pinned_is_not_given_back() {
    let mut stage = Stage::new();
    let refused = |stage: &Stage| stage.host().unpin(&["bar".to_owned()], Changed::Refuse).unwrap_err().to_string();
    assert_eq!(refused(&stage), "bar: not pinned; nothing is");
    stage.pin(Confirmation::Given).unwrap();
    assert_eq!(refused(&stage), "bar: not pinned; expected foo");
}

#[test]
fn without_an_answer_it_is_undone() {
    let mut stage = Stage::new();
    let before = stage.tree();
    let pinned = stage.pin(Confirmation::Within(Duration::ZERO)).unwrap();
    assert!(pinned.record.unwrap().unconfirmed);
    assert_eq!(stage.host().confirm_pins().unwrap(), None, "it is too late");
    assert!(stage.file(DROP_IN).exists());
    let (told, left) = stage.host().tend_pins().unwrap();
    assert_eq!((told, left), (vec!["foo: not confirmed, and undone".to_owned()], None));
    stage.assert_untouched(&before, "not confirmed");
}

#[test]
fn an_answer_in_time_keeps_it() {
    let mut stage = Stage::new();
    stage.pin(Confirmation::Within(MINUTE)).unwrap();
    let line = stage.lines().into_iter().find(|line| line.ends_with("watch-pending pins"));
    assert!(line.is_some(), "nobody watches");
    let (told, left) = stage.host().tend_pins().unwrap();
    assert!(told.is_empty() && left > Some(MINUTE / 2), "{told:?} {left:?}");
    let error = stage.pin(Confirmation::Given).unwrap_err();
    assert!(error.to_string().starts_with("other pins wait to be confirmed"), "{error}");

    assert_eq!(stage.host().confirm_pins().unwrap().unwrap().what, "pin of foo");
    assert!(!stage.host().pins().unwrap()[0].unconfirmed);
    assert_eq!(stage.host().tend_pins().unwrap(), (Vec::new(), None));
    assert!(stage.file(DROP_IN).exists());
}

#[test]
fn an_answer_may_be_no() {
    let mut stage = Stage::new();
    let before = stage.tree();
    assert_eq!(stage.host().decline_pins().unwrap(), Vec::<String>::new());
    stage.pin(Confirmation::Within(MINUTE)).unwrap();
    assert_eq!(stage.host().decline_pins().unwrap(), ["foo: not confirmed, and undone"]);
    stage.assert_untouched(&before, "declined");
}

#[test]
fn a_pin_is_found_by_its_unit() {
    let mut stage = Stage::new();
    stage.pin(Confirmation::Given).unwrap();
    assert_eq!(stage.host().plan_unpin(&["foo.service".to_owned()], Changed::Refuse).unwrap().len(), 1);
}

#[test]
fn an_answer_is_not_waited_for_where_nothing_was_done() {
    let mut stage = Stage::new();
    stage.pin(Confirmation::Within(MINUTE)).unwrap();
    stage.host().unpin(&[], Changed::Refuse).unwrap();
    assert_eq!(stage.host().state().pending(PINS), None);
}

/// Has `work` die at each of its points in turn, and `check` what it left.
fn dies_everywhere(prepare: impl Fn(&mut Stage), work: impl Fn(&mut Stage), check: impl Fn(&Stage, usize)) {
    for point in 0..100 {
        let mut stage = Stage::new();
        prepare(&mut stage);
        crash::after(Some(point));
        let died = catch_unwind(AssertUnwindSafe(|| work(&mut stage))).is_err();
        crash::after(None);
        check(&stage, point);
        if !died {
            assert!(point > 5, "it died {point} times only");
            return;
        }
    }
    panic!("it never came to its end");
}

fn stands(stage: &Stage) -> bool {
    let pins = stage.host().pins().unwrap();
    let whole = pins.iter().any(|pin| !pin.is_amid());
    if whole {
        assert_eq!(fs::read_to_string(stage.file(CONF)).unwrap(), "listen = 192.0.2.10\n");
        assert!(stage.file(DROP_IN).exists());
    }
    whole
}

#[test]
fn after_a_death_at_any_point_the_next_run_puts_all_back() {
    for confirmation in [Confirmation::Given, Confirmation::Within(MINUTE)] {
        let original = RefCell::new(None);
        let prepare = |stage: &mut Stage| drop(original.replace(Some(stage.tree())));
        let work = |stage: &mut Stage| drop(stage.pin(confirmation).unwrap());
        dies_everywhere(prepare, work, |stage, point| {
            stage.host().tend_pins().unwrap();
            if !stands(stage) {
                stage.assert_untouched(original.borrow().as_ref().unwrap(), &format!("died at {point}"));
            }
        });
    }
}

#[test]
fn after_a_death_at_any_point_of_giving_back_the_next_run_goes_on() {
    let original = RefCell::new(None);
    let prepare = |stage: &mut Stage| {
        original.replace(Some(stage.tree()));
        stage.pin(Confirmation::Given).unwrap();
    };
    let work = |stage: &mut Stage| drop(stage.host().unpin(&[], Changed::Refuse).unwrap());
    dies_everywhere(prepare, work, |stage, point| {
        stage.host().tend_pins().unwrap();
        if !stands(stage) {
            stage.assert_untouched(original.borrow().as_ref().unwrap(), &format!("died at {point}"));
        }
    });
}

#[test]
fn the_session_that_it_is_done_over_is_not_cut_off() {
    let stage = Stage::new();
    let mut plan = stage.plan();
    plan.recipe.activations = vec![Activation::Restart("ssh.service".to_owned())];
    let session = |peer: &str, at: &str| Session { peer: peer.parse().unwrap(), at: at.parse().unwrap() };
    let refused = |peer, at| stage.host().refuse_cutting(&plan, &session(peer, at)).map_err(|error| error.to_string());
    assert_eq!(refused("203.0.113.5", "192.0.2.10:22"), Ok(()));
    let error = refused("203.0.113.5", "10.100.0.1:22").unwrap_err();
    let expected = "foo: this session from 203.0.113.5 would be cut off: it came to 10.100.0.1, where the service would \
                    not listen any more; see --to";
    assert_eq!(error, expected);
    let error = refused("10.100.0.7", "192.0.2.10:22").unwrap_err();
    assert!(error.ends_with("would be cut off: 10.100.0.0/24 is a network of guests"), "{error}");
    assert!(refused("127.0.0.1", "127.0.0.1:22").is_err(), "no file names it");
    plan.changes[0].after.push_str("listen = 127.0.0.1\n");
    let local = session("127.0.0.1", "127.0.0.1:22");
    stage.host().refuse_cutting(&plan, &local).unwrap();
}

#[test]
fn a_service_that_carries_no_session_may_be_pinned_by_it() {
    let stage = Stage::new();
    let session = Session { peer: "10.100.0.7".parse().unwrap(), at: "10.100.0.1:22".parse().unwrap() };
    stage.host().refuse_cutting(&stage.plan(), &session).unwrap();
}

#[test]
fn any_unit_is_planned_by_the_files_of_the_root() {
    let stage = Stage::new();
    let unit = "[Service]\nExecStart=/usr/bin/food\n";
    fs::write(stage.file("/etc/systemd/system/food.service"), unit).unwrap();
    let plan = stage.host().plan_pin(&"food".parse().unwrap(), &[]).unwrap();
    assert_eq!(plan.changes.len(), 1);
    assert!(plan.changes[0].after.contains("IPAddressDeny="), "{plan:?}");
    assert!(plan.changes[0].after.contains("10.100.0.0/24"), "{plan:?}");
    assert_eq!(plan.changes[0].before, None);

    let error = stage.host().plan_pin(&"nothing".parse().unwrap(), &[]).unwrap_err();
    assert!(error.is_configuration() && error.to_string().starts_with("nothing: "), "{error}");
    let error = stage.host().plan_pin(&"food".parse().unwrap(), &["192.0.2.99".parse().unwrap()]).unwrap_err();
    assert!(error.to_string().starts_with("--to 192.0.2.99: no address of this host, expected 192.0.2.10"), "{error}");
}
