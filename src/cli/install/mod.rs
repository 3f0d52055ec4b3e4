//! `virt-guard install` and `uninstall`: the shims through which libvirt runs the
//! hook, on a machine without packages.
//!
//! In: where libvirt looks for hooks. Out: three shell scripts of a few lines each,
//! or their absence. A file that is not ours is never overwritten or removed;
//! everything is looked at before anything is written.

mod chain;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::Report;
use super::exit::Usage;

/// The shims, as a package ships them.
const SHIMS: [(&str, &str); 3] = [
    ("qemu", include_str!("../../../hooks/qemu")),
    ("network", include_str!("../../../hooks/network")),
    ("daemon", include_str!("../../../hooks/daemon")),
];
/// The line by which a shim of ours is known.
const MARKER: &str = "# Shim of virt-guard;";
/// The hook program of the shims as they are shipped.
const PACKAGED: &str = "/usr/sbin/virt-guard-hook";
/// The name of our shim among others; they run in the order of their names.
const NAME: &str = "50-virt-guard";
pub(super) const HOOKS: &str = "/etc/libvirt/hooks";
const RELOAD: &str = "libvirt looks for hooks when it starts or reloads: systemctl reload libvirtd, or virtqemud and \
                      virtnetworkd\n";

/// Have libvirt run virt-guard-hook, on a machine without packages.
///
/// Writes a shim for each of libvirt's drivers qemu, network and daemon. A file
/// of somebody else's is never overwritten.
#[derive(Debug, Args)]
pub struct Install {
    /// Where libvirt looks for hooks.
    #[arg(long, value_name = "DIR", default_value = HOOKS)]
    hooks_dir: PathBuf,
    /// The hook program [default: the one beside this program, else that of the package].
    #[arg(long, value_name = "PATH")]
    hook_program: Option<PathBuf>,
    /// Write DRIVER rather than DRIVER.d/50-virt-guard, for libvirt before 6.5, which
    /// looks nowhere else.
    #[arg(long)]
    classic: bool,
    /// Run somebody else's hook, where DRIVER is one, after ours: it is moved to
    /// DRIVER.before-virt-guard, and uninstall moves it back.
    #[arg(long, requires = "classic")]
    chain: bool,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// Take away what install put there.
///
/// Only files of ours are removed; a hook that was chained gets its place again. The
/// rules stay in the kernel.
#[derive(Debug, Args)]
pub struct Uninstall {
    /// Where libvirt looks for hooks.
    #[arg(long, value_name = "DIR", default_value = HOOKS)]
    hooks_dir: PathBuf,
    /// Only what stands in the places of libvirt before 6.5.
    #[arg(long)]
    classic: bool,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// A shim that is to be written.
struct Wanted {
    /// Where.
    path: PathBuf,
    /// What.
    text: Vec<u8>,
    /// Whether somebody's hook stands there, to be moved and chained.
    moves: bool,
}

impl Install {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let hooks = below(root, &self.hooks_dir);
        let program = self.program(root)?;
        let mut wanted = Vec::new();
        let mut stale = Vec::new();
        for (driver, shim) in SHIMS {
            let [in_folder, classic] = places(&hooks, driver);
            let (here, there) = if self.classic { (classic, in_folder) } else { (in_folder, classic) };
            wanted.extend(self.wanted(here, driver, &render(shim, &program))?);
            // Both would run, one after the other. A libvirt that needs the classic place
            // knows no other, and what stands there waits for a newer one.
            let both = !self.classic && matches!(read(&there), Found::Ours(_));
            stale.extend(both.then_some(there));
        }
        let mut text = String::new();
        for shim in &wanted {
            if !self.dry_run {
                put(&hooks, shim).with_context(|| format!("{}: cannot be written", shim.path.display()))?;
            }
            text.push_str(&shim.done(self.dry_run));
        }
        text.push_str(&remove(&stale, self.dry_run)?);
        Ok(Report::good(conclusion(text, "the shims are in place already\n", self.dry_run)))
    }

    /// What has to be written at `path`, if anything.
    fn wanted(&self, path: PathBuf, driver: &str, shim: &[u8]) -> Result<Option<Wanted>, Usage> {
        let moves = self.chain && matches!(read(&path), Found::Foreign);
        let chained = self.classic && chain::is_chained(&path);
        if !moves {
            refuse_foreign(&path)?;
        } else if chained {
            let (here, there) = (path.display(), chain::moved(&path));
            return Err(Usage(format!(
                "{here} and {} are both not virt-guard's; move one of them away",
                there.display()
            )));
        }
        let theirs = self.hooks_dir.join(format!("{driver}.before-virt-guard"));
        let text = if moves || chained { chain::render(shim, driver, &theirs) } else { shim.to_vec() };
        Ok((!is_as(&path, &text)).then_some(Wanted { path, text, moves }))
    }

