//! What the same statements cost on SQLite alone: no log, no messages, no digest, no verdicts, the same simulated disk.

use std::time::Duration;

use lockstep_node::api::{Batch, Parameters, Value};
use lockstep_sim::disk::SimDisk;
use lockstep_sim::history::History;
use lockstep_sim::record::Machine;
use lockstep_sim::scenario::model::{Disk, Distribution, PowerCut};
use lockstep_sim::trace::Trace;
use lockstep_sim::workload::bank_schema::bank_schema;
use rusqlite::types::Null;
use rusqlite::{Connection, OpenFlags, Statement};

/// How many accounts the bank has.
pub const ACCOUNTS: u32 = 100;

/// Applies every statement of a history of the bank to so many databases, one transaction a statement.
pub fn apply(history: &History, databases: u32) {
    for database in 0..databases {
        let instant = Distribution::Constant(Duration::ZERO);
        let power_cut = PowerCut { lost: Default::default(), torn: Default::default() };
        let settings = Disk { fsync: instant, access: instant, power_cut, budget: None };
        let disk = SimDisk::new(&Trace::default(), 1, Machine(database), settings);
        let boot = disk.boot();
        let connection = open(&boot.vfs().name).expect("a new disk holds a new database");
        for operation in &history.operations {
            execute(&connection, operation.batch()).expect("the cluster executed it as well");
        }
    }
}

/// With pages and checkpoints as the simulated nodes have them.
fn open(vfs: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags_and_vfs("plain", OpenFlags::default(), vfs)?;
    connection.execute_batch(
        "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         PRAGMA wal_autocheckpoint = 100; PRAGMA foreign_keys = ON",
    )?;
    bank_schema(ACCOUNTS, 100).iter().try_for_each(|sql| connection.execute_batch(sql))?;
    Ok(connection)
}

fn execute(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    for statement in &batch.statements {
        let mut prepared = connection.prepare_cached(&statement.sql)?;
        let Parameters::Positional(values) = &statement.parameters else { panic!("the bank's values have no names") };
        values.iter().enumerate().try_for_each(|(place, value)| bind(&mut prepared, place + 1, value))?;
        let mut rows = prepared.raw_query();
        while rows.next()?.is_some() {}
    }
    Ok(())
}

fn bind(prepared: &mut Statement<'_>, place: usize, value: &Value) -> rusqlite::Result<()> {
    match value {
        Value::Null => prepared.raw_bind_parameter(place, Null),
        Value::Integer(value) => prepared.raw_bind_parameter(place, value),
        Value::Real(value) => prepared.raw_bind_parameter(place, value),
        Value::Text(value) => prepared.raw_bind_parameter(place, value),
        Value::Blob(value) => prepared.raw_bind_parameter(place, &value[..]),
    }
}
