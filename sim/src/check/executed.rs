//! What was executed at each index, and what the database held after it.

use std::time::Duration;

use lockstep_node::event::Event;
use lockstep_node::raft::Term;
use lockstep_node::sqlite::Digest;

use crate::record::{Machine, Recorded, What};

/// One execution of one entry on one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// When.
    pub at: Duration,
    /// Where.
    pub machine: Machine,
    /// The index.
    pub index: u64,
    /// The entry's term.
    pub term: Term,
    /// A hash of the entry.
    pub entry: u64,
    /// The digest of the database after it.
    pub digest: Digest,
}

impl Execution {
    /// The execution that was recorded, if one was.
    pub fn of(recorded: &Recorded) -> Option<Execution> {
        match recorded.what {
            What::Node(machine, Event::Applied { index, term, entry, digest, .. }) => {
                Some(Execution { at: recorded.at, machine, index: index.0, term, entry, digest })
            }
            _ => None,
        }
    }

    /// Whether both executed the same entry to the same effect.
    pub fn agrees(&self, other: &Execution) -> bool {
        (self.term, self.entry, self.digest) == (other.term, other.entry, other.digest)
    }
}

/// The first execution at each index: all others must agree with it.
#[derive(Clone, Debug, Default)]
pub struct Executions(Vec<Option<Execution>>);

impl Executions {
    /// Of all records.
    pub fn of(records: &[Recorded]) -> Executions {
        let mut executions = Executions::default();
        records.iter().filter_map(Execution::of).for_each(|execution| {
            executions.first_or(execution);
        });
        executions
    }

    /// The first execution at this one's index, which it becomes itself if there was none.
    pub fn first_or(&mut self, execution: Execution) -> Execution {
        let place = execution.index as usize;
        if self.0.len() <= place {
            self.0.resize(place + 1, None);
        }
        *self.0[place].get_or_insert(execution)
    }

    /// The first execution at an index.
    pub fn at(&self, index: u64) -> Option<&Execution> {
        self.0.get(index as usize)?.as_ref()
    }

    /// How many indexes were executed.
    pub fn count(&self) -> usize {
        self.0.iter().flatten().count()
    }
}
