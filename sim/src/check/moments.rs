//! A history as moments in time.

use std::time::Duration;

use lockstep_node::api::Reply;

use crate::history::{Operation, Outcome};

/// An operation begins or ends, as its client sees it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment<'e> {
    /// It was asked.
    Called(&'e Operation),
    /// It was acknowledged.
    Returned(&'e Operation, &'e Reply),
}

/// Calls and acknowledgements in the order of time, without the operations that were refused: those had no effect.
///
/// What was acknowledged in the moment in which something else was asked came before it: a request takes time to travel.
pub(super) fn moments<'e>(operations: impl Iterator<Item = &'e Operation>) -> Vec<Moment<'e>> {
    let mut moments: Vec<(Duration, bool, Moment<'e>)> = Vec::new();
    for operation in operations {
        match &operation.outcome {
            Outcome::NotExecuted { .. } => {}
            Outcome::Unknown { .. } => moments.push((operation.called, true, Moment::Called(operation))),
            Outcome::Acknowledged { reply, returned } => {
                moments.push((operation.called, true, Moment::Called(operation)));
                // What took no time at all ends after it began.
                let first = *returned > operation.called;
                moments.push((*returned, !first, Moment::Returned(operation, reply)));
            }
        }
    }
    moments.sort_by_key(|(at, last, _)| (*at, *last));
    moments.into_iter().map(|(_, _, moment)| moment).collect()
}