    /// The hook program, which must be there: a shim that cannot run it stops
    /// every guest from starting.
    fn program(&self, root: &Path) -> Result<PathBuf, Usage> {
        let program = self.hook_program.clone().unwrap_or_else(|| default_program(root));
        if !program.is_absolute() {
            return Err(Usage(format!("--hook-program {}: not an absolute path", program.display())));
        }
        let executable = |file: &fs::Metadata| file.is_file() && file.permissions().mode() & 0o111 != 0;
        match fs::metadata(below(root, &program)) {
            Ok(file) if executable(&file) => Ok(program),
            Ok(_) => Err(Usage(format!("{}: not an executable file; say which by --hook-program", program.display()))),
            Err(error) => Err(Usage(format!("{}: {error}; say which by --hook-program", program.display()))),
        }
    }
}

impl Uninstall {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let hooks = below(root, &self.hooks_dir);
        let all = SHIMS.iter().flat_map(|(driver, _)| {
            let [in_folder, classic] = places(&hooks, driver);
            if self.classic { vec![classic] } else { vec![in_folder, classic] }
        });
        let ours: Vec<_> = all.filter(|path| matches!(read(path), Found::Ours(_))).collect();
        let text = remove(&ours, self.dry_run)?;
        Ok(Report::good(conclusion(text, "there is no shim of virt-guard\n", self.dry_run)))
    }
}

/// Beside this program, if this is the machine that it is for.
fn default_program(root: &Path) -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.join("virt-guard-hook")));
    let here = beside.filter(|path| root == Path::new("/") && path.is_file());
    here.unwrap_or_else(|| PathBuf::from(PACKAGED))
}

/// The path below `root` that the operator knows as `path`.
pub(super) fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Where a driver's shim may stand: among others, or in the one classic place.
pub(super) fn places(hooks: &Path, driver: &str) -> [PathBuf; 2] {
    [hooks.join(format!("{driver}.d")).join(NAME), hooks.join(driver)]
}

/// What there is at a place.
enum Found {
    Nothing,
    Ours(Vec<u8>),
    Foreign,
}

/// A link, a folder or what cannot be read is somebody else's.
fn read(path: &Path) -> Found {
    match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Found::Nothing,
        Ok(file) if file.is_file() => match fs::read(path) {
            Ok(bytes) if bytes.split(|b| *b == b'\n').any(|line| line.starts_with(MARKER.as_bytes())) => {
                Found::Ours(bytes)
            }
            _ => Found::Foreign,
        },
        _ => Found::Foreign,
    }
}

fn refuse_foreign(path: &Path) -> Result<(), Usage> {
    let Found::Foreign = read(path) else { return Ok(()) };
    let file = path.display();
    let remedy = match path.ends_with(NAME) {
        true => "move it away first",
        false => "add --chain to run it after virt-guard's, or leave out --classic (libvirt 6.5 or newer)",
    };
    Err(Usage(format!("{file} is not virt-guard's and is left as it is; {remedy}")))
}

fn is_as(path: &Path, text: &[u8]) -> bool {
    let executable = fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o777 == 0o755);
    executable && matches!(read(path), Found::Ours(bytes) if bytes == text)
}

/// The shim for this hook program.
fn render(shim: &str, program: &Path) -> Vec<u8> {
    let Some((before, after)) = shim.split_once(PACKAGED) else { return shim.as_bytes().to_vec() };
    [before.as_bytes(), &quoted(program), after.as_bytes()].concat()
}

/// The path as one word of a shell (POSIX, "Single-Quotes").
fn quoted(path: &Path) -> Vec<u8> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"/._-+".contains(b)) {
        return bytes.to_vec();
    }
    let mut word = vec![b'\''];
    for byte in bytes {
        match byte {
            b'\'' => word.extend(br"'\''"),
            byte => word.push(*byte),
        }
    }
    word.push(b'\'');
    word
}

impl Wanted {
    /// What was done, or would be.
    fn done(&self, dry_run: bool) -> String {
        let moved = match self.moves {
            true => done("moved, to be run after it:", "would move, to be run after it:", &self.path, dry_run),
            false => String::new(),
        };
        moved + &done("wrote", "would write", &self.path, dry_run)
    }
}

