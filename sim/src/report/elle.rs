//! The history of append workloads as Elle reads it: one JSON object a line, so that others can judge it.
//!
//! Each operation is an `invoke` and then, if its client learned what came of it, `ok` or `fail`; otherwise `info`, at the end
//! of the run. A process is a client up to its first operation of unknown outcome: what the client does after that belongs
//! to another process, since one that does not know its outcome may still be at it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::history::{Operation, Outcome};
use crate::run::Evidence;
use crate::workload::append::{Part, Transaction, seen};

/// The lines, each with its end. None if there is no append workload.
pub fn elle(evidence: &Evidence) -> String {
    let clients = evidence.history.operations.iter().map(|operation| operation.client).max().unwrap_or(0);
    let mut processes: BTreeMap<u32, u32> = BTreeMap::new();
    let mut moments: Vec<Moment> = Vec::new();
    for operation in &evidence.history.operations {
        let Some(transaction) = Transaction::of(&operation.command) else { continue };
        let process = *processes.entry(operation.client).or_insert(operation.client);
        let Some([asked, ended]) = both_ends(operation, &transaction, process, evidence.ended) else { continue };
        if ended.kind == "info" {
            processes.insert(operation.client, process + clients);
        }
        moments.extend([asked, ended]);
    }
    // What ended in the moment in which something else began came before it: requests take time to travel.
    moments.sort_by_key(|moment| (moment.at, moment.kind == "invoke"));
    let line = |(index, Moment { at, kind, process, value }): (usize, &Moment)| {
        let time = u64::try_from(at.as_nanos()).expect("runs are far below 584 years");
        let object =
            json!({ "index": index, "type": kind, "process": process, "f": "txn", "value": value, "time": time });
        format!("{object}\n")
    };
    moments.iter().enumerate().map(line).collect()
}

struct Moment {
    at: Duration,
    kind: &'static str,
    process: u32,
    value: Value,
}

/// An operation's beginning and end; `None` if nothing can be said of it.
fn both_ends(operation: &Operation, transaction: &Transaction, process: u32, over: Duration) -> Option<[Moment; 2]> {
    let (kind, at, read) = match &operation.outcome {
        Outcome::Acknowledged { reply, returned } => match seen(transaction, reply) {
            Some(read) => ("ok", *returned, Some(read)),
            // Nothing of a transaction remains of which a part failed.
            None => ("fail", *returned, None),
        },
        Outcome::NotExecuted { returned, .. } => ("fail", *returned, None),
        Outcome::Unknown { .. } => ("info", over, None),
    };
    let (asked, told) = match (transaction, read) {
        (Transaction::Parts(parts), read) => {
            let mut read = read.map(|lists| lists.into_iter());
            let asked = parts.iter().map(|part| micro(part, None)).collect::<Vec<_>>();
            let told = parts.iter().map(|part| {
                let items = match part {
                    Part::Append { .. } => None,
                    Part::Read { .. } => read.as_mut().and_then(Iterator::next).map(|(_, items)| items),
                };
                micro(part, items)
            });
            (asked, told.collect::<Vec<_>>())
        }
        // Which lists there are only an answer tells.
        (Transaction::ReadAll, lists) => {
            let lists = lists?;
            let asked = lists.iter().map(|(list, _)| micro(&Part::Read { list: *list }, None)).collect();
            (asked, lists.iter().map(|(list, items)| micro(&Part::Read { list: *list }, Some(items.clone()))).collect())
        }
    };
    let begin = Moment { at: operation.called, kind: "invoke", process, value: asked.into() };
    Some([begin, Moment { at, kind, process, value: told.into() }])
}

/// One part of a transaction: `["append", list, item]` or `["r", list, items]`, with null for items that are not known.
fn micro(part: &Part, items: Option<Vec<i64>>) -> Value {
    match part {
        Part::Append { list, item } => json!(["append", list, item]),
        Part::Read { list } => json!(["r", list, items]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{acknowledged, unknown, workload_evidence};
    use crate::scenario::model::{Layout, Probability, WorkloadKind};

    #[test]
    fn a_history_is_written_as_elle_reads_it() {
        let parts = |parts: &[Part]| Transaction::Parts(parts.to_vec()).asked(Layout::Rows);
        let mut read = acknowledged(parts(&[Part::Read { list: 1 }]), Default::default(), (3, 4));
        if let Outcome::Acknowledged { reply, .. } = &mut read.outcome {
            let row = [1, 7].map(lockstep_node::api::Value::Integer).to_vec();
            reply.results[0].as_mut().unwrap().rows = vec![row];
        }
        let append = unknown(parts(&[Part::Append { list: 1, item: 7 }]), 2);
        let kind = WorkloadKind::Append { keys: 1, layout: Layout::Rows, length: (1, 1), reads: Probability(500_000) };
        let expected = [
            r#"{"index":0,"type":"invoke","process":1,"f":"txn","value":[["append",1,7]],"time":2000000000}"#,
            r#"{"index":1,"type":"invoke","process":2,"f":"txn","value":[["r",1,null]],"time":3000000000}"#,
            r#"{"index":2,"type":"ok","process":2,"f":"txn","value":[["r",1,[7]]],"time":4000000000}"#,
            r#"{"index":3,"type":"info","process":1,"f":"txn","value":[["append",1,7]],"time":10000000000}"#,
        ];
        assert_eq!(elle(&workload_evidence(kind, vec![append, read])).lines().collect::<Vec<_>>(), expected);
    }
}
