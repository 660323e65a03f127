//! A counter holds what was added to it: on every replica, and in every read of a client.
//!
//! Additions whose outcome is unknown may have taken effect or not. So a read gives at least what was acknowledged, or
//! read by somebody, before it was asked, and at most what had been asked for when it returned.

use std::collections::BTreeMap;

use lockstep_node::api::Reply;

use super::moments::{Moment, moments};
use super::replicas::{dumps, operations, table, workload};
use super::{Check, violation};
use crate::history::Operation;
use crate::run::{Evidence, Finding, Violation};
use crate::scenario::model::WorkloadKind;
use crate::workload::counter::Counting;
use crate::workload::{changed, pairs, pairs_of};

/// Adds up.
pub(super) struct CounterBounds;

/// What one counter may hold.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    acknowledged: i64,
    /// The greatest value that a client has read.
    read: i64,
    asked: i64,
}

impl Bounds {
    fn least(&self) -> i64 {
        self.acknowledged.max(self.read)
    }
}

impl Check for CounterBounds {
    fn property(&self) -> &'static str {
        "counter-bounds"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        let keys = workload(evidence, |kind| match kind {
            WorkloadKind::Counter { keys, .. } => Some(*keys),
            _ => None,
        });
        let Some(keys) = keys else { return Finding::NotApplicable };
        let judged = reads(evidence, keys).and_then(|(reads, bounds)| Ok((reads, replicas(evidence, &bounds)?)));
        match judged {
            Ok((reads, replicas)) => {
                Finding::Holds(format!("{keys} counters on {replicas} replicas and in {reads} reads"))
            }
            Err(violation) => Finding::Violated(violation),
        }
    }
}

/// The number of reads, and the bounds of each counter at the end.
fn reads(evidence: &Evidence, keys: u32) -> Result<(u64, BTreeMap<i64, Bounds>), Violation> {
    let mut reads = 0;
    let mut bounds: BTreeMap<i64, Bounds> = (1..=i64::from(keys)).map(|counter| (counter, Bounds::default())).collect();
    // What each counter held at least when a client asked. A client asks one thing at a time.
    let mut asked: BTreeMap<u32, BTreeMap<i64, i64>> = BTreeMap::new();
    for moment in moments(operations(evidence, |kind| matches!(kind, WorkloadKind::Counter { .. }))) {
        let (Moment::Called(operation) | Moment::Returned(operation, _)) = moment;
        let Some(counting) = Counting::of(&operation.command) else { continue };
        match (moment, counting) {
            (Moment::Called(_), Counting::Add { counter, amount }) => {
                bounds.entry(counter).or_default().asked += amount
            }
            (Moment::Called(_), _) => {
                let least = bounds.iter().map(|(counter, bounds)| (*counter, bounds.least())).collect();
                asked.insert(operation.client, least);
            }
            (Moment::Returned(_, reply), Counting::Add { counter, amount }) => {
                added(operation, reply, counter, amount)?;
                bounds.entry(counter).or_default().acknowledged += amount;
            }
            (Moment::Returned(_, reply), _) => {
                reads += 1;
                let least = asked.remove(&operation.client).unwrap_or_default();
                read(operation, reply, counting, &least, &mut bounds)?;
            }
        }
    }
    Ok((reads, bounds))
}

/// An addition that was acknowledged must have changed its counter.
fn added(operation: &Operation, reply: &Reply, counter: i64, amount: i64) -> Result<(), Violation> {
    if changed(reply) == Some(1) {
        return Ok(());
    }
    let (client, index) = (operation.client, reply.index);
    let summary =
        format!("client {client} added {amount} to counter {counter} at index {index}, which changed nothing");
    Err(violation(summary, None, index))
}

/// A read must give a value for each counter that it asks for, within its bounds.
fn read(
    operation: &Operation,
    reply: &Reply,
    counting: Counting,
    least: &BTreeMap<i64, i64>,
    bounds: &mut BTreeMap<i64, Bounds>,
) -> Result<(), Violation> {
    let (client, index) = (operation.client, reply.index);
    let found: BTreeMap<i64, i64> = pairs(reply).unwrap_or_default().into_iter().collect();
    let is_asked = |counter: i64| match counting {
        Counting::Read { counter: one } => one == counter,
        _ => true,
    };
    for (counter, bounds) in bounds.iter_mut().filter(|(counter, _)| is_asked(**counter)) {
        let least = least.get(counter).copied().unwrap_or_default();
        let what = match found.get(counter) {
            Some(value) if (least..=bounds.asked).contains(value) => {
                bounds.read = bounds.read.max(*value);
                continue;
            }
            Some(value) => format!("read {value} from counter {counter}"),
            None => format!("found no counter {counter}"),
        };
        let between = format!("it must hold between {least} and {}", bounds.asked);
        return Err(violation(format!("client {client} {what} at index {index}; {between}"), None, index));
    }
    Ok(())
}

