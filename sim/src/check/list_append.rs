//! Transactions on lists are strictly serializable, as clients saw it: nothing that a node claims is believed.
//!
//! Whoever reads a list sees in which order everything before was appended. So it is plain what is lost, doubled or should
//! not be there; and from what each transaction saw follows which one came before which other. A cycle of these
//! dependencies, with the order of real time among them, is what no serial order explains (Elle's method). What the
//! replicas hold at the end are reads like any other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use adya::history::{Interner, Mop, Op, OpType, ReadValue, Scalar};
use adya::{History, Opts, Report, Valid, Workload};
use lockstep_node::api::Rows;

use super::moments::{Moment, moments};
use super::replicas::{dumps, operations, table, workload};
use super::{Check, violation};
use crate::history::{Operation, Outcome};
use crate::record::Machine;
use crate::report::words::cut;
use crate::run::{Evidence, Finding, Violation};
use crate::scenario::model::{Layout, WorkloadKind};
use crate::workload::append::{Part, Transaction, lists, seen};

/// The checker reads a clock to know when to give up; it has never come near this.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How many lines of a proof a violation shows, and how wide.
const LINES_MAX: usize = 10;
const WIDTH: usize = 160;

/// Looks for what no serial order explains.
pub(super) struct ListAppend;

/// Lists that somebody saw, with the items of each.
type Lists = Vec<(i64, Vec<i64>)>;

/// Who appended an item, and to which list.
type Appends<'e> = BTreeMap<i64, (i64, &'e Operation)>;

impl Check for ListAppend {
    fn property(&self) -> &'static str {
        "list-append"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        let layout = workload(evidence, |kind| match kind {
            WorkloadKind::Append { layout, .. } => Some(*layout),
            _ => None,
        });
        let Some(layout) = layout else { return Finding::NotApplicable };
        match judge(evidence, layout) {
            Ok(what) => Finding::Holds(what),
            Err(violation) => Finding::Violated(violation),
        }
    }
}

fn judge(evidence: &Evidence, layout: Layout) -> Result<String, Violation> {
    let appends = appends(evidence);
    let reads = client_reads(evidence, &appends)?;
    for (operation, lists) in &reads {
        if let Some(wrong) = unexplained(lists, &appends) {
            let (client, number) = (operation.client, operation.number);
            return Err(violation(
                format!("client {client} read {wrong} in operation {number}"),
                None,
                index(operation),
            ));
        }
    }
    let replicas = replica_reads(evidence, layout)?;
    for (machine, lists) in &replicas {
        if let Some(wrong) = unexplained(lists, &appends).or_else(|| lost(lists, &appends)) {
            return Err(violation(format!("{machine} holds {wrong}"), *machine, None));
        }
    }
    serializable(evidence, &reads, &replicas)?;
    Ok(format!("{} transactions, {} appends", acknowledged(evidence).count(), appends.len()))
}

/// The operations of append workloads, with what they ask.
fn transactions(evidence: &Evidence) -> impl Iterator<Item = (&Operation, Transaction)> {
    let all = operations(evidence, |kind| matches!(kind, WorkloadKind::Append { .. }));
    all.filter_map(|operation| Some((operation, Transaction::of(&operation.command)?)))
}

fn acknowledged(evidence: &Evidence) -> impl Iterator<Item = &Operation> {
    transactions(evidence).map(|(operation, _)| operation).filter(|operation| index(operation).is_some())
}

/// The index at which an operation was acknowledged.
fn index(operation: &Operation) -> Option<u64> {
    match &operation.outcome {
        Outcome::Acknowledged { reply, .. } => Some(reply.index),
        _ => None,
    }
}

fn appends(evidence: &Evidence) -> Appends<'_> {
    let mut appends = Appends::new();
    for (operation, transaction) in transactions(evidence) {
        let Transaction::Parts(parts) = transaction else { continue };
        for part in parts {
            if let Part::Append { list, item } = part {
                appends.insert(item, (list, operation));
            }
        }
    }
    appends
}

