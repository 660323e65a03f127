//! The order of the log is the order that clients saw: what was acknowledged before another operation was called stands
//! before it in the log, and so does what the same client did before. Reads are part of it: those that go through the log
//! have a place in it, and a linearizable one stands after the entry at which it was answered.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Check, Execution, violation};
use crate::history::Operation;
use crate::report::words::seconds;
use crate::run::{Evidence, Finding, Violation};

/// Compares indexes with times.
pub(super) struct RealTime;

/// An acknowledged operation.
#[derive(Clone, Copy)]
struct Told<'e> {
    operation: &'e Operation,
    index: u64,
    /// Where it stands: entries at twice their index, reads beside the log after them.
    place: u64,
    returned: Duration,
}

impl Check for RealTime {
    fn property(&self) -> &'static str {
        "real-time"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        // Without executions an index is a number of somebody's own, not a place in one log.
        let told: Vec<Told<'_>> = evidence.history.operations.iter().filter_map(told).collect();
        if told.is_empty() || !evidence.records.iter().any(|recorded| Execution::of(recorded).is_some()) {
            return Finding::NotApplicable;
        }
        match contradiction(&told) {
            Some((earlier, later)) => Finding::Violated(against_time(&earlier, &later)),
            None => Finding::Holds(format!("{} operations", told.len())),
        }
    }
}

fn told(operation: &Operation) -> Option<Told<'_>> {
    let (reply, returned) = operation.reply().filter(|_| !operation.may_be_stale())?;
    let place = 2 * reply.index + u64::from(!operation.is_logged());
    Some(Told { operation, index: reply.index, place, returned })
}

/// Two operations of which the second was called when the first had returned, and does not come after it in the log.
///
/// One sweep in the order of calls: of all that had returned by then, only the one with the greatest index matters.
fn contradiction<'e>(called: &[Told<'e>]) -> Option<(Told<'e>, Told<'e>)> {
    let mut returned = called.to_vec();
    returned.sort_by_key(|told| told.returned);
    let mut returned = returned.into_iter().peekable();
    let mut greatest: Option<Told<'e>> = None;
    let mut of_client: BTreeMap<u32, Told<'e>> = BTreeMap::new();
    for later in called {
        while let Some(next) = returned.next_if(|told| told.returned < later.operation.called) {
            greatest = greatest.filter(|greatest| greatest.place >= next.place).or(Some(next));
        }
        let own = of_client.insert(later.operation.client, *later);
        let mut earlier = own.into_iter().chain(greatest);
        // Two reads of one moment may come in either order.
        let comes_after = |earlier: &Told<'e>| match later.operation.is_logged() {
            true => earlier.place >= later.place,
            false => earlier.place > later.place,
        };
        if let Some(earlier) = earlier.find(comes_after) {
            return Some((earlier, *later));
        }
    }
    None
}

fn against_time(earlier: &Told<'_>, later: &Told<'_>) -> Violation {
    let summary = format!(
        "{} is {}, though {} had been acknowledged as {} before it was called",
        later.operation,
        place(later),
        earlier.operation,
        place(earlier)
    );
    let line = |Told { operation, index, returned, .. }: &Told<'_>| {
        let (called, returned) = (seconds(operation.called), seconds(*returned));
        let sql = operation.batch().statements.first().map(ToString::to_string).unwrap_or_default();
        format!("{called} to {returned}  index {index}  {operation}  {sql}")
    };
    let details = vec![line(earlier), line(later)];
    Violation { details, at: Some(later.returned), ..violation(summary, None, later.index) }
}

/// `entry 7`, or `a read at index 7`.
fn place(told: &Told<'_>) -> String {
    let what = if told.operation.is_logged() { "entry" } else { "a read at index" };
    format!("{what} {}", told.index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{acknowledged_transfer, apply, evidence, summary};
    use crate::history::Outcome;

    /// An operation of a client at an index, from one time to another.
    fn operation(client: u32, index: u64, called: u64, returned: u64) -> Operation {
        let mut operation = acknowledged_transfer(index as i64, index);
        (operation.client, operation.called) = (client, Duration::from_secs(called));
        if let Outcome::Acknowledged { returned: at, .. } = &mut operation.outcome {
            *at = Duration::from_secs(returned);
        }
        operation
    }

    fn judged(operations: Vec<Operation>) -> Option<String> {
        let mut evidence = evidence();
        evidence.records.push(apply(0, 1, 1, 10));
        evidence.history.operations = operations;
        summary(RealTime, &evidence)
    }

    #[test]
    fn operations_that_overlap_may_stand_in_any_order() {
        assert_eq!(judged(vec![operation(1, 9, 1, 4), operation(2, 7, 2, 5), operation(3, 8, 4, 6)]), None);
    }

    #[test]
    fn a_later_operation_at_an_earlier_index_is_seen() {
        let operations =
            vec![operation(1, 5, 1, 2), operation(2, 9, 1, 3), operation(3, 6, 1, 9), operation(4, 8, 4, 5)];
        let told = "client 4, operation 8 is entry 8, though client 2, operation 9 had been acknowledged as entry 9 before \
                    it was called";
        assert_eq!(judged(operations).as_deref(), Some(told));
    }

    #[test]
    fn a_clients_own_order_holds_even_where_time_stands_still() {
        assert!(judged(vec![operation(1, 6, 1, 2), operation(2, 5, 2, 2)]).is_none());
        assert!(judged(vec![operation(1, 6, 1, 2), operation(1, 5, 2, 2)]).is_some());
        assert!(judged(vec![operation(1, 6, 1, 2), operation(1, 6, 2, 2)]).is_some());
    }
}