/// Returns how many replicas hold each counter within its bounds.
fn replicas(evidence: &Evidence, bounds: &BTreeMap<i64, Bounds>) -> Result<u64, Violation> {
    let mut seen = 0;
    for (machine, dump) in dumps(evidence) {
        seen += 1;
        let held = table(dump, "counters").and_then(|table| pairs_of(table.rows.iter().map(|row| &row.values)));
        let held: BTreeMap<i64, i64> = held.unwrap_or_default().into_iter().collect();
        for (counter, bounds) in bounds {
            let (least, most) = (bounds.least(), bounds.asked);
            let what = match held.get(counter) {
                Some(value) if (least..=most).contains(value) => continue,
                Some(value) => format!("counter {counter} on {machine} holds {value}"),
                None => format!("there is no counter {counter} on {machine}"),
            };
            let summary = format!("{what}; it must hold between {least} (acknowledged or read) and {most} (asked)");
            return Err(violation(summary, machine, None));
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{acknowledged, hold, reply_with, summary, unknown, workload_evidence};
    use crate::scenario::model::Probability;

    fn counted(operations: Vec<Operation>, held: &[i64]) -> Evidence {
        let kind = WorkloadKind::Counter { keys: 1, add: (1, 5), reads: Probability(0) };
        let mut evidence = workload_evidence(kind, operations);
        let rows: Vec<[i64; 2]> = held.iter().map(|value| [1, *value]).collect();
        hold(&mut evidence, "counters", &["id", "value"], &rows);
        evidence
    }

    fn add(amount: i64, times: (u64, u64)) -> Operation {
        acknowledged(Counting::Add { counter: 1, amount }, reply_with(&[], 1), times)
    }

    fn read(value: i64, times: (u64, u64)) -> Operation {
        acknowledged(Counting::Read { counter: 1 }, reply_with(&[[1, value]], 0), times)
    }

    #[test]
    fn what_is_unknown_may_have_happened_or_not() {
        let doubt = unknown(Counting::Add { counter: 1, amount: 3 }, 2);
        for held in [2, 5] {
            let operations = vec![add(2, (0, 1)), doubt.clone(), read(held, (3, 4))];
            assert_eq!(summary(CounterBounds, &counted(operations, &[held, held])), None);
        }
    }

    #[test]
    fn a_lost_addition_is_seen_in_a_read_and_on_a_replica() {
        let told = summary(CounterBounds, &counted(vec![add(2, (0, 1)), read(0, (2, 3))], &[2]));
        let text = "client 1 read 0 from counter 1 at index 3; it must hold between 2 and 2";
        assert_eq!(told.as_deref(), Some(text));
        let told = summary(CounterBounds, &counted(vec![add(2, (0, 1)), read(2, (2, 3))], &[2, 0]));
        let text = "counter 1 on n2 holds 0; it must hold between 2 (acknowledged or read) and 2 (asked)";
        assert_eq!(told.as_deref(), Some(text));
    }

    #[test]
    fn an_addition_that_counted_twice_is_seen() {
        let told = summary(CounterBounds, &counted(vec![add(2, (0, 1)), read(4, (2, 3))], &[4]));
        assert!(told.unwrap().ends_with("between 2 and 2"));
    }

    #[test]
    fn a_counter_never_goes_back() {
        let doubt = unknown(Counting::Add { counter: 1, amount: 3 }, 0);
        let told = summary(CounterBounds, &counted(vec![doubt, read(3, (1, 2)), read(0, (3, 4))], &[3]));
        assert!(told.unwrap().contains("read 0 from counter 1 at index 4; it must hold between 3 and 3"));
    }

    #[test]
    fn a_read_that_overlaps_an_addition_may_see_it_or_not() {
        for value in [0, 2] {
            let other = Operation { client: 2, ..read(value, (1, 3)) };
            assert_eq!(summary(CounterBounds, &counted(vec![add(2, (0, 2)), other], &[2])), None);
        }
    }

    #[test]
    fn an_addition_must_change_something() {
        let nothing = acknowledged(Counting::Add { counter: 1, amount: 2 }, reply_with(&[], 0), (0, 1));
        assert!(summary(CounterBounds, &counted(vec![nothing], &[2])).unwrap().ends_with("changed nothing"));
    }

    #[test]
    fn a_counter_that_vanished_is_seen() {
        let none = acknowledged(Counting::ReadAll, reply_with(&[], 0), (0, 1));
        assert!(summary(CounterBounds, &counted(vec![none], &[0])).unwrap().contains("found no counter 1"));
        assert!(summary(CounterBounds, &counted(vec![], &[])).is_none(), "there is no replica to judge");
    }
}
