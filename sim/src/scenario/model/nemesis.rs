//! `[[nemesis]]`: a fault that strikes at random, again and again.

use std::time::Duration;

use super::{Fault, Probability, Trigger};

/// `[[nemesis]]`: faults of one kind at random. What a seed makes of it are events: see [`lower`](crate::scenario::lower).
#[derive(Clone, Debug, PartialEq)]
pub struct Nemesis {
    /// What each strike does.
    pub fault: Fault,
    /// When it strikes.
    pub strikes: Strikes,
    /// How long each strike lasts, at least and at most; `None` if the fault has a length of its own.
    pub lasts: Option<(Duration, Duration)>,
    /// The chance that a seed has it at all.
    pub enabled: Probability,
    /// The line of the file on which it stands, from 1.
    pub line: u32,
}

/// When a nemesis strikes.
#[derive(Clone, Debug, PartialEq)]
pub enum Strikes {
    /// Again and again. A seed draws its pace between these two, and each time from one strike to the next varies by half
    /// of that pace: some seeds are calm and some are not.
    Every(Duration, Duration),
    /// When something happens; what exactly is drawn for each strike.
    When {
        /// What happens.
        trigger: Trigger,
        /// How many strikes, at least and at most.
        times: (u32, u32),
    },
}
