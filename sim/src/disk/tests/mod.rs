//! The disk as the log and the world use it.

mod copy;
mod crash;
mod sqlite;

use std::time::Duration;

use lockstep_node::host::DiskError;

use super::*;
use crate::scenario::model::{Distribution, PowerCut, Probability};

/// A disk on which a third of the unsynced changes is lost and a third torn.
pub(super) fn disk(seed: u64) -> SimDisk {
    disk_with(&Trace::default(), seed, 333_333, 333_333)
}

/// A disk on which a power cut loses everything that was not synced.
fn forgetful() -> SimDisk {
    disk_with(&Trace::default(), 1, 1_000_000, 0)
}

pub(super) fn disk_with(trace: &Trace, seed: u64, lost: u32, torn: u32) -> SimDisk {
    let settings = Disk {
        fsync: Distribution::Uniform { min: Duration::from_micros(200), max: Duration::from_millis(4) },
        access: Distribution::Constant(Duration::from_micros(20)),
        power_cut: PowerCut { lost: Probability(lost), torn: Probability(torn) },
        budget: None,
    };
    SimDisk::new(trace, seed, Machine(0), settings)
}

fn sync(boot: &Boot, files: &[&str], directory: bool) -> Result<(), DiskError> {
    let (ticket, _) = boot.begin_sync(files, directory);
    boot.complete_sync(ticket)
}

fn content(boot: &Boot, file: &str) -> Vec<u8> {
    boot.read(file, 0, usize::MAX).expect("the file is there")
}

#[test]
fn a_kill_keeps_what_was_written_and_a_later_power_cut_still_loses_it() {
    let disk = forgetful();
    let boot = disk.boot();
    boot.write("log", 0, b"synced").unwrap();
    sync(&boot, &["log"], true).unwrap();
    boot.write("log", 6, b" and not").unwrap();
    disk.kill();

    let boot = disk.boot();
    assert_eq!(content(&boot, "log"), b"synced and not");
    let resolved = disk.power_cut();
    assert_eq!(resolved, Resolved { kept: 0, lost: 1, torn: 0 });
    assert_eq!(content(&disk.boot(), "log"), b"synced");
}

#[test]
fn a_sync_covers_what_was_written_before_it_began_and_nothing_later() {
    let disk = forgetful();
    let boot = disk.boot();
    boot.write("log", 0, b"before").unwrap();
    let (ticket, takes) = boot.begin_sync(&["log"], true);
    assert!(
        (Duration::from_micros(400)..=Duration::from_millis(8)).contains(&takes),
        "{takes:?} for file and directory"
    );
    boot.write("log", 6, b"during").unwrap();
    boot.write("other", 0, b"during").unwrap();
    boot.complete_sync(ticket).unwrap();
    disk.power_cut();
    let boot = disk.boot();
    assert_eq!(boot.list().unwrap(), ["log"]);
    assert_eq!(content(&boot, "log"), b"before");
}

#[test]
fn a_sync_that_has_begun_and_not_completed_makes_nothing_durable() {
    let disk = forgetful();
    let boot = disk.boot();
    boot.write("log", 0, b"x").unwrap();
    boot.begin_sync(&["log"], true);
    disk.power_cut();
    assert_eq!(disk.boot().len("log").unwrap(), None);
}

#[test]
fn a_synced_file_is_lost_if_its_name_was_not_synced() {
    let disk = forgetful();
    let boot = disk.boot();
    boot.write("log", 0, b"x").unwrap();
    sync(&boot, &["log"], false).unwrap();
    disk.power_cut();
    assert_eq!(disk.boot().list().unwrap(), [""; 0]);
}

#[test]
fn a_rename_happens_as_a_whole_or_not_at_all() {
    let mut seen = [false; 2];
    for seed in 0..40 {
        let disk = disk(seed);
        let boot = disk.boot();
        boot.write("a", 0, b"new").unwrap();
        boot.write("b", 0, b"old").unwrap();
        sync(&boot, &["a", "b"], true).unwrap();
        boot.rename("a", "b").unwrap();
        assert_eq!(boot.list().unwrap(), ["b"]);
        disk.power_cut();
        let boot = disk.boot();
        let happened = boot.list().unwrap() == ["b"];
        assert!(happened || boot.list().unwrap() == ["a", "b"], "seed {seed}: {:?}", boot.list());
        assert_eq!(content(&boot, "b"), if happened { b"new" } else { b"old" }, "seed {seed}");
        seen[usize::from(happened)] = true;
    }
    assert_eq!(seen, [true; 2], "forty seeds must show both");
}

#[test]
fn a_removal_that_was_not_synced_can_be_undone_with_the_contents() {
    let disk = forgetful();
    let boot = disk.boot();
    boot.write("log", 0, b"x").unwrap();
    sync(&boot, &["log"], true).unwrap();
    boot.remove("log").unwrap();
    assert_eq!(boot.list().unwrap(), [""; 0]);
    disk.power_cut();
    assert_eq!(content(&disk.boot(), "log"), b"x");
}

