//! Each register behaves as if there were one copy of it, on which every operation takes effect at one instant between its
//! call and its return. One whose outcome is unknown may take effect at any later time, or never. What the replicas hold
//! at the end is a read like any other.

use lockstep_node::api::Reply;

use super::moments::{Moment, moments};
use super::replicas::{dumps, operations, table, workload};
use super::search::{Access, GaveUp, Search};
use super::{Check, violation};
use crate::history::{Operation, Outcome};
use crate::report::words::seconds;
use crate::run::{Evidence, Finding, Violation};
use crate::scenario::model::WorkloadKind;
use crate::workload::register;
use crate::workload::{changed, pairs, pairs_of};

/// How many of a register's operations a violation shows.
const SHOWN: usize = 8;

/// Searches for an order, register by register.
pub(super) struct Linearizable;

/// Why there is no number of operations to tell.
#[derive(Debug)]
enum Trouble {
    /// There is no order.
    Violated(Violation),
    /// There were too many orders to try.
    GaveUp,
}

impl Check for Linearizable {
    fn property(&self) -> &'static str {
        "linearizable"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        let Some(keys) = registers(evidence) else { return Finding::NotApplicable };
        let (mut judged, mut operations) = (0, 0);
        for register in 1..=keys {
            match judge(evidence, register) {
                Ok(count) => (judged, operations) = (judged + 1, operations + count),
                // A run that leaves something undecided does not pass: that is reported as vacuous.
                Err(Trouble::GaveUp) => {}
                Err(Trouble::Violated(violation)) => return Finding::Violated(violation),
            }
        }
        Finding::Holds(format!("{judged} registers, {operations} operations"))
    }
}

/// The registers of which it cannot be told, because there were too many orders to try.
pub(super) fn undecided(evidence: &Evidence) -> Vec<i64> {
    let keys = registers(evidence).unwrap_or_default();
    (1..=keys).filter(|register| matches!(judge(evidence, *register), Err(Trouble::GaveUp))).collect()
}

fn registers(evidence: &Evidence) -> Option<i64> {
    workload(evidence, |kind| match kind {
        WorkloadKind::Register { keys, .. } => Some(i64::from(*keys)),
        _ => None,
    })
}

/// How many operations there were on a register, if there is an order for them.
fn judge(evidence: &Evidence, register: i64) -> Result<usize, Trouble> {
    let mut search = Search::new(0);
    let mut seen = Vec::new();
    for moment in moments(operations(evidence, |kind| matches!(kind, WorkloadKind::Register { .. }))) {
        let (Moment::Called(operation) | Moment::Returned(operation, _)) = moment;
        let Some(access) = access(operation, register)? else { continue };
        match moment {
            Moment::Called(_) => {
                seen.push((operation, access));
                let returns = matches!(operation.outcome, Outcome::Acknowledged { .. });
                search.call(operation.number, access, returns)?;
            }
            Moment::Returned(_, reply) => {
                if !search.returns(operation.number)? {
                    let (client, index) = (operation.client, reply.index);
                    let what = format!("client {client} {} register {register} at index {index}", words(access));
                    let summary = format!("{what}, for which no order of the operations on it leaves room");
                    return Err(Violation { details: shown(&seen), ..violation(summary, None, index) }.into());
                }
            }
        }
    }
    replicas(evidence, register, &search, &seen)?;
    Ok(seen.len())
}

/// Reads the register on every replica.
fn replicas(evidence: &Evidence, register: i64, search: &Search, seen: &[(&Operation, Access)]) -> Result<(), Trouble> {
    for (machine, dump) in dumps(evidence) {
        let rows = table(dump, "registers").and_then(|table| pairs_of(table.rows.iter().map(|row| &row.values)));
        let held = rows.unwrap_or_default().into_iter().find(|(id, _)| *id == register);
        let Some((_, held)) = held else {
            return Err(violation(format!("there is no register {register} on {machine}"), machine, None).into());
        };
        let (mut search, number) = (search.clone(), u64::MAX);
        search.call(number, Access::Found(held), true)?;
        if !search.returns(number)? {
            let what = format!("register {register} on {machine} holds {held} at the end");
            let summary = format!("{what}, for which no order of the operations on it leaves room");
            return Err(Violation { details: shown(seen), ..violation(summary, machine, None) }.into());
        }
    }
    Ok(())
}

/// What an operation did to a register; `None` if nothing, or if nobody knows what it saw.
fn access(operation: &Operation, register: i64) -> Result<Option<Access>, Violation> {
    use register::Access::{CompareAndSet, Read, ReadAll, Write};
    let Some(asked) = register::Access::of(&operation.command) else { return Ok(None) };
    let reply = match &operation.outcome {
        Outcome::Acknowledged { reply, .. } => Some(reply),
        _ => None,
    };
    let wrong = |reply: &Reply| {
        let (client, index) = (operation.client, reply.index);
        let summary = format!("client {client} got an answer at index {index} that no register {register} gives");
        violation(summary, None, index)
    };
    match (asked, reply) {
        (Read { register: one }, _) | (Write { register: one, .. }, _) | (CompareAndSet { register: one, .. }, _)
            if one != register =>
        {
            Ok(None)
        }
        (Read { .. } | ReadAll, None) => Ok(None),
        (Read { .. } | ReadAll, Some(reply)) => {
            let rows = pairs(reply).unwrap_or_default();
            let row = rows.iter().find(|(found, _)| *found == register).ok_or_else(|| wrong(reply))?;
            Ok(Some(Access::Found(row.1)))
        }
        (Write { value, .. }, reply) => match reply.map(|reply| (reply, changed(reply))) {
            None | Some((_, Some(1))) => Ok(Some(Access::Wrote(value))),
            Some((reply, _)) => Err(wrong(reply)),
        },
        (CompareAndSet { expected, new, .. }, reply) => match reply.map(|reply| (reply, changed(reply))) {
            None | Some((_, Some(1))) => Ok(Some(Access::Swapped(expected, new))),
            Some((_, Some(0))) => Ok(Some(Access::FoundOther(expected))),
            Some((reply, _)) => Err(wrong(reply)),
        },
    }
}

