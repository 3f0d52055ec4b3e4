//! rpcbind: its socket unit, or `-h` where there is none.
//!
//! In: its files. Out: the drop-in, or the options of its command line.

use std::path::Path;

use super::draft::Draft;
use super::recipe::{bound, find, unknown};
use super::unit::Unit;
use super::{Name, PinError, address, options, socket};

const SERVICE: &str = "rpcbind.service";
const SOCKET: &str = "rpcbind.socket";
/// Where its options are kept: Debian's, and others'.
const OPTIONS: [(&str, &str); 2] = [("/etc/sysconfig/rpcbind", "RPCBIND_ARGS"), ("/etc/default/rpcbind", "OPTIONS")];
/// An address to bind to; it has no long form.
const HOST: [&str; 2] = ["-h", "--host"];

/// Pins rpcbind.
pub(super) fn pin(draft: &mut Draft, name: &Name) -> Result<(), PinError> {
    if let Some(socket) = Unit::load(draft, SOCKET)? {
        draft.note("rpcbind: what RPC services have told it is kept only where it runs with -w");
        return socket::pin(draft, &socket);
    }
    let unit = find(draft, &[SERVICE])?.ok_or_else(|| unknown(name, &[SOCKET, SERVICE]))?;
    let mut place = OPTIONS[1];
    for other in OPTIONS {
        if draft.read(Path::new(other.0))?.is_some() {
            place = other;
        }
    }
    hosts(draft, (Path::new(place.0), place.1))?;
    bound(draft, &unit)
}

/// rpcbind(8) adds the loopback to any `-h` by itself.
fn hosts(draft: &mut Draft, (path, variable): (&Path, &str)) -> Result<(), PinError> {
    draft.places()?;
    let wanted: Vec<_> = address::outer(draft.target).iter().map(ToString::to_string).collect();
    let mut words = options::words(draft, path, variable)?;
    if options::take(&mut words, HOST) == wanted {
        return Ok(());
    }
    for host in wanted {
        words.extend(["-h".to_owned(), host]);
    }
    options::set(draft, path, variable, &words)
}

#[cfg(test)]
mod tests {
    use crate::pins::Activation;
    use crate::pins::tests::{Tree, pinned, text};

    const UNIT: &str = "[Service]\nExecStart=/sbin/rpcbind -f $OPTIONS\n";

    #[test]
    fn the_socket_listens_for_it() {
        let socket = "[Socket]\nBindIPv6Only=ipv6-only\nListenStream=0.0.0.0:111\nListenDatagram=[::]:111\n";
        let tree =
            Tree::new([("/lib/systemd/system/rpcbind.service", UNIT), ("/lib/systemd/system/rpcbind.socket", socket)]);
        let recipe = pinned("rpcbind", &tree);
        let activation = Activation::Socket { socket: "rpcbind.socket".into(), service: "rpcbind.service".into() };
        assert_eq!(recipe.activations, [activation]);
        assert_eq!(pinned("rpcbind.service", &tree), recipe);
        assert_eq!(pinned("rpcbind.socket", &tree).edits, recipe.edits);
    }

    #[test]
    fn without_a_socket_its_options_say_where() {
        let tree = Tree::new([
            ("/lib/systemd/system/rpcbind.service", UNIT),
            ("/etc/default/rpcbind", "OPTIONS=\"-w -h 0.0.0.0\""),
        ]);
        let options = "# virt-guard: OPTIONS=\"-w -h 0.0.0.0\"\nOPTIONS=\"-w -h 10.0.0.5 -h 2001:db8::5\"\n";
        assert_eq!(text(&pinned("rpcbind", &tree), "/etc/default/rpcbind"), options);
    }
}
