//! Single cases, told one by one.

use super::super::{BootError, ClusterId, Completed, bootstrap, format, open};
use super::disk::{Machine, run};
use super::{CLUSTER, complete, entry, founded, founding, write};
use crate::host::{Disk, DiskError};
use crate::prove;
use crate::raft::{Batch, Entry, HardState, Index, NodeId, Term};

fn vote(term: u64) -> Option<HardState> {
    Some(HardState { term: Term(term), vote: Some(NodeId(term)) })
}

#[test]
fn what_was_written_is_read_again_and_each_boot_is_counted() {
    let mut machine = founded(1);
    for epoch in 1..5 {
        let mut opened = run(open(&mut machine)).unwrap();
        assert_eq!((opened.superblock.epoch, opened.superblock.cluster), (epoch, CLUSTER));
        assert_eq!(opened.entries.len() as u64, epoch);
        assert_eq!(opened.torn, None);
        write(&mut machine, &mut opened.store, 1, vote(epoch), None, vec![entry(epoch + 1, epoch, b"data")]);
        machine.cut();
        machine.restart();
    }
    let opened = run(open(&mut machine)).unwrap();
    assert_eq!(opened.entries[0], founding());
    assert_eq!(opened.entries[4], entry(5, 4, b"data"));
    assert_eq!(Some(opened.hard_state), vote(4));
}

#[test]
fn a_disk_is_formatted_once_and_a_cluster_founded_once() {
    let mut machine = Machine::new(1);
    assert_eq!(run(open(&mut machine)).unwrap_err(), BootError::NotFormatted);
    run(format(&mut machine)).unwrap();
    assert_eq!(run(format(&mut machine)).unwrap_err(), BootError::AlreadyFormatted);
    for _ in 0..2 {
        run(bootstrap(&mut machine, CLUSTER, &founding())).unwrap();
    }
    let already = BootError::AlreadyBootstrapped { cluster: CLUSTER };
    assert_eq!(run(bootstrap(&mut machine, ClusterId(8), &founding())).unwrap_err(), already);
    assert_eq!(run(bootstrap(&mut machine, CLUSTER, &entry(1, 0, b"other"))).unwrap_err(), already);
}

#[test]
fn formatting_and_founding_can_be_cut_short_at_every_call() {
    let whole = founded(1).calls;
    for cut_at in 1..=whole {
        let mut machine = Machine::new(cut_at);
        machine.cut_at = Some(cut_at);
        if run(format(&mut machine)).is_ok() {
            _ = run(bootstrap(&mut machine, CLUSTER, &founding()));
        }
        machine.restart();
        match run(open(&mut machine)) {
            Ok(_) => {}
            Err(BootError::NotFormatted) => _ = run(format(&mut machine)).unwrap(),
            Err(error) => panic!("cut at call {cut_at}: {error}"),
        }
        run(bootstrap(&mut machine, CLUSTER, &founding())).unwrap();
        assert_eq!(run(open(&mut machine)).unwrap().entries, [founding()], "cut at call {cut_at}");
    }
}

#[test]
fn batches_submitted_during_a_sync_are_written_together() {
    let mut machine = founded(1);
    let mut store = run(open(&mut machine)).unwrap().store;
    store.submit(&mut machine, Batch(1), None, None, vec![entry(2, 1, b"a")]).unwrap();
    store.submit(&mut machine, Batch(2), None, None, vec![entry(3, 1, b"b"), entry(4, 1, b"c")]).unwrap();
    store.submit(&mut machine, Batch(3), None, Some(Index(4)), vec![entry(4, 2, b"d")]).unwrap();
    let before = machine.calls;
    assert_eq!(complete(&mut machine, &mut store), Some(Completed::Batch(Batch(1))));
    assert_eq!(store.durable_index(), Index(2));
    assert_eq!(complete(&mut machine, &mut store), Some(Completed::Batch(Batch(3))));
    assert_eq!(store.durable_index(), Index(4));
    // Two completions, one write and one sync between them, and the mark after the last one.
    assert_eq!(machine.calls - before, 5);
    machine.restart();
    let entries = run(open(&mut machine)).unwrap().entries;
    assert_eq!(entries, [founding(), entry(2, 1, b"a"), entry(3, 1, b"b"), entry(4, 2, b"d")]);
}

#[test]
fn the_chain_is_the_same_on_every_node_and_tells_different_prefixes_apart() {
    let chain = |seed: u64, payload: &[u8]| {
        let mut machine = founded(seed);
        let mut store = run(open(&mut machine)).unwrap().store;
        let chains = store.submit(&mut machine, Batch(1), None, None, vec![entry(2, 1, payload), entry(3, 1, b"")]);
        assert_eq!(store.chain_at(Index(3)), Some(chains.as_ref().unwrap()[1]));
        chains.unwrap()[1]
    };
    assert_eq!(chain(1, b"same"), chain(2, b"same"));
    assert_ne!(chain(1, b"same"), chain(1, b"other"));
}

