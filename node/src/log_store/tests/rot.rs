//! Bits that flip: what was durable is missed, what was not is trimmed.

use super::super::batch::SECTOR_BYTES;
use super::super::{BootError, open};
use super::disk::{Machine, run};
use super::{entry, founded, write};
use crate::raft::{Batch, Entry, HardState, Index, Term};

const SEGMENT: &str = "log-0000000000000001";

/// A log in which a suffix was replaced, and all of which is known to be durable.
fn settled() -> (Machine, Vec<Entry>) {
    let mut machine = founded(1);
    let mut store = run(open(&mut machine)).unwrap().store;
    write(
        &mut machine,
        &mut store,
        1,
        None,
        None,
        vec![entry(2, 1, &[1; 900]), entry(3, 1, b"old"), entry(4, 1, b"old")],
    );
    write(&mut machine, &mut store, 2, None, Some(3), vec![entry(3, 2, b"new")]);
    write(&mut machine, &mut store, 3, None, None, vec![entry(4, 2, b"newer")]);
    machine.restart();
    let entries = run(open(&mut machine.clone())).unwrap().entries;
    (machine, entries)
}

#[test]
fn a_flipped_bit_below_the_mark_is_corruption_or_changes_nothing() {
    let (machine, entries) = settled();
    let length = machine.live.data[&machine.live.names[SEGMENT]].len();
    let mut corrupt = 0;
    for at in 0..length {
        let mut machine = machine.clone();
        machine.damage(SEGMENT, |data| data[at] ^= 1 << (at % 8));
        let before = machine.live.clone();
        match run(open(&mut machine)) {
            Ok(opened) => assert_eq!(opened.entries, entries, "byte {at}"),
            Err(BootError::Corrupt { offset, index, mark, .. }) => {
                assert_eq!(offset as usize, bad_batch(at), "byte {at}");
                assert!(index <= mark && mark <= Index(4), "byte {at}: {index} {mark}");
                assert!(machine.live == before, "byte {at}: a corrupt log was changed");
                corrupt += 1;
            }
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
    // The four batches that hold live entries have some 1,400 bytes that are not padding.
    assert!(corrupt > 1200, "only {corrupt} flips were noticed");
}

/// Where the batch begins that a byte is in: after the founding entry and the marks of two boots stands the only batch
/// of more than one sector.
fn bad_batch(at: usize) -> usize {
    let sector = at / SECTOR_BYTES * SECTOR_BYTES;
    let long = 3 * SECTOR_BYTES;
    if sector > long && sector < long + 3 * SECTOR_BYTES { long } else { sector }
}

#[test]
fn every_error_of_corruption_names_the_file_the_place_and_the_remedy() {
    let (mut machine, _) = settled();
    machine.damage(SEGMENT, |data| data[60] ^= 1);
    let message = run(open(&mut machine)).unwrap_err().to_string();
    for part in [SEGMENT, "offset 0", "durable up to index 1", "entry 1", "replace this node"] {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

#[test]
fn a_flipped_bit_above_the_mark_is_a_torn_tail() {
    let mut machine = founded(1);
    let mut store = run(open(&mut machine)).unwrap().store;
    write(&mut machine, &mut store, 1, None, None, vec![entry(2, 1, b"durable")]);
    let start = machine.live.data[&machine.live.names[SEGMENT]].len();
    store.submit(&mut machine, Batch(2), None, None, vec![entry(3, 1, b"first"), entry(4, 1, b"second")]).unwrap();
    // The sync is complete, but its mark was not written: the process was killed before.
    assert!(matches!(machine.complete(), Ok(Some((_, Ok(()))))));
    for at in start..start + 56 + 2 * 37 + 11 {
        let mut machine = machine.clone();
        machine.damage(SEGMENT, |data| data[at] ^= 1);
        machine.restart();
        let opened = run(open(&mut machine)).unwrap();
        assert_eq!((opened.entries.len(), opened.torn), (2, Some(Index(3))), "byte {at}");
        let mut store = opened.store;
        write(&mut machine, &mut store, 1, None, None, vec![entry(3, 2, b"third")]);
        machine.restart();
        let again = run(open(&mut machine)).unwrap();
        assert_eq!((again.entries.last(), again.torn), (Some(&entry(3, 2, b"third")), None));
    }
}

#[test]
fn a_lost_segment_in_the_middle_is_corruption() {
    let mut machine = founded(1);
    let mut store = run(open(&mut machine)).unwrap().store;
    store.set_segment_bytes_max(512);
    for index in 2..5 {
        write(&mut machine, &mut store, index, None, None, vec![entry(index, 1, b"x")]);
    }
    machine.restart();
    machine.live.names.remove("log-0000000000000002");
    let error = run(open(&mut machine)).unwrap_err();
    assert!(matches!(error, BootError::Corrupt { index: Index(2), .. }), "{error}");
}

#[test]
fn a_block_in_the_wrong_place_is_not_taken_for_the_right_one() {
    let (mut machine, _) = settled();
    machine.damage(SEGMENT, |data| data.copy_within(..512, 512));
    machine.damage(SEGMENT, |data| data.copy_within(1024..1536, 0));
    assert!(matches!(run(open(&mut machine)), Err(BootError::Corrupt { offset: 0, .. })));
}

#[test]
fn one_bad_slot_is_mended_and_two_are_amnesia() {
    for (a, b) in [("superblock-a", "superblock-b"), ("hard-state-a", "hard-state-b")] {
        for (bad, good) in [(a, b), (b, a)] {
            let mut machine = founded(1);
            let mut store = run(open(&mut machine)).unwrap().store;
            let hard_state = HardState { term: Term(4), vote: None };
            write(&mut machine, &mut store, 1, Some(hard_state), None, vec![]);
            machine.restart();
            machine.damage(bad, |data| data[28] ^= 1);
            assert_eq!(run(open(&mut machine)).unwrap().hard_state, hard_state);
            machine.damage(good, |data| data[28] ^= 1);
            assert_eq!(run(open(&mut machine)).unwrap().hard_state, hard_state);
            machine.damage(good, |data| data[28] ^= 1);
            machine.damage(bad, |data| data[28] ^= 1);
            assert_eq!(run(open(&mut machine)).unwrap_err(), BootError::Amnesia { files: [a, b] });
        }
    }
}
