//! Every promise of the log, with the test that would break it.

mod base;
mod crash;
mod disk;
mod rot;
mod story;

use bytes::Bytes;

use self::disk::{Machine, run};
use super::{ClusterId, Completed, LogStore, bootstrap, format};
use crate::raft::{Batch, Entry, EntryKind, HardState, Index, Term};

const CLUSTER: ClusterId = ClusterId(7);

fn entry(index: u64, term: u64, payload: &[u8]) -> Entry {
    Entry { index: Index(index), term: Term(term), kind: EntryKind::Data, payload: Bytes::copy_from_slice(payload) }
}

/// The entry that a cluster is founded with.
fn founding() -> Entry {
    Entry { kind: EntryKind::Configuration, ..entry(1, 0, b"n1 n2 n3") }
}

/// A machine that founded a cluster.
fn founded(seed: u64) -> Machine {
    let mut machine = Machine::new(seed);
    run(format(&mut machine)).expect("an empty disk can be formatted");
    run(bootstrap(&mut machine, CLUSTER, &founding())).expect("a formatted disk can be bootstrapped");
    machine
}

/// Submits a batch and completes syncs until it is durable.
fn write(
    machine: &mut Machine,
    store: &mut LogStore,
    batch: u64,
    hard_state: Option<HardState>,
    truncate_from: Option<u64>,
    append: Vec<Entry>,
) {
    store.submit(machine, Batch(batch), hard_state, truncate_from.map(Index), append).expect("the disk works");
    while complete(machine, store) != Some(Completed::Batch(Batch(batch))) {}
}

/// Completes one sync.
fn complete(machine: &mut Machine, store: &mut LogStore) -> Option<Completed> {
    let (ticket, result) = machine.complete().expect("the machine is alive").expect("a sync is under way");
    store.synced(machine, ticket, result).expect("the disk works")
}
