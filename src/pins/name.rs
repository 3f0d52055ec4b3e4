//! What the operator calls what is to be pinned.
//!
//! In: a word of the command line or of the audit. Out: the name of a unit, or of a
//! service by which its unit is found. Whether there is such a unit is not known here.

use std::fmt;
use std::str::FromStr;

use crate::net::{ValueError, serde_as_text};

/// The longest name of a unit (`UNIT_NAME_MAX` in systemd, the final NUL not counted).
const LONGEST: usize = 255;
/// The types of units (systemd.unit(5)).
const TYPES: [&str; 11] =
    ["service", "socket", "target", "device", "mount", "automount", "swap", "timer", "path", "slice", "scope"];

/// A unit, as `ssh.service` or `postgresql@15-main.service`, or a service, as `sshd`.
///
/// It becomes part of paths, so it consists of what systemd.unit(5) allows in a
/// name: letters, digits and `:-_.\@`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The type of the unit, as `service`; nothing if the name is a service's.
    pub fn kind(&self) -> Option<&str> {
        let (_, kind) = self.0.rsplit_once('.')?;
        TYPES.contains(&kind).then_some(kind)
    }

    /// The name without the unit's type.
    pub fn stem(&self) -> &str {
        match self.kind() {
            Some(kind) => &self.0[..self.0.len() - kind.len() - 1],
            None => &self.0,
        }
    }

    /// What comes before the `@`, and the instance after it: of `postgresql@15-main`
    /// these are `postgresql` and `15-main`.
    pub fn instance(&self) -> (&str, Option<&str>) {
        match self.stem().split_once('@') {
            Some((base, instance)) => (base, Some(instance)),
            None => (self.stem(), None),
        }
    }
}

impl FromStr for Name {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let valid =
            (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_name_byte) && !text.starts_with(['-', '.']);
        let expected = "a unit or a service, such as ssh.service or sshd: letters, digits and any of ':-_.\\@'";
        valid.then(|| Self(text.to_owned())).ok_or_else(|| ValueError::new("unit", text, expected))
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

serde_as_text!(Name);

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn a_name_is_a_units_or_a_services() {
        let name: Name = "postgresql@15-main.service".parse().unwrap();
        assert_eq!((name.kind(), name.stem()), (Some("service"), "postgresql@15-main"));
        assert_eq!(name.instance(), ("postgresql", Some("15-main")));
        let name: Name = "sshd".parse().unwrap();
        assert_eq!((name.kind(), name.stem(), name.instance()), (None, "sshd", ("sshd", None)));
        let name: Name = "machine-qemu\\x2d1\\x2dweb.scope".parse().unwrap();
        assert_eq!(name.kind(), Some("scope"));
        assert_eq!("org.example".parse::<Name>().unwrap().kind(), None);
    }

    #[test]
    fn a_name_cannot_leave_its_directory() {
        for wrong in ["", "../etc/passwd", "a/b.service", "..", "-x", "a b", "a\n", &"a".repeat(256)] {
            let error = wrong.parse::<Name>().unwrap_err().to_string();
            assert!(error.starts_with("invalid unit"), "{wrong:?}: {error}");
        }
    }
}
