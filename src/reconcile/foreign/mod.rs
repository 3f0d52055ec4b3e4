//! Chains of somebody else that the policy names: recorded while they are whole,
//! put back when a flush or an agent's restart took them.
//!
//! ```text
//! stands   → record     whatever its agent changed, as long as nothing is lost
//! lost     → put back   from the record, one transaction for each family, read back
//! absent   → kept       a guest stopped and its agent took its chains: they are
//!                       put back only if the same guest comes back without them
//! ```
//!
//! Without a `[[preserve]]` no program is run.

mod loss;
mod owner;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::engine::{Step, Tool};
use crate::facts::policy::{Policy, XtTable};
use crate::kernel::apply;
use crate::kernel::saved::{Saved, SavedTable};
use crate::net::Family;
use crate::state::{Preserved, PreservedChain, PreservedTable};

use self::loss::{Look, Mended, snapshot};
use self::owner::Guests;
use super::{Error, Host};

pub use self::loss::{Loss, Lost};

/// How long chains are kept of a guest that is gone, in seconds: longer than any
/// reboot, and short enough that a port's name is not another guest's by then.
const KEPT_ABSENT: u64 = 3600;
/// How often an agent may be in the way before that is an error.
const TRIES: u32 = 2;

/// What was done about chains of others.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// How many chains are on record.
    pub chains: usize,
    /// What was lost and stands again.
    pub restored: Vec<Loss>,
}

/// What stands of others, by family.
type Standing = BTreeMap<Family, Saved>;
/// What is to be done about each table that lost something.
type Mending = Vec<(Family, XtTable, Mended)>;

impl Host {
    /// Puts back what is lost of the chains that the policy preserves, and
    /// remembers how they stand.
    ///
    /// # Errors
    /// The policy is broken, a program fails, or what is lost cannot be put back;
    /// the record is then as it was.
    pub fn keep_foreign(&mut self) -> Result<Kept, Error> {
        let policy = self.policy()?;
        if policy.preserve.is_empty() {
            self.state.set_preserved(None).map_err(Error::io("the preserved chains cannot be forgotten"))?;
            return Ok(Kept::default());
        }
        let _lock = self.locked()?;
        let (standing, restored) = self.put_back(&policy)?;
        let chains = self.record_foreign(&policy, &standing)?;
        Ok(Kept { chains, restored })
    }

    /// What is lost of the chains that the policy preserves. Changes nothing.
    ///
    /// # Errors
    /// The policy is broken or a program fails.
    pub fn lost_foreign(&mut self) -> Result<Vec<Loss>, Error> {
        Ok(self.look_at_foreign()?.into_iter().flat_map(|(_, _, mended)| mended.losses).collect())
    }

    /// What the restore programs would be told by [`Host::keep_foreign`].
    ///
    /// # Errors
    /// The policy is broken or a program fails.
    pub fn foreign_steps(&mut self) -> Result<Vec<Step>, Error> {
        Ok(steps(&self.look_at_foreign()?))
    }

    /// Takes what stands for whole, whatever was lost. Tells how many chains that is.
    ///
    /// # Errors
    /// The policy is broken or a program fails.
    pub fn forget_foreign(&mut self) -> Result<usize, Error> {
        let policy = self.policy()?;
        let _lock = self.locked()?;
        self.state.set_preserved(None).map_err(Error::io("the preserved chains cannot be forgotten"))?;
        if policy.preserve.is_empty() {
            return Ok(0);
        }
        let standing = self.foreign(&policy)?;
        self.record_foreign(&policy, &standing)
    }

    fn look_at_foreign(&mut self) -> Result<Mending, Error> {
        let policy = self.policy()?;
        if policy.preserve.is_empty() {
            return Ok(Vec::new());
        }
        let _lock = self.locked()?;
        let standing = self.foreign(&policy)?;
        self.mending(&policy, &standing)
    }

    /// What stands, once all that was lost is back.
    fn put_back(&mut self, policy: &Policy) -> Result<(Standing, Vec<Loss>), Error> {
        let mut restored = Vec::new();
        for last in (0..TRIES).rev() {
            let standing = self.foreign(policy)?;
            let mending = self.mending(policy, &standing)?;
            let losses = || mending.iter().flat_map(|(_, _, mended)| &mended.losses);
            if let Some(way) = losses().find(|loss| matches!(loss.what, Lost::Way(_))) {
                return Err(Error::NotApplied(format!("{way}; virt-guard preserve forget accepts that")));
            }
            if losses().next().is_none() {
                return Ok((standing, restored));
            }
            restored = losses().cloned().collect();
            match apply(self.runner.as_mut(), &steps(&mending), self.deadline) {
                Err(error) if last == 0 => return Err(error.into()),
                Err(_) => continue,
                Ok(()) => {}
            }
            let standing = self.foreign(policy)?;
            match difference(&mending, &standing) {
                None => return Ok((standing, restored)),
                Some(difference) if last == 0 => return Err(Error::NotApplied(difference)),
                Some(_) => {}
            }
        }
        Err(Error::NotApplied("preserved chains change all the time".to_owned()))
    }