/// Moves what stands there, if it is to be chained, and writes the shim. A shim that
/// cannot be written leaves the place as it was.
fn put(hooks: &Path, shim: &Wanted) -> io::Result<()> {
    if shim.moves {
        fs::rename(&shim.path, chain::moved(&shim.path))?;
    }
    let written = write(hooks, &shim.path, &shim.text);
    if written.is_err() && shim.moves {
        fs::rename(chain::moved(&shim.path), &shim.path)?;
    }
    written
}

/// Beside the folders that libvirt looks into, then in its place at once:
/// libvirt runs whatever it finds in one of them.
fn write(hooks: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(hooks))?;
    let beside = hooks.join(".virt-guard-new");
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o755).open(&beside)?;
    file.write_all(content)?;
    // Whatever the umask left of it.
    file.set_permissions(fs::Permissions::from_mode(0o755))?;
    fs::rename(&beside, path)
}

/// Removes all that can be removed, and reports the first that cannot.
fn remove(paths: &[PathBuf], dry_run: bool) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut failed = None;
    for path in paths {
        let result = if dry_run { Ok(()) } else { chain::take_away(path) };
        match result {
            Ok(()) => text.push_str(&done("removed", "would remove", path, dry_run)),
            Err(error) => failed = failed.or(Some((path, error))),
        }
    }
    match failed {
        None => Ok(text),
        Some((path, error)) => Err(error).with_context(|| format!("{}: cannot be removed", path.display())),
    }
}

fn done(did: &str, would: &str, path: &Path, dry_run: bool) -> String {
    format!("{} {}\n", if dry_run { would } else { did }, path.display())
}

