//! What systemd is asked and told about a pinned service (systemctl(1)).
//!
//! In: units. Out: commands for a [`Runner`]. A unit that is not active stays so.

use crate::kernel::{Command, Deadline, RunError, Runner};
use crate::net::Protocol;
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

/// A port that a socket unit listens at.
pub(super) type Port = (Protocol, u16);

/// The ports at which socket units listen, each with its unit.
///
/// # Errors
/// systemd does not answer.
pub(super) fn ports(
    runner: &mut dyn Runner,
    sockets: &[&str],
    deadline: Deadline,
) -> Result<Vec<(String, Port)>, RunError> {
    let mut command = Command::new("systemctl", ["show", "--property=Id,Listen", "--"]);
    command.arguments.extend(sockets.iter().map(|&socket| socket.to_owned()));
    Ok(parse(&runner.run(&command, deadline)?))
}

/// Blocks such as `Id=rpcbind.socket`, `Listen=0.0.0.0:111 (Stream)`, in any order.
fn parse(told: &str) -> Vec<(String, Port)> {
    let of_block = |block: &str| {
        let id = block.lines().find_map(|line| line.strip_prefix("Id=")).unwrap_or_default().to_owned();
        let ports: Vec<_> = block.lines().filter_map(|line| line.strip_prefix("Listen=")).filter_map(port).collect();
        ports.into_iter().map(move |port| (id.clone(), port)).collect::<Vec<_>>()
    };
    told.split("\n\n").flat_map(of_block).collect()
}

/// Of `[::]:111 (Datagram)`; a path has none.
fn port(listen: &str) -> Option<Port> {
    let (address, kind) = listen.split_once(" (")?;
    let protocol = match kind.strip_suffix(')')? {
        "Stream" => Protocol::TCP,
        "Datagram" => Protocol::UDP,
        "SequentialPacket" => Protocol::SCTP,
        _ => return None,
    };
    let (_, port) = address.rsplit_once(':')?;
    Some((protocol, port.parse().ok()?))
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

    #[test]
    fn ports_of_sockets_are_told_from_paths() {
        let told = "Listen=/run/rpcbind.sock (Stream)\nListen=0.0.0.0:111 (Stream)\nListen=[::]:111 (Datagram)\n\
                    Id=rpcbind.socket\n\nId=x.socket\nListen=16509 (Stream)\nListen=*:7 (Stream)\n";
        let port = |unit: &str, protocol, port| (unit.to_owned(), (protocol, port));
        let expected = [
            port("rpcbind.socket", Protocol::TCP, 111),
            port("rpcbind.socket", Protocol::UDP, 111),
            port("x.socket", Protocol::TCP, 7),
        ];
        assert_eq!(parse(told), expected);
    }
}
