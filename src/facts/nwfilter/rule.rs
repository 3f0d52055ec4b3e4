//! A rule of a filter.

use super::check;
use super::condition::Condition;
use super::element::{no_text, only_attributes};
use super::protocol::FilterProtocol;
use crate::facts::keywords::keywords;
use crate::facts::xml::{Element, shown};
use crate::facts::{FactError, Place};
use crate::net::ValueError;

/// The priority of a rule that says none.
const DEFAULT_PRIORITY: i16 = 500;
/// What a `<rule>` may say.
const ATTRIBUTES: [&str; 4] = ["action", "direction", "priority", "statematch"];

/// What is to happen to the packets that meet all conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRule {
    /// What happens.
    pub action: Action,
    /// Which way the packets go.
    pub direction: RuleDirection,
    /// Where it stands in its chain, from -1000, the first, to 1000.
    pub priority: i16,
    /// Whether the state of the connection counts: `statematch`.
    pub state_match: bool,
    /// What it is about; [`FilterProtocol::None`] where it has no condition.
    pub protocol: FilterProtocol,
    /// What must hold, all of it. An attribute stands in one condition only,
    /// but for the comment.
    pub conditions: Vec<Condition>,
    /// Where it stands.
    pub place: Place,
}

keywords! {
    /// What happens to a packet (libvirt's formatnwfilter, "Filtering rules").
    Action is "action" {
        /// It is gone.
        Drop = "drop",
        /// It passes, and no further rule of the layer is asked.
        Accept = "accept",
        /// It is gone, and its sender is told.
        Reject = "reject",
        /// The chain that led here goes on.
        Return = "return",
        /// The next rule is asked.
        Continue = "continue",
    }
}

keywords! {
    /// The way of packets, from the guest's point of view.
    RuleDirection is "direction" {
        /// To the guest.
        In = "in",
        /// From the guest.
        Out = "out",
        /// Both.
        InOut = "inout",
    }
}

impl FilterRule {
    /// Reads a `<rule>`.
    pub(super) fn parse(element: &Element) -> Result<Self, FactError> {
        only_attributes(element, &ATTRIBUTES)?;
        no_text(element)?;
        let protocol = protocol(element)?;
        let conditions: Vec<_> =
            element.children.iter().map(|child| Condition::parse(child, protocol)).collect::<Result<_, _>>()?;
        check::conditions(protocol, &conditions)?;
        Ok(Self {
            action: element.required("action")?,
            direction: element.required("direction")?,
            priority: priority(element)?.unwrap_or(DEFAULT_PRIORITY),
            state_match: state_match(element)?,
            protocol,
            conditions,
            place: element.place(),
        })
    }
}

/// The protocol that all elements within `rule` are of. Of several ones
/// libvirt would heed the first.
fn protocol(rule: &Element) -> Result<FilterProtocol, FactError> {
    let Some(first) = rule.children.first() else { return Ok(FilterProtocol::None) };
    if let Some(foreign) = rule.children.iter().find(|child| child.namespace.is_some()) {
        return Err(foreign.error(format!("<{}> of a foreign namespace in <rule>", shown(&foreign.name))));
    }
    if let Some(other) = rule.children.iter().find(|child| child.name != first.name) {
        let message =
            format!("<{}> in a rule of <{}>, expected one protocol in a rule", shown(&other.name), shown(&first.name));
        return Err(other.error(message));
    }
    first.name.parse().map_err(|error| first.error(error))
}

/// The `priority` of a rule or a chain, if it says one.
pub(super) fn priority(element: &Element) -> Result<Option<i16>, FactError> {
    let Some(text) = element.attribute("priority") else { return Ok(None) };
    let digits = text.strip_prefix('-').unwrap_or(text).bytes().all(|b| b.is_ascii_digit());
    let priority: Option<i16> = text.parse().ok().filter(|priority| digits && (-1000..=1000).contains(priority));
    let error = || element.error(ValueError::new("priority", text, "a number from -1000 to 1000"));
    priority.ok_or_else(error).map(Some)
}

/// Libvirt takes everything but `0` and `false` for true; also `no`, which
/// is therefore not taken at all.
fn state_match(element: &Element) -> Result<bool, FactError> {
    let Some(text) = element.attribute("statematch") else { return Ok(true) };
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(element.error(ValueError::new("statematch", text, "true, 1, false or 0"))),
    }
}
