//! The VLANs of an interface: `<vlan>`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::facts::FactError;
use crate::facts::xml::Element;
use crate::net::{ValueError, serde_as_text};

/// The VLANs that the host puts an interface in (libvirt's formatdomain,
/// "Setting VLAN tag").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vlan {
    /// Whether the guest sees the tags.
    pub mode: VlanMode,
    /// The VLANs, from 0 to 4095, at least one; exactly one for access.
    pub tags: Vec<u16>,
    /// The VLAN of the guest's untagged frames, on a trunk that has one.
    pub native: Option<NativeVlan>,
}

/// Whether the guest sees tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VlanMode {
    /// No: the host adds the one tag and takes it off again.
    Access,
    /// Yes: the guest's frames carry the tags.
    Trunk,
}

/// What becomes of untagged frames on a trunk: the `nativeMode` of a `<tag>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NativeVlan {
    /// They belong to this VLAN, whose frames reach the guest tagged.
    Tagged(u16),
    /// They belong to this VLAN, whose frames reach the guest untagged.
    Untagged(u16),
}

impl FromStr for VlanMode {
    type Err = ValueError;

    /// Reads the `trunk` attribute.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "no" => Ok(Self::Access),
            "yes" => Ok(Self::Trunk),
            _ => Err(ValueError::new("trunk", text, "yes or no")),
        }
    }
}

impl fmt::Display for VlanMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Access => "no",
            Self::Trunk => "yes",
        })
    }
}

serde_as_text!(VlanMode);

impl Vlan {
    /// Reads a `<vlan>`. Without `trunk` it is a trunk if it says more than one
    /// tag or a native one, as in libvirt's `virNetDevVlanParse`.
    pub(super) fn parse(element: &Element) -> Result<Self, FactError> {
        let mut tags = Vec::new();
        let mut native = None;
        for tag in element.children_named("tag") {
            let id = tag_id(tag)?;
            tags.push(id);
            let tag_native = native_vlan(tag, id)?;
            if native.is_some() && tag_native.is_some() {
                return Err(tag.error("a second native VLAN, expected one"));
            }
            native = native.or(tag_native);
        }
        if tags.is_empty() {
            return Err(element.error("<vlan> without <tag>"));
        }
        let needs_trunk = tags.len() > 1 || native.is_some();
        let mode = match element.parsed("trunk")? {
            Some(VlanMode::Access) if needs_trunk => {
                return Err(element.error("several or native VLANs, expected trunk='yes'"));
            }
            Some(mode) => mode,
            None if needs_trunk => VlanMode::Trunk,
            None => VlanMode::Access,
        };
        Ok(Self { mode, tags, native })
    }
}

fn tag_id(tag: &Element) -> Result<u16, FactError> {
    let text = tag.required_attribute("id")?;
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let id = text.parse().ok().filter(|id| digits && *id <= 4095);
    id.ok_or_else(|| tag.error(ValueError::new("VLAN", text, "a number from 0 to 4095")))
}

fn native_vlan(tag: &Element, id: u16) -> Result<Option<NativeVlan>, FactError> {
    match tag.attribute("nativeMode") {
        None => Ok(None),
        Some("tagged") => Ok(Some(NativeVlan::Tagged(id))),
        Some("untagged") => Ok(Some(NativeVlan::Untagged(id))),
        Some(text) => Err(tag.error(ValueError::new("nativeMode", text, "tagged or untagged"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::xml;

    fn vlan(xml: &str) -> Result<Vlan, String> {
        let element = xml::parse(xml.as_bytes(), "domain XML").unwrap();
        Vlan::parse(&element).map_err(|error| error.to_string())
    }

    #[test]
    fn one_tag_is_access_and_several_are_a_trunk() {
        let access = vlan("<vlan><tag id='42'/></vlan>").unwrap();
        assert_eq!(access, Vlan { mode: VlanMode::Access, tags: vec![42], native: None });
        let trunk = vlan("<vlan trunk='yes'><tag id='42'/><tag id='47' nativeMode='untagged'/></vlan>").unwrap();
        assert_eq!(trunk, Vlan { mode: VlanMode::Trunk, tags: vec![42, 47], native: Some(NativeVlan::Untagged(47)) });
        assert_eq!(vlan("<vlan><tag id='0'/><tag id='4095'/></vlan>").unwrap().mode, VlanMode::Trunk);
        assert_eq!(vlan("<vlan trunk='yes'><tag id='1'/></vlan>").unwrap().mode, VlanMode::Trunk);
    }

    #[test]
    fn nonsense_is_refused() {
        for (xml, expected) in [
            ("<vlan/>", "without <tag>"),
            ("<vlan><tag/></vlan>", "<tag> without attribute id"),
            ("<vlan><tag id='4096'/></vlan>", "from 0 to 4095"),
            ("<vlan><tag id='+1'/></vlan>", "from 0 to 4095"),
            ("<vlan trunk='maybe'><tag id='1'/></vlan>", "expected yes or no"),
            ("<vlan trunk='no'><tag id='1'/><tag id='2'/></vlan>", "expected trunk='yes'"),
            ("<vlan><tag id='1' nativeMode='x'/></vlan>", "tagged or untagged"),
            ("<vlan><tag id='1' nativeMode='tagged'/><tag id='2' nativeMode='tagged'/></vlan>", "second native"),
        ] {
            let error = vlan(xml).unwrap_err();
            assert!(error.contains(expected), "{xml}: {error}");
        }
    }
}
