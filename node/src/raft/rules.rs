//! Rules of the protocol that a test may break on purpose, to see that the testbed notices.

use std::fmt::Debug;
use std::hash::Hash;

/// Says which rules a node breaks. [`Correct`] breaks none, and it is what a server is built with: it is zero-sized, so
/// the questions cost nothing and cannot be answered otherwise.
pub trait Rules: Clone + Debug + Eq + Hash + Send + 'static {
    /// Whether this node breaks the rule.
    fn breaks(&self, rule: Rule) -> bool;
}

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// What must be durable first leaves after the sync, and counts after it.
    AnswerAfterSync,
    /// A vote is remembered: a node votes once a term, across restarts.
    RememberVote,
    /// Entries are appended only where the term of the entry before them matches.
    CheckPreviousTerm,
    /// While an entry runs, "now" is the entry's time.
    PinClock,
    /// A request whose session has expired is not executed.
    RefuseExpired,
}

/// Breaks no rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Correct;

impl Rules for Correct {
    fn breaks(&self, _: Rule) -> bool {
        false
    }
}