/// What the acknowledged transactions read. Who reads all lists and does not find one has found it empty.
fn client_reads<'e>(evidence: &'e Evidence, appends: &Appends<'_>) -> Result<Vec<(&'e Operation, Lists)>, Violation> {
    let known: BTreeSet<i64> = appends.values().map(|(list, _)| *list).collect();
    let mut reads = Vec::new();
    for (operation, transaction) in transactions(evidence) {
        let Outcome::Acknowledged { reply, .. } = &operation.outcome else { continue };
        let Some(mut lists) = seen(&transaction, reply) else {
            let (client, number) = (operation.client, operation.number);
            let summary = format!("client {client} got an answer to operation {number} that its lists do not give");
            return Err(violation(summary, None, reply.index));
        };
        if transaction == Transaction::ReadAll {
            let found: BTreeSet<i64> = lists.iter().map(|(list, _)| *list).collect();
            lists.extend(known.difference(&found).map(|list| (*list, Vec::new())));
        }
        reads.push((operation, lists));
    }
    Ok(reads)
}

/// What the replicas hold at the end.
fn replica_reads(evidence: &Evidence, layout: Layout) -> Result<Vec<(Machine, Lists)>, Violation> {
    let mut reads = Vec::new();
    for (machine, dump) in dumps(evidence) {
        let (name, columns) = match layout {
            Layout::Text => ("lists", 0..2),
            Layout::Rows => ("items", 1..3),
        };
        let rows = table(dump, name).and_then(|table| {
            let row = |row: &lockstep_node::sqlite::dump::Row| Some(row.values.get(columns.clone())?.to_vec());
            Some(Rows { rows: table.rows.iter().map(row).collect::<Option<_>>()?, ..Rows::default() })
        });
        let Some(lists) = rows.and_then(|rows| lists(&rows)) else {
            return Err(violation(format!("the table `{name}` on {machine} holds no lists"), machine, None));
        };
        reads.push((machine, lists));
    }
    Ok(reads)
}

/// Something in these lists that should not be there.
fn unexplained(lists: &Lists, appends: &Appends<'_>) -> Option<String> {
    for (list, items) in lists {
        let mut known = BTreeSet::new();
        for item in items {
            if !known.insert(item) {
                return Some(format!("item {item} of list {list} twice"));
            }
            match appends.get(item) {
                Some((meant, operation)) if meant == list => {
                    if let Outcome::NotExecuted { reason, .. } = &operation.outcome {
                        let client = operation.client;
                        let told =
                            format!("though client {client} was told that its append was not executed ({reason})");
                        return Some(format!("item {item} of list {list}, {told},"));
                    }
                }
                _ => return Some(format!("item {item} of list {list}, which nobody appended to it,")),
            }
        }
    }
    None
}

/// An append that was acknowledged and that these lists do not hold.
fn lost(lists: &Lists, appends: &Appends<'_>) -> Option<String> {
    let held: BTreeSet<i64> = lists.iter().flat_map(|(_, items)| items).copied().collect();
    let (item, (list, operation)) =
        appends.iter().find(|(item, (_, operation))| index(operation).is_some() && !held.contains(item))?;
    let (client, index) = (operation.client, index(operation)?);
    Some(format!("no item {item} of list {list}, which client {client} was told at index {index} it had appended"))
}

/// Whether some serial order that agrees with real time explains everything that was seen.
fn serializable(
    evidence: &Evidence,
    reads: &[(&Operation, Lists)],
    replicas: &[(Machine, Lists)],
) -> Result<(), Violation> {
    let history = history(evidence, reads, replicas);
    let options = Opts { timeout: PATIENCE, ..Opts::default() };
    let report = adya::check(&history, Workload::ListAppend, &options);
    if report.valid != Valid::False {
        return Ok(());
    }
    let summary = format!("no serial order explains what was read: {}", report.anomaly_types.join(", "));
    Err(Violation { details: proof(&report), ..violation(summary, None, None) })
}

/// The first anomaly. Its transactions are called by their operations' numbers, T40 for the 40th; what replicas hold has
/// the numbers after those.
fn proof(report: &Report) -> Vec<String> {
    let anomaly = report.anomalies.values().flatten().next();
    let text = anomaly.map(|anomaly| anomaly.explanation.as_str()).unwrap_or_default();
    text.lines().take(LINES_MAX).map(|line| cut(line, WIDTH)).collect()
}

