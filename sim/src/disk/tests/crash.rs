//! The crash campaign: a workload loses power at every call that changes the disk; what SQLite then finds is compared with a
//! model. `PRAGMA integrity_check` alone is not enough: a whole database can hold the wrong rows.

use std::collections::BTreeMap;

use lockstep_node::host::Work;
use rusqlite::Connection;

use super::sqlite::connect;
use super::*;

const TRANSACTIONS: i64 = 12;
const CHECKPOINT_EVERY: i64 = 5;

/// What the campaign found.
#[derive(Debug, Default)]
struct Found {
    crashes: u64,
    /// Crashes after which the database could not be read or held what no prefix of the workload leaves.
    corrupt: u64,
    /// Crashes that lost an acknowledged transaction.
    lossy: u64,
    /// Crashes that lost a transaction of before the last checkpoint.
    lost_checkpointed: u64,
    first: Option<String>,
}

/// What the workload was told before the power went.
#[derive(Debug, Default)]
struct Told {
    committed: i64,
    checkpointed: i64,
}

fn campaign(synchronous: &str, seeds: std::ops::Range<u64>) -> Found {
    let mut found = Found::default();
    for seed in seeds {
        for nth in 1.. {
            let disk = disk(seed << 32 | nth);
            let boot = disk.boot();
            disk.arm(Strike { event: 0, nth, during: During::Commit });
            boot.begin_work(Work::Commit);
            let mut told = Told::default();
            let finished = work(&boot, synchronous, &mut told);
            if finished.is_ok() && disk.end_turn().0.is_none() {
                break;
            }
            found.crashes += 1;
            judge(&mut found, inspect(&disk.boot()), &told, nth);
        }
    }
    found
}

fn judge(found: &mut Found, after: Result<i64, String>, told: &Told, nth: u64) {
    match after {
        Err(damage) => {
            found.corrupt += 1;
            found.first.get_or_insert(format!("cut at call {nth}, {told:?}: {damage}"));
        }
        Ok(applied) => {
            // The transaction in flight may or may not have made it.
            assert!(applied <= told.committed + 1, "transaction {applied} was never begun: {told:?}");
            found.lossy += u64::from(applied < told.committed);
            found.lost_checkpointed += u64::from(applied < told.checkpointed);
        }
    }
}

fn work(boot: &Boot, synchronous: &str, told: &mut Told) -> rusqlite::Result<()> {
    let db = connect(boot)?;
    db.execute_batch(&format!(
        "PRAGMA page_size = 1024; PRAGMA cache_size = 8; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
         PRAGMA synchronous = {synchronous};
         BEGIN;
         CREATE TABLE kv(k INTEGER PRIMARY KEY, v TEXT); CREATE INDEX by_value ON kv(v);
         CREATE TABLE applied(id INTEGER PRIMARY KEY CHECK (id = 0), i INTEGER); INSERT INTO applied VALUES(0, 0);
         COMMIT"
    ))?;
    for index in 1..=TRANSACTIONS {
        db.execute_batch("BEGIN")?;
        for (key, value) in writes(index) {
            db.execute("INSERT INTO kv VALUES(?1, ?2) ON CONFLICT DO UPDATE SET v = excluded.v", (key, value))?;
        }
        db.execute("DELETE FROM kv WHERE k = ?1", [removed(index)])?;
        db.execute("UPDATE applied SET i = ?1", [index])?;
        db.execute_batch("COMMIT")?;
        told.committed = index;
        if index % CHECKPOINT_EVERY == 0 {
            let whole = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok(row.get::<_, i64>(0)? == 0 && row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
            })?;
            assert!(whole, "nobody is in the way of this checkpoint");
            told.checkpointed = index;
        }
    }
    Ok(())
}

fn writes(index: i64) -> impl Iterator<Item = (i64, String)> {
    (0..5).map(move |nth| ((index * 7 + nth * 5) % 19, format!("{index}-{nth}-").repeat(30)))
}

fn removed(index: i64) -> i64 {
    (index * 7 + 5) % 19
}

/// What the table holds after so many transactions.
fn model(applied: i64) -> BTreeMap<i64, String> {
    let mut rows = BTreeMap::new();
    for index in 1..=applied {
        rows.extend(writes(index));
        rows.remove(&removed(index));
    }
    rows
}

/// The applied index that is found, or what is wrong with the database.
fn inspect(boot: &Boot) -> Result<i64, String> {
    let text = |error: rusqlite::Error| error.to_string();
    let db = connect(boot).map_err(text)?;
    let integrity: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(text)?;
    if integrity != "ok" {
        return Err(integrity);
    }
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(text)?;
    if tables == 0 {
        return Ok(0);
    }
    let applied = db.query_row("SELECT i FROM applied", [], |row| row.get(0)).map_err(text)?;
    let rows = rows(&db).map_err(text)?;
    if rows == model(applied) { Ok(applied) } else { Err(format!("not what {applied} transactions leave")) }
}

fn rows(db: &Connection) -> rusqlite::Result<BTreeMap<i64, String>> {
    db.prepare("SELECT k, v FROM kv")?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

#[test]
fn under_normal_a_power_cut_at_any_call_loses_only_what_no_checkpoint_covered() {
    let found = campaign("NORMAL", 0..4);
    assert_eq!(found.corrupt, 0, "{found:?}");
    assert_eq!(found.lost_checkpointed, 0, "{found:?}");
    assert!(found.crashes > 400 && found.lossy > 0, "the cuts must bite: {found:?}");
}

#[test]
fn under_full_a_power_cut_at_any_call_loses_nothing_acknowledged() {
    let found = campaign("FULL", 0..4);
    assert_eq!((found.corrupt, found.lossy), (0, 0), "{found:?}");
    assert!(found.crashes > 400, "{found:?}");
}

#[test]
fn without_syncs_the_same_campaign_finds_corruption_and_loss() {
    let found = campaign("OFF", 0..2);
    assert!(found.corrupt > 20 && found.lossy > 20, "{found:?}");
}