fn conclusion(text: String, nothing: &str, dry_run: bool) -> String {
    match text.as_str() {
        "" => nothing.to_owned(),
        _ if dry_run => text,
        _ => text + RELOAD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A root with the packaged hook program.
    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let program = below(root.path(), Path::new(PACKAGED));
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::write(&program, "").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        root
    }

    fn install(classic: bool, dry_run: bool) -> Install {
        Install { hooks_dir: HOOKS.into(), hook_program: None, classic, chain: false, dry_run }
    }

    fn uninstall(root: &Path) -> String {
        Uninstall { hooks_dir: HOOKS.into(), classic: false, dry_run: false }.run(root).unwrap().text
    }

    /// The files below the hooks' folder.
    fn files(root: &Path) -> Vec<String> {
        let hooks = below(root, Path::new(HOOKS));
        let mut files = Vec::new();
        let mut folders = vec![hooks.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        let mut names: Vec<_> =
            files.iter().map(|path| path.strip_prefix(&hooks).unwrap().display().to_string()).collect();
        names.sort();
        names
    }

    const IN_FOLDERS: [&str; 3] = ["daemon.d/50-virt-guard", "network.d/50-virt-guard", "qemu.d/50-virt-guard"];

    #[test]
    fn each_shim_is_known_as_ours_and_names_the_packaged_program_once() {
        for (driver, shim) in SHIMS {
            assert!(shim.lines().any(|line| line.starts_with(MARKER)), "{driver}");
            assert!(shim.contains(&format!("\nprogram={PACKAGED}\n")), "{driver}");
            assert!(shim.ends_with(&format!("exec \"$program\" {driver} \"$@\"\n")), "{driver}");
            assert_eq!(shim.matches(PACKAGED).count(), 1, "{driver}");
            assert_eq!(render(shim, Path::new(PACKAGED)), shim.as_bytes());
        }
    }

    #[test]
    fn installing_twice_is_installing_once() {
        let root = root();
        let first = install(false, false).run(root.path()).unwrap().text;
        assert!(first.contains("wrote ") && first.contains("systemctl reload"), "{first}");
        assert_eq!(files(root.path()), IN_FOLDERS);
        let second = install(false, false).run(root.path()).unwrap().text;
        assert_eq!(second, "the shims are in place already\n");
    }

    #[test]
    fn a_dry_run_writes_nothing() {
        let root = root();
        let text = install(false, true).run(root.path()).unwrap().text;
        assert_eq!(text.matches("would write").count(), 3);
        assert!(files(root.path()).is_empty());
    }

    #[test]
    fn a_foreign_hook_stops_it_before_anything_is_written() {
        let root = root();
        let hooks = below(root.path(), Path::new(HOOKS));
        fs::create_dir_all(&hooks).unwrap();
        fs::write(hooks.join("network"), "#!/bin/sh\n").unwrap();
        let error = install(true, false).run(root.path()).unwrap_err().to_string();
        assert!(error.contains("hooks/network is not virt-guard's") && error.contains("--classic"), "{error}");
        assert_eq!(files(root.path()), ["network"]);
        install(false, false).run(root.path()).unwrap();
        uninstall(root.path());
        assert_eq!(files(root.path()), ["network"]);
    }

    #[test]
    fn a_hook_that_is_chained_is_moved_and_gets_its_place_back() {
        let root = root();
        let hooks = below(root.path(), Path::new(HOOKS));
        fs::create_dir_all(&hooks).unwrap();
        fs::write(hooks.join("qemu"), "#!/bin/sh\n# theirs\n").unwrap();
        let chaining = || Install { chain: true, ..install(true, false) };
        let text = Install { dry_run: true, ..chaining() }.run(root.path()).unwrap().text;
        assert!(text.contains("would move") && files(root.path()) == ["qemu"], "{text}");
        chaining().run(root.path()).unwrap();
        assert_eq!(files(root.path()), ["daemon", "network", "qemu", "qemu.before-virt-guard"]);
        let shim = fs::read_to_string(hooks.join("qemu")).unwrap();
        assert!(shim.contains("theirs=/etc/libvirt/hooks/qemu.before-virt-guard\n") && shim.contains(MARKER), "{shim}");
        let again = install(true, false).run(root.path()).unwrap().text;
        assert_eq!(again, "the shims are in place already\n");
        uninstall(root.path());
        assert_eq!(files(root.path()), ["qemu"]);
        assert!(fs::read_to_string(hooks.join("qemu")).unwrap().contains("theirs"));
    }

    #[test]
    fn two_foreign_hooks_for_one_place_are_told_of() {
        let root = root();
        let hooks = below(root.path(), Path::new(HOOKS));
        fs::create_dir_all(&hooks).unwrap();
        for name in ["qemu", "qemu.before-virt-guard"] {
            fs::write(hooks.join(name), "#!/bin/sh\n").unwrap();
        }
        let error = Install { chain: true, ..install(true, false) }.run(root.path()).unwrap_err().to_string();
        assert!(error.contains("both not virt-guard's"), "{error}");
        assert_eq!(files(root.path()), ["qemu", "qemu.before-virt-guard"]);
    }

    #[test]
    fn the_classic_places_alone_can_be_cleared() {
        let root = root();
        install(false, false).run(root.path()).unwrap();
        install(true, false).run(root.path()).unwrap();
        assert_eq!(files(root.path()).len(), 6);
        let classic = Uninstall { hooks_dir: HOOKS.into(), classic: true, dry_run: false };
        classic.run(root.path()).unwrap();
        assert_eq!(files(root.path()), IN_FOLDERS);
    }

    #[test]
    fn a_link_is_foreign_wherever_it_leads() {
        let root = root();
        install(false, false).run(root.path()).unwrap();
        let hooks = below(root.path(), Path::new(HOOKS));
        symlink(hooks.join("qemu.d").join(NAME), hooks.join("qemu")).unwrap();
        assert!(install(true, false).run(root.path()).is_err());
    }

    #[test]
    fn another_place_takes_the_place_of_the_first() {
        let root = root();
        install(true, false).run(root.path()).unwrap();
        assert_eq!(files(root.path()), ["daemon", "network", "qemu"]);
        install(false, false).run(root.path()).unwrap();
        assert_eq!(files(root.path()), IN_FOLDERS);
        uninstall(root.path());
        assert!(files(root.path()).is_empty());
        assert_eq!(uninstall(root.path()), "there is no shim of virt-guard\n");
    }

    #[test]
    fn a_program_that_cannot_run_is_refused() {
        let root = root();
        let with = |path: &str| Install { hook_program: Some(path.into()), ..install(false, false) };
        for (path, expected) in
            [("hook", "not an absolute path"), ("/nowhere", "No such file"), ("/etc", "--hook-program")]
        {
            fs::create_dir_all(root.path().join("etc")).unwrap();
            let error = with(path).run(root.path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_path_is_one_word_of_the_shell_whatever_it_holds() {
        for (path, word) in [("/opt/v-g/hook", "/opt/v-g/hook"), ("/a b/$(x)", "'/a b/$(x)'"), ("/it's", r"'/it'\''s'")]
        {
            assert_eq!(String::from_utf8(quoted(Path::new(path))).unwrap(), word);
        }
    }
}
