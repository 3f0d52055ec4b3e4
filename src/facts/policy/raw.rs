//! The policy files as written: which keys there are, and of which type.
//!
//! In: TOML, by serde. Out: shapes whose values are not checked yet. A value of
//! its own key is read into its type here, as toml knows the place of it; the
//! values in a list stay texts, as toml would name the place of the list only.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use toml::Spanned;

use super::{
    Announce, EngineChoice, GroupName, Guard, GuestMatcher, MetadataGroups, MidStream, Reject, Unguardable,
    UnknownPorts,
};
use crate::net::{Family, IfName, Mac};

/// A list of texts with their places.
pub type Texts = Vec<Spanned<String>>;

/// `virt-guard.toml`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawSettings {
    pub engine: Option<EngineChoice>,
    pub mark: Option<Spanned<i64>>,
    pub deadline_seconds: Option<Spanned<i64>>,
    pub bridges: Option<Spanned<BTreeMap<Spanned<String>, RawBridge>>>,
    pub host: Option<RawHost>,
    pub guests: Option<RawDefaults>,
    pub daemon: Option<RawDaemon>,
    pub nat: Option<RawNat>,
    // serde cannot flatten a shape and refuse unknown keys, so these five stand twice.
    #[serde(default)]
    pub group: Vec<RawGroup>,
    #[serde(default)]
    pub guest: Vec<RawGuest>,
    #[serde(default)]
    pub preserve: Vec<RawPreserve>,
    #[serde(default)]
    pub floating_ip: Vec<RawFloatingIp>,
    #[serde(default)]
    pub forward: Vec<RawForward>,
}

/// A file of `policy.d`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawPolicy {
    #[serde(default)]
    pub group: Vec<RawGroup>,
    #[serde(default)]
    pub guest: Vec<RawGuest>,
    #[serde(default)]
    pub preserve: Vec<RawPreserve>,
    #[serde(default)]
    pub floating_ip: Vec<RawFloatingIp>,
    #[serde(default)]
    pub forward: Vec<RawForward>,
}

/// `[bridges."br100"]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table for one bridge, [bridges.\"br100\"]")]
pub struct RawBridge {
    pub uplinks: Option<Texts>,
    pub unknown_ports: Option<UnknownPorts>,
}

/// `[host]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub struct RawHost {
    pub allow: Option<Texts>,
}

/// `[guests]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub struct RawDefaults {
    pub anti_spoofing: Option<Texts>,
    #[serde(default)]
    pub groups: Texts,
    #[serde(default)]
    pub filters: Texts,
    pub router_advertisements: Option<Guard>,
    pub dhcp_server: Option<Guard>,
    pub ethertypes: Option<Spanned<OneOrMany>>,
    pub metadata_groups: Option<MetadataGroups>,
    pub reject: Option<Reject>,
    pub unguardable: Option<Unguardable>,
    pub mid_stream: Option<MidStream>,
}

/// `[daemon]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub struct RawDaemon {
    pub check_seconds: Option<Spanned<i64>>,
    pub services_seconds: Option<Spanned<i64>>,
    pub metrics: Option<Spanned<String>>,
}

/// `[[group]]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub struct RawGroup {
    pub name: Spanned<GroupName>,
    #[serde(default)]
    pub ingress: Vec<Spanned<RawRule>>,
    pub egress: Option<Vec<Spanned<RawRule>>>,
}

/// One rule of a group, of either direction.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table such as { protocol = \"tcp\" }")]
pub struct RawRule {
    pub protocol: Option<Spanned<Scalar>>,
    pub ports: Option<Spanned<OneOrMany>>,
    pub icmp_type: Option<Spanned<OneOrMany>>,
    pub family: Option<Spanned<Family>>,
    pub from: Option<Spanned<String>>,
    pub to: Option<Spanned<String>>,
    pub from_group: Option<Spanned<GroupName>>,
    pub to_group: Option<Spanned<GroupName>>,
}

/// `[[guest]]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub struct RawGuest {
    #[serde(rename = "match")]
    pub matcher: Spanned<GuestMatcher>,
    pub mac: Option<Spanned<Mac>>,
    #[serde(default)]
    pub groups: Texts,
    #[serde(default)]
    pub addresses: Texts,
    #[serde(default)]
    pub filters: Texts,
    pub anti_spoofing: Option<Texts>,
    pub router_advertisements: Option<Guard>,
    pub dhcp_server: Option<Guard>,
}

/// `[[preserve]]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub struct RawPreserve {
    pub chains: Spanned<Texts>,
    pub tables: Option<Spanned<Texts>>,
    pub families: Option<Spanned<Texts>>,
}

/// `[nat]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub struct RawNat {
    pub interface: Option<IfName>,
    pub announce: Option<Announce>,
}

/// `[[floating-ip]]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub struct RawFloatingIp {
    pub address: Spanned<String>,
    pub guest: Spanned<String>,
    pub fixed: Option<Spanned<String>>,
    pub interface: Option<IfName>,
}

/// `[[forward]]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub struct RawForward {
    pub guest: Spanned<String>,
    pub protocol: Option<Spanned<String>>,
    pub ports: Spanned<Scalar>,
    pub to_ports: Option<Spanned<Scalar>>,
    pub address: Option<Spanned<String>>,
    pub family: Option<Spanned<Family>>,
    pub fixed: Option<Spanned<String>>,
}

/// A value that people write as text or as a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    Text(String),
    Number(i64),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.pad(text),
            Self::Number(number) => fmt::Display::fmt(number, f),
        }
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an integer")
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number))
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// A value, or a list of them.
#[derive(Debug, Clone)]
pub enum OneOrMany {
    One(Scalar),
    Many(Vec<Spanned<Scalar>>),
}

impl OneOrMany {
    /// The values, each with its place; the one value has that of the whole.
    pub fn items(whole: &Spanned<Self>) -> Vec<Spanned<Scalar>> {
        match whole.get_ref() {
            Self::One(scalar) => vec![Spanned::new(whole.span(), scalar.clone())],
            Self::Many(items) => items.clone(),
        }
    }
}

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an integer or a list of them")
    }

    fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany::One(Scalar::Text(text.to_owned())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<OneOrMany, E> {
        Ok(OneOrMany::One(Scalar::Number(number)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(OneOrMany::Many(items))
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}