/// The history as the checker reads it. Each transaction is a process of its own: one of unknown outcome may take effect
/// after the next one of its client.
fn history(evidence: &Evidence, reads: &[(&Operation, Lists)], replicas: &[(Machine, Lists)]) -> History {
    let mut recorder = Recorder::default();
    let reads: BTreeMap<u64, &Lists> = reads.iter().map(|(operation, lists)| (operation.number, lists)).collect();
    for moment in moments(transactions(evidence).map(|(operation, _)| operation)) {
        match moment {
            Moment::Called(operation) => recorder.record(OpType::Invoke, operation, None),
            Moment::Returned(operation, _) => {
                recorder.record(OpType::Ok, operation, reads.get(&operation.number).copied());
            }
        }
    }
    let is_unknown = |operation: &&Operation| matches!(operation.outcome, Outcome::Unknown { .. });
    let unknown = transactions(evidence).map(|(operation, _)| operation).filter(is_unknown);
    unknown.for_each(|operation| recorder.record(OpType::Info, operation, None));
    let next = transactions(evidence).map(|(operation, _)| operation.number + 1).max().unwrap_or(0);
    for ((_, lists), number) in replicas.iter().zip(next..) {
        let reads: Vec<Mop> = lists.iter().map(|(list, items)| recorder.read(*list, Some(items))).collect();
        recorder.push(OpType::Invoke, number, reads.clone());
        recorder.push(OpType::Ok, number, reads);
    }
    History::from_ops(recorder.ops, recorder.interner)
}

/// Writes a history for the checker.
#[derive(Default)]
struct Recorder {
    ops: Vec<Op>,
    interner: Interner,
}

impl Recorder {
    /// A moment of an operation; `seen` are the lists that it read, once it has returned.
    fn record(&mut self, kind: OpType, operation: &Operation, seen: Option<&Lists>) {
        let mut seen = seen.into_iter().flatten();
        let parts = match Transaction::of(&operation.command) {
            Some(Transaction::Parts(parts)) => parts,
            Some(Transaction::ReadAll) => seen.clone().map(|(list, _)| Part::Read { list: *list }).collect(),
            None => return,
        };
        let value = parts.iter().map(|part| match *part {
            Part::Append { list, item } => Mop::Append { key: self.id(list), value: self.id(item) },
            Part::Read { list } => self.read(list, seen.next().map(|(_, items)| items)),
        });
        let value = value.collect();
        self.push(kind, operation.number, value);
    }

    fn read(&mut self, list: i64, items: Option<&Vec<i64>>) -> Mop {
        let value = items.map(|items| ReadValue::List(items.iter().map(|item| self.id(*item)).collect()));
        Mop::Read { key: self.id(list), value: value.unwrap_or(ReadValue::Nil) }
    }

    fn id(&mut self, number: i64) -> u32 {
        self.interner.intern(Scalar::Int(number))
    }

