//! A wall as a chain of lines that every engine can print.
//!
//! No engine can leave two chains at once. So a branch that accepts notes it, and
//! the wall looks at the note behind each jump: the only thing that is added here
//! to what the model says.

use serde::{Deserialize, Serialize};

use super::name::Name;
use crate::model::{Branch, Layer, Match, Origin, Rule, Scope, Target, Verdict, Wall};
use crate::net::{Direction, Family, IfName};

/// What a line does with a packet for which it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// The packet leaves the chain: it has passed the wall, or the branch has
    /// nothing to say.
    Leave,
    /// The packet leaves the branch and has passed the wall, which is noted.
    Accept,
    /// The packet is gone.
    Drop,
    /// The packet is gone, and its sender is told.
    Reject,
    /// The packet goes through another chain and comes back behind this line.
    Jump(Name),
    /// What was noted before is forgotten.
    Forget,
    /// The packet leaves the chain if a branch has noted that it passed.
    LeaveIfAccepted,
}

/// One line: where it applies, what must hold, what happens then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The frames it is about.
    pub scope: Scope,
    /// What must hold, all of it.
    pub matches: Vec<Match>,
    /// What happens then.
    pub act: Act,
    /// Why it is there.
    pub origin: Origin,
}

impl Line {
    fn of(rule: &Rule, act: Act) -> Self {
        Self { scope: rule.scope, matches: rule.matches.clone(), act, origin: rule.origin.clone() }
    }

    fn always(act: Act, origin: &Origin) -> Self {
        Self { scope: Scope::Any, matches: Vec::new(), act, origin: origin.clone() }
    }

    /// The IP family that the line is about, if it is about one.
    pub const fn family(&self) -> Option<Family> {
        match self.scope {
            Scope::Ip(family) => Some(family),
            _ => None,
        }
    }
}

/// One wall as a chain, the last line of which decides about the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The chain's name.
    pub name: Name,
    /// The layer it is of.
    pub layer: Layer,
    /// The direction it is about.
    pub direction: Direction,
    /// Its lines. What reaches the end has passed the wall.
    pub lines: Vec<Line>,
    /// The chains it jumps to.
    pub branches: Vec<Self>,
}

impl Chain {
    /// A chain of this name for a wall without branches.
    pub(super) fn plain(name: Name, wall: &Wall) -> Self {
        Self::new(name, wall, &[])
    }

    /// The chains of a wall at a port.
    pub(super) fn of_port(port: &IfName, wall: &Wall) -> Self {
        let branches: Vec<Name> =
            wall.branches.iter().map(|branch| Name::branch(port, wall.direction, &branch.name)).collect();
        Self::new(Name::wall(port, wall.layer, wall.direction), wall, &branches)
    }

    fn new(name: Name, wall: &Wall, branches: &[Name]) -> Self {
        let mut lines = Vec::new();
        if !branches.is_empty() {
            lines.push(Line::always(Act::Forget, &Origin::built_in("nothing accepted yet")));
        }
        for rule in &wall.rules {
            lines.extend(wall_lines(rule, branches));
        }
        if wall.otherwise != Verdict::Accept {
            lines.push(Line::always(final_act(wall.otherwise), &wall.otherwise_origin));
        }
        let branch = |(branch, name): (&Branch, &Name)| Self {
            name: name.clone(),
            layer: wall.layer,
            direction: wall.direction,
            lines: branch.rules.iter().map(branch_line).collect(),
            branches: Vec::new(),
        };
        let branches = wall.branches.iter().zip(branches).map(branch).collect();
        Self { name, layer: wall.layer, direction: wall.direction, lines, branches }
    }

    /// The chain and those it jumps to.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.branches)
    }
}

fn final_act(verdict: Verdict) -> Act {
    match verdict {
        Verdict::Accept => Act::Leave,
        Verdict::Drop => Act::Drop,
        Verdict::Reject => Act::Reject,
    }
}

/// A rule of the wall itself. A jump to a branch that does not exist would let
/// pass what the branch was to drop, so it drops.
fn wall_lines(rule: &Rule, branches: &[Name]) -> Vec<Line> {
    match rule.target {
        Target::Verdict(verdict) => vec![Line::of(rule, final_act(verdict))],
        Target::Return => vec![Line::of(rule, Act::Leave)],
        Target::Jump(number) => match branches.get(number) {
            Some(name) => {
                vec![Line::of(rule, Act::Jump(name.clone())), Line::always(Act::LeaveIfAccepted, &rule.origin)]
            }
            None => vec![Line::of(rule, Act::Drop)],
        },
    }
}

fn branch_line(rule: &Rule) -> Line {
    match rule.target {
        Target::Verdict(Verdict::Accept) => Line::of(rule, Act::Accept),
        Target::Verdict(verdict) => Line::of(rule, final_act(verdict)),
        Target::Return => Line::of(rule, Act::Leave),
        Target::Jump(_) => Line::of(rule, Act::Drop),
    }
}