#[test]
fn a_dead_boot_changes_nothing_draws_nothing_and_leaves_no_trace() {
    let trace = Trace::default();
    let disk = disk_with(&trace, 1, 0, 0);
    let dead = disk.boot();
    dead.write("log", 0, b"x").unwrap();
    disk.kill();
    let boot = disk.boot();
    let (digest, calls) = (trace.digest(), disk.calls());
    assert_eq!(dead.list(), Err(DiskError::Dead));
    assert_eq!(dead.len("log"), Err(DiskError::Dead));
    assert_eq!(dead.read("log", 0, 1), Err(DiskError::Dead));
    assert_eq!(dead.write("log", 0, b"y"), Err(DiskError::Dead));
    assert_eq!(dead.truncate("log", 0), Err(DiskError::Dead));
    assert_eq!(dead.rename("log", "gol"), Err(DiskError::Dead));
    assert_eq!(dead.remove("log"), Err(DiskError::Dead));
    let (ticket, takes) = dead.begin_sync(&["log"], true);
    assert_eq!((takes, dead.complete_sync(ticket)), (Duration::ZERO, Err(DiskError::Dead)));
    dead.begin_work(Work::Commit);
    assert_eq!(dead.end_work(), Duration::ZERO);
    assert_eq!((trace.digest(), disk.calls()), (digest, calls));
    assert_eq!(content(&boot, "log"), b"x");
}

#[test]
fn a_call_on_a_file_that_is_not_there_says_so() {
    let disk = disk(1);
    let boot = disk.boot();
    let error = boot.read("segment-7", 0, 1).unwrap_err();
    assert_eq!(error.to_string(), "read of segment-7 failed: there is no such file");
    assert!(boot.truncate("x", 0).is_err() && boot.rename("x", "y").is_err() && boot.remove("x").is_err());
    assert!(sync(&boot, &["x"], false).is_err());
}

#[test]
fn a_strike_cuts_the_power_at_its_call_and_that_call_is_pending() {
    for (lost, survives) in [(0, true), (1_000_000, false)] {
        let disk = disk_with(&Trace::default(), 1, lost, 0);
        let boot = disk.boot();
        boot.write("log", 0, b"aaa").unwrap();
        sync(&boot, &["log"], true).unwrap();
        let strike = Strike { event: 4, nth: 2, during: During::Append };
        disk.arm(strike);
        boot.write("log", 3, b"bbb").unwrap();
        assert_eq!(boot.read("log", 0, 3).unwrap(), b"aaa", "a read does not count");
        assert_eq!(boot.write("log", 6, b"ccc"), Err(DiskError::Dead));
        assert!(boot.is_over() && !disk.is_up());
        let struck = disk.end_turn().0.expect("it struck");
        assert_eq!((struck.strike, struck.resolved.kept + struck.resolved.lost), (strike, 2));
        assert_eq!(disk.end_turn().0, None);
        let expected: &[u8] = if survives { b"aaabbbccc" } else { b"aaa" };
        assert_eq!(content(&disk.boot(), "log"), expected);
    }
}

#[test]
fn of_two_strikes_at_one_call_the_second_strikes_in_the_next_boot() {
    let disk = disk(1);
    [4, 5].into_iter().for_each(|event| disk.arm(Strike { event, nth: 1, during: During::Append }));
    for event in [4, 5] {
        assert!(disk.boot().write("log", 0, b"x").is_err());
        assert_eq!(disk.end_turn().0.map(|struck| struck.strike.event), Some(event));
    }
}

#[test]
fn a_disarmed_strike_does_not_strike() {
    let disk = disk(1);
    let boot = disk.boot();
    disk.arm(Strike { event: 4, nth: 1, during: During::Append });
    disk.disarm(4);
    boot.write("log", 0, b"x").unwrap();
    assert_eq!(disk.end_turn().0, None);
}

#[test]
fn a_failed_sync_forgets_what_reads_still_see_and_a_second_sync_says_ok() {
    let disk = disk_with(&Trace::default(), 1, 0, 0);
    let boot = disk.boot();
    boot.write("log", 0, b"first ").unwrap();
    sync(&boot, &["log"], true).unwrap();
    disk.inject_sync_error(2);
    boot.write("log", 6, b"second").unwrap();
    sync(&boot, &["log"], false).unwrap();
    boot.write("log", 12, b" third").unwrap();
    assert!(matches!(sync(&boot, &["log"], false), Err(DiskError::Io { operation: "sync", .. })));
    assert_eq!(content(&boot, "log"), b"first second third");
    sync(&boot, &["log"], false).unwrap();
    disk.power_cut();
    assert_eq!(content(&disk.boot(), "log"), b"first second");
}

#[test]
fn a_slow_disk_takes_so_many_times_as_long() {
    let [once, tenfold] = [1, 10].map(|factor| {
        let disk = disk(3);
        let boot = disk.boot();
        boot.write("log", 0, b"x").unwrap();
        disk.set_slowness(factor);
        boot.begin_sync(&["log"], false).1
    });
    assert_eq!(once * 10, tenfold);
}

#[test]
fn equal_seeds_leave_equal_images_and_equal_traces() {
    let run = |seed| {
        let trace = Trace::default();
        let disk = disk_with(&trace, seed, 333_333, 333_333);
        let boot = disk.boot();
        for nth in 0..30_u8 {
            boot.write(&format!("file-{}", nth % 3), u64::from(nth) * 700, &[nth + 1; 1400]).unwrap();
        }
        sync(&boot, &["file-1"], true).unwrap();
        boot.write("file-1", 0, &[99; 3000]).unwrap();
        let resolved = disk.power_cut();
        let boot = disk.boot();
        let files: Vec<_> = boot.list().unwrap().iter().map(|name| content(&boot, name)).collect();
        (resolved, files, trace.digest())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).1, run(2).1);
}
