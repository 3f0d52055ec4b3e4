//! From what is written to what is meant, file by file, and then across files.
//!
//! In: the files. Out: the [`Policy`], or the first mistake. Each room reads
//! one kind of table; this one puts them together and follows the references.

mod guest;
mod icmp;
mod nat;
mod preserve;
mod rule;
mod settings;

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use toml::Spanned;

use super::explain::{did_you_mean, list};
use super::load::Files;
use super::raw::{RawFloatingIp, RawForward, RawGroup, RawGuest, RawPolicy, RawPreserve, RawRule, RawSettings, Texts};
use super::source::Source;
use super::uses::{self, Uses};
use super::{AntiSpoofing, FactError, Group, GroupName, GroupRule, Placed, Policy};
use crate::net::{Direction, ValueError};

/// The policy that the files make.
///
/// # Errors
/// The first mistake: within the files in their order, then between them.
pub fn policy(files: &Files) -> Result<Policy, FactError> {
    let mut builder = Builder::default();
    if let Some(source) = &files.settings {
        builder.add_settings(source)?;
    }
    for source in &files.folder {
        let RawPolicy { group, guest, preserve, floating_ip, forward } = source.parse()?;
        builder.add_tables(source, &group, &guest)?;
        builder.add_preserved(source, &preserve)?;
        builder.add_nat(source, &floating_ip, &forward)?;
    }
    builder.finish()
}

/// A policy whose references are not followed yet: a group may be used in one
/// file and defined in a later one.
#[derive(Default)]
struct Builder {
    policy: Policy,
    references: Vec<Placed<GroupName>>,
}

impl Builder {
    fn add_settings(&mut self, source: &Source) -> Result<(), FactError> {
        let raw: RawSettings = source.parse()?;
        settings::read(source, &raw, &mut self.policy)?;
        self.references.extend_from_slice(&self.policy.guests.groups);
        self.add_tables(source, &raw.group, &raw.guest)?;
        self.add_preserved(source, &raw.preserve)?;
        self.add_nat(source, &raw.floating_ip, &raw.forward)
    }

    fn add_tables(&mut self, source: &Source, groups: &[RawGroup], guests: &[RawGuest]) -> Result<(), FactError> {
        for raw in groups {
            self.add_group(source, raw)?;
        }
        for raw in guests {
            let entry = guest::entry(source, raw)?;
            self.references.extend_from_slice(&entry.groups);
            self.policy.entries.push(entry);
        }
        Ok(())
    }

    fn add_preserved(&mut self, source: &Source, entries: &[RawPreserve]) -> Result<(), FactError> {
        for raw in entries {
            self.policy.preserve.push(preserve::entry(source, raw)?);
        }
        Ok(())
    }

    fn add_nat(
        &mut self,
        source: &Source,
        floating: &[RawFloatingIp],
        forwards: &[RawForward],
    ) -> Result<(), FactError> {
        for raw in floating {
            self.policy.floating.push(nat::floating(source, raw)?);
        }
        for raw in forwards {
            self.policy.forwards.push(nat::forward(source, raw)?);
        }
        Ok(())
    }

    fn add_group(&mut self, source: &Source, raw: &RawGroup) -> Result<(), FactError> {
        let Placed { value: name, place } = source.placed(&raw.name);
        let free = match self.policy.groups.entry(name.clone()) {
            Entry::Vacant(free) => free,
            Entry::Occupied(first) => {
                let message = format!("group {name} is defined already at {}", first.get().place);
                return Err(FactError::new(place, message));
            }
        };
        let ingress = rules(source, Direction::In, &raw.ingress)?;
        let egress = raw.egress.as_deref().map(|raw| rules(source, Direction::Out, raw)).transpose()?;
        free.insert(Group { name, place, ingress, egress });
        for rule in raw.ingress.iter().chain(raw.egress.iter().flatten()).map(Spanned::get_ref) {
            let groups = rule.from_group.iter().chain(&rule.to_group);
            self.references.extend(groups.map(|group| source.placed(group)));
        }
        Ok(())
    }

    fn finish(self) -> Result<Policy, FactError> {
        for reference in &self.references {
            self.follow(reference)?;
        }
        uses::overlap(&self.policy.forwards)?;
        let mut uses = Uses::of(&self.policy.entries, &self.policy.forwards);
        self.policy.floating.iter().try_for_each(|floating| uses.add(floating))?;
        Ok(self.policy)
    }

    fn follow(&self, reference: &Placed<GroupName>) -> Result<(), FactError> {
        if self.policy.groups.contains_key(&reference.value) {
            return Ok(());
        }
        let known = || self.policy.groups.keys().map(GroupName::as_str);
        let name = &reference.value;
        let message = match known().next() {
            None => format!("unknown group {name}, no group is defined"),
            Some(_) => {
                format!(
                    "unknown group {name}, expected one of {}{}",
                    list(known()),
                    did_you_mean(name.as_str(), known())
                )
            }
        };
        Err(FactError::new(reference.place.clone(), message))
    }
}

fn rules(source: &Source, direction: Direction, raw: &[Spanned<RawRule>]) -> Result<Vec<GroupRule>, FactError> {
    raw.iter().map(|raw| rule::rule(source, direction, raw)).collect()
}

/// The one address that a text spells, of whatever kind.
fn address(source: &Source, raw: &Spanned<String>) -> Result<Placed<IpAddr>, FactError> {
    let text = raw.get_ref();
    let expected = match text.contains('/') {
        true => "an address without a prefix length: one address, not a network",
        false => "an address such as 10.100.0.11 or fd00::11",
    };
    let value = text.parse().map_err(|_| source.error(raw.span(), ValueError::new("address", text, expected)))?;
    Ok(Placed { value, place: source.place(raw.span()) })
}

/// A list of anti-spoofing layers as a set, if there is a list.
fn anti_spoofing(source: &Source, raw: Option<&Texts>) -> Result<Option<BTreeSet<AntiSpoofing>>, FactError> {
    let layers = raw.map(|raw| source.values(raw)).transpose()?;
    Ok(layers.map(|layers| layers.into_iter().map(|layer| layer.value).collect()))
}
