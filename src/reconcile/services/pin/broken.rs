//! Pins that do not keep guests away any more.
//!
//! In: the records, and a service as it was judged. Out: the pin that was to keep guests
//! from it. A pin that is being made, undone or confirmed is nobody's concern here.

use super::systemd;
use crate::kernel::Owner;
use crate::reconcile::Service;
use crate::state::PinRecord;

/// The name of the pin that was to keep guests from the service, which they reach, or
/// would without the wall. One that a probe has proven kept them from all addresses; of
/// another it is known only where the service was to listen.
pub(in crate::reconcile::services) fn broken_pin<'a>(
    pins: &'a [PinRecord],
    service: &Service,
    owners: &[Owner],
) -> Option<&'a str> {
    if !service.exposure.is_near() {
        return None;
    }
    let pin = pins.iter().find(|pin| !pin.is_amid() && !pin.unconfirmed && is_of(pin, owners))?;
    let listener = &service.listener;
    let is_where_it_was_put =
        pin.addresses.contains(&listener.address) || (pin.interface.is_some() && listener.interface == pin.interface);
    (pin.proven || !is_where_it_was_put).then_some(pin.name.as_str())
}

fn is_of(pin: &PinRecord, owners: &[Owner]) -> bool {
    let units = systemd::units(&pin.activations);
    owners.iter().filter_map(|owner| owner.unit.as_deref()).any(|unit| unit == pin.name || units.contains(&unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Listener;
    use crate::model::Origin;
    use crate::net::Protocol;
    use crate::pins::Activation;
    use crate::reconcile::Exposure;
    use crate::state::PinPhase;

    fn pin() -> PinRecord {
        PinRecord {
            name: "ssh".to_owned(),
            addresses: vec!["192.0.2.10".parse().unwrap()],
            interface: None,
            since: String::new(),
            phase: PinPhase::Stands,
            proven: false,
            unconfirmed: false,
            files: Vec::new(),
            activations: vec![Activation::Restart("ssh.service".to_owned())],
        }
    }

    fn is_broken(pin: PinRecord, address: &str, exposure: Exposure, unit: &str) -> bool {
        let listener = Listener {
            protocol: Protocol::TCP,
            address: address.parse().unwrap(),
            port: 22,
            v6only: false,
            interface: None,
            inode: 1,
            uid: 0,
        };
        let service = Service { listener, owners: Vec::new(), exposure, reached: Vec::new(), pinned_by: Vec::new() };
        let owner = Owner { pid: 7, command: "sshd".to_owned(), unit: Some(unit.to_owned()) };
        broken_pin(&[pin], &service, &[owner]).is_some()
    }

    #[test]
    fn a_pinned_service_that_guests_get_near_again_is_told_from_others() {
        let filtered = || Exposure::Filtered(Origin::built_in("closed"));
        assert!(is_broken(pin(), "0.0.0.0", filtered(), "ssh.service"));
        assert!(!is_broken(pin(), "0.0.0.0", filtered(), "telnet.service"), "of another unit");
        assert!(!is_broken(pin(), "0.0.0.0", Exposure::Pinned, "ssh.service"), "its unit keeps them away");
        assert!(!is_broken(pin(), "192.0.2.10", filtered(), "ssh.service"), "it is where it was put");
        let proven = || PinRecord { proven: true, ..pin() };
        assert!(is_broken(proven(), "192.0.2.10", filtered(), "ssh.service"), "guests did not reach it there");
        let amid = PinRecord { phase: PinPhase::Undoing, ..proven() };
        assert!(!is_broken(amid, "0.0.0.0", filtered(), "ssh.service"));
        assert!(!is_broken(PinRecord { unconfirmed: true, ..proven() }, "0.0.0.0", filtered(), "ssh.service"));
    }
}
