//! A log that begins above its first entry: what is removed and when, and what takes the place of the whole.

use super::super::{Base, ClusterId, Completed, LogStore, Opened, format, open, peek, segment};
use super::disk::{Machine, run};
use super::{complete, entry, founded, write};
use crate::raft::{Batch, Entry, HardState, Index, Position, Term};

/// A log with about one entry in each segment; entry `n` is of term 1.
fn segmented(last: u64) -> (Machine, LogStore) {
    let mut machine = founded(1);
    let mut store = run(open(&mut machine)).unwrap().store;
    store.set_segment_bytes_max(512);
    for index in 2..=last {
        write(&mut machine, &mut store, index, None, None, vec![entry(index, 1, b"x")]);
    }
    (machine, store)
}

fn at(index: u64) -> Position {
    Position { index: Index(index), term: Term(1) }
}

/// The numbers of the segments on the disk.
fn segments(machine: &Machine) -> Vec<u64> {
    segment::numbers(&machine.live.names.keys().cloned().collect::<Vec<_>>())
}

fn complete_all(machine: &mut Machine, store: &mut LogStore) -> Vec<Completed> {
    let mut completed = Vec::new();
    while let Some((ticket, result)) = machine.complete().unwrap() {
        completed.extend(store.synced(machine, ticket, result).unwrap());
    }
    completed
}

fn boot(machine: &mut Machine) -> Opened {
    let opened = run(open(machine)).unwrap();
    assert_eq!(opened.corruption, None);
    opened
}

fn indexes(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.index.0).collect()
}

#[test]
fn compaction_removes_the_segments_below_the_base_once_the_base_is_durable() {
    let (mut machine, mut store) = segmented(6);
    let before = segments(&machine);
    assert_eq!(before, [1, 2, 3, 4, 5, 6]);
    store.compact(&mut machine, at(4)).unwrap();
    assert_eq!((store.base().index, store.chain_at(Index(3))), (Index(4), None));
    assert_eq!(complete(&mut machine, &mut store), None);
    assert_eq!(segments(&machine), before, "one slot is not enough");
    assert_eq!(complete(&mut machine, &mut store), Some(Completed::Compacted(store.base())));
    assert_eq!(segments(&machine), [5, 6]);
    store.compact(&mut machine, at(3)).unwrap();
    assert_eq!(complete_all(&mut machine, &mut store), [], "the base never goes down");
    machine.cut();
    machine.restart();
    let opened = boot(&mut machine);
    assert_eq!((opened.superblock.base, indexes(&opened.entries)), (store.base(), vec![5, 6]));
    assert_eq!(opened.store.chain_at(Index(6)), store.chain_at(Index(6)));
}

#[test]
fn the_newest_segment_stays_though_all_in_it_is_below_the_base() {
    let (mut machine, mut store) = segmented(6);
    store.compact(&mut machine, at(6)).unwrap();
    complete_all(&mut machine, &mut store);
    assert_eq!(segments(&machine), [6]);
    machine.restart();
    let mut opened = boot(&mut machine);
    assert_eq!((opened.entries.len(), opened.store.last_index()), (0, Index(6)));
    write(&mut machine, &mut opened.store, 1, None, None, vec![entry(7, 2, b"y")]);
    machine.restart();
    assert_eq!(indexes(&boot(&mut machine).entries), [7]);
}

#[test]
fn a_segment_whose_suffix_was_replaced_stays_as_long_as_it_reaches_above_the_base() {
    let (mut machine, mut store) = segmented(3);
    let old = (4..9).map(|index| entry(index, 1, b"old")).collect();
    write(&mut machine, &mut store, 10, None, None, old);
    write(&mut machine, &mut store, 11, None, Some(4), vec![entry(4, 2, b"new")]);
    write(&mut machine, &mut store, 12, None, None, vec![entry(5, 2, b"new")]);
    store.compact(&mut machine, at(5)).unwrap();
    complete_all(&mut machine, &mut store);
    let kept = segments(&machine);
    assert_eq!(kept.first(), Some(&4), "segment 4 speaks of the entry 8, which segment 5 takes back");
    for index in 6..9 {
        write(&mut machine, &mut store, 7 + index, None, None, vec![entry(index, 2, b"new")]);
    }
    machine.restart();
    assert_eq!(indexes(&boot(&mut machine).entries), [6, 7, 8]);
    store.compact(&mut machine, at(7)).unwrap();
    complete_all(&mut machine, &mut store);
    assert_eq!(segments(&machine).first(), Some(&4));
    store.compact(&mut machine, at(8)).unwrap();
    complete_all(&mut machine, &mut store);
    assert_eq!(segments(&machine).len(), 1);
}