    fn push(&mut self, kind: OpType, number: u64, value: Vec<Mop>) {
        self.ops.push(Op { index: number, kind, process: Some(number as i64), value, time: None });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::check::testing::{acknowledged, workload_evidence};
    use crate::scenario::model::Probability;
    use lockstep_node::api::Value;

    /// A transaction of a client at these times: `("a11 r1=11,12", (0, 1))` appends 11 to list 1 and reads 11 and 12 from it.
    fn transaction(text: &str, times: (u64, u64)) -> Operation {
        let (mut parts, mut results) = (Vec::new(), Vec::new());
        for word in text.split(' ') {
            let list = i64::from(word.as_bytes()[1] - b'0');
            if let Some((_, items)) = word.split_once('=') {
                parts.push(Part::Read { list });
                let items = if items.is_empty() { Vec::new() } else { vec![(list, format!(",{items}"))] };
                let row = |(list, items): &(i64, String)| vec![Value::Integer(*list), Value::Text(items.clone())];
                results.push(Ok(Rows { rows: items.iter().map(row).collect(), ..Rows::default() }));
            } else {
                parts.push(Part::Append { list, item: word[1..].parse().unwrap() });
                results.push(Ok(Rows { rows_affected: 1, ..Rows::default() }));
            }
        }
        let asked = Transaction::Parts(parts).asked(Layout::Text);
        let mut operation = acknowledged(asked, Rows::default(), times);
        let Outcome::Acknowledged { reply, .. } = &mut operation.outcome else { unreachable!("it was acknowledged") };
        reply.results = results;
        operation
    }

    fn unknown(text: &str, called: u64) -> Operation {
        let outcome = Outcome::Unknown { reason: "the connection broke".into() };
        Operation { outcome, ..transaction(text, (called, called)) }
    }

    fn evidence(operations: Vec<Operation>, replicas: &[&str]) -> Evidence {
        let kind = WorkloadKind::Append { keys: 2, layout: Layout::Text, length: (1, 2), reads: Probability(0) };
        let numbered = operations.into_iter().zip(0..).map(|(operation, number)| Operation { number, ..operation });
        let mut evidence = workload_evidence(kind, numbered.collect());
        for (items, machine) in replicas.iter().zip(0..) {
            crate::check::testing::hold_list(&mut evidence, Machine(machine), 1, items);
        }
        evidence
    }

    fn told(operations: Vec<Operation>, replicas: &[&str]) -> Option<String> {
        crate::check::testing::summary(ListAppend, &evidence(operations, replicas))
    }

    #[test]
    fn a_serial_history_holds() {
        let operations = vec![
            transaction("a11 r1=11", (0, 1)),
            unknown("a12", 2),
            transaction("r1=11 a13", (3, 4)),
            transaction("r1=11,13,12", (5, 6)),
        ];
        assert_eq!(told(operations, &[",11,13,12", ",11,13,12"]), None);
    }

    #[test]
    fn a_lost_append_is_seen_on_a_replica() {
        let operations = vec![transaction("a11", (0, 1)), transaction("a12", (2, 3))];
        let text = "n2 holds no item 12 of list 1, which client 1 was told at index 3 it had appended";
        assert_eq!(told(operations, &[",11,12", ",11"]).as_deref(), Some(text));
    }

    #[test]
    fn a_lost_append_is_seen_by_a_client() {
        let operations = vec![transaction("a11", (0, 1)), transaction("a12", (2, 3)), transaction("r1=11", (4, 5))];
        let text = told(operations, &[]).unwrap();
        assert!(text.contains("no serial order") && text.contains("realtime"), "{text}");
    }

    #[test]
    fn a_doubled_append_is_seen() {
        let operations = vec![transaction("a11", (0, 1)), transaction("r1=11,11", (2, 3))];
        assert_eq!(told(operations, &[]).as_deref(), Some("client 1 read item 11 of list 1 twice in operation 1"));
    }

    #[test]
    fn an_append_that_was_refused_and_happened_is_seen() {
        let outcome = Outcome::NotExecuted { reason: "busy".into(), returned: Duration::from_secs(1) };
        let refused = Operation { outcome, ..transaction("a11", (0, 1)) };
        let text = told(vec![refused, transaction("r1=11", (2, 3))], &[]).unwrap();
        assert!(text.contains("though client 1 was told that its append was not executed (busy)"), "{text}");
    }

    #[test]
    fn an_item_from_nowhere_is_seen() {
        let text = told(vec![transaction("a11", (0, 1)), transaction("r1=11,19", (2, 3))], &[]).unwrap();
        assert!(text.contains("item 19 of list 1, which nobody appended to it"), "{text}");
    }

    #[test]
    fn two_orders_are_seen() {
        let operations = vec![
            transaction("a11", (0, 9)),
            transaction("a12", (0, 9)),
            transaction("r1=11,12", (0, 9)),
            transaction("r1=12", (0, 9)),
        ];
        assert!(told(operations, &[]).unwrap().contains("incompatible-order"));
    }

    #[test]
    fn half_a_transaction_is_seen() {
        let operations =
            vec![transaction("a11 a21", (0, 9)), transaction("r1=11 r2=", (1, 2)), transaction("r2=21", (3, 4))];
        assert!(told(operations, &[]).unwrap().contains("G-single"));
    }

    #[test]
    fn write_skew_is_seen() {
        let operations = vec![
            transaction("r1= r2= a11", (0, 9)),
            transaction("r1= r2= a21", (0, 9)),
            transaction("r1=11 r2=21", (10, 11)),
        ];
        let mut evidence = evidence(operations, &[]);
        assert!(crate::check::testing::summary(ListAppend, &evidence).unwrap().contains("G2-item"));
        let judged = ListAppend.finish(&evidence);
        let Finding::Violated(violation) = judged else { panic!("it is violated") };
        assert!(violation.details.len() > 2 && violation.details.len() <= LINES_MAX, "{violation:?}");
        let scenario = Arc::get_mut(&mut evidence.scenario).expect("the only holder");
        scenario.workloads.clear();
        assert_eq!(ListAppend.finish(&evidence), Finding::NotApplicable);
    }
}
