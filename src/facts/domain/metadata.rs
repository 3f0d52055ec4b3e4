//! What a domain says to this program: `<guard>` within `<metadata>`.
//!
//! ```xml
//! <metadata>
//!   <vg:guard xmlns:vg="urn:virt-guard:domain:1">
//!     <vg:group name="web"/>
//!   </vg:guard>
//! </metadata>
//! ```
//! The namespace tells it from other programs' metadata, which is none of ours;
//! within it everything is known or an error, because a slip here would be a
//! restriction that is not there.

use crate::facts::xml::Element;
use crate::facts::{FactError, Placed};

/// The namespace of this program's elements within `<metadata>`.
pub const METADATA_NAMESPACE: &str = "urn:virt-guard:domain:1";

/// The names of the groups that `metadata` lists, in order.
pub(super) fn groups(metadata: &Element) -> Result<Vec<Placed<String>>, FactError> {
    let mut groups = None;
    for guard in metadata.children.iter().filter(|child| is_ours(child)) {
        expect_name(guard, "guard")?;
        if groups.is_some() {
            return Err(guard.error("a second <guard> of virt-guard, expected one"));
        }
        expect_attributes(guard, &[])?;
        expect_no_text(guard)?;
        groups = Some(guard.children.iter().map(group).collect::<Result<_, _>>()?);
    }
    Ok(groups.unwrap_or_default())
}

fn group(element: &Element) -> Result<Placed<String>, FactError> {
    expect_name(element, "group")?;
    expect_attributes(element, &["name"])?;
    expect_no_text(element)?;
    if let Some(child) = element.children.first() {
        return Err(child.error("an element in <group>, expected none"));
    }
    Ok(Placed { value: element.required_attribute("name")?.to_owned(), place: element.place() })
}

fn is_ours(element: &Element) -> bool {
    element.namespace.as_deref() == Some(METADATA_NAMESPACE)
}

fn expect_name(element: &Element, name: &str) -> Result<(), FactError> {
    if is_ours(element) && element.name == name {
        return Ok(());
    }
    let found = element.name.chars().take(80).collect::<String>();
    Err(element.error(format!("unknown element {found:?} of virt-guard, expected {name:?} in {METADATA_NAMESPACE}")))
}

fn expect_attributes(element: &Element, known: &[&str]) -> Result<(), FactError> {
    let Some((name, _)) = element.attributes.iter().find(|(name, _)| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    let found = name.chars().take(80).collect::<String>();
    let expected = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(element.error(format!("unknown attribute {found:?} of <{}>, expected {expected}", element.name)))
}

fn expect_no_text(element: &Element) -> Result<(), FactError> {
    if element.text.trim().is_empty() {
        return Ok(());
    }
    Err(element.error(format!("text in <{}>, expected none", element.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::xml;

    fn groups_of(content: &str) -> Result<Vec<String>, String> {
        let xml = format!("<metadata xmlns:vg='{METADATA_NAMESPACE}' xmlns:x='urn:x'>\n{content}</metadata>");
        let metadata = xml::parse(xml.as_bytes(), "domain XML").unwrap();
        let groups = groups(&metadata).map_err(|error| error.to_string())?;
        Ok(groups.into_iter().map(|group| group.value).collect())
    }

    #[test]
    fn groups_are_read_in_order_whatever_the_prefix() {
        let content = "<x:guard><x:group name='no'/></x:guard><guard><group name='no'/></guard>\
                       <guard xmlns='urn:virt-guard:domain:1'><group name='web'/> <vg:group name='db'/></guard>";
        assert_eq!(groups_of(content).unwrap(), ["web", "db"]);
        assert_eq!(groups_of("<x:y><vg:guard><vg:group name='no'/></vg:guard></x:y>").unwrap(), Vec::<String>::new());
        assert_eq!(groups_of("<guard xmlns='urn:virt-guard:domain:2'/>").unwrap(), Vec::<String>::new());
        assert_eq!(groups_of("").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_is_unknown_within_our_namespace_is_an_error_with_the_choices() {
        for (content, expected) in [
            ("<vg:gaurd/>", ":2:1: unknown element \"gaurd\" of virt-guard, expected \"guard\" in urn:virt-guard"),
            ("<vg:guard><vg:groups/></vg:guard>", "unknown element \"groups\" of virt-guard, expected \"group\""),
            ("<vg:guard><x:group name='a'/></vg:guard>", "expected \"group\" in urn:virt-guard:domain:1"),
            ("<vg:guard><group name='a'/></vg:guard>", "expected \"group\" in urn:virt-guard:domain:1"),
            ("<vg:guard mode='off'/>", "unknown attribute \"mode\" of <guard>, expected none"),
            ("<vg:guard><vg:group nam='a'/></vg:guard>", "unknown attribute \"nam\" of <group>, expected name"),
            ("<vg:guard><vg:group vg:name='a'/></vg:guard>", "unknown attribute \"vg:name\" of <group>, expected name"),
            ("<vg:guard><vg:group/></vg:guard>", "<group> without attribute name"),
            ("<vg:guard><vg:group name=''/></vg:guard>", "<group> without attribute name"),
            ("<vg:guard>web</vg:guard>", "text in <guard>"),
            ("<vg:guard><vg:group name='a'>web</vg:group></vg:guard>", "text in <group>"),
            ("<vg:guard><vg:group name='a'><vg:x/></vg:group></vg:guard>", "an element in <group>"),
            ("<vg:guard/><vg:guard/>", "a second <guard>"),
        ] {
            let error = groups_of(content).unwrap_err();
            assert!(error.contains(expected), "{content}: {error}");
        }
    }
}
