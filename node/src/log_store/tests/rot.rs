//! Bits that flip: what was durable is missed, what was not is trimmed.

use super::super::batch::SECTOR_BYTES;
use super::super::{BootError, Completed, Corruption, open, peek, segment};
use super::disk::{Machine, run};
use super::{complete, entry, founded, founding, write};
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

/// All that the log of [`settled`] held before its suffix was replaced.
fn history() -> Vec<Entry> {
    vec![founding(), entry(2, 1, &[1; 900]), entry(3, 1, b"old"), entry(4, 1, b"old")]
}

/// A log with one entry in each of its first segments.
fn segmented() -> (Machine, Vec<Entry>) {
    let mut machine = founded(1);
    let mut store = run(open(&mut machine)).unwrap().store;
    store.set_segment_bytes_max(512);
    for index in 2..7 {
        write(&mut machine, &mut store, index, None, None, vec![entry(index, 1, b"x")]);
    }
    machine.restart();
    let entries = peek(&mut machine).unwrap().entries;
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
        let opened = run(open(&mut machine)).unwrap_or_else(|error| panic!("byte {at}: {error}"));
        assert_eq!(opened.superblock.recovering, opened.corruption.is_some(), "byte {at}");
        let Some(Corruption { offset, index, mark, .. }) = opened.corruption else {
            assert_eq!(opened.entries, entries, "byte {at}");
            continue;
        };
        assert_eq!(offset as usize, bad_batch(at), "byte {at}");
        assert!(index <= mark && mark <= Index(4), "byte {at}: {index} {mark}");
        assert!(history().starts_with(&opened.entries) || entries.starts_with(&opened.entries), "byte {at}");
        corrupt += 1;
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
fn a_corrupt_log_recovers_only_when_told_and_goes_on_from_its_sound_part() {
    let (mut machine, entries) = settled();
    machine.damage_durably_at(SEGMENT, 3 * SECTOR_BYTES as u64);
    let mut opened = run(open(&mut machine)).unwrap();
    assert_eq!(opened.entries, entries[..1]);
    for boot in 0..2 {
        write(&mut machine, &mut opened.store, 1, None, None, vec![entry(2 + boot, 5, b"again")]);
        machine.cut();
        machine.restart();
        opened = run(open(&mut machine)).unwrap();
        assert_eq!((opened.corruption, opened.superblock.recovering), (None, true));
        assert_eq!(opened.entries.last(), Some(&entry(2 + boot, 5, b"again")));
    }
    opened.store.recovered(&mut machine).unwrap();
    while complete(&mut machine, &mut opened.store) != Some(Completed::Recovered) {}
    assert!(!opened.store.superblock().recovering);
    machine.cut();
    machine.restart();
    assert!(!run(open(&mut machine)).unwrap().superblock.recovering);
}

#[test]
fn a_corrupt_log_is_never_trimmed_without_the_node_knowing_wherever_a_boot_is_cut() {
    let (machine, entries) = segmented();
    for bad in 1..=4 {
        for cut_at in 1.. {
            let mut machine = machine.clone();
            machine.damage_durably_at(&segment::file(bad), 0);
            machine.cut_at = Some(cut_at);
            let whole = run(open(&mut machine)).is_ok();
            machine.restart();
            let opened = run(open(&mut machine)).unwrap();
            let context = format!("segment {bad} damaged, boot cut at {cut_at}");
            assert!(opened.superblock.recovering, "{context}");
            assert_eq!(opened.entries, entries[..bad as usize - 1], "{context}");
            machine.cut();
            machine.restart();
            let again = run(open(&mut machine)).unwrap();
            assert_eq!((again.entries, again.corruption), (opened.entries, None), "{context}");
            if whole {
                break;
            }
        }
    }
}

#[test]
fn an_entry_is_marked_durable_though_only_a_vote_follows_it() {
    let mut machine = founded(1);
    let mut store = run(open(&mut machine)).unwrap().store;
    let start = machine.live.data[&machine.live.names[SEGMENT]].len() as u64;
    store.submit(&mut machine, Batch(1), None, None, vec![entry(2, 1, b"a")]).unwrap();
    let vote = HardState { term: Term(4), vote: None };
    write(&mut machine, &mut store, 2, Some(vote), None, vec![]);
    machine.damage_durably_at(SEGMENT, start);
    assert!(peek(&mut machine).unwrap().corruption.is_some());
}

#[test]
fn what_was_cut_from_the_log_again_may_rot() {
    let mut machine = founded(1);
    let mut store = run(open(&mut machine)).unwrap().store;
    let start = machine.live.data[&machine.live.names[SEGMENT]].len() as u64;
    write(&mut machine, &mut store, 1, None, None, vec![entry(2, 1, b"old"), entry(3, 1, b"old")]);
    write(&mut machine, &mut store, 2, None, None, vec![entry(4, 1, b"old")]);
    write(&mut machine, &mut store, 3, None, Some(2), vec![entry(2, 2, b"new")]);
    machine.damage_durably_at(SEGMENT, start);
    machine.restart();
    let opened = run(open(&mut machine)).unwrap();
    assert_eq!((opened.entries.last(), opened.corruption), (Some(&entry(2, 2, b"new")), None));
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
    let (mut machine, entries) = segmented();
    machine.live.names.remove(&segment::file(2));
    let opened = run(open(&mut machine)).unwrap();
    assert_eq!(opened.entries, entries[..1]);
    assert!(matches!(opened.corruption, Some(Corruption { index: Index(2), .. })));
    let segments: Vec<_> = machine.live.names.keys().filter(|name| name.starts_with("log-")).collect();
    assert_eq!(segments, [&segment::file(1), &segment::file(3)], "the newer segments are void");
}

#[test]
fn a_block_in_the_wrong_place_is_not_taken_for_the_right_one() {
    let (mut machine, _) = settled();
    machine.damage(SEGMENT, |data| data.copy_within(..512, 512));
    machine.damage(SEGMENT, |data| data.copy_within(1024..1536, 0));
    assert!(matches!(peek(&mut machine).unwrap().corruption, Some(Corruption { offset: 0, .. })));
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
