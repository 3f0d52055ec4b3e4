//! What can come of an attempt, and what is to be thought of it, in words.

use serde::Serialize;

/// What came of a packet to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A connection was accepted, or a datagram answered.
    Answered,
    /// Nothing came back, while a port of the same address that nobody listens to was
    /// refused: the datagram got to the service.
    Delivered,
    /// The socket took the packet from no one: a filter of its own (`IPAddressDeny=` of its
    /// unit) dropped it.
    Dropped,
    /// A reset or "port unreachable": nobody listens there.
    Refused,
    /// "Administratively prohibited".
    Rejected,
    /// Nothing came back.
    Silent,
}

impl Outcome {
    /// All, from the one that proves most.
    pub const ALL: [Self; 6] =
        [Self::Answered, Self::Delivered, Self::Dropped, Self::Refused, Self::Rejected, Self::Silent];

    /// Whether the packet got to the service.
    pub const fn reaches(self) -> bool {
        matches!(self, Self::Answered | Self::Delivered)
    }

    /// The outcome as it is written everywhere.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Delivered => "delivered",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Silent => "silent",
        }
    }
}

/// What is to be thought of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// The service was reached, and the policy does not allow it.
    Exposed,
    /// The policy allows guests this DHCP or DNS, somebody serves it there, and no address
    /// of this family answers.
    Failing,
    /// It is as the policy has it.
    Fine,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_got_to_the_service_reaches_it() {
        let reaching: Vec<_> = Outcome::ALL.into_iter().filter(|outcome| outcome.reaches()).collect();
        assert_eq!(reaching, [Outcome::Answered, Outcome::Delivered]);
    }

    #[test]
    fn json_has_the_same_words() {
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.word());
        }
    }
}
