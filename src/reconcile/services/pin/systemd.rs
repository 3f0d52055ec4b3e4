//! What systemd is asked and told about a pinned service (systemctl(1)).
//!
//! In: units. Out: commands for a [`Runner`]. A unit that is not active stays so.

use crate::kernel::{Command, Deadline, RunError, Runner};
use crate::pins::{Activation, Framework};

/// Whether this systemd can keep a unit from an interface. One that does not say so
/// cannot.
pub(super) fn framework(runner: &mut dyn Runner, deadline: Deadline) -> Framework {
    let told = runner.run(&Command::new("systemctl", ["--version"]), deadline).unwrap_or_default();
    match told.split_whitespace().any(|word| word == "+BPF_FRAMEWORK") {
        true => Framework::Present,
        false => Framework::Absent,
    }
}

/// Has systemd read its files anew, and the services theirs.
///
/// # Errors
/// The first command that fails.
pub(super) fn activate(
    runner: &mut dyn Runner,
    activations: &[Activation],
    deadline: Deadline,
) -> Result<(), RunError> {
    let mut tell = |words: [&str; 2]| runner.run(&Command::new("systemctl", words), deadline).map(drop);
    tell(["daemon-reload", "--quiet"])?;
    for activation in activations {
        match activation {
            Activation::Restart(unit) => tell(["try-restart", unit])?,
            Activation::Reload(unit) => tell(["try-reload-or-restart", unit])?,
            Activation::Socket { socket, service } => {
                // A socket does not listen anew while its service has it.
                let was_active = tell(["is-active", service]).is_ok();
                if was_active {
                    tell(["stop", service])?;
                }
                tell(["try-restart", socket])?;
                if was_active {
                    tell(["start", service])?;
                }
            }
        }
    }
    Ok(())
}

/// The units that a pin is about.
pub(super) fn units(activations: &[Activation]) -> Vec<&str> {
    let mut units = Vec::new();
    for activation in activations {
        match activation {
            Activation::Restart(unit) | Activation::Reload(unit) => units.push(unit.as_str()),
            Activation::Socket { socket, service } => units.extend([socket.as_str(), service.as_str()]),
        }
    }
    units.sort_unstable();
    units.dedup();
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::fake::Sequence;
    use std::time::Duration;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    #[test]
    fn systemd_says_what_it_can() {
        for (told, can) in [
            ("systemd 252 (252.22-1)\n+PAM -BPF_FRAMEWORK -XKBCOMMON", Framework::Absent),
            ("systemd 255 (255.4)\n+PAM +BPF_FRAMEWORK -XKBCOMMON", Framework::Present),
            ("", Framework::Absent),
        ] {
            assert_eq!(framework(&mut Sequence::new([("systemctl --version", told)]), soon()), can);
        }
    }

    #[test]
    fn a_socket_is_freed_of_its_service_for_a_moment() {
        let mut runner = Sequence::new([
            ("systemctl daemon-reload --quiet", ""),
            ("systemctl try-restart a.service", ""),
            ("systemctl is-active b.service", "active\n"),
            ("systemctl stop b.service", ""),
            ("systemctl try-restart b.socket", ""),
            ("systemctl start b.service", ""),
            ("systemctl try-reload-or-restart c.service", ""),
        ]);
        let activations = [
            Activation::Restart("a.service".to_owned()),
            Activation::Socket { socket: "b.socket".to_owned(), service: "b.service".to_owned() },
            Activation::Reload("c.service".to_owned()),
        ];
        activate(&mut runner, &activations, soon()).unwrap();
        assert_eq!(units(&activations), ["a.service", "b.service", "b.socket", "c.service"]);
    }
}
