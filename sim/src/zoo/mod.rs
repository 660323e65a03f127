//! Known bugs, to show that the testbed notices: Lockstep with one rule of its protocol broken.
//!
//! Each is the node itself, built with other [`Rules`]. It must fail a scenario under `scenarios/rules` that Lockstep
//! passes; `sim/tests/broken_rules.rs` sees to that.

use lockstep_node::raft::{Rule, Rules};

use crate::systems::System;
use crate::systems::lockstep::Lockstep;

/// Breaks this rule and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Broken(pub Rule);

impl Rules for Broken {
    fn breaks(&self, rule: Rule) -> bool {
        self.0 == rule
    }
}

/// Acknowledges, and counts for a majority, what no sync has made durable.
pub static ANSWERS_BEFORE_SYNC: Lockstep<Broken> = Lockstep::new("answers-before-sync", Broken(Rule::AnswerAfterSync));

/// Does not write down for whom it voted: it can vote again in the same term after a restart.
pub static FORGETS_VOTES: Lockstep<Broken> = Lockstep::new("forgets-votes", Broken(Rule::RememberVote));

/// Appends entries without looking whether the one before them is the leader's.
pub static SKIPS_PREVIOUS_TERM: Lockstep<Broken> =
    Lockstep::new("skips-previous-term", Broken(Rule::CheckPreviousTerm));

/// Lets SQL read the machine's clock.
pub static READS_OWN_CLOCK: Lockstep<Broken> = Lockstep::new("reads-own-clock", Broken(Rule::PinClock));

/// All of them, in the order of [`Rule`].
pub const ALL: &[&dyn System] = &[&ANSWERS_BEFORE_SYNC, &FORGETS_VOTES, &SKIPS_PREVIOUS_TERM, &READS_OWN_CLOCK];
