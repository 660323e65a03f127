//! Cuts a program down to the fewest statements that still differ in the same way (delta debugging, Zeller and Hildebrandt).

use super::difference::Difference;
use super::program::{Program, Subject};

/// After so many attempts what is left is shown as it is.
const ATTEMPTS_MAX: usize = 3000;

/// The fewest statements that differ in the same way, and their difference.
pub fn reduce(subject: Subject, program: Program, difference: Difference) -> (Program, Difference) {
    let mut search = Search { subject, kind: difference.kind(), best: program, difference, attempts: 0 };
    let end = search.difference.at() + 1;
    search.attempt(|program| program.entries.truncate(end));
    // In one batch: then it does not matter which entries fall into which.
    search.attempt(|program| program.at_once = usize::MAX);
    loop {
        let before = search.best.statements();
        search.drop_entries();
        search.drop_statements();
        search.simplify();
        if search.best.statements() == before || search.attempts >= ATTEMPTS_MAX {
            return (search.best, search.difference);
        }
    }
}

struct Search {
    subject: Subject,
    kind: String,
    best: Program,
    difference: Difference,
    attempts: usize,
}

impl Search {
    /// Tries a smaller program, and keeps it if it still differs in the same way.
    fn attempt(&mut self, change: impl FnOnce(&mut Program)) -> bool {
        let mut program = self.best.clone();
        change(&mut program);
        program.entries.retain(|entry| !entry.batch.statements.is_empty());
        if program == self.best || self.attempts >= ATTEMPTS_MAX {
            return false;
        }
        self.attempts += 1;
        match program.run(self.subject) {
            Err(difference) if difference.kind() == self.kind => {
                (self.best, self.difference) = (program, difference);
                true
            }
            _ => false,
        }
    }

    /// Halves, quarters, … of the entries.
    fn drop_entries(&mut self) {
        let mut size = self.best.entries.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < self.best.entries.len() {
                let to = (from + size).min(self.best.entries.len());
                let dropped = self.attempt(|program| drop(program.entries.drain(from..to)));
                from = if dropped { from } else { to };
            }
            size /= 2;
        }
    }

    /// One statement after the other.
    fn drop_statements(&mut self) {
        let mut entry = 0;
        while entry < self.best.entries.len() {
            let (mut statement, entries) = (0, self.best.entries.len());
            while self.best.entries.len() == entries && statement < self.best.entries[entry].batch.statements.len() {
                let dropped = self.attempt(|program| {
                    program.entries[entry].batch.statements.remove(statement);
                    program.entries[entry].kinds.remove(statement);
                });
                statement += usize::from(!dropped);
            }
            entry += usize::from(self.best.entries.len() == entries);
        }
    }

    /// Entries that need not be atomic are not.
    fn simplify(&mut self) {
        for entry in 0..self.best.entries.len() {
            self.attempt(|program| program.entries[entry].batch.atomic = false);
        }
        self.attempt(|program| program.at_once = 2);
    }
}
