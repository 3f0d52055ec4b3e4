//! Values of the network: MAC and IP addresses, ports, protocols, interface names.
//!
//! In: text, as people and libvirt write it. Out: typed values with one
//! canonical text. Nothing here knows what a guest, a rule or a program is.

mod ethernet;
mod flow;
mod ifname;
mod ip;
mod mac;
mod pattern;
mod protocol;

pub use ethernet::EtherType;
pub use flow::{Detail, Flow, Tuple};
pub use ifname::{BridgePattern, IfName};
pub use ip::{Direction, Family, host_net, parse_net};
pub use mac::Mac;
pub use pattern::{AddressRange, IcmpRange, MacPattern, NumberRange};
pub use protocol::{IcmpType, PortRange, Protocol};

/// A text that is none of the values expected in its place.
///
/// The message says what was found and what would have been right; it does not
/// know the file or line, which the caller adds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} {text:?}, expected {expected}")]
pub struct ValueError {
    /// What the text was read as, for example `MAC address`.
    pub what: &'static str,
    /// The offending text.
    pub text: String,
    /// What would have been accepted.
    pub expected: &'static str,
}

impl ValueError {
    /// An error about `text`, which was to be a `what`.
    pub fn new(what: &'static str, text: &str, expected: &'static str) -> Self {
        // A value may come from a tenant: keep the message short whatever it is.
        let text = text.chars().take(80).collect();
        Self { what, text, expected }
    }
}

/// Implements serde by way of `FromStr` and `Display`, so that a value has one
/// spelling in files, in messages and under `/run`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;
