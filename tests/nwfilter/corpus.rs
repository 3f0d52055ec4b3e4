//! The filters: those in `filters/`, and all that libvirt ships.
//!
//! The first line of each file in `filters/` is a comment with the parameters that
//! it is instantiated with, beside `IP`, `IPV6`, `MAC` and `DHCPSERVER`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use virt_guard::facts::xml::{self, Element};

use super::station::{DHCP_V4, GUEST_MAC, GUEST_V4, GUEST_V6, PEER_MAC, PEER_V6};

/// Where libvirt's own filters are.
const SHIPPED: &str = "/usr/share/libvirt/nwfilter";
/// How deep filters may include others.
const DEPTH: usize = 8;

/// Parameters, in their order; a list is a name that comes more than once.
pub type Parameters = Vec<(String, String)>;

/// A filter and what it is instantiated with.
#[derive(Debug, Clone)]
pub struct Case {
    /// The filter's name.
    pub name: String,
    /// The parameters of the binding.
    pub parameters: Parameters,
    /// What the elements of its rules ask for, those of included filters as well.
    pub aims: Vec<Aim>,
}

/// One element of a rule: what a packet must have to fit it.
#[derive(Debug, Clone)]
pub struct Aim {
    /// The protocol that the element is named after.
    pub protocol: String,
    /// Its attributes, with each value that the parameters give them.
    pub attributes: Vec<(String, Vec<String>)>,
    /// Whether it is as written for packets to the guest.
    pub is_in: bool,
}

/// All filters, by name.
#[derive(Debug)]
pub struct Corpus {
    files: BTreeMap<String, (PathBuf, Element, Parameters)>,
}

impl Corpus {
    /// Reads the files.
    ///
    /// # Panics
    /// One cannot be read, or there are fewer than there must be.
    pub fn read() -> Self {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nwfilter/filters");
        let mut files = BTreeMap::new();
        for folder in [own.as_path(), Path::new(SHIPPED)] {
            let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            for entry in entries {
                let path = entry.expect("a folder of filters").path();
                let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let root = xml::parse(text.as_bytes(), &path.display().to_string()).expect("a filter");
                let name = root.attribute("name").expect("a filter's name").to_owned();
                let more = if folder == own { parameters(text.lines().next().unwrap_or_default()) } else { Vec::new() };
                files.insert(name, (path, root, more));
            }
        }
        assert!(files.len() >= 80, "only {} filters: is libvirt-daemon-config-nwfilter there?", files.len());
        Self { files }
    }

    /// The files by the names of their filters, those of libvirt's own as well.
    pub fn paths(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.files.iter().map(|(name, (path, ..))| (name.as_str(), path.as_path()))
    }

    /// The filters whose name has `part` in it.
    pub fn cases(&self, part: &str) -> Vec<Case> {
        self.files.keys().filter(|name| name.contains(part)).map(|name| self.case(name)).collect()
    }

    fn case(&self, name: &str) -> Case {
        let (_, root, more) = &self.files[name];
        let mut parameters = more.clone();
        let dhcp = if name.contains("dhcpv6") { PEER_V6.to_string() } else { DHCP_V4.to_string() };
        let fixed = [("IP", GUEST_V4.to_string()), ("IPV6", GUEST_V6.to_string()), ("DHCPSERVER", dhcp)];
        for (key, value) in fixed.into_iter().chain([("GATEWAY_MAC", PEER_MAC.to_string())]) {
            if !parameters.iter().any(|(name, _)| name == key) {
                parameters.push((key.to_owned(), value));
            }
        }
        let mut aims = Vec::new();
        self.gather(root, &parameters, &mut aims, DEPTH);
        Case { name: name.to_owned(), parameters, aims }
    }

    fn gather(&self, filter: &Element, outer: &Parameters, aims: &mut Vec<Aim>, depth: usize) {
        for child in &filter.children {
            match child.name.as_str() {
                "rule" => {
                    // An inout rule is as written on the way to the guest.
                    let is_in = child.attribute("direction") != Some("out");
                    aims.extend(child.children.iter().map(|element| aim(element, outer, is_in)));
                }
                "filterref" => {
                    let name = child.attribute("filter").expect("the name of an included filter");
                    let parameters = [outer.clone(), inner(child, outer)].concat();
                    let (_, root, _) = self.files.get(name).unwrap_or_else(|| panic!("no filter {name}"));
                    if depth > 0 {
                        self.gather(root, &parameters, aims, depth - 1);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The words of a comment that are a name and a value.
fn parameters(line: &str) -> Parameters {
    line.split_whitespace()
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// What a reference gives to the filter: what is given from outside stands above it.
fn inner(reference: &Element, outer: &Parameters) -> Parameters {
    let given = reference.children_named("parameter").filter_map(|parameter| {
        Some((parameter.attribute("name")?.to_owned(), parameter.attribute("value")?.to_owned()))
    });
    given.filter(|(name, _)| !outer.iter().any(|(known, _)| known == name)).collect()
}

fn aim(element: &Element, parameters: &Parameters, is_in: bool) -> Aim {
    let attributes = element.attributes.iter().map(|(name, value)| (name.clone(), values(value, parameters))).collect();
    Aim { protocol: element.name.clone(), attributes, is_in }
}

/// The value, or all that the variable in it stands for.
fn values(value: &str, parameters: &Parameters) -> Vec<String> {
    let Some(variable) = value.strip_prefix('$') else { return vec![value.to_owned()] };
    if variable == "MAC" {
        return vec![GUEST_MAC.to_string()];
    }
    let name = variable.split('[').next().unwrap_or(variable);
    parameters.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
}
