//! What each replica holds at the end of a run, read by a connection of the testbed's own.

use std::collections::BTreeMap;

use lockstep_node::api::Value;
use lockstep_node::host::SqliteVfs;
use lockstep_node::raft::Position;
use lockstep_node::sqlite::Digest;
use lockstep_node::sqlite::dump::{self, Dump};
use lockstep_node::sqlite::integrity;
use lockstep_node::sqlite::reader::open_reader;
use lockstep_node::state_machine::Command;
use rusqlite::Connection;

use crate::check::Executions;
use crate::record::{Machine, Recorded};
use crate::run::{Replica, Rows};
use crate::scenario::model::Scenario;
use crate::systems::plain_sqlite::value;
use crate::systems::{Logged, Reopened, System};
use crate::world::World;

/// Reads the database of every machine that hosts a member.
pub fn inspect(world: &World, system: &dyn System, scenario: &Scenario) -> BTreeMap<Machine, Replica> {
    let machines = world.lock().members();
    let read = |machine: &Machine| (*machine, replica(world, system, scenario, *machine));
    let mut replicas: BTreeMap<_, _> = machines.iter().map(read).collect();
    // Opening costs as much as a fiftieth of a short run, for each machine: one of them a seed.
    let drawn = *world.lock().stream("inspect.reopen", 0).pick(&machines);
    replicas.get_mut(&drawn).expect("all machines are there").reopened = reopen(world, system, drawn);
    replicas
}

/// The entries that were executed, by index: see [`Evidence::log`]. `archive` holds those of which a node said so.
///
/// [`Evidence::log`]: crate::run::Evidence::log
pub fn executed(
    system: &dyn System,
    archive: &BTreeMap<u64, Logged>,
    records: &[Recorded],
    replicas: &BTreeMap<Machine, Replica>,
) -> BTreeMap<u64, Option<Command>> {
    let executions = Executions::of(records);
    // Logs forget, and what was executed is what counts: so it is taken from those who executed it, if they said so.
    let mut executed: BTreeMap<u64, Option<Command>> =
        archive.iter().map(|(index, entry)| (*index, system.request(entry))).collect();
    for replica in replicas.values() {
        let Some(Ok(log)) = &replica.durable_log else { continue };
        for entry in &log.entries {
            let Position { index, term } = entry.position;
            // A node that is killed after it executed an entry, and before it says so, never says it again.
            let done = match executions.at(index.0) {
                Some(execution) => execution.term == term,
                None => replica.applied.is_some_and(|applied| applied >= index.0),
            };
            if done {
                executed.entry(index.0).or_insert_with(|| system.request(entry));
            }
        }
    }
    executed
}

fn replica(world: &World, system: &dyn System, scenario: &Scenario, machine: Machine) -> Replica {
    let (disk, up, applied) = {
        let state = world.lock();
        let node = &state.machines[machine.0 as usize];
        let disk = node.process.as_ref().map(|process| process.disk().clone());
        let applied = state.ledger.standings().get(&machine).map(|standing| standing.applied);
        (disk.unwrap_or_else(|| node.disk.boot()), node.process.is_some(), applied)
    };
    let durable_log = system.durable_log(&mut disk.disk().durable());
    let database = disk.list().ok().and_then(|files| system.database(&files));
    let connection =
        database.ok_or_else(|| "there is no database".to_owned()).and_then(|file| open(&disk.vfs(), &file));
    let replica = match connection {
        Ok(connection) => read(&connection, scenario),
        Err(reason) => unreadable(&reason, scenario),
    };
    Replica { durable_log, applied, up, ..replica }
}

/// Takes a machine's power, and opens what that leaves of its database.
fn reopen(world: &World, system: &dyn System, machine: Machine) -> Option<Result<Reopened, String>> {
    let disk = {
        let state = world.lock();
        let node = &state.machines[machine.0 as usize];
        node.disk.power_cut();
        let boot = node.disk.boot();
        node.disk.begin_turn(node.clock.wall(state.now), false);
        boot
    };
    match disk.list().ok().and_then(|files| system.database(&files)) {
        Some(database) => system.reopen(&disk.vfs(), &database),
        // What is not there holds nothing. Whether there ought to be something is for the check to say.
        None => system.reports_events().then_some(Ok(Reopened { applied: 0, digest: Digest(0) })),
    }
}

fn open(vfs: &SqliteVfs, file: &str) -> Result<Connection, String> {
    open_reader(vfs, file).map_err(|error| format!("the database cannot be opened: {error}"))
}

fn read(connection: &Connection, scenario: &Scenario) -> Replica {
    let dump = dump::dump(connection).map_err(|error| format!("the database cannot be read: {error}"));
    let value = |sql: &str| match query(connection, sql)?.rows.as_slice() {
        [row] if row.len() == 1 => Ok(row[0].clone()),
        rows => Err(format!("{} rows, where one row of one value was expected", rows.len())),
    };
    let integrity = query(connection, "PRAGMA integrity_check").map(|rows| {
        let lines: Vec<String> = rows.rows.iter().flatten().map(text).collect();
        lines.join("; ")
    });
    // What a user's expression reports for a row is no damage: a column that reads JSON fails for a text that is none.
    let integrity = integrity.or_else(|error| match integrity::damage(connection) {
        Ok(None) => Ok("ok".to_owned()),
        _ => Err(error),
    });
    Replica {
        invariants: scenario.invariants.iter().map(|invariant| value(&invariant.sql)).collect(),
        finals: scenario.finals.iter().map(|what| final_rows(connection, dump.as_ref().ok(), what)).collect(),
        integrity: integrity.unwrap_or_else(|error| error),
        dump,
        durable_log: None,
        reopened: None,
        applied: None,
        up: false,
    }
}

fn unreadable(reason: &str, scenario: &Scenario) -> Replica {
    Replica {
        dump: Err(reason.to_owned()),
        integrity: reason.to_owned(),
        invariants: vec![Err(reason.to_owned()); scenario.invariants.len()],
        finals: vec![Err(reason.to_owned()); scenario.finals.len()],
        durable_log: None,
        reopened: None,
        applied: None,
        up: false,
    }
}

/// The rows of a table, in the order of its key, or of a query, in the order that it says.
fn final_rows(connection: &Connection, dump: Option<&Dump>, what: &str) -> Result<Rows, String> {
    match dump.and_then(|dump| dump.tables.iter().find(|table| table.name == what)) {
        Some(table) => {
            Ok(Rows { columns: table.columns.clone(), rows: table.rows.iter().map(|row| row.values.clone()).collect() })
        }
        None => query(connection, what),
    }
}

fn query(connection: &Connection, sql: &str) -> Result<Rows, String> {
    let failed = |error: rusqlite::Error| error.to_string();
    let mut statement = connection.prepare(sql).map_err(failed)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let width = columns.len();
    let row = |row: &rusqlite::Row<'_>| (0..width).map(|column| row.get_ref(column).map(value)).collect();
    let rows = statement.query_map([], row).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    Ok(Rows { columns, rows })
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other => other.to_string(),
    }
}
