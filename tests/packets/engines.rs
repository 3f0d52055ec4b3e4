//! The engines to test, and what this kernel can do for them.

use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;
use virt_guard::engine::EngineKind;
use virt_guard::kernel::{Capabilities, Deadline};
use virt_guard::reconcile::Host;

use super::arguments::Arguments;
use super::support::lab::Lab;
use super::tally::Tally;

/// Names the engines that must be tested, with commas.
const DEMAND: &str = "VIRT_GUARD_TEST_ENGINES";

/// An engine that works here.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Which one.
    pub kind: EngineKind,
    /// What was found of this kernel, so that it need not be found each time.
    pub found: Capabilities,
}

/// The engines to test, said aloud. One that must be tested and cannot is a failure.
pub fn wanted(arguments: &Arguments, tally: &Tally) -> Vec<Engine> {
    let demanded = std::env::var(DEMAND).ok().filter(|text| !text.is_empty());
    let wanted: Vec<EngineKind> = match (arguments.engine, &demanded) {
        (Some(engine), _) => vec![engine],
        (None, Some(text)) => text.split(',').map(|name| name.trim().parse().expect(DEMAND)).collect(),
        (None, None) => vec![EngineKind::Nftables, EngineKind::Iptables],
    };
    let must = arguments.engine.is_some() || demanded.is_some();
    let found = capabilities();
    let lacks = |kind: &EngineKind| found.nftables_lacks.as_deref().filter(|_| *kind == EngineKind::Nftables);
    for kind in &wanted {
        match lacks(kind) {
            None => println!("engine {kind}: tested"),
            Some(reason) if must => tally.count(Err(format!("{kind}: asked for, and not supported here: {reason}"))),
            Some(reason) => println!("engine {kind}: skipped, not supported here: {reason}"),
        }
    }
    let works = wanted.into_iter().filter(|kind| lacks(kind).is_none());
    works.map(|kind| Engine { kind, found: found.clone() }).collect()
}

/// What the program under test finds, in a namespace like those of the tests.
fn capabilities() -> Capabilities {
    let found = Mutex::new(None);
    Tally::default().run(vec!["a look at this kernel"], |name| {
        let _lab = Lab::new();
        let root = TempDir::new().map_err(|error| error.to_string())?;
        let deadline = Deadline::after(Duration::from_secs(120));
        *found.lock().expect("the place for it") = Some(Host::new(root.path(), deadline).capabilities());
        Ok(name.to_owned())
    });
    found.into_inner().ok().flatten().expect("a look at this kernel")
}