#[test]
fn a_hard_state_is_durable_before_its_batch_is_written() {
    let mut machine = founded(1);
    let mut store = run(open(&mut machine)).unwrap().store;
    let log = |machine: &Machine| machine.live.data[&machine.live.names["log-0000000000000001"]].len();
    let before = log(&machine);
    store.submit(&mut machine, Batch(1), vote(3), None, vec![entry(2, 3, b"a")]).unwrap();
    assert_eq!(complete(&mut machine, &mut store), None);
    assert_eq!(log(&machine), before, "one slot is not enough");
    assert_eq!(complete(&mut machine, &mut store), None);
    assert!(log(&machine) > before);
    machine.cut();
    machine.restart();
    assert_eq!(Some(run(open(&mut machine)).unwrap().hard_state), vote(3));
}

#[test]
fn a_failed_sync_ends_the_store_for_good() {
    let mut machine = founded(1);
    let mut store = run(open(&mut machine)).unwrap().store;
    store.submit(&mut machine, Batch(1), None, None, vec![entry(2, 1, b"a")]).unwrap();
    machine.fail_at = Some(machine.calls + 1);
    let (ticket, result) = machine.complete().unwrap().unwrap();
    let error = store.synced(&mut machine, ticket, result).unwrap_err();
    assert!(matches!(error.0, DiskError::Io { operation: "sync", .. }));
    assert_eq!(store.submit(&mut machine, Batch(2), vote(9), None, vec![]).unwrap_err(), error);
}

#[test]
fn what_a_failed_sync_forgot_is_not_taken_for_durable_by_the_next_boot() {
    // The first slot, the second, the records: the page cache shows what the platters never got, or got in part.
    for (failing, seed) in (1..=3).flat_map(|failing| (0..500).map(move |seed| (failing, seed))) {
        let mut machine = founded(seed);
        let mut store = run(open(&mut machine)).unwrap().store;
        store.submit(&mut machine, Batch(1), vote(3), None, vec![entry(2, 3, b"a")]).unwrap();
        for _ in 1..failing {
            complete(&mut machine, &mut store);
        }
        machine.fail_at = Some(machine.calls + 1);
        let (ticket, result) = machine.complete().unwrap().unwrap();
        store.synced(&mut machine, ticket, result).unwrap_err();
        machine.restart();
        machine.fail_at = None;
        boot_is_final_wherever_it_is_cut(&machine);
    }
}

#[test]
fn a_slot_is_mended_though_the_power_fails_meanwhile() {
    for file in ["superblock-a", "superblock-b", "hard-state-a", "hard-state-b"] {
        for seed in 0..20 {
            let mut machine = founded(seed);
            machine.restart();
            machine.damage_durably(file);
            boot_is_final_wherever_it_is_cut(&machine);
        }
    }
}

/// Cuts a boot at each of its calls: the next one must succeed, and what it found must outlive another cut.
fn boot_is_final_wherever_it_is_cut(machine: &Machine) {
    let mut dead = true;
    for cut_at in 1.. {
        if !dead {
            break;
        }
        let mut machine = machine.clone();
        machine.cut_at = Some(cut_at);
        dead = run(open(&mut machine)).is_err();
        machine.restart();
        let opened = run(open(&mut machine)).unwrap_or_else(|error| panic!("boot cut at call {cut_at}: {error}"));
        machine.cut();
        machine.restart();
        let again = run(open(&mut machine)).unwrap();
        assert_eq!((again.hard_state, again.entries), (opened.hard_state, opened.entries), "boot cut at call {cut_at}");
    }
}

#[test]
fn a_proven_file_outlives_a_power_cut_and_leftovers_do_not_outlive_a_boot() {
    for seed in 0..20 {
        let mut machine = founded(seed);
        machine.write("db-0-wal", 0, &[7; 3000]).unwrap();
        machine.write("db-0-wal.new", 0, &[9; 9000]).unwrap();
        run(prove::prove(&mut machine, "db-0-wal")).unwrap();
        run(prove::prove(&mut machine, "missing")).unwrap();
        machine.write("db-0-wal.new", 0, &[9; 9000]).unwrap();
        machine.cut();
        machine.restart();
        run(open(&mut machine)).unwrap();
        assert_eq!(machine.read("db-0-wal", 0, 9000).unwrap(), [7; 3000]);
        assert!(!machine.live.names.contains_key("db-0-wal.new"));
    }
}

#[test]
fn a_large_log_rolls_over_segments_and_survives_cuts_between_them() {
    let mut machine = founded(1);
    let mut store = run(open(&mut machine)).unwrap().store;
    store.set_segment_bytes_max(2048);
    let payload = [5; 700];
    let appended: Vec<Entry> = (2..30).map(|index| entry(index, 1, &payload)).collect();
    for one in &appended {
        write(&mut machine, &mut store, one.index.0, None, None, vec![one.clone()]);
    }
    machine.cut();
    machine.restart();
    assert!(machine.live.names.contains_key("log-0000000000000008"));
    let opened = run(open(&mut machine)).unwrap();
    assert_eq!(opened.entries[1..], appended);
}
