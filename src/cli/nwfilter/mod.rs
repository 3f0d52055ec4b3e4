//! `virt-guard nwfilter`: filters without a guest, in libvirt, and in the kernel.
//!
//! In: filters by file or by name, and values for their variables. Out: what is
//! wrong with them, or the rules that they become (`check`, `show`); libvirt's
//! filters held against the definitions and brought in step (`manage`), libvirt's
//! own rules in the kernel (`ports`).

mod check;
#[cfg(feature = "libvirt")]
mod manage;
#[cfg(feature = "libvirt")]
mod ports;
mod show;

use std::path::Path;
use std::str::FromStr;

use clap::{Args, Subcommand};

use super::Report;
use crate::facts::Place;
use crate::facts::domain::FilterRef;
use crate::net::{Mac, ValueError};

/// Check and show nwfilters, keep them in libvirt and their rules in the kernel.
#[derive(Debug, Args)]
pub struct Nwfilter {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

#[allow(missing_docs, reason = "each is described where it is, and clap takes its help from there")]
#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Show(show::Show),
    #[cfg(feature = "libvirt")]
    List(manage::List),
    #[cfg(feature = "libvirt")]
    Diff(manage::Diff),
    #[cfg(feature = "libvirt")]
    Sync(manage::Sync),
    #[cfg(feature = "libvirt")]
    Verify(ports::Verify),
    #[cfg(feature = "libvirt")]
    Rebuild(ports::Rebuild),
}

impl Nwfilter {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        match &self.command {
            Command::Check(command) => command.run(root),
            Command::Show(command) => command.run(root),
            #[cfg(feature = "libvirt")]
            Command::List(command) => command.run(root),
            #[cfg(feature = "libvirt")]
            Command::Diff(command) => command.run(root),
            #[cfg(feature = "libvirt")]
            Command::Sync(command) => command.run(root),
            #[cfg(feature = "libvirt")]
            Command::Verify(command) => command.run(),
            #[cfg(feature = "libvirt")]
            Command::Rebuild(command) => command.run(),
        }
    }
}

/// An interface as a filter sees it.
#[derive(Debug, Args)]
struct Subject {
    /// A value of a variable; again for more values of a list.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<Parameter>,
    /// The interface's MAC address, which is $MAC.
    #[arg(long, value_name = "MAC", default_value = "52:54:00:00:00:01")]
    mac: Mac,
}

/// A value of a variable as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parameter {
    name: String,
    value: String,
}

impl FromStr for Parameter {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = || ValueError::new("parameter", text, "NAME=VALUE, the name of letters, digits and '_'");
        let (name, value) = text.split_once('=').ok_or_else(error)?;
        let valid = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        valid.then(|| Self { name: name.to_owned(), value: value.to_owned() }).ok_or_else(error)
    }
}

impl Subject {
    /// What an interface's XML would say to have this filter.
    fn reference(&self, filter: &str) -> FilterRef {
        let place = Place { file: "command line".to_owned(), line: 1, column: 1 };
        let mut reference = FilterRef { filter: filter.to_owned(), parameters: Default::default(), place };
        for Parameter { name, value } in &self.parameters {
            reference.parameters.entry(name.clone()).or_default().push(value.clone());
        }
        reference
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_a_name_and_any_value() {
        let parameter: Parameter = "IP=fd00::1=2".parse().unwrap();
        assert_eq!((parameter.name.as_str(), parameter.value.as_str()), ("IP", "fd00::1=2"));
        for text in ["IP", "=1", "A B=1", ""] {
            assert!(text.parse::<Parameter>().is_err(), "{text:?} was accepted");
        }
    }
}
