//! The daemon's counters, in the text format that node_exporter's textfile
//! collector reads (prometheus.io, "Exposition formats").

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::reconcile::Exposures;

/// What is counted since the daemon began.
#[derive(Debug, Default)]
pub struct Counters {
    /// Times that all ports were closed.
    pub closed: u64,
    /// Times that rules were put back.
    pub healed: u64,
    /// Times that the rules followed a new policy or new facts.
    pub updated: u64,
    /// Times that everything was compared.
    pub compared: u64,
    /// Connections that were cut.
    pub cut: u64,
    /// Times that something could not be done.
    pub failed: u64,
    /// Ports that have rules.
    pub ports: usize,
    /// Services that guests reach, or would; unless nobody watches for them.
    pub services: Option<Exposures>,
}

impl Counters {
    /// Writes the file as a whole; a reader sees the old or the new.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path, problems: usize) -> io::Result<()> {
        let beside = path.with_extension("prom.new");
        fs::write(&beside, self.text(problems))?;
        fs::rename(&beside, path)
    }

    fn text(&self, problems: usize) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let own = [
            (
                "closed_total",
                "counter",
                "Times that all guarded ports were closed until their rules stood.",
                self.closed,
            ),
            ("healed_total", "counter", "Times that rules were put back after somebody changed them.", self.healed),
            ("updated_total", "counter", "Times that the rules followed a new policy or new facts.", self.updated),
            ("compared_total", "counter", "Times that everything was compared with the kernel.", self.compared),
            ("cut_connections_total", "counter", "Connections that no rule admitted any more.", self.cut),
            ("failed_total", "counter", "Times that something could not be done.", self.failed),
            ("ports", "gauge", "Ports that have rules.", self.ports as u64),
            ("problems", "gauge", "Things that are wrong now.", problems as u64),
            ("written_timestamp_seconds", "gauge", "When this was written.", now),
        ];
        let mut text = String::new();
        for (name, kind, help, value) in own.into_iter().chain(self.services.into_iter().flat_map(gauges)) {
            let _ = writeln!(
                text,
                "# HELP virt_guard_{name} {help}\n# TYPE virt_guard_{name} {kind}\nvirt_guard_{name} {value}"
            );
        }
        text
    }
}

/// The services as they are counted: name, type, help, value.
fn gauges(services: Exposures) -> [(&'static str, &'static str, &'static str, u64); 4] {
    let Exposures { exposed, allowed, filtered, broken_pins } = services;
    let gauge = |name, help, value: usize| (name, "gauge", help, value as u64);
    [
        gauge("exposed_services", "Services of this host that guests reach although the policy says no.", exposed),
        gauge("allowed_services", "Services of this host that guests reach as the policy allows.", allowed),
        gauge("filtered_services", "Services of this host that guests would reach without its rules.", filtered),
        gauge("broken_pins", "Pins of services that listen where guests are all the same.", broken_pins),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_has_its_help_and_its_type() {
        let services = Some(Exposures { exposed: 2, ..Exposures::default() });
        let counters = Counters { healed: 3, services, ..Counters::default() };
        let text = counters.text(1);
        assert!(text.contains("# TYPE virt_guard_exposed_services gauge\nvirt_guard_exposed_services 2\n"), "{text}");
        assert!(!Counters::default().text(0).contains("_services"), "nobody has looked for any");
        assert!(text.contains("# TYPE virt_guard_healed_total counter\nvirt_guard_healed_total 3\n"), "{text}");
        assert_eq!(text.matches("# HELP").count(), text.lines().filter(|line| !line.starts_with('#')).count());
    }
}
