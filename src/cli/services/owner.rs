//! Whose a socket is, as it is shown: programs choose their own names.

use serde::Serialize;

use crate::kernel::Owner;

/// What stands for nothing.
pub(super) const NONE: &str = "-";

/// A process that holds the socket.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct OwnerView {
    pid: u32,
    command: String,
    unit: Option<String>,
}

impl From<Owner> for OwnerView {
    fn from(owner: Owner) -> Self {
        Self { pid: owner.pid, command: owner.command, unit: owner.unit }
    }
}

/// The first process that holds the socket, which is mostly the one that made it, and its
/// unit. One that was handed over by systemd is the service's.
pub(super) fn holder(owners: &[OwnerView]) -> (String, String) {
    let is_service = |owner: &&OwnerView| owner.pid != 1;
    let Some(first) = owners.iter().find(is_service).or_else(|| owners.first()) else {
        return (NONE.to_owned(), NONE.to_owned());
    };
    let others = match owners.len() {
        1 => String::new(),
        all => format!(" and {} more", all - 1),
    };
    let unit = first.unit.as_ref().map_or_else(|| NONE.to_owned(), |unit| unit.escape_debug().to_string());
    (format!("{} ({}){others}", first.command.escape_debug(), first.pid), unit)
}
