//! The nwfilter an interface names: `<filterref>`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::facts::xml::Element;
use crate::facts::{FactError, Place};
use crate::net::ValueError;

/// A filter and the values of its variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterRef {
    /// The name of the filter, as written.
    pub filter: String,
    /// The values of each variable, in order, as written. What they are values
    /// of (addresses, ports) only the filter knows.
    pub parameters: BTreeMap<String, Vec<String>>,
    /// Where the reference stands.
    pub place: Place,
}

impl FilterRef {
    /// Reads a `<filterref>`; several parameters of one name are a list
    /// (libvirt's formatnwfilter, "Usage of variables in filters").
    pub(in crate::facts) fn parse(element: &Element) -> Result<Self, FactError> {
        let filter = element.required_attribute("filter")?.to_owned();
        let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for parameter in element.children_named("parameter") {
            let name = parameter_name(parameter)?;
            let value = parameter.required_attribute("value")?;
            parameters.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        Ok(Self { filter, parameters, place: element.place() })
    }
}

/// The name of a variable, of the characters in libvirt's `VALID_VARNAME`.
fn parameter_name(parameter: &Element) -> Result<&str, FactError> {
    let name = parameter.required_attribute("name")?;
    if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(name);
    }
    Err(parameter.error(ValueError::new("parameter name", name, "letters, digits and '_'")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::xml;

    fn filterref(xml: &str) -> Result<FilterRef, String> {
        let element = xml::parse(xml.as_bytes(), "domain XML").unwrap();
        FilterRef::parse(&element).map_err(|error| error.to_string())
    }

    #[test]
    fn parameters_of_one_name_are_a_list_in_order() {
        let reference = filterref(
            "<filterref filter='clean-traffic'><parameter name='IP' value='10.0.0.2'/>\
             <parameter name='DHCPSERVER' value='10.0.0.254'/><parameter name='IP' value='10.0.0.1'/></filterref>",
        )
        .unwrap();
        assert_eq!(reference.filter, "clean-traffic");
        assert_eq!(reference.parameters["IP"], ["10.0.0.2", "10.0.0.1"]);
        assert_eq!(reference.parameters["DHCPSERVER"], ["10.0.0.254"]);
    }

    #[test]
    fn a_reference_to_nothing_and_a_nameless_variable_are_refused() {
        for (xml, expected) in [
            ("<filterref/>", "<filterref> without attribute filter"),
            ("<filterref filter=''/>", "<filterref> without attribute filter"),
            ("<filterref filter='f'>\n<parameter name='IP'/></filterref>", ":2:1: <parameter> without attribute value"),
            ("<filterref filter='f'><parameter value='1'/></filterref>", "without attribute name"),
            ("<filterref filter='f'><parameter name='A B' value='1'/></filterref>", "letters, digits and '_'"),
        ] {
            let error = filterref(xml).unwrap_err();
            assert!(error.contains(expected), "{xml}: {error}");
        }
    }
}
