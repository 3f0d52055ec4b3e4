//! What the program under test makes of a filter: the model's walls, and the rules
//! that an engine puts into this kernel.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;
use virt_guard::engine::EngineKind;
use virt_guard::facts::Domain;
use virt_guard::facts::domain::FilterRef;
use virt_guard::facts::nwfilter::Library;
use virt_guard::facts::{Place, Surroundings};
use virt_guard::kernel::Deadline;
use virt_guard::model::{Filters, Guarding, Verdict, Wall, compile_filters, resolve};
use virt_guard::reconcile::{Arrival, Error, Host};

use super::bench::slowness;
use super::corpus::{Case, Corpus};
use super::station::{GUEST_MAC, PEER_PORT, port};

/// Everything but the filters passes, so that they alone decide.
const POLICY: &str = "[bridges.br100]\nuplinks = [\"PEER\"]\n[guests]\nanti-spoofing = []\nethertypes = \"any\"\n\
                      router-advertisements = \"accept\"\ndhcp-server = \"accept\"\nreject = \"drop\"\n";

/// The files of a host with all filters.
pub struct Ours {
    root: TempDir,
}

impl Ours {
    /// All filters, and a policy for `engine`.
    pub fn new(corpus: &Corpus, engine: Option<EngineKind>) -> Self {
        let root = TempDir::new().expect("a directory for files");
        let folder = root.path().join("etc/virt-guard/nwfilter");
        fs::create_dir_all(&folder).expect("the folder of filters");
        for (name, path) in corpus.paths() {
            fs::copy(path, folder.join(format!("{name}.xml"))).expect("a filter");
        }
        let engine = engine.map_or(String::new(), |kind| format!("engine = \"{kind}\"\n"));
        let settings = engine + &POLICY.replace("PEER", PEER_PORT);
        fs::write(root.path().join("etc/virt-guard/virt-guard.toml"), settings).expect("the policy");
        Self { root }
    }

    /// The walls of the filter alone.
    ///
    /// # Errors
    /// What the program has against it.
    pub fn walls_of_filter(&self, case: &Case) -> Result<Vec<Wall>, String> {
        let place = Place { file: "test".into(), line: 1, column: 1 };
        let mut reference = FilterRef { filter: case.name.clone(), parameters: Default::default(), place };
        for (name, value) in &case.parameters {
            reference.parameters.entry(name.clone()).or_default().push(value.clone());
        }
        let filters = Filters { library: &Library::new(self.root.path()), references: &[reference] };
        let compiled = compile_filters(&filters, GUEST_MAC, &[], Verdict::Drop).map_err(|error| error.to_string())?;
        Ok(compiled.walls)
    }

    /// All walls of a guest with the filter.
    pub fn walls_of_guest(&self, number: usize, case: &Case) -> Vec<Wall> {
        let host = self.host();
        let policy = host.policy().expect("the policy");
        let surroundings = Surroundings::new(self.root.path());
        let guest = resolve(&policy, &surroundings, &domain(number, case)).expect("a guest that resolves");
        let interfaces = guest.interfaces.into_iter();
        let walls = interfaces.map(|interface| match interface.guarding {
            Guarding::Walls(walls) => walls,
            Guarding::Impossible(reason) => panic!("{reason}"),
        });
        walls.flatten().collect()
    }

    /// Puts the filter on the port of this number.
    ///
    /// # Errors
    /// What the program has against it.
    pub fn guard(&self, number: usize, case: &Case) -> Result<(), Error> {
        self.host().guard(&domain(number, case), Arrival::Fresh).map(drop)
    }

    /// Takes all rules away.
    pub fn remove_all(&self) {
        let mut host = self.host();
        let guests = host.state().guests().expect("the records of guests");
        guests.iter().for_each(|guest| host.release(&guest.uuid).expect("a guest is released"));
        host.remove_all().expect("the rules are taken away");
    }

    fn host(&self) -> Host {
        Host::new(self.root.path(), Deadline::after(Duration::from_secs(30) * slowness()))
    }
}

fn domain(number: usize, case: &Case) -> Domain {
    let parameters: String =
        case.parameters.iter().map(|(name, value)| format!("<parameter name='{name}' value='{value}'/>")).collect();
    let xml = format!(
        "<domain type='kvm'><name>guest{number}</name><uuid>5a1e0000-0000-4000-8000-00000000{number:04x}</uuid>\
         <devices><interface type='bridge'><mac address='{GUEST_MAC}'/><source bridge='br100'/>\
         <target dev='{}'/><filterref filter='{}'>{parameters}</filterref></interface></devices></domain>",
        port(number),
        case.name
    );
    Domain::parse(xml, "domain XML").expect("a domain")
}
