//! Wishes of an operator: who is to take part, and who is to lead.

use super::Selector;

/// What an operator asks of the cluster, again and again until it is done or the fault phase ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// A machine is switched on with an empty disk, and its node becomes a member.
    Join {
        /// The machine's label.
        node: String,
        /// It receives the log and does not vote.
        learner: bool,
    },
    /// A learner is to vote.
    Promote(Selector),
    /// A node is to be a member no more. Its machine goes on running.
    Remove(Selector),
    /// A node is to be a member no more, and its machine is switched off when that is done.
    Leave(Selector),
    /// This voter is to lead.
    Transfer(Selector),
    /// A machine is switched on with an empty disk and becomes a learner; then, in one change, it votes and another node is a
    /// member no more.
    Replace {
        /// Who is replaced. Its machine goes on running, if it does.
        node: Selector,
        /// The label of the new machine.
        by: String,
    },
    /// One of these, drawn from what can be done with those who take part then. One is done before the next begins.
    Churn {
        /// There are never fewer voters.
        least: u32,
    },
}

impl Wish {
    /// What `do` calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Wish::Join { .. } => "join",
            Wish::Promote(_) => "promote",
            Wish::Remove(_) => "remove",
            Wish::Leave(_) => "leave",
            Wish::Transfer(_) => "transfer",
            Wish::Replace { .. } => "replace",
            Wish::Churn { .. } => "churn",
        }
    }
}
