//! What a node's disk and database hold.

use lockstep_node::raft::{Configuration, Entry, EntryKind, HardState, Index, Position, Saved};

/// What would be there after a loss of power.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Disk {
    pub hard_state: HardState,
    /// What the log does not hold: the database has all up to here.
    pub base: Position,
    /// The last entry that the database executed for good.
    pub applied: Index,
    /// The newest configuration that it executed.
    pub configuration: (Index, Configuration),
    /// The entries after the base.
    pub log: Vec<Entry>,
    /// A part of the log was lost.
    pub recovering: bool,
}

impl Disk {
    /// What the next boot finds.
    pub fn saved(&self) -> Saved {
        Saved {
            hard_state: self.hard_state,
            base: self.base,
            configuration: self.configuration.clone(),
            entries: self.log.clone(),
            applied: self.applied,
            lacks_database: false,
            recovering: self.recovering,
        }
    }

    /// Removes this index and all after it from the log.
    pub fn truncate(&mut self, from: Index) {
        self.log.truncate((from.0 - self.base.index.0) as usize - 1);
    }

    /// The database has executed the log up to here.
    pub fn execute(&mut self, to: Index) {
        self.configuration = self.configuration_at(to);
        self.applied = self.applied.max(to);
    }

    /// The log begins after `base`, which was executed.
    pub fn forget(&mut self, base: Position) {
        self.log.retain(|entry| entry.index > base.index);
        self.base = base;
    }

    /// Another database takes the place of this one. The log goes on from it if it holds that position.
    pub fn replace(&mut self, at: Position, configuration: (Index, Configuration)) {
        let follows = self.log.iter().any(|entry| entry.position() == at);
        self.log.retain(|entry| follows && entry.index > at.index);
        (self.base, self.applied, self.configuration) = (at, at.index, configuration);
    }

    /// Whether it survives here, in the log or in the database.
    pub fn holds(&self, entry: &Entry) -> bool {
        match entry.index.0.checked_sub(self.base.index.0 + 1) {
            None => true,
            Some(place) => self.log.get(place as usize) == Some(entry),
        }
    }

    /// The newest configuration at or below an index that the log or the database holds.
    pub fn configuration_at(&self, index: Index) -> (Index, Configuration) {
        let is_newer = |entry: &&Entry| {
            entry.kind == EntryKind::Configuration && entry.index <= index && entry.index > self.configuration.0
        };
        match self.log.iter().rev().find(is_newer) {
            Some(entry) => (entry.index, Configuration::decode(&entry.payload).expect("the core appended it")),
            None => self.configuration.clone(),
        }
    }
}