#[test]
fn removed_segments_may_come_back_in_any_selection() {
    let (mut machine, mut store) = segmented(6);
    let before = machine.live.clone();
    store.compact(&mut machine, at(4)).unwrap();
    complete_all(&mut machine, &mut store);
    machine.restart();
    for selection in 0..16 {
        let mut machine = machine.clone();
        for number in (1..=4).filter(|number| selection >> (number - 1) & 1 > 0) {
            let name = segment::file(number);
            let inode = before.names[&name];
            machine.live.names.insert(name.clone(), inode);
            machine.durable.names.insert(name, inode);
        }
        assert_eq!(indexes(&boot(&mut machine).entries), [5, 6], "{selection:b}");
        assert_eq!(segments(&machine), [5, 6], "{selection:b}");
    }
}

#[test]
fn updates_of_the_superblock_wait_for_each_other_and_batches_do_not_wait_for_them() {
    let (mut machine, mut store) = segmented(6);
    store.compact(&mut machine, at(3)).unwrap();
    let first = store.base();
    store.compact(&mut machine, at(5)).unwrap();
    store.recovered(&mut machine).unwrap();
    store.submit(&mut machine, Batch(7), None, None, vec![entry(7, 1, b"x")]).unwrap();
    let completed = complete_all(&mut machine, &mut store);
    let compacted = [Completed::Compacted(first), Completed::Compacted(store.base())];
    assert_eq!(completed, [Completed::Batch(Batch(7)), compacted[0], compacted[1], Completed::Recovered]);
}

#[test]
fn a_failed_sync_of_the_superblock_ends_the_store_before_anything_is_removed() {
    for failing in 1..=2 {
        let (mut machine, mut store) = segmented(6);
        let before = segments(&machine);
        store.compact(&mut machine, at(4)).unwrap();
        for _ in 1..failing {
            complete(&mut machine, &mut store);
        }
        machine.fail_at = Some(machine.calls + 1);
        let (ticket, result) = machine.complete().unwrap().unwrap();
        let error = store.synced(&mut machine, ticket, result).unwrap_err();
        assert_eq!(store.compact(&mut machine, at(5)).unwrap_err(), error);
        assert_eq!(segments(&machine), before);
        machine.restart();
        machine.fail_at = None;
        let found = boot(&mut machine).superblock.base;
        machine.cut();
        machine.restart();
        assert_eq!(boot(&mut machine).superblock.base, found, "a boot took back what it read");
    }
}

#[test]
fn a_gap_above_the_base_is_corruption_and_one_below_it_is_not() {
    for (rotten, corrupt) in [(4, false), (5, true)] {
        let (mut machine, mut store) = segmented(6);
        store.set_segment_bytes_max(1 << 20);
        write(&mut machine, &mut store, 7, None, None, vec![entry(7, 1, b"x")]);
        machine.damage_durably(&segment::file(rotten));
        // The segments stay: the superblock is durable, but the process is killed before it can remove them.
        store.compact(&mut machine, at(4)).unwrap();
        machine.complete().unwrap();
        machine.restart();
        let peeked = peek(&mut machine).unwrap();
        assert_eq!((peeked.superblock.base.index, peeked.corruption.is_some()), (Index(4), corrupt), "{rotten}");
        let opened = run(open(&mut machine)).unwrap();
        assert_eq!(opened.superblock.recovering, corrupt);
        assert_eq!(indexes(&opened.entries), if corrupt { vec![] } else { vec![5, 6, 7] });
    }
}

#[test]
fn what_does_not_follow_the_entry_at_the_base_is_not_taken_for_the_log() {
    let (mut machine, mut store) = segmented(3);
    let old = (4..9).map(|index| entry(index, 1, b"old")).collect();
    write(&mut machine, &mut store, 10, None, None, old);
    write(&mut machine, &mut store, 11, None, Some(4), vec![entry(4, 2, b"new")]);
    store.compact(&mut machine, Position { index: Index(4), term: Term(2) }).unwrap();
    complete_all(&mut machine, &mut store);
    // The batch that takes back the old entries, and the mark behind it.
    for offset in [0, 512] {
        machine.damage_durably_at(&segment::file(5), offset);
    }
    machine.restart();
    let opened = run(open(&mut machine)).unwrap();
    // The mark behind the old entries speaks of a log that cannot be told from one that was lost.
    assert_eq!((opened.entries, opened.superblock.recovering), (vec![], true));
}

#[test]
fn an_installed_database_leaves_what_the_log_has_above_it() {
    let (mut machine, mut store) = segmented(6);
    let base = Base { index: Index(4), term: Term(1), chain: store.chain_at(Index(4)).unwrap() };
    assert!(store.install(&mut machine, base, 1).unwrap());
    assert_eq!(complete_all(&mut machine, &mut store), [Completed::Installed { generation: 1 }]);
    assert_eq!((segments(&machine), store.durable_index()), (vec![5, 6], Index(6)));
    machine.restart();
    let opened = boot(&mut machine);
    assert_eq!((opened.superblock.generation, indexes(&opened.entries)), (1, vec![5, 6]));
}

