//! Which replicas can be held to what the cluster acknowledged, and how to find things in them.

use lockstep_node::sqlite::dump::{Dump, Table};

use crate::history::Operation;
use crate::record::{Machine, Phase, What};
use crate::run::{Evidence, Replica};
use crate::scenario::model::WorkloadKind;

/// The replicas that must hold everything: all of them if the cluster settled, otherwise those that executed most.
/// That it did not settle is another property.
pub(super) fn caught_up(evidence: &Evidence) -> impl Iterator<Item = (Machine, &Replica)> {
    let most = evidence.replicas.values().filter_map(|replica| replica.applied).max();
    let settled = evidence.settled_after.is_some();
    let counts = move |replica: &Replica| settled || replica.applied.is_some() && replica.applied == most;
    evidence.replicas.iter().filter(move |(_, replica)| counts(replica)).map(|(machine, replica)| (*machine, replica))
}

/// The readable contents of the replicas that have caught up.
pub(super) fn dumps(evidence: &Evidence) -> impl Iterator<Item = (Machine, &Dump)> {
    caught_up(evidence).filter_map(|(machine, replica)| Some((machine, replica.dump.as_ref().ok()?)))
}

/// The table of this name.
pub(super) fn table<'d>(dump: &'d Dump, name: &str) -> Option<&'d Table> {
    dump.tables.iter().find(|table| table.name == name)
}

/// The place of a column.
pub(super) fn column(table: &Table, name: &str) -> Option<usize> {
    table.columns.iter().position(|column| column == name)
}

/// The accounts and the balance of the scenario's bank, if it has one and its tables were set up.
pub(super) fn bank(evidence: &Evidence) -> Option<(u32, i64)> {
    workload(evidence, |kind| match kind {
        WorkloadKind::Bank { accounts, balance } => Some((*accounts, *balance)),
        _ => None,
    })
}

/// What is told of the first workload that something is told of, if the tables were set up.
pub(super) fn workload<T>(evidence: &Evidence, of: impl Fn(&WorkloadKind) -> Option<T>) -> Option<T> {
    let told = evidence.scenario.workloads.iter().find_map(|workload| of(&workload.kind))?;
    let began = evidence.records.iter().any(|recorded| recorded.what == What::Phase(Phase::Faults));
    began.then_some(told)
}

/// The operations of bank clients.
pub(super) fn bank_operations(evidence: &Evidence) -> impl Iterator<Item = &Operation> {
    operations(evidence, |kind| matches!(kind, WorkloadKind::Bank { .. }))
}

/// The operations of the clients of some kinds of workloads.
pub(super) fn operations(evidence: &Evidence, of: fn(&WorkloadKind) -> bool) -> impl Iterator<Item = &Operation> {
    let workloads = &evidence.scenario.workloads;
    let is_one = move |operation: &&Operation| {
        let workload = workloads.get(operation.workload as usize);
        workload.is_some_and(|workload| of(&workload.kind))
    };
    evidence.history.operations.iter().filter(is_one)
}
