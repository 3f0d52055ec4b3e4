//! libvirt's own rules on a port: what `virsh` says, and nothing of our own.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::corpus::{Case, Corpus};
use super::station::{GUEST_MAC, port};

/// How long one call may take, in seconds: 20 ports, about one each.
const PATIENCE: &str = "240";

/// The libvirtd around this.
#[derive(Debug)]
pub struct Libvirt {
    folder: TempDir,
}

impl Libvirt {
    /// Tells libvirtd all filters.
    ///
    /// # Panics
    /// It does not take one.
    pub fn with(corpus: &Corpus) -> Self {
        let own = corpus.paths().map(|(_, path)| path).filter(|path| path.starts_with(env!("CARGO_MANIFEST_DIR")));
        let commands: Vec<_> = own.map(|path| format!("nwfilter-define {}", path.display())).collect();
        let output = virsh(&commands);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.trim().is_empty(), "libvirt refuses a filter:\n{error}");
        Self { folder: TempDir::new().expect("a directory for bindings") }
    }

    /// Puts each filter on the port of its number; for each what libvirt says
    /// against it, if it does.
    pub fn bind(&self, cases: &[Case]) -> Vec<Result<(), String>> {
        let file = |number: usize| self.folder.path().join(format!("{number}.xml"));
        let write = |(number, case): (usize, &Case)| {
            fs::write(file(number), binding(number, case)).expect("a binding is written");
            format!("nwfilter-binding-create {}", file(number).display())
        };
        let output = virsh(&cases.iter().enumerate().map(write).collect::<Vec<_>>());
        let (bound, errors) = (bound(), String::from_utf8_lossy(&output.stderr).into_owned());
        let result = |number: usize| {
            if bound.contains(&port(number)) { Ok(()) } else { Err(reason(&errors, &file(number))) }
        };
        (0..cases.len()).map(result).collect()
    }

    /// Takes all filters off all ports.
    pub fn unbind(&self) {
        let commands: Vec<_> = bound().iter().map(|port| format!("nwfilter-binding-delete {port}")).collect();
        if !commands.is_empty() {
            virsh(&commands);
        }
        assert!(bound().is_empty(), "libvirt keeps a binding");
    }
}

/// Forgets all connections of this network namespace.
pub fn forget_connections() {
    for family in ["ipv4", "ipv6"] {
        let output = Command::new("conntrack").args(["-F", "-f", family]).output().expect("conntrack");
        assert!(output.status.success(), "conntrack: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn virsh(commands: &[String]) -> Output {
    Command::new("timeout").args([PATIENCE, "virsh", "-q", &commands.join("; ")]).output().expect("virsh")
}

/// The ports with a filter on them.
fn bound() -> Vec<String> {
    let output = virsh(&["nwfilter-binding-list".to_owned()]);
    assert!(output.status.success(), "virsh: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// What stands behind the name of the file.
fn reason(errors: &str, file: &Path) -> String {
    let name = file.display().to_string();
    let from = errors.find(&name).map_or(errors, |at| &errors[at + name.len()..]);
    from.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason").trim().to_owned()
}

fn binding(number: usize, case: &Case) -> String {
    let mut text = format!(
        "<filterbinding><owner><name>guest</name><uuid>d54df46f-1ab5-4a22-8618-4560ef5f{number:04x}</uuid></owner>\
         <portdev name='{}'/><mac address='{GUEST_MAC}'/><filterref filter='{}'>",
        port(number),
        case.name
    );
    for (name, value) in &case.parameters {
        let _ = write!(text, "<parameter name='{name}' value='{value}'/>");
    }
    text + "</filterref></filterbinding>"
}
