//! A database that travels from one disk to another while it is written to.

use lockstep_node::api::{Batch, Statement};
use lockstep_node::raft::{Correct, Entry, EntryKind, Term};
use lockstep_node::state_machine::{Command, Copied, Copier, Options, StateMachine, Summing, verify_copy};

use super::*;

const CHUNK_BYTES: usize = 1000;

fn execute(machine: &mut StateMachine, sql: &str) {
    let batch = Batch { statements: vec![Statement::new(sql)], atomic: false };
    let payload = Command { time_us: 0, seed: 1, session: None, read_only: false, batch }.encode();
    let entry = Entry { index: machine.applied().index.next(), term: Term(1), kind: EntryKind::Data, payload };
    let applied = machine.apply(&[entry]).expect("the disk works").remove(0);
    let reply = applied.reply.expect("it is a client's").expect("it is in no session");
    reply.results[0].as_ref().expect("the statement is sound");
}

/// A machine with some hundred rows, half of them in SQLite's log only.
fn furnished(boot: &Boot) -> StateMachine {
    let small_pages = Options { page_size: 1024, ..Options::default() };
    let mut machine = StateMachine::open_with(&boot.vfs(), "db-0", Correct, small_pages).expect("the disk works");
    execute(&mut machine, "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a)");
    for round in 0..2 {
        let fill = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 200)";
        execute(&mut machine, &format!("{fill} INSERT INTO t(a) SELECT printf('%0200d', i) FROM n"));
        if round == 0 {
            machine.checkpoint().expect("the disk works");
        }
    }
    machine
}

/// Sends a file of one disk to another chunk by chunk, as its bytes are added up.
fn send(from: &Boot, to: &Boot, file: &str, mut summing: Summing) -> Copied {
    loop {
        let offset = summing.length_bytes();
        let chunk = from.read("copy", offset, CHUNK_BYTES).expect("the file is there");
        if chunk.is_empty() {
            return summing.finish();
        }
        to.write(file, offset, &chunk).expect("the disk works");
        summing.add(&chunk);
    }
}

#[test]
fn a_received_copy_is_the_sender_as_it_was_and_outlives_a_power_cut() {
    let (sender, receiver) = (disk(1), disk(2));
    let boot = sender.boot();
    let mut machine = furnished(&boot);
    let (position, digest) = (machine.applied(), machine.digest());
    let mut copier = Copier::begin(&boot.vfs(), "db-0", "copy").unwrap();
    while copier.step(5).unwrap().remaining > 0 {
        execute(&mut machine, "UPDATE t SET a = a || 'x'");
        assert_eq!(machine.checkpoint().unwrap().durable, None, "the copy still reads the log");
    }
    let summing = copier.finish();
    assert_eq!(machine.checkpoint().unwrap().durable, Some(machine.applied().index));
    assert_eq!(boot.list().unwrap(), ["copy", "db-0", "db-0-wal"]);

    let there = receiver.boot();
    let copied = send(&boot, &there, "db-1", summing);
    assert_eq!((copied.position, Some(copied.length_bytes)), (position, there.len("db-1").unwrap()));
    sync(&there, &["db-1"], true).unwrap();
    let verified = verify_copy(&there.vfs(), "db-1").unwrap();
    assert_eq!((verified.position, verified.digest), (position, digest));
    assert_eq!(there.list().unwrap(), ["db-1"], "looking at a copy leaves no trace");

    receiver.power_cut();
    let there = receiver.boot();
    let mut received = StateMachine::open(&there.vfs(), "db-1", Correct).unwrap();
    assert_eq!((received.applied(), received.digest()), (position, digest));
    execute(&mut received, "DELETE FROM t WHERE id % 2");
    received.verify().unwrap();
}

#[test]
fn a_sender_loses_nothing_wherever_a_copy_is_cut() {
    for seed in 0..10 {
        let disk = disk(seed);
        let boot = disk.boot();
        let mut machine = furnished(&boot);
        machine.checkpoint().unwrap();
        let (position, digest) = (machine.applied(), machine.digest());
        let mut copier = Copier::begin(&boot.vfs(), "db-0", "copy").unwrap();
        copier.step(seed as u32 + 1).unwrap();
        disk.power_cut();
        drop(copier);
        let found = StateMachine::open(&disk.boot().vfs(), "db-0", Correct).unwrap();
        found.verify().unwrap();
        assert_eq!((found.applied(), found.digest()), (position, digest));
    }
}
