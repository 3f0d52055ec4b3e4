//! Questions to a host: which guests are known, what ought to stand around them.
//! Nothing is changed.

use std::collections::BTreeMap;

use crate::facts::Domain;
use crate::facts::policy::Policy;
use crate::kernel::Links;
use crate::plan::Base;

use super::desired::{Desired, desired};
use super::{Error, Host, base};

impl Host {
    /// The guests on record and those of `running` that are not, sorted by name.
    /// Of a guest that is both, what `running` says is newer.
    ///
    /// # Errors
    /// The records cannot be listed.
    pub fn guests(&self, running: &[Domain]) -> Result<Vec<Domain>, Error> {
        let recorded = self.state.guests().map_err(Error::io("the records of guests cannot be listed"))?;
        let all = recorded.into_iter().chain(running.iter().cloned()).map(|domain| (domain.uuid, domain));
        let mut guests: Vec<_> = all.collect::<BTreeMap<_, _>>().into_values().collect();
        guests.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(guests)
    }

    /// What is to stand around `domain`.
    ///
    /// # Errors
    /// The policy cannot be resolved for it, or it has an interface that must be
    /// guarded and cannot be.
    pub fn desired(&self, policy: &Policy, links: &Links, domain: &Domain) -> Result<Desired, Error> {
        desired(policy, &self.surroundings, domain, links)
    }

    /// What all ports are to share.
    pub fn base(&mut self, policy: &Policy, links: &Links) -> Base {
        base::base(policy, links, self.capabilities().bridge_names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Nftables;
    use crate::kernel::{Addresses, Command, Deadline, RunError, Runner};
    use std::io;
    use std::path::Path;
    use std::time::Duration;

    struct Nobody;

    impl Runner for Nobody {
        fn run(&mut self, command: &Command, _: Deadline) -> Result<String, RunError> {
            Err(RunError::Deadline { command: command.line() })
        }
    }

    impl super::super::Interfaces for Nobody {
        fn links(&self) -> io::Result<Links> {
            Ok(Links::default())
        }

        fn addresses(&self) -> io::Result<Addresses> {
            Ok(Addresses::default())
        }
    }

    fn host(root: &Path) -> Host {
        Host::with(root, Deadline::after(Duration::from_secs(5)), Box::new(Nobody), Box::new(Nobody))
    }

    fn domain(name: &str, number: u8) -> Domain {
        let xml = format!(
            "<domain><name>{name}</name><uuid>00000000-0000-0000-0000-0000000000{number:02x}</uuid><devices>\
             <interface type='bridge'><mac address='52:54:00:00:00:{number:02x}'/><source bridge='br100'/>\
             <target dev='vnet{number}'/></interface></devices></domain>"
        );
        Domain::parse(xml, "domain XML").unwrap()
    }

    #[test]
    fn a_guest_is_known_once_and_by_what_is_newer() {
        let root = tempfile::tempdir().unwrap();
        let host = host(root.path());
        let old = domain("b", 1);
        host.state().set_guest(&old.uuid, Some(&old)).unwrap();
        let renamed = Domain { name: "c".into(), ..old };
        let guests = host.guests(&[renamed, domain("a", 2)]).unwrap();
        assert_eq!(guests.iter().map(|guest| guest.name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn a_filter_that_the_engine_cannot_say_takes_no_rules_from_other_guests() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/virt-guard/nwfilter");
        std::fs::create_dir_all(&folder).unwrap();
        let filter = "<filter name='few'><rule action='drop' direction='out'><tcp ipset='few'/></rule></filter>";
        std::fs::write(folder.join("few.xml"), filter).unwrap();
        let settings = "[[guest]]\nmatch = \"new\"\nfilters = [\"few\"]\n";
        std::fs::write(root.path().join("etc/virt-guard/virt-guard.toml"), settings).unwrap();
        let mut host = host(root.path());
        let steps = host.steps(&Nftables, None, &[domain("known", 1), domain("new", 2)]).unwrap();
        let text: String = steps.iter().map(|step| step.text.as_str()).collect();
        assert!(text.contains("chain vg_vnet1_addr_out {\n\t\tether type"), "{text}");
        assert!(text.contains("chain vg_vnet2_frame_out {\n\t\tcounter drop comment \"quarantine"), "{text}");
    }

    #[test]
    fn last_good_rules_of_another_engine_close_their_port_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/virt-guard/nwfilter");
        std::fs::create_dir_all(&folder).unwrap();
        let filter =
            "<filter name='few'><rule action='drop' direction='out'><tcp ipset='few' state='NEW'/></rule></filter>";
        std::fs::write(folder.join("few.xml"), filter).unwrap();
        let settings = "[[guest]]\nmatch = \"new\"\nfilters = [\"few\"]\n";
        std::fs::write(root.path().join("etc/virt-guard/virt-guard.toml"), settings).unwrap();
        let mut host = host(root.path());
        let guest = domain("new", 2);
        let desired = host.desired(&host.policy().unwrap(), &Links::default(), &guest).unwrap();
        for port in desired.ports {
            // As the iptables engine, which can say it, would have left it.
            let name = port.plan.ifname.clone();
            let chain = (crate::engine::Table::EbtablesNat, "vg_vnet2_from".to_owned());
            let lines = crate::state::Lines([(chain, Vec::new())].into());
            let record = crate::state::PortRecord { guest: port.guest, plan: port.plan, previous: None, lines };
            host.state().set_port(&name, Some(&record)).unwrap();
        }
        let steps = host.steps(&Nftables, None, &[domain("known", 1), guest]).unwrap();
        let text: String = steps.iter().map(|step| step.text.as_str()).collect();
        assert!(text.contains("chain vg_vnet1_addr_out {\n\t\tether type"), "{text}");
        assert!(text.contains("chain vg_vnet2_frame_out {\n\t\tcounter drop comment \"quarantine"), "{text}");
    }

    #[test]
    fn steps_count_in_guests_that_are_not_on_record_and_record_nothing() {
        let root = tempfile::tempdir().unwrap();
        let mut host = host(root.path());
        let (known, new) = (domain("known", 1), domain("new", 2));
        host.state().set_guest(&known.uuid, Some(&known)).unwrap();
        let steps = host.steps(&Nftables, None, std::slice::from_ref(&new)).unwrap();
        let text: String = steps.iter().map(|step| step.text.as_str()).collect();
        assert!(text.contains("\"vnet1\"") && text.contains("\"vnet2\""), "{text}");
        assert_eq!(host.state().guest(&new.uuid), None);
    }
}
