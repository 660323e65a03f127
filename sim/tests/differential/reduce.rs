//! Cuts a program down to the fewest statements that still differ in the same way (delta debugging, Zeller and Hildebrandt).

use super::difference::Difference;
use super::program::{Program, Subject};
use super::shorten::{shorter, without_parameters};

/// After so many attempts what is left is shown as it is.
const ATTEMPTS_MAX: usize = 5000;

/// The fewest statements that differ in the same way, and their difference.
pub fn reduce(subject: Subject, program: Program, difference: Difference) -> (Program, Difference) {
    let mut search = Search { subject, kind: difference.kind(), best: program, difference, attempts: 0 };
    let end = search.difference.at() + 1;
    search.attempt(|program| program.entries.truncate(end));
    if let Difference::Batching { from, .. } = search.difference {
        // Where the batch that differs begins stays known when entries before it go.
        search.attempt(|program| (program.lead, program.at_once) = (from, program.entries.len()));
    }
    loop {
        let before = search.best.statements();
        search.drop_entries();
        search.drop_statements();
        search.simplify();
        if search.best.statements() == before || search.attempts >= ATTEMPTS_MAX {
            break;
        }
    }
    search.shorten_statements();
    (search.best, search.difference)
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
        let mut at = 0..;
        let lead = program.lead;
        program.entries.retain(|entry| {
            let (is_empty, is_of_lead) = (entry.batch.statements.is_empty(), at.next() < Some(lead));
            program.lead -= usize::from(is_empty && is_of_lead);
            !is_empty
        });
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
                let dropped = self.attempt(|program| {
                    program.entries.drain(from..to);
                    program.lead -= to.min(program.lead) - from.min(program.lead);
                });
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

    /// Word by word, from the last statement to the first.
    fn shorten_statements(&mut self) {
        for entry in (0..self.best.entries.len()).rev() {
            for nth in (0..self.best.entries[entry].batch.statements.len()).rev() {
                let change = |program: &mut Program| {
                    let statement = &mut program.entries[entry].batch.statements[nth];
                    *statement = without_parameters(statement);
                };
                self.attempt(change);
                while self.shorten(entry, nth) {}
            }
        }
    }

    /// Whether one of the shorter forms of a statement still differs in the same way.
    fn shorten(&mut self, entry: usize, nth: usize) -> bool {
        let sql = self.best.entries[entry].batch.statements[nth].sql.clone();
        sql.len() < 20_000
            && shorter(&sql)
                .into_iter()
                .any(|sql| self.attempt(|program| program.entries[entry].batch.statements[nth].sql = sql))
    }

    /// Entries that need not be atomic are not.
    fn simplify(&mut self) {
        for entry in 0..self.best.entries.len() {
            self.attempt(|program| program.entries[entry].batch.atomic = false);
        }
    }
}
