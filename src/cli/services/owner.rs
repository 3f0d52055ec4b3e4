//! Whose a socket is, as it is shown: programs choose their own names.

use crate::kernel::{Owner, holder};

/// What stands for nothing.
pub(super) const NONE: &str = "-";

/// The process that a socket is told by, with how many others hold it, and its unit.
pub(super) fn shown(owners: &[Owner]) -> (String, String) {
    let Some(first) = holder(owners) else { return (NONE.to_owned(), NONE.to_owned()) };
    let others = match owners.len() {
        1 => String::new(),
        all => format!(" and {} more", all - 1),
    };
    let unit = first.unit.as_ref().map_or_else(|| NONE.to_owned(), |unit| unit.escape_debug().to_string());
    (format!("{} ({}){others}", first.command.escape_debug(), first.pid), unit)
}