    /// What is lost in each table.
    fn mending(&self, policy: &Policy, standing: &Standing) -> Result<Mending, Error> {
        let links = self.links()?;
        let guests = Guests::new(&self.guests(&[])?, &links);
        let record = self.state.preserved().unwrap_or_default();
        let mend = |table: PreservedTable| {
            let record = wanted(policy, &table);
            let now = standing.get(&table.family).and_then(|saved| saved.tables.get(&table.table));
            let none = SavedTable::new();
            let look = Look {
                family: table.family,
                table: table.table,
                record: &record,
                now: now.unwrap_or(&none),
                guests: &guests,
            };
            (table.family, table.table, look.mend())
        };
        let all = record.tables.into_iter().map(mend);
        Ok(all.filter(|(_, _, mended)| !mended.losses.is_empty()).collect())
    }

    fn foreign(&mut self, policy: &Policy) -> Result<Standing, Error> {
        let families = policy.preserve.iter().flat_map(|entry| entry.families.iter().copied()).collect();
        self.saved(&families, "preserved chains")
    }

    /// Remembers what stands, and what left with its guest.
    fn record_foreign(&self, policy: &Policy, standing: &Standing) -> Result<usize, Error> {
        let links = self.links()?;
        let guests = Guests::new(&self.guests(&[])?, &links);
        let old = self.state.preserved().unwrap_or_default();
        let mut record = Preserved::default();
        for (family, saved) in standing {
            for table in XtTable::ALL {
                let none = SavedTable::new();
                let now = saved.tables.get(&table).unwrap_or(&none);
                let mut chains = snapshot(now, |name| named(policy, *family, table, name));
                for (name, chain) in &mut chains {
                    chain.owners = guests.of(name, chain);
                }
                let before = old.tables.iter().find(|before| (before.family, before.table) == (*family, table));
                let before = before.map(|before| wanted(policy, before)).unwrap_or_default();
                let look = Look { family: *family, table, record: &before, now, guests: &guests };
                for name in look.absent() {
                    if let Some(chain) = still_kept(&before[name], &guests) {
                        chains.insert(name.to_owned(), chain);
                    }
                }
                record.tables.push(PreservedTable { family: *family, table, chains });
            }
        }
        record.tables.retain(|table| !table.chains.is_empty());
        if record != old {
            self.state.set_preserved(Some(&record)).map_err(Error::io("the preserved chains cannot be recorded"))?;
        }
        Ok(record.tables.iter().map(|table| table.chains.len()).sum())
    }
}

/// Whether the policy preserves this chain.
fn named(policy: &Policy, family: Family, table: XtTable, chain: &str) -> bool {
    policy.preserve.iter().any(|entry| entry.matches(family, table, chain))
}

/// The chains on record that the policy still preserves.
fn wanted(policy: &Policy, table: &PreservedTable) -> BTreeMap<String, PreservedChain> {
    let chains = table.chains.iter().filter(|(name, _)| named(policy, table.family, table.table, name));
    chains.map(|(name, chain)| (name.clone(), chain.clone())).collect()
}

/// The chain of a guest that is gone, unless it is gone for long or its port is
/// another guest's.
fn still_kept(chain: &PreservedChain, guests: &Guests<'_>) -> Option<PreservedChain> {
    // Before 1970 nobody waits for a guest.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let since = chain.absent_since.unwrap_or(now);
    let kept = now.saturating_sub(since) < KEPT_ABSENT && !chain.owners.iter().any(|owner| guests.has_another(owner));
    kept.then(|| PreservedChain { absent_since: Some(since), ..chain.clone() })
}

/// One transaction for each family.
fn steps(mending: &Mending) -> Vec<Step> {
    let of = |family| {
        let tables = mending.iter().filter(|(of, _, _)| *of == family);
        let text: String = tables.map(|(_, _, mended)| mended.text.as_str()).collect();
        (!text.is_empty()).then_some(Step { tool: Tool::IptablesRestore(family), text })
    };
    Family::BOTH.into_iter().filter_map(of).collect()
}

/// What was put back and does not stand as it was, byte for byte.
fn difference(mending: &Mending, standing: &Standing) -> Option<String> {
    for (family, table, mended) in mending {
        let now = standing.get(family).and_then(|saved| saved.tables.get(table));
        for (name, rules) in &mended.after {
            let found = now.and_then(|now| now.get(name)).map(|chain| &chain.rules);
            if found != Some(rules) {
                return Some(format!("{family} {table} {name} was put back and reads otherwise"));
            }
        }
    }
    None
}