#[test]
fn an_installed_database_that_the_log_does_not_lead_to_takes_the_place_of_all_of_it() {
    // It may end within the log, where the log has another entry, or beyond.
    for index in [4, 6, 90] {
        let (mut machine, mut store) = segmented(6);
        let base = Base { index: Index(index), term: Term(3), chain: 77 };
        let vote = HardState { term: Term(3), vote: None };
        store.submit(&mut machine, Batch(7), None, None, vec![entry(7, 1, b"x")]).unwrap();
        store.submit(&mut machine, Batch(8), Some(vote), Some(Index(7)), vec![]).unwrap();
        assert!(!store.install(&mut machine, base, 1).unwrap());
        assert_eq!((store.last_index(), store.durable_index()), (Index(index), Index(0)));
        store.submit(&mut machine, Batch(9), None, None, vec![entry(index + 1, 3, b"y")]).unwrap();
        let [installed, seven, eight, nine] = [
            Completed::Installed { generation: 1 },
            Completed::Batch(Batch(7)),
            Completed::Batch(Batch(8)),
            Completed::Batch(Batch(9)),
        ];
        assert_eq!(complete_all(&mut machine, &mut store), [seven, eight, installed, nine]);
        assert_eq!(store.durable_index(), Index(index + 1));
        assert_eq!(segments(&machine).len(), 1);
        machine.cut();
        machine.restart();
        let opened = boot(&mut machine);
        assert_eq!((opened.superblock.base, opened.hard_state), (base, vote));
        assert_eq!(opened.entries, [entry(index + 1, 3, b"y")]);
    }
}

#[test]
fn each_update_of_the_superblock_is_whole_or_not_at_all_wherever_the_power_is_cut() {
    type Update = fn(&mut LogStore, &mut Machine) -> Result<(), super::super::LogError>;
    let dropping = |store: &mut LogStore, machine: &mut Machine| {
        store.install(machine, Base { index: Index(5), term: Term(3), chain: 77 }, 1).map(drop)
    };
    let keeping = |store: &mut LogStore, machine: &mut Machine| {
        let chain = store.chain_at(Index(5)).unwrap();
        store.install(machine, Base { index: Index(5), term: Term(1), chain }, 1).map(drop)
    };
    let updates: [Update; 4] =
        [|store, machine| store.compact(machine, at(5)), |store, machine| store.recovered(machine), dropping, keeping];
    for (update, seed) in updates.into_iter().flat_map(|update| (0..20).map(move |seed| (update, seed))) {
        let (mut whole, _) = segmented(6);
        whole.damage_durably(&segment::file(6));
        whole.restart();
        let old = run(open(&mut whole)).unwrap();
        assert!(old.superblock.recovering);
        let old = state(&mut whole);
        let mut after = whole.clone();
        let mut store = boot(&mut after).store;
        after.restart();
        update(&mut store, &mut after).unwrap();
        complete_all(&mut after, &mut store);
        let calls = after.calls;
        let new = state(&mut after);
        for cut_at in 1..=calls + 1 {
            let mut machine = whole.clone();
            machine.reseed(seed);
            let mut store = run(open(&mut machine)).unwrap().store;
            machine.restart();
            machine.cut_at = Some(cut_at);
            let mut done = update(&mut store, &mut machine).is_err();
            let mut completed = None;
            while !done {
                done = match machine.complete() {
                    Ok(Some((ticket, result))) => {
                        store.synced(&mut machine, ticket, result).map(|c| completed = completed.or(c)).is_err()
                    }
                    _ => true,
                };
            }
            if cut_at > calls {
                machine.cut();
            }
            machine.restart();
            let found = state(&mut machine);
            assert!(found == new || found == old && completed.is_none(), "cut at {cut_at}: {found:?}");
            machine.cut();
            machine.restart();
            assert_eq!(state(&mut machine), found, "cut at {cut_at}: a boot took back what it read");
        }
    }
}

/// What a boot finds, but for its number.
fn state(machine: &mut Machine) -> (Base, u64, bool, ClusterId, Vec<Entry>) {
    let Opened { superblock, entries, .. } = boot(machine);
    (superblock.base, superblock.generation, superblock.recovering, superblock.cluster, entries)
}

#[test]
fn a_node_without_a_cluster_adopts_one_for_good() {
    let mut machine = Machine::new(1);
    run(format(&mut machine)).unwrap();
    let mut store = boot(&mut machine).store;
    assert_eq!(store.superblock().cluster, ClusterId::NONE);
    store.adopt_cluster(&mut machine, ClusterId(7)).unwrap();
    assert_eq!(complete_all(&mut machine, &mut store), [Completed::Adopted(ClusterId(7))]);
    assert_eq!(store.superblock().cluster, ClusterId(7));
    machine.cut();
    machine.restart();
    assert_eq!(boot(&mut machine).superblock.cluster, ClusterId(7));
}