/// What an operation did, with room for the register after it.
fn words(access: Access) -> String {
    match access {
        Access::Found(value) => format!("read {value} from"),
        Access::FoundOther(value) => format!("found something else than {value} in"),
        Access::Wrote(value) => format!("wrote {value} to"),
        Access::Swapped(expected, new) => format!("found {expected} and wrote {new} to"),
    }
}

/// The last operations that were called, a line each.
fn shown(seen: &[(&Operation, Access)]) -> Vec<String> {
    let line = |(operation, access): &(&Operation, Access)| {
        let Operation { client, called, outcome, .. } = operation;
        let returned = match outcome {
            Outcome::Acknowledged { returned, .. } => seconds(*returned),
            _ => "unknown".to_owned(),
        };
        format!("{} to {returned}  client {client} {} it", seconds(*called), words(*access))
    };
    seen[seen.len().saturating_sub(SHOWN)..].iter().map(line).collect()
}

impl From<Violation> for Trouble {
    fn from(violation: Violation) -> Trouble {
        Trouble::Violated(violation)
    }
}

impl From<GaveUp> for Trouble {
    fn from(GaveUp: GaveUp) -> Trouble {
        Trouble::GaveUp
    }
}

#[cfg(test)]
mod tests {
    use super::register::Access as Asked;
    use super::*;
    use crate::check::testing::{acknowledged, hold, reply_with, summary, unknown, workload_evidence};
    use crate::scenario::model::Probability;

    fn accessed(operations: Vec<Operation>, held: &[i64]) -> Evidence {
        let (reads, compare_and_set) = (Probability(0), Probability(0));
        let kind = WorkloadKind::Register { keys: 1, values: 5, reads, compare_and_set };
        let numbered = operations.into_iter().zip(0..).map(|(operation, number)| Operation { number, ..operation });
        let mut evidence = workload_evidence(kind, numbered.collect());
        let rows: Vec<[i64; 2]> = held.iter().map(|value| [1, *value]).collect();
        hold(&mut evidence, "registers", &["id", "value"], &rows);
        evidence
    }

    fn read(value: i64, times: (u64, u64)) -> Operation {
        acknowledged(Asked::Read { register: 1 }, reply_with(&[[1, value]], 0), times)
    }

    fn write(value: i64, times: (u64, u64)) -> Operation {
        acknowledged(Asked::Write { register: 1, value }, reply_with(&[], 1), times)
    }

    fn swap(expected: i64, new: i64, changed: u64, times: (u64, u64)) -> Operation {
        acknowledged(Asked::CompareAndSet { register: 1, expected, new }, reply_with(&[], changed), times)
    }

    #[test]
    fn an_order_is_found_where_there_is_one() {
        let doubt = unknown(Asked::Write { register: 1, value: 4 }, 2);
        let operations = vec![
            write(1, (0, 3)),
            Operation { client: 2, ..read(0, (1, 2)) },
            doubt,
            swap(1, 2, 1, (4, 5)),
            swap(1, 3, 0, (6, 7)),
            read(4, (8, 9)),
        ];
        assert_eq!(summary(Linearizable, &accessed(operations, &[4, 4])), None);
    }

    #[test]
    fn a_stale_read_is_seen() {
        let told = summary(Linearizable, &accessed(vec![write(1, (0, 1)), read(0, (2, 3))], &[1]));
        let text = "client 1 read 0 from register 1 at index 3, for which no order of the operations on it leaves room";
        assert_eq!(told.as_deref(), Some(text));
    }

    #[test]
    fn two_winners_of_one_value_are_seen() {
        let operations = vec![swap(0, 1, 1, (0, 2)), Operation { client: 2, ..swap(0, 2, 1, (1, 3)) }];
        assert!(summary(Linearizable, &accessed(operations, &[2])).unwrap().contains("found 0 and wrote 2"));
    }

    #[test]
    fn a_write_that_was_lost_at_the_end_is_seen() {
        let told = summary(Linearizable, &accessed(vec![write(1, (0, 1))], &[1, 0]));
        assert!(told.unwrap().starts_with("register 1 on n2 holds 0 at the end"));
    }

    #[test]
    fn a_write_that_found_no_register_is_seen() {
        let nothing = acknowledged(Asked::Write { register: 1, value: 2 }, reply_with(&[], 0), (0, 1));
        assert!(summary(Linearizable, &accessed(vec![nothing], &[0])).unwrap().contains("no register 1 gives"));
    }

    #[test]
    fn what_cannot_be_told_is_said() {
        let doubt = unknown(Asked::Write { register: 1, value: 4 }, 0);
        let evidence = accessed(vec![doubt; 200], &[]);
        assert_eq!(undecided(&evidence), [1]);
        assert_eq!(undecided(&accessed(vec![write(1, (0, 1))], &[1])), [0; 0]);
    }
}
